# SPDX-License-Identifier: MIT
"""The command `aispipe`: becomes the program that lies in this package."""

import os
import sys


def program() -> str:
    """Path of the built program: in the package or, in a build tree, at its root."""
    here = os.path.dirname(os.path.abspath(__file__))
    for path in (os.path.join(here, "bin", "aispipe"), os.path.join(here, "..", "..", "..", "aispipe")):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.normpath(path)
    raise FileNotFoundError(f"the program aispipe is not in {os.path.join(here, 'bin')}; install the package again")


def main() -> None:
    """Replaces this process, so that signals and the exit status are the program's own."""
    path = program()
    os.execv(path, ["aispipe", *sys.argv[1:]])


if __name__ == "__main__":
    main()
