# SPDX-License-Identifier: MIT
"""aispipe tune: what it finds on a device whose speed is known, the file it writes, and what it leaves behind."""

import json
import os
import re
import signal
import time

import ascend
import models
import numpy as np
import onnx
import pytest
from harness import aispipe, assert_one_error, field, float_files, start, tree, wait_until, write_npy
from onnx import TensorProto, helper, numpy_helper

# A run of the search takes a few hundredths of a second then.
QUICK = ["--budget", "4"]
ROW = re.compile(r" *(\d+|final)( .*)? ([\d.]+) +([\d.]+) .*(better|worse|no gain|not certain|cannot be run|confirmed"
                 r"|no better)(: .*)?")


def job(tmp_path, model, count=40):
    float_files(tmp_path / "in", count)
    return ["--model", model, "--input", tmp_path / "in"]


def tune(tmp_path, *arguments, out="t.json", **how):
    run = aispipe("tune", *arguments, *QUICK, "--config_out", tmp_path / out, timeout=40, **how)
    return run, json.loads((tmp_path / out).read_text())


def left_over(tmp_path):
    return [str(p) for p in tmp_path.rglob("*") if p.name.startswith(".aispipe") or p.suffix == ".tmp"]


def test_more_threads(tmp_path, sim):
    """The device sleeps 20 ms an execution: four threads are four times as fast, on the busiest machine."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(latency_us=20_000)))
    run, found = tune(tmp_path, *arguments, "--max_threads", 4)
    assert found["threads"] in (2, 3, 4) and set(found) <= {"threads", "load_threads", "inflight", "queue_depth"}
    rows = [line for line in run.lines if ROW.fullmatch(line)]
    assert len(rows) >= 2 and "final" in rows[-1] and "confirmed" in rows[-1], run
    assert re.search(r"^\d\.\d\d x the defaults \(95 % interval", run.stdout, re.M), run
    assert not left_over(tmp_path) and not (tmp_path / "out").exists()
    assert os.stat(tmp_path / "t.json").st_mode & 0o777 == 0o640
    # What it wrote loads again, and is what the run has.
    run = aispipe(*arguments, "--config", tmp_path / "t.json", "--output", tmp_path / "out", "--output_dirname", "r")
    summary = json.loads((tmp_path / "out" / "r_summary.json").read_text())
    assert summary["pipeline"]["stages"]["compute"]["threads"] == found["threads"]
    field(run, r"options from .*threads.*")


def test_nothing_to_gain(tmp_path, sim):
    """Only the transfer takes time, and nothing changes that: the file is empty."""
    arguments = job(tmp_path, sim(h2d=models.sim_stage(latency_us=4_000)))
    run, found = tune(tmp_path, *arguments, "--inflight", 64, "--queue_depth", 64)
    assert found == {}, run
    assert "the defaults are best" in run.stdout and "h2d bounds the run" in run.stdout, run
    aispipe(*arguments, "--config", tmp_path / "t.json")


def test_given_settings_stay(tmp_path, sim):
    """What the user gives is not searched; with everything given there is nothing to try."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(latency_us=2_000)))
    run, found = tune(tmp_path, *arguments, "--threads", 1, "--load_threads", 1, "--inflight", 8, "--queue_depth", 8)
    assert found == {} and "every parameter is given" in run.stdout, run
    assert not [line for line in run.lines if ROW.fullmatch(line)]


def test_results_are_removed(tmp_path, sim):
    """With --output results are written while it runs; afterwards the directory is as it was before."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(latency_us=2_000)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    process = start("tune", *arguments, "--output", tmp_path / "out", "--budget", 2, "--max_threads", 2,
                    "--config_out", tmp_path / "t.json")
    wait_until(lambda: list((tmp_path / "out").glob(".aispipe-tune-*/*.bin")), what="a result")
    assert process.wait(60).status == 0
    assert tree(tmp_path / "out") == {"mine.txt": b"mine"}
    assert os.listdir(tmp_path / "out") == ["mine.txt"]
    # A directory that was not there is not there afterwards.
    aispipe("tune", *arguments, "--output", tmp_path / "a" / "b", "--budget", 1, "--threads", 1, "--load_threads", 1,
            "--save_threads", 1, "--inflight", 8, "--queue_depth", 8, "--config_out", tmp_path / "t.json")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped(tmp_path, sim, number, status):
    """What was best so far is written, and nothing else is left."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(latency_us=20_000)))
    process = start("tune", *arguments, "--output", tmp_path / "out", "--budget", 60, "--max_threads", 2,
                    "--config_out", tmp_path / "t.json")
    wait_until(lambda: re.search(r"\d  better$", process.read_stdout(), re.M), what="the first gain", timeout=60)
    process.signal(number)
    sent = time.monotonic()
    run = process.wait(60)
    assert run.status == status and not run.errors, run
    assert time.monotonic() - sent < 30
    assert json.loads((tmp_path / "t.json").read_text()) == {"threads": 2}, run
    assert "stopped: the best so far, not confirmed" in run.stdout, run
    assert not (tmp_path / "out").exists() and not left_over(tmp_path)


