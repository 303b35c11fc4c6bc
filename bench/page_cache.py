# SPDX-License-Identifier: MIT
"""Does a dataset that is larger than the memory push out what others use? Linux only, as root: it needs a memory cgroup.

    sudo .venv/bin/python bench/page_cache.py [--aispipe PATH] [--dir DIR] [--json]

Everything runs in a cgroup with 400 MiB. Another program's 150 MiB of files are read once, or twice; then aispipe reads
a dataset of 700 MiB, or a loop reads it and drops each file's pages at once. How much of the other program's files, and
of the dataset, is in memory afterwards?
"""

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
from pathlib import Path

LIMIT, OTHER, DATASET, SIZE = 400 << 20, 150, 1200, 600 * 1024
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p


def resident(directory):
    """The share of the files' pages that is in memory."""
    there = pages = 0
    for path in directory.iterdir():
        size = path.stat().st_size
        fd = os.open(path, os.O_RDONLY)
        vector = (ctypes.c_ubyte * ((size + 4095) // 4096))()
        memory = ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(size), 1, 1, fd, ctypes.c_long(0)))
        if libc.mincore(memory, ctypes.c_size_t(size), vector):
            raise OSError(ctypes.get_errno(), "mincore")
        libc.munmap(memory, ctypes.c_size_t(size))
        os.close(fd)
        there += sum(page & 1 for page in vector)
        pages += len(vector)
    return there / pages


def each_file(directory, read, drop):
    for path in sorted(directory.iterdir()):
        fd = os.open(path, os.O_RDONLY)
        if read:
            os.read(fd, 1 << 20)
        if drop:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def make(directory, count, size):
    directory.mkdir()
    data = os.urandom(size)
    for i in range(count):
        (directory / f"{i:05}.bin").write_bytes(data)


class Cgroup:
    def __init__(self):
        root = Path("/sys/fs/cgroup/memory")
        self.home, limit = (root, "memory.limit_in_bytes") if root.is_dir() else (root.parent, "memory.max")
        self.path = self.home / "aispipe-bench"
        self.path.mkdir()
        (self.path / limit).write_text(str(LIMIT))
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self):
        (self.home / "cgroup.procs").write_text(str(os.getpid()))
        self.path.rmdir()


def measure(arguments, root):
    other, data, model = root / "other", root / "data", root / "m.sim.json"
    make(other, OTHER, 1 << 20)
    make(data, DATASET, SIZE)
    os.sync()
    model.write_text(json.dumps({"inputs": [{"name": "x", "dtype": "uint8", "shape": [1, SIZE]}],
                                 "outputs": [{"name": "y", "dtype": "uint8", "shape": [1, 1]}]}))
    command = [arguments.aispipe, "--model", str(model), "--input", str(data), "--progress", "never"]
    ways = {"aispipe": lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
            "a loop that drops each file": lambda: each_file(data, read=True, drop=True)}
    for times in (1, 2):
        for name, way in ways.items():
            each_file(other, read=False, drop=True)
            each_file(data, read=False, drop=True)
            for _ in range(times):
                each_file(other, read=True, drop=False)
            before = resident(other)
            way()
            row = {"bench": "page_cache", "way": name, "other_read": times, "other_before": before,
                   "other_after": resident(other), "dataset_after": resident(data)}
            print(json.dumps(row) if arguments.json else
                  f"{name:28} other files, read {times} x: {before:5.0%} in memory before, {row['other_after']:5.0%} "
                  f"after; dataset {row['dataset_after']:5.0%}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--dir", help="where the files are made (default $TMPDIR or /tmp); not in memory")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    cgroup = Cgroup()
    try:
        with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=arguments.dir) as root:
            measure(arguments, Path(root))
    finally:
        cgroup.leave()


if __name__ == "__main__":
    main()
