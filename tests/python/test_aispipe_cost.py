# SPDX-License-Identifier: MIT
"""bench/python_call.py runs, and measures every way to call. What the figures are is the machine's business."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench" / "python_call.py"


def test_the_bench_measures():
    command = [sys.executable, str(BENCH), "--rounds", "3", "--items", "500", "--map_rounds", "1", "--json"]
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, timeout=170, check=True).stdout)
    assert {"aispipe.Session", "InferSession.infer", "onnxruntime"} <= set(figures["calls_us"])
    assert {"Pipeline.map", "AsyncInferQueue"} <= set(figures["map_us"])
    assert all(us > 0 for group in ("calls_us", "map_us") for us in figures[group].values())
