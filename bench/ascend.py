# SPDX-License-Identifier: MIT
"""Do transfers, executions and devices overlap as the hardware allows? The Ascend backend on the simulated device.

    .venv/bin/python bench/ascend.py [--aispipe PATH] [--simulator DIR] [--batches N] [--rounds N] [--json]

A batch takes 2 ms to the device, 5 ms to execute, 1 ms back. Four runs take turns: one compute thread, two of them
(each with a loaded copy of the model), --pipeline 0 (one batch in flight: the sum of the three), and two devices that
share the batches. Times are of the runs, from the first batch to the last result, as the program prints them. No NPU
is involved: the latencies are the simulator's, and what is measured is what aispipe adds to them.
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

import models

H2D_MS, COMPUTE_MS, D2H_MS = 2, 5, 1
ELEMENTS = 16
# Name, options, the least time a batch can take, and how much of it may be taken (None: shown only).
RUNS = (
    ("1 thread", ["--threads", "1"], COMPUTE_MS, 1.03),
    ("2 threads", ["--threads", "2"], COMPUTE_MS / 2, 1.05),
    ("pipeline 0", ["--pipeline", "0"], H2D_MS + COMPUTE_MS + D2H_MS, None),
    ("2 devices", ["--device", "0,1", "--divide_input", "1"], COMPUTE_MS / 2, None),
)
TARGET_DEVICES = 1.95


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--simulator", default="build/simulator", help="where simatc and libascendcl.so are")
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def prepare(arguments, root):
    models.copy_model(str(root / "copy.onnx"), 4 * ELEMENTS)
    command = [f"{arguments.simulator}/simatc", f"--model={root}/copy.onnx", "--framework=5",
               "--soc_version=Ascend310P3", f"--output={root}/copy"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (root / "in").mkdir()
    for i in range(arguments.batches):
        (root / "in" / f"{i:06}.bin").write_bytes(os.urandom(4 * ELEMENTS))


def environment(arguments, root):
    library = Path(arguments.simulator).resolve() / "libascendcl.so"
    speed = {"H2D": H2D_MS, "COMPUTE": COMPUTE_MS, "D2H": D2H_MS}
    settings = {f"AISPIPE_ACLSIM_{what}_US": str(ms * 1000) for what, ms in speed.items()}
    return {**os.environ, **settings, "AISPIPE_ACL_LIB": str(library), "AISPIPE_ACLSIM_DEVICES": "2",
            "AISPIPE_ACLSIM_REPORT": str(root / "report")}


def run(arguments, root, options):
    """Seconds of wall time of the slowest device's pipeline."""
    command = [arguments.aispipe, "--model", f"{root}/copy.om", "--input", f"{root}/in", "--output", f"{root}/out",
               "--output_dirname", "r", "--progress", "never", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(arguments, root))
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    samples = sum(int(n) for n in re.findall(r"samples: (\d+) of", done.stdout))
    if samples != arguments.batches:
        sys.exit(f"{samples} samples came out, but {arguments.batches} went in")
    complaints = (root / "report").read_text()
    if complaints:
        sys.exit(f"the simulated runtime reports:\n{complaints}")
    return max(float(n) for n in re.findall(r"wall time: ([\d.]+) s", done.stdout))


def measure(arguments, root):
    rows = []
    for _ in range(arguments.rounds):
        row = {name: run(arguments, root, options) for name, options, _, _ in RUNS}
        row["devices"] = row["1 thread"] / row["2 devices"]
        rows.append(row)
    return rows


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-") as directory:
        prepare(arguments, Path(directory))
        rows = measure(arguments, Path(directory))
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    ratio = {name: median[name] * 1000 / (least * arguments.batches) for name, _, least, _ in RUNS}
    if arguments.json:
        print(json.dumps({"bench": "ascend", "batches": arguments.batches, "rounds": rows, "median": median,
                          "ratio": ratio}))
        return
    print(f"{arguments.batches} batches of {H2D_MS} + {COMPUTE_MS} + {D2H_MS} ms, {arguments.rounds} rounds, medians")
    print(f"{'':12}{'wall s':>9}{'at least s':>12}{'ratio':>8}")
    for name, _, least, most in RUNS:
        target = f"    (target: at most {most})" if most else ""
        print(f"{name:12}{median[name]:9.3f}{least * arguments.batches / 1000:12.3f}{ratio[name]:8.3f}{target}")
    spread = sorted(row["devices"] for row in rows)
    print(f"2 devices against 1: {median['devices']:.3f}  ({spread[0]:.3f} ... {spread[-1]:.3f})  "
          f"(target: at least {TARGET_DEVICES})")


if __name__ == "__main__":
    main()
