# SPDX-License-Identifier: MIT
"""Do huge pages for large slots help? The same runs with them, and with the kernel told to give none.

    .venv/bin/python bench/huge_pages.py [--aispipe PATH] [--dir DIR] [--rounds N] [--json]

First the kernel alone: a file of 24 MiB is read into memory that nobody has touched, then into the same again; CPU time.
Then two models: OpenVINO's copy of 3 MiB, with results saved, and 12 MiB on the simulated device, with nothing saved. Both
kinds of run take turns. Without huge pages means prctl(PR_SET_THP_DISABLE), which a program inherits. A kernel whose
/sys/kernel/mm/transparent_hugepage/enabled is `never` gives none in either, and the bench says so.
"""

import argparse
import ctypes
import json
import mmap
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import models

PR_SET_THP_DISABLE = 41
MIB = 1 << 20


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--dir", default=None, help="where the files are made (default /dev/shm or $TMPDIR)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args()


def first_touch(root, rounds, as_json):
    size = 24 * MIB
    (root / "touch").write_bytes(os.urandom(size))
    fd = os.open(root / "touch", os.O_RDONLY)
    times = {(huge, again): [] for huge in (False, True) for again in (False, True)}
    for _ in range(4 * rounds):
        for huge in (False, True):
            memory = mmap.mmap(-1, size + 2 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if huge:
                memory.madvise(mmap.MADV_HUGEPAGE)
            with memoryview(memory)[:size] as view:
                for again in (False, True):
                    start = time.process_time()
                    os.preadv(fd, [view], 0)
                    times[huge, again].append((time.process_time() - start) * 1e3)
            memory.close()
    os.close(fd)
    for again in (False, True):
        plain, huge = (statistics.median(times[key, again]) for key in (False, True))
        if as_json:
            print(json.dumps({"bench": "huge_pages", "case": "again" if again else "first touch", "plain_ms": plain,
                              "huge_ms": huge}))
        else:
            print(f"24 MiB read into {'the same memory again' if again else 'new memory':22} plain {plain:7.2f} ms of CPU   "
                  f"huge {huge:7.2f} ms")


def make_files(directory, count, size):
    directory.mkdir()
    data = os.urandom(size)
    for i in range(count):
        (directory / f"{i:05}.bin").write_bytes(data)


def sim_model(path, size):
    tensor = {"name": "x", "dtype": "uint8", "shape": [size]}
    path.write_text(json.dumps({"inputs": [tensor], "outputs": [tensor]}))


def run(arguments, root, model, inputs, save, huge):
    command = [arguments.aispipe, "--model", model, "--input", inputs, "--progress", "never"]
    if save:
        command += ["--output", root, "--output_dirname", "results"]
    libc = ctypes.CDLL(None)
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: libc.prctl(PR_SET_THP_DISABLE, 0 if huge else 1, 0, 0, 0))
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    found = re.search(r"end to end: ([0-9.]+) samples/s", text)
    if status or not found:
        sys.exit(f"{command} failed:\n{text}")
    if save:
        shutil.rmtree(root / "results")
    return {"rate": float(found.group(1)), "cpu_s": usage.ru_utime + usage.ru_stime, "faults": usage.ru_minflt,
            "peak_mib": usage.ru_maxrss / 1024}


def measure(arguments, root, model, inputs, save):
    rows = []
    for round_ in range(-1, arguments.rounds):
        order = (True, False) if round_ % 2 else (False, True)
        row = {huge: run(arguments, root, model, inputs, save, huge) for huge in order}
        if round_ >= 0:
            rows.append(row)
    return rows


def show(name, rows, as_json):
    median = {huge: {key: statistics.median(row[huge][key] for row in rows) for key in rows[0][huge]}
              for huge in (False, True)}
    ratios = sorted(row[True]["rate"] / row[False]["rate"] for row in rows)
    if as_json:
        print(json.dumps({"bench": "huge_pages", "case": name, "plain": median[False], "huge": median[True],
                          "ratios": ratios, "ratio": statistics.median(ratios)}))
        return
    for huge in (False, True):
        m = median[huge]
        print(f"{name:14} {'huge' if huge else 'plain':6} {m['rate']:9.1f} samples/s {m['cpu_s']:7.3f} s of CPU "
              f"{m['faults']:8.0f} faults {m['peak_mib']:7.1f} MiB")
    print(f"{name:14} ratio  {statistics.median(ratios):9.3f} ({ratios[0]:.3f} ... {ratios[-1]:.3f})")


def main():
    arguments = parse_arguments()
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        sys.exit("this kernel gives no huge pages: see /sys/kernel/mm/transparent_hugepage/enabled")
    directory = arguments.dir or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=directory) as name:
        root = Path(name)
        first_touch(root, arguments.rounds, arguments.json)
        models.copy_model(str(root / "copy.onnx"), 3 * MIB)
        sim_model(root / "sim.sim.json", 12 * MIB)
        for case, model, count, size, save in (("copy 3 MiB", "copy.onnx", 150, 3 * MIB, True),
                                               ("sim 12 MiB", "sim.sim.json", 40, 12 * MIB, False)):
            make_files(root / "inputs", count, size)
            show(case, measure(arguments, root, root / model, root / "inputs", save), arguments.json)
            shutil.rmtree(root / "inputs")


if __name__ == "__main__":
    main()
