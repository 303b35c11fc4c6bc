# SPDX-License-Identifier: MIT
"""The summary of a run, and `python3 -m ais_bench`."""

from compat import HOME, PACKAGES, harness, model, no_complaints, nothing_left  # noqa: F401

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ais_bench.infer.summary import Summary, summary

TIMES = [3.0, 1.0, 2.5, 10.0, 4.25, 0.5]


def test_list_info():
    info = Summary.get_list_info(TIMES, 99)
    assert (info.min, info.max, info.mean, info.median) == (0.5, 10.0, np.mean(TIMES), np.median(TIMES))
    assert info.percentile == np.percentile(TIMES, 99) and Summary.get_list_info(TIMES, 50).percentile == info.median
    empty = Summary.get_list_info([], 99)
    assert (empty.min, empty.max, empty.mean, empty.median, empty.percentile) == (0, 0, 0, 0, 0)
    pairs = [[0, 2], [1, 3], [5.0, 6.0], (5.5, 5.75)]
    info = Summary.get_list_info(pairs, 99, merge=True)
    assert info.mean == (3 + 1) / 4 and (info.min, info.max, info.median) == (0.25, 2, 1.5)


def test_merge_intervals():
    assert Summary.merge_intervals([]) == []
    got = Summary.merge_intervals([(5, 6), (0, 2), (1, 3), (3, 4), (10, 11), (10.5, 10.75)])
    assert [list(pair) for pair in got] == [[0, 4], [5, 6], [10, 11]]
    generator = np.random.default_rng(4)
    for _ in range(50):
        pairs = [sorted(generator.integers(0, 30, 2).tolist()) for _ in range(6)]
        covered = {t for a, b in pairs for t in range(a, b)}
        assert sum(b - a for a, b in Summary.merge_intervals(pairs)) == len(covered)


def line(name, times):
    percentile = float(np.percentile(times, 99))
    return (f"[INFO] {name} (ms): min = {min(times)}, max = {max(times)}, mean = {float(np.mean(times))}, "
            f"median = {float(np.median(times))}, percentile(99%) = {percentile}")


@pytest.mark.parametrize("everything", [False, True])
def test_report(tmp_path, capsys, everything):
    one = Summary()
    one.npu_compute_time_list = list(TIMES)
    one.h2d_latency_list, one.d2h_latency_list = [0.5, 1.0], [2.0]
    one.add_args(["ais_bench", "--model", "m.om"])
    one.add_sample_id_infiles(0, ["a.npy", "b.npy"])
    one.add_sample_id_infiles(0, ["late.npy"])
    one.append_sample_id_outfile(0, "out/a_0.bin")
    one.append_sample_id_outfile(0, "out/a_1.bin")
    one.report(4, str(tmp_path / "run"), everything)
    mean = float(np.mean(TIMES))
    lines = [line("NPU_compute_time", TIMES)]
    if everything:
        lines = [line("H2D_latency", [0.5, 1.0]), *lines, line("D2H_latency", [2.0])]
    assert capsys.readouterr().out.splitlines() == [
        "[INFO] -----------------Performance Summary------------------", *lines,
        f"[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean({mean}): {4000 / mean}",
        "[INFO] ------------------------------------------------------",
    ]
    saved = json.loads((tmp_path / "run_summary.json").read_text())
    assert saved["filesinfo"] == {"0": {"infiles": ["a.npy", "b.npy"], "outfiles": ["out/a_0.bin", "out/a_1.bin"]}}
    assert saved["args"] == ["ais_bench", "--model", "m.om"] and saved["pid"] == os.getpid()
    assert saved["npu_compute_time_list"] == TIMES and saved["throughput"] == 4000 / mean
    assert saved["H2D_latency"] == {"min": 0.5, "max": 1.0, "mean": 0.75, "median": 0.75, "percentile(99%)": 0.995,
                                    "count": 2}
    assert saved["NPU_compute_time"]["count"] == 6 and saved["D2H_latency"]["count"] == 1
    assert os.listdir(tmp_path) == ["run_summary.json"]


def test_report_of_overlapping_executions(tmp_path, capsys):
    one = Summary()
    one.npu_compute_time_interval_list = [[0.0, 4.0], [2.0, 6.0], [np.float64(6.0), 8.0]]
    one.report(2, str(tmp_path / "run"), False, multi_threads=True)
    saved = json.loads((tmp_path / "run_summary.json").read_text())
    assert saved["npu_compute_time_list"] == [[0, 4], [2, 6], [6, 8]]
    assert saved["NPU_compute_time"]["mean"] == 8 / 3 and saved["NPU_compute_time"]["max"] == 4
    assert saved["throughput"] == 1000 * 2 / (8 / 3)
    assert re.search(r"min = 2.0, max = 4.0, mean = 2\.66\d+, median = 4.0, percentile\(99%\) = 4.0", capsys.readouterr().out)


def test_batchsizes_and_nothing_measured(tmp_path, capsys):
    one = Summary()
    for n in (1, 2, 6):
        one.add_batchsize(n)
    one.npu_compute_time_list = [2.0]
    one.report(77, None)
    assert "batchsize.mean(3)/NPU_compute_time.mean(2.0): 1500.0" in capsys.readouterr().out
    one.reset()
    assert one.npu_compute_time_list == [] and one.infodict == {"filesinfo": {}}
    one.report(5, None)
    assert "batchsize.mean(5)/NPU_compute_time.mean(0.0): 0.0" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="none"):
        one.report(1, str(tmp_path / "none" / "run"))
    assert isinstance(summary, Summary)


def ais_bench(*arguments):
    env = harness.environment({"PYTHONPATH": str(PACKAGES)})
    return subprocess.run([sys.executable, "-m", "ais_bench", *map(str, arguments)], capture_output=True, text=True,
                          env=env, timeout=60)


def test_the_command_line(tmp_path):
    path = model("openvino", "static")
    done = ais_bench("--model", path, "--output", tmp_path, "--output_dirname", "r", "--loop", 3)
    assert done.returncode == 0 and "throughput 1000*batchsize.mean" in done.stdout, done
    assert (tmp_path / "r" / "pure_infer_data_0.bin").exists() and (tmp_path / "r_summary.json").exists()
    for arguments, status in ((["--help"], 0), (["--version"], 0), ([], 2), (["--model", path, "--loop", "0"], 2),
                              (["--model", HOME / "none.onnx"], 2), (["--nonsense"], 2)):
        direct = subprocess.run([harness.PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        through = ais_bench(*arguments)
        assert direct.returncode == through.returncode == status, (arguments, through)
        assert (direct.stdout, direct.stderr) == (through.stdout, through.stderr)


def test_the_examples_in_the_docs(tmp_path, monkeypatch):
    text = (harness.ROOT / "docs" / "python-compatible.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    shutil.copy(model("openvino", "static"), tmp_path / "net.onnx")
    for name in ("x0", "x1", "w0", "w1"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 6), np.float32))
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, "docs/python-compatible.md", "exec"), names)
    assert len(blocks) >= 5 and sorted(os.listdir("results")) == [
        "run_summary.json", "x0_0.npy", "x0_1.npy", "x1_0.npy", "x1_1.npy"]
    assert names["session"].free_resource() == 0 and len(names["outputs"][1]) == 2
    summary.reset()
