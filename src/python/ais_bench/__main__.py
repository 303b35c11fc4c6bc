# SPDX-License-Identifier: MIT
"""`python3 -m ais_bench …`: becomes the program `aispipe`, so that options and exit status are its own."""

from aispipe.__main__ import main

if __name__ == "__main__":
    main()