def test_stopped_twice(tmp_path, sim):
    """The second signal ends it at once, in the middle of an execution of 30 s; nothing is left."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(latency_us=30_000_000)))
    process = start("tune", *arguments, "--output", tmp_path / "out", "--config_out", tmp_path / "t.json",
                    "--warmup_count", 0, env={"TSAN_OPTIONS": "report_thread_leaks=0"})
    wait_until(lambda: "searching" in process.read_stdout(), what="the search")
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    run = process.wait(20)
    assert run.status == 130, run
    assert not (tmp_path / "t.json").exists() and not (tmp_path / "out").exists() and not left_over(tmp_path)


def test_failing_run(tmp_path, sim):
    """A run that fails with the defaults is what the program itself would say; no file."""
    arguments = job(tmp_path, sim(compute=models.sim_stage(fail_at=3)))
    run = aispipe("tune", *arguments, "--output", tmp_path / "out", "--config_out", tmp_path / "t.json", status=1)
    assert_one_error(run, 1, "simulated fault in compute at batch 3")
    assert not (tmp_path / "t.json").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, needles",
    [
        (["--device", "0,1"], ["--device", "one device"]),
        (["--run_mode", "full"], ["--run_mode", "full"]),
        (["--pipeline", "0"], ["--pipeline"]),
        (["--dump", "1", "--output", "o"], ["--dump"]),
        (["--profiler", "1", "--output", "o"], ["--profiler"]),
        (["--dymShape_range", "x:1~2"], ["--dymShape_range"]),
        (["--threads", "0"], ["--threads", "'0'", "1–1024"]),
        (["--budget", "0"], ["--budget", "'0'", "1–86400"]),
        (["--threds", "2"], ["--threds", "of tune", "--threads"]),
        (["extra"], ["tune", "'extra'"]),
        (["--output", "in/s0.bin"], ["--output", "not a directory"]),
        (["--config_out", "no/t.json"], ["--config_out", "no/t.json", "No such file"]),
        (["--config_out", "in"], ["--config_out", "directory"]),
        (["--config_out", "in/s0.bin"], ["--config_out", "s0.bin", "not a file of options"]),
        (["--config_out", ""], ["--config_out", "not empty"]),
        (["--config", "no.json"], ["--config", "no.json"]),
    ],
)
def test_refused(tmp_path, sim, arguments, needles):
    run = aispipe("tune", *job(tmp_path, sim(), 2), *arguments, status=2, cwd=tmp_path)
    assert_one_error(run, 2, *needles)
    assert sorted(os.listdir(tmp_path)) == ["in", "models"]


def test_refused_without_a_job(tmp_path, sim):
    assert_one_error(aispipe("tune", status=2), 2, "--model is missing")
    assert_one_error(aispipe("tune", "--model", sim(), status=2), 2, "--input is missing", "your own data")
    (tmp_path / "empty").mkdir()
    assert_one_error(aispipe("tune", "--model", sim(), "--input", tmp_path / "empty", status=2), 2, r"\.npy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable(tmp_path, sim):
    (tmp_path / "ro").mkdir(mode=0o500)
    run = aispipe("tune", *job(tmp_path, sim(), 2), "--config_out", tmp_path / "ro" / "t.json", status=2)
    assert_one_error(run, 2, "--config_out", "Permission denied")
    run = aispipe("tune", *job(tmp_path, sim(), 2), "--output", tmp_path / "ro" / "out", status=2)
    assert_one_error(run, 2, "--output", "Permission denied")


def test_unheard_options(tmp_path, sim):
    """A whole command line may be taken over; what has no meaning is said."""
    arguments = job(tmp_path, sim(), 4)
    run = aispipe("tune", *arguments, "--display_all_summary", "1", "--progress", "never", "--threads", 1,
                  "--load_threads", 1, "--inflight", 8, "--queue_depth", 8, "--budget", 1, "--config_out",
                  tmp_path / "t.json")
    assert "[WARNING] tune has no use for --display_all_summary, --progress" in run.stderr, run


def test_help():
    run = aispipe("tune", "--help")
    for word in ("--config_out", "--budget", "--max_threads", "aispipe-tune.json"):
        assert word in run.stdout, run
    assert aispipe("tune", "--version").stdout == aispipe("--version").stdout


def batch_model(path):
    """Leaves its batch open."""
    model = helper.make_model(
        helper.make_graph(
            [models.node("MatMul", "x w", "y")], "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
            [numpy_helper.from_array(models.weights(16, 8), "w")],
        ),
        opset_imports=[helper.make_opsetid("", models.OPSET)],
    )
    model.ir_version = models.IR_VERSION
    onnx.save(model, path)
    return path


def npy_files(directory, count):
    for i in range(count):
        write_npy(directory / f"s{i}.npy", np.random.default_rng(i).standard_normal((1, 16)).astype(np.float32))
    return directory


def test_open_batch(tmp_path):
    """The batch size is one of the settings, and is in the file in any case: without it the program refuses."""
    arguments = ["--model", batch_model(tmp_path / "m.onnx"), "--input", npy_files(tmp_path / "in", 20)]
    run, found = tune(tmp_path, *arguments, "--threads", 1, "--load_threads", 1, "--inflight", 8, "--queue_depth", 8,
                      "--engine_option", "NUM_STREAMS=1")
    assert found["dymBatch"] in (1, 2, 4, 8, 16) and "batch" in run.stdout, run
    rows = [line.split() for line in run.lines if ROW.fullmatch(line)]
    assert rows and rows[0][1] == "2", run
    run = aispipe(*arguments, "--config", tmp_path / "t.json", "--output", tmp_path / "out", "--output_dirname", "r")
    assert len(tree(tmp_path / "out" / "r")) == 20
    # Given, it is not searched.
    run, found = tune(tmp_path, *arguments, "--dymBatch", 4, "--threads", 1, "--load_threads", 1, "--inflight", 8,
                      "--queue_depth", 8, "--engine_option", "NUM_STREAMS=1")
    assert found == {} and "every parameter is given" in run.stdout, run


def test_streams_are_a_setting(tmp_path):
    model = models.conv_net(1)
    path = model.save(tmp_path)
    for i in range(4):
        write_npy(tmp_path / "in" / f"s{i}.npy", model.samples(1)[0][0])
    run, found = tune(tmp_path, "--model", path, "--input", tmp_path / "in", "--load_threads", 1, "--inflight", 8,
                      "--queue_depth", 8, "--threads", 2)
    assert set(found) <= {"engine_option"} and found.get("engine_option", ["NUM_STREAMS=2"]) == ["NUM_STREAMS=2"]
    assert [line for line in run.lines if ROW.fullmatch(line)], run
    aispipe("--model", path, "--threads", 2, "--config", tmp_path / "t.json")


def test_other_dimensions_open(tmp_path):
    """What the program says, not a word about the batch that was tried."""
    path = models.unknown_dimension(tmp_path)
    run = aispipe("tune", "--model", path, "--input", npy_files(tmp_path / "in", 2), status=(None))
    assert run.status in (1, 2)
    assert_one_error(run, (1, 2), "unknown", "--dymShape")


@ascend.needed
def test_gears(tmp_path, device):
    """On the simulated Ascend device the gears are what the batch may be; nothing is misused, nothing left."""
    om = ascend.convert(batch_model(tmp_path / "m.onnx"), tmp_path / "m.om", "--input_shape=x:-1,16",
                        "--dynamic_batch_size=1,3,4")
    run = device.run("tune", "--model", om, "--input", npy_files(tmp_path / "in", 12), *QUICK, "--config_out",
                     tmp_path / "t.json", "--max_threads", 2, "--inflight", 8, "--queue_depth", 8, timeout=60)
    found = json.loads((tmp_path / "t.json").read_text())
    assert found["dymBatch"] in (1, 4), run
    rows = [line.split() for line in run.lines if ROW.fullmatch(line)]
    assert {row[3] for row in rows} <= {"-", "1", "4"}, run
    device.run("--model", om, "--input", tmp_path / "in", "--config", tmp_path / "t.json")
