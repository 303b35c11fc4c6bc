# SPDX-License-Identifier: MIT
"""Files that are not in memory: what reading ahead makes of them.

    .venv/bin/python bench/cold.py [--aispipe PATH] [--against PATH] [--dir DIR] [--rounds N] [--json] [-- OPTIONS]

A simulated device that takes no time; results are not saved, so that only reading counts. Before each turn the pages
of all files are dropped (posix_fadvise; names and inodes stay in memory). In turns: `cat` of the same files in the
order of the plan, aispipe, and with --against another build of it; then aispipe once more over the files that are now
in memory. A run over one file is subtracted: what is shown is the time of the files alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

SIZES = ((64, 3000), (4096, 3000), (600 * 1024, 150), (8 << 20, 12))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--against", help="another build of it, which takes turns")
    parser.add_argument("--dir", help="where the files are made (default $TMPDIR or /tmp); not in memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("options", nargs="*", help="after --: further options for aispipe")
    return parser.parse_args()


def make_files(directory, size, count):
    directory.mkdir()
    data = bytearray(os.urandom(size))
    for i in range(count):
        data[:4] = i.to_bytes(4, "little")
        (directory / f"{i:06}.bin").write_bytes(data)
    os.sync()  # what is dirty cannot be dropped


def drop(directory):
    for path in directory.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def write_model(path, size):
    tensor = {"name": "x", "dtype": "uint8", "shape": [1, size]}
    path.write_text(json.dumps({"inputs": [tensor], "outputs": [{"name": "y", "dtype": "uint8", "shape": [1, 1]}]}))


def timed(command, expect=None):
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=expect is not None)
    seconds = time.perf_counter() - start
    if expect and expect not in done.stdout:
        raise SystemExit(f"{command[0]}: its output does not say '{expect}'")
    return seconds


def aispipe(program, arguments, model, inputs, count):
    command = [program, "--model", model, "--input", inputs, "--progress", "never", *arguments.options]
    return timed(command, f"samples: {count} of {count}")


def measure(arguments, root, size, count):
    inputs, one, model = root / f"inputs-{size}", root / f"one-{size}", root / f"{size}.sim.json"
    make_files(inputs, size, count)
    make_files(one, size, 1)
    write_model(model, size)
    names = sorted(inputs.iterdir())
    ways = {"cat, cold": lambda: timed(["cat", *names]),
            "aispipe, cold": lambda: aispipe(arguments.aispipe, arguments, model, inputs, count)
            - aispipe(arguments.aispipe, arguments, model, one, 1)}
    if arguments.against:
        ways["the other build, cold"] = lambda: (aispipe(arguments.against, arguments, model, inputs, count)
                                                 - aispipe(arguments.against, arguments, model, one, 1))
    rows = {name: [] for name in [*ways, "aispipe, warm"]}
    for round_ in range(arguments.rounds):
        order = list(ways)
        for name in order[round_ % len(order):] + order[:round_ % len(order)]:
            drop(inputs)
            rows[name].append(ways[name]())
        rows["aispipe, warm"].append(ways["aispipe, cold"]())
    return rows


def report(arguments, rows, size, count):
    if not arguments.json:
        print(f"\n{count} files of {size} bytes\n{'':24} {'us/file':>10} {'least ... most':>26} {'MB/s':>8}")
    for name, seconds in rows.items():
        us = [value / count * 1e6 for value in seconds]
        median = statistics.median(us)
        if arguments.json:
            print(json.dumps({"bench": "cold", "way": name, "bytes": size, "files": count, "us": us, "median": median}))
        else:
            print(f"{name:24} {median:10.1f} {min(us):12.1f} ... {max(us):9.1f} {size / median:8.0f}")


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=arguments.dir) as root:
        for size, count in SIZES:
            report(arguments, measure(arguments, Path(root), size, count), size, count)


if __name__ == "__main__":
    main()
