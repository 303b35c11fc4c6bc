# SPDX-License-Identifier: MIT
"""`--profiler 1` on the CPU engine: the times of layers, as JSON and as a trace."""

from __future__ import annotations

import json
import re

import models
import numpy as np
import pytest
from harness import aispipe, assert_one_error, summary_of
from models import Case, Tensor, node


def two_products() -> Case:
    """Two products that differ in their work by about 1000, so that it is known which layer is the slow one."""
    return Case(
        "two_products",
        [
            node("MatMul", "x large", "wide"),
            node("Relu", "wide", "positive"),
            node("MatMul", "positive small", "y"),
        ],
        [Tensor("x", "float32", (64, 1024))],
        [Tensor("y", "float32", (64, 1))],
        64,
        {"large": models.weights(1024, 1024), "small": models.weights(1024, 1, seed=2)},
    )


def profile(path, output, *more, dirname="r", **how):
    run = aispipe("--model", path, "--profiler", "1", "--output", output, "--output_dirname", dirname, *more, **how)
    place = output / "profiler" / dirname
    return run, json.loads((place / "layers.json").read_text()), json.loads((place / "trace.json").read_text())


@pytest.mark.parametrize("threads, loop", [(1, 50), (2, 51)])
def test_layers(onnx_model, tmp_path, threads, loop):
    _, path = onnx_model(two_products)
    run, layers, _ = profile(path, tmp_path / "out", "--loop", loop, "--threads", threads)
    assert f"[INFO] profiler: the times of layers are in {tmp_path}/out/profiler/r" in run.lines
    assert layers["model"] == str(path) and layers["device"] == "CPU"
    assert layers["executions"] == loop
    assert layers["compute_threads"] == threads
    assert layers["means_of"] == "the timed executions"
    executed = {layer["name"]: layer for layer in layers["layers"] if layer["status"] == "executed"}
    assert {"wide", "y"} <= set(executed), layers
    assert executed["wide"]["mean_ms"] > executed["y"]["mean_ms"]
    assert all(layer["type"] and layer["kernel"] for layer in executed.values())
    total = sum(layer["mean_ms"] for layer in layers["layers"])
    assert layers["layers_mean_ms"] == pytest.approx(total)
    assert sum(layer["share"] for layer in layers["layers"]) == pytest.approx(1)
    # The layers are parts of an execution. (Clocks differ, and the engine rounds each to whole microseconds.)
    mean = summary_of(tmp_path / "out", "r")["NPU_compute_time"]["mean"] * threads
    assert 0.05 * mean < total < 1.2 * mean


def test_warmup_is_not_counted(onnx_model, tmp_path):
    _, path = onnx_model(two_products)
    _, layers, _ = profile(path, tmp_path / "out", "--loop", "20", "--warmup_count", "30")
    assert layers["executions"] == 20
    mean = summary_of(tmp_path / "out", "r")["NPU_compute_time"]["mean"]
    # Counted with the warm-up but divided by the timed ones alone, it would be 2.5 times as much.
    assert layers["layers_mean_ms"] < 1.5 * mean


def test_trace(onnx_model, tmp_path):
    _, path = onnx_model(two_products)
    _, layers, trace = profile(path, tmp_path / "out", "--loop", "20", "--warmup_count", "0")
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    executed = [layer for layer in layers["layers"] if layer["status"] == "executed"]
    assert [e["name"] for e in events] == [layer["name"] for layer in executed]
    at = 0
    for event, layer in zip(events, executed):
        assert event["ts"] == pytest.approx(at)
        assert event["dur"] == pytest.approx(1000 * layer["mean_ms"])
        assert event["args"]["kernel"] == layer["kernel"]
        at += event["dur"]
    names = {event["name"]: event["args"]["name"] for event in trace["traceEvents"] if event["ph"] == "M"}
    assert names == {"process_name": str(path), "thread_name": "mean execution"}


def test_results_are_the_same(onnx_model, tmp_path):
    case, path = onnx_model(two_products)
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i, sample in enumerate(case.samples(64)):
        np.save(inputs / f"s{i}.npy", sample[0])
    out = tmp_path / "out"
    common = ["--input", inputs, "--outfmt", "NPY"]
    profile(path, out, *common)
    aispipe("--model", path, *common, "--output", out, "--output_dirname", "plain")
    for i in range(64):
        assert (out / "r" / f"s{i}_0.npy").read_bytes() == (out / "plain" / f"s{i}_0.npy").read_bytes()


def test_time_stamped_runs_do_not_meet(onnx_model, tmp_path):
    _, path = onnx_model(two_products)
    for _ in range(2):
        aispipe("--model", path, "--profiler", "1", "--output", tmp_path / "out")
    runs = sorted(p.name for p in (tmp_path / "out" / "profiler").iterdir())
    assert len(runs) == 2
    assert all(re.match(r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d", name) for name in runs)
    assert all((tmp_path / "out" / name).is_dir() for name in runs)


def test_each_of_several_devices(onnx_model, tmp_path):
    _, path = onnx_model(two_products)
    options = ["--output", tmp_path / "out", "--output_dirname", "r", "--device", "0,0", "--loop", "7"]
    aispipe("--model", path, "--profiler", "1", *options)
    for place in ("device0_0", "device0_1"):
        layers = json.loads((tmp_path / "out" / "profiler" / "r" / place / "layers.json").read_text())
        assert layers["executions"] == 7 and layers["layers"]
        assert (tmp_path / "out" / "profiler" / "r" / place / "trace.json").exists()


def test_refused(onnx_model, sim, tmp_path):
    _, path = onnx_model(two_products)
    out = ["--output", tmp_path / "out"]
    assert_one_error(aispipe("--model", path, "--profiler", "1", status=None), 2, "--profiler needs --output")
    both = aispipe("--model", path, "--profiler", "1", "--dump", "1", *out, status=None)
    assert_one_error(both, 2, "--profiler and --dump exclude each other")
    simulated = aispipe("--model", sim(), "--profiler", "1", *out, status=None)
    assert_one_error(simulated, 2, "backend 'sim' cannot profile")
    unwilling = aispipe("--model", path, "--profiler", "1", "--engine_option", "PERF_COUNT=NO", *out, status=None)
    assert_one_error(unwilling, 2, "PERF_COUNT=NO", "times of layers")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("profiler/*/*"))


def test_place_that_cannot_be_made(onnx_model, tmp_path):
    _, path = onnx_model(two_products)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "profiler").write_text("a file")
    run = aispipe("--model", path, "--profiler", "1", "--output", tmp_path / "out", status=None)
    assert_one_error(run, 1, "out/profiler/", "Not a directory")


def test_below_msprof_relative_paths_keep_their_meaning(onnx_model, tmp_path):
    """msprof starts programs in a directory of its own choice; the variables say where they belong."""
    _, path = onnx_model(two_products)
    (tmp_path / "net.onnx").write_bytes(path.read_bytes())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = ["--model", "net.onnx", "--output", "out", "--output_dirname", "r"]
    env = {"AIT_NO_MSPROF_MODE": "1", "AISPIPE_MSPROF_DIRECTORY": str(tmp_path)}
    aispipe(*arguments, env=env, cwd=elsewhere)
    assert (tmp_path / "out" / "r_summary.json").exists() and not list(elsewhere.iterdir())
    assert_one_error(aispipe(*arguments, cwd=elsewhere, status=None), 2, "net.onnx", "does not exist")
    env["AISPIPE_MSPROF_DIRECTORY"] = str(tmp_path / "gone")
    assert_one_error(aispipe(*arguments, env=env, cwd=elsewhere, status=None), 2, "gone back to")
