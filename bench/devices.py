# SPDX-License-Identifier: MIT
"""What does a second device give? One simulated device against several that share the same dataset.

    .venv/bin/python bench/devices.py [--aispipe PATH] [--devices N] [--batches N] [--rounds N] [--json]

The device takes 2 ms to transfer a batch in, 5 ms to execute it, 1 ms to transfer it out. Both sides take turns. Times
are of the runs, from the start barrier to the last result, as the program prints them.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TENSOR = {"dtype": "float32", "shape": [1, 16]}
MODEL = {
    "inputs": [{"name": "x", **TENSOR}],
    "outputs": [{"name": "y", **TENSOR}],
    "h2d": {"latency_us": 2000},
    "compute": {"latency_us": 5000},
    "d2h": {"latency_us": 1000},
}
TARGET = 0.95  # of the number of devices


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def run(arguments, root, devices):
    """Seconds of wall time of the slowest device's pipeline."""
    command = [arguments.aispipe, "--model", root / "model.sim.json", "--input", root / "in", "--output", root / "out",
               "--output_dirname", "r", "--progress", "never", "--device", ",".join(map(str, range(devices))),
               "--divide_input", "1"]
    text = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    samples = [int(n) for n in re.findall(r"samples: (\d+) of", text)]
    if len(samples) != devices or sum(samples) != arguments.batches:
        sys.exit(f"{samples} samples came out of {devices} devices, but {arguments.batches} went in")
    return max(float(n) for n in re.findall(r"wall time: ([\d.]+) s", text))


def main():
    arguments = parse_arguments()
    rows = []
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-") as directory:
        root = Path(directory)
        (root / "model.sim.json").write_text(json.dumps(MODEL))
        (root / "in").mkdir()
        for i in range(arguments.batches):
            (root / "in" / f"{i:06}.bin").write_bytes(os.urandom(64))
        for _ in range(arguments.rounds):
            one, several = run(arguments, root, 1), run(arguments, root, arguments.devices)
            rows.append({"one_s": one, "several_s": several, "ratio": one / several})
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    if arguments.json:
        print(json.dumps({"bench": "devices", "devices": arguments.devices, "batches": arguments.batches,
                          "rounds": rows, "median": median}))
        return
    spread = sorted(row["ratio"] for row in rows)
    print(f"{arguments.batches} batches, {arguments.rounds} rounds, medians")
    print(f"one device         {median['one_s']:8.3f} s")
    print(f"{arguments.devices} devices          {median['several_s']:8.3f} s")
    print(f"ratio              {median['ratio']:8.3f}    ({spread[0]:.3f} ... {spread[-1]:.3f})  "
          f"(target: at least {TARGET * arguments.devices:g})")


if __name__ == "__main__":
    main()
