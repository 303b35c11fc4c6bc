#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tells the build where an `openvino` Python package is: two lines, the include directory and the C library.

    find_openvino.py SOURCE_ROOT [PACKAGE_DIRECTORY]

Looked at, in this order: the directory given, the virtual environment of the clone, the package of this Python.
Both lines are empty when there is none; the compiler may still find a system-wide one.
"""

import importlib.util
import sys
from pathlib import Path


def candidates(root, given):
    if given:
        yield Path(given)
        return
    yield from sorted(Path(root).glob(".venv/lib/python3*/site-packages/openvino"))
    spec = importlib.util.find_spec("openvino")
    if spec and spec.origin:
        yield Path(spec.origin).parent


def main():
    root, given = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    for package in candidates(root, given):
        libraries = sorted((package / "libs").glob("libopenvino_c.so*"))
        if libraries and (package / "include/openvino/c/openvino.h").is_file():
            print(package / "include")
            print(libraries[-1])
            return
    if given:
        sys.exit(f"{given} is not an openvino package: it lacks include/openvino/c/openvino.h or libs/libopenvino_c.so")
    print("\n")


if __name__ == "__main__":
    main()
