# SPDX-License-Identifier: MIT
"""What every rival needs and none of them is measured by: arguments, the list of files, the clock."""

import argparse
import json
import os
import sys
import threading
import time


def arguments(about):
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True, help="directory of .bin files")
    parser.add_argument("--output", required=True, help="directory for the results; made here")
    parser.add_argument("--threads", type=int, default=1, help="executions at a time")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="threads of all executions together")
    parser.add_argument("--io", choices=("numpy", "os"), default="numpy", help="how a loop reads and writes")
    return parser.parse_args()


def pairs(args):
    """Where each sample is, and where its result goes."""
    os.mkdir(args.output)
    names = sorted(entry.name for entry in os.scandir(args.input))
    return [(f"{args.input}/{name}", f"{args.output}/{name[:-4]}_0.bin") for name in names]


def read_into(path, buffer):
    """The quickest way that Python has: three system calls and no object for the file."""
    file = os.open(path, os.O_RDONLY)
    try:
        if os.readv(file, [buffer]) != buffer.nbytes:
            raise OSError(f"{path} does not have {buffer.nbytes} bytes")
    finally:
        os.close(file)


def write(path, array):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        if os.write(file, array) != array.nbytes:
            raise OSError(f"{path} was not written whole")
    finally:
        os.close(file)


def start(work):
    """Threads for (function, argument…) each. One that fails ends the program: the others would wait for it for ever."""
    def fail(args):
        sys.excepthook(args.exc_type, args.exc_value, args.exc_traceback)
        os._exit(1)

    threading.excepthook = fail
    threads = [threading.Thread(target=function, args=rest, daemon=True) for function, *rest in work]
    for thread in threads:
        thread.start()
    return threads


class Loop:
    """`with Loop(n):` prints what the loop took; starting up and compiling are outside of it."""

    def __init__(self, samples):
        self.samples = samples

    def __enter__(self):
        self.begin = time.perf_counter()

    def __exit__(self, kind, *_):
        if kind is None:
            print(json.dumps({"samples": self.samples, "seconds": time.perf_counter() - self.begin}))
