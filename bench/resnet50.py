# SPDX-License-Identifier: MIT
"""ResNet-50 from files to files, against OpenVINO's own benchmark_app, which reads and writes no files.

    .venv/bin/python bench/resnet50.py [--aispipe PATH] [--threads N] [--images N] [--rounds N] [--json]

The model has ResNet-50's layers and seeded random weights. Both programs run it in float32 with N executions at
a time and the cores shared among them; they take turns, in the other order every round. What is compared is the
throughput that each of them reports for its run, which leaves out starting up and compiling on both sides.
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

import numpy as np

import models

TARGET = 0.95
SHAPE = (1, 3, 224, 224)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--benchmark_app", default=str(Path(sys.executable).parent / "benchmark_app"))
    parser.add_argument("--dir", default=None, help="where the files are made (default: the temporary directory)")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--seconds", type=int, default=6, help="how long benchmark_app measures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("options", nargs="*", help="after --: further options for aispipe")
    return parser.parse_args()


def make_images(directory, count):
    directory.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        np.save(directory / f"{i:04}.npy", random.standard_normal(SHAPE, dtype=np.float32))


def output_of(command):
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def figure(pattern, text):
    found = re.search(pattern, text)
    if not found:
        sys.exit(f"no '{pattern}' in:\n{text}")
    return float(found.group(1))


def aispipe(arguments, root, results):
    text = output_of([arguments.aispipe, "--model", root / "resnet50.onnx", "--input", root / "images", "--output", root,
                      "--output_dirname", results, "--threads", arguments.threads, "--progress", "never",
                      *arguments.options])
    return figure(r"end to end: ([0-9.]+) samples/s", text)


def benchmark_app(arguments, root):
    cores = len(os.sched_getaffinity(0))
    per_stream = max(1, cores // arguments.threads)
    text = output_of([arguments.benchmark_app, "-m", root / "resnet50.onnx", "-d", "CPU", "-hint", "none", "-api", "async",
                      "-infer_precision", "f32", "-nstreams", arguments.threads, "-nireq", arguments.threads,
                      "-nthreads", per_stream * arguments.threads, "-t", arguments.seconds])
    return figure(r"Throughput:\s+([0-9.]+) FPS", text)


def check(root, results, count):
    """Every result is there, and the last one is what OpenVINO's Python package computes."""
    import openvino

    for i in range(count):
        size = (root / results / f"{i:04}_0.bin").stat().st_size
        if size != 4000:
            sys.exit(f"{i:04}_0.bin has {size} bytes, not 4000")
    compiled = openvino.Core().compile_model(root / "resnet50.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = compiled(np.load(root / "images" / f"{count - 1:04}.npy"))[0].ravel()
    result = np.fromfile(root / results / f"{count - 1:04}_0.bin", np.float32)
    if not np.allclose(result, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()):
        sys.exit(f"{count - 1:04}_0.bin differs from OpenVINO's result")


def measure(arguments, root):
    models.resnet50(str(root / "resnet50.onnx"))
    make_images(root / "images", arguments.images)
    rows = []
    for round_ in range(arguments.rounds):
        results = f"results{round_}"
        if round_ % 2 == 0:
            rival = benchmark_app(arguments, root)
            ours = aispipe(arguments, root, results)
        else:
            ours = aispipe(arguments, root, results)
            rival = benchmark_app(arguments, root)
        rows.append({"aispipe": ours, "benchmark_app": rival, "ratio": ours / rival})
    check(root, "results0", arguments.images)
    return rows


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=arguments.dir) as root:
        rows = measure(arguments, Path(root))
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    if arguments.json:
        print(json.dumps({"bench": "resnet50", "threads": arguments.threads, "images": arguments.images, "rounds": rows,
                          "median": median}))
        return
    print(f"ResNet-50, float32, {arguments.threads} executions at a time on {len(os.sched_getaffinity(0))} cores; "
          f"{arguments.images} files a round; images/s")
    print(f"{'round':8} {'aispipe, files to files':>24} {'benchmark_app, no files':>24} {'ratio':>8}")
    for name, row in [*enumerate(rows, 1), ("median", median)]:
        print(f"{name!s:8} {row['aispipe']:24.2f} {row['benchmark_app']:24.2f} {row['ratio']:8.3f}")
    print(f"target: a ratio of at least {TARGET}")


if __name__ == "__main__":
    main()
