# SPDX-License-Identifier: MIT
"""`python3 -m ais_bench …`: the program `aispipe`, in place of this process: same options, same exit status."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig

NOT_FOUND = 2
"""Exit status, as for everything that is refused before a run."""


def find_program() -> str | None:
    """The `aispipe` that was installed with this package, else the first one on PATH."""
    beside = [os.path.join(directory, "aispipe") for directory in (sysconfig.get_path("scripts"), os.path.dirname(sys.executable))]
    for path in beside:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return shutil.which("aispipe")


def main() -> int:
    """Does not return where the program is found."""
    program = find_program()
    if program is None:
        print("[ERROR] the program aispipe is not beside this Python and not on PATH; install the package aispipe", file=sys.stderr)
        return NOT_FOUND
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, ["aispipe", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
