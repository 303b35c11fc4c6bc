# SPDX-License-Identifier: MIT
"""How much of the file system's speed is left? A model that only copies, against `cp -r`.

    .venv/bin/python bench/io.py [--aispipe PATH] [--dir DIR] [--files N] [--bytes N] [--rounds N] [--json]

OpenVINO runs a model that gives its input back; every file is read, passed through it and written, and `cp -r`
copies the same files. Both take turns, each into a new directory that is removed outside the measured time.
The program's fixed cost (start, OpenVINO's library, compiling the model) is measured by a run over one file in
the same round; both ratios are shown, of the whole process and without the fixed cost.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import models

TARGET = 0.7


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--dir", default=None, help="where the files are made (default /dev/shm or $TMPDIR)")
    parser.add_argument("--files", type=int, default=1500)
    parser.add_argument("--bytes", type=int, default=600 * 1024, help="of a file; a multiple of 4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("options", nargs="*", help="after --: further options for aispipe")
    return parser.parse_args()


def make_files(directory, count, size):
    directory.mkdir()
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    for i in range(count):
        data[:4] = np.frombuffer(np.uint32(i).tobytes(), np.uint8)
        (directory / f"{i:06}.bin").write_bytes(data.tobytes())


def timed(command):
    start = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def aispipe(arguments, model, inputs, results):
    command = [arguments.aispipe, "--model", model, "--input", inputs, "--output", results.parent, "--output_dirname",
               results.name, "--progress", "never", *arguments.options]
    return timed(command)


def check(inputs, results, count):
    """Every result is there; one of them is the same bytes as its input."""
    found = [name for name in os.listdir(results) if name.endswith(".bin")]
    if len(found) != count:
        sys.exit(f"{results}: {len(found)} results, but {count} files went in")
    name = f"{count - 1:06}"
    if (results / f"{name}_0.bin").read_bytes() != (inputs / f"{name}.bin").read_bytes():
        sys.exit(f"{results}: {name}_0.bin is not a copy of {name}.bin")


def measure(arguments, root):
    model, inputs, one = root / "copy.onnx", root / "inputs", root / "one"
    models.copy_model(str(model), arguments.bytes)
    make_files(inputs, arguments.files, arguments.bytes)
    make_files(one, 1, arguments.bytes)
    def copy():
        seconds = timed(["cp", "-r", inputs, root / "copied"])
        shutil.rmtree(root / "copied")
        return seconds

    def run(source, count):
        seconds = aispipe(arguments, model, source, root / "results")
        check(source, root / "results", count)
        shutil.rmtree(root / "results")
        return seconds

    rows = []
    for round_ in range(-1, arguments.rounds):
        first = copy() if round_ % 2 == 0 else None
        fixed, whole = run(one, 1), run(inputs, arguments.files)
        cp = copy() if first is None else first
        if round_ >= 0:  # the round before the first one only brings memory and caches into their usual state
            rows.append({"cp_s": cp, "fixed_s": fixed, "whole_s": whole, "ratio_whole": cp / whole,
                         "ratio": cp * (1 - 1 / arguments.files) / (whole - fixed)})
    return rows


def main():
    arguments = parse_arguments()
    directory = arguments.dir or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=directory) as root:
        rows = measure(arguments, Path(root))
        where = Path(root).parent
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    if arguments.json:
        print(json.dumps({"bench": "io", "directory": str(where), "files": arguments.files, "bytes": arguments.bytes,
                          "rounds": rows, "median": median}))
        return
    print(f"{arguments.files} files of {arguments.bytes} bytes in {where}, {arguments.rounds} rounds, medians")

    for key, what in (("cp_s", "cp -r"), ("whole_s", "aispipe, whole process")):
        print(f"{what:34} {median[key]:8.3f} s  {arguments.files / median[key]:8.0f} files/s")
    print(f"{'of it for a run over one file':34} {median['fixed_s']:8.3f} s")
    for key, what in (("ratio", "speed against cp -r, without it"), ("ratio_whole", "the whole process")):
        spread = sorted(row[key] for row in rows)
        print(f"{what:34} {median[key]:8.3f}    ({spread[0]:.3f} ... {spread[-1]:.3f})  (target: at least {TARGET})")


if __name__ == "__main__":
    main()
