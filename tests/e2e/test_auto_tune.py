# SPDX-License-Identifier: MIT
"""--auto_tune: the same results, every decision told in three places that agree, and an end from every state."""

import json
import os
import re
import signal
import time

import models
import numpy as np
import pytest
from harness import (
    SANITIZED,
    aispipe,
    assert_one_error,
    complement,
    field,
    float_files,
    npy_bytes,
    start,
    summary_of,
    temporaries,
    tree,
    wait_until,
)

SLACK = 1.0 if not SANITIZED else 5.0
PARAMETERS = {"load_threads", "save_threads", "inflight"}
VERDICTS = {"kept", "taken back", "cut off"}
NUMBER = r"-?\d+\.\d"
LOGGED = re.compile(
    rf"\[INFO\] auto_tune: after (\d+\.\d\d) s (\w+) from (\d+) to (\d+) (kept|taken back|cut off): (.+); "
    rf"(?:{NUMBER} samples/s became {NUMBER} \([+-]\d+\.\d % to [+-]\d+\.\d %\)|the run ended .+)"
)
PRINTED = re.compile(r"\[INFO\] auto_tune: +(\d+\.\d\d) s  (\w+) +(\d+) to (\d+) +(kept|taken back|cut off) .+ before, .+")


def job(tmp_path, model, samples=600):
    arrays = float_files(tmp_path / "in", samples)
    command = ["--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r"]
    return arrays, [*command, "--auto_tune", "1"]


def jittery(sim):
    """Stages of the same speed whose times vary: there is something to gain by more batches in flight."""
    stage = models.sim_stage(latency_us=100, jitter_us=3000)
    return sim(h2d=stage, compute=stage, d2h=stage)


def expected(arrays):
    return {f"s{i}_0.bin": complement(array.tobytes()) for i, array in enumerate(arrays)}


def check_decisions(run, tuning):
    """Log, printed block and summary file say the same."""
    logged = [m.groups() for m in map(LOGGED.fullmatch, run.lines) if m]
    printed = [m.groups() for m in map(PRINTED.fullmatch, run.lines) if m]
    assert field(run, r"auto_tune: ((?:nothing was|\d+ changes?) tried.*)") == (tuning["text"],)
    assert len(logged) == len(printed) == len(tuning["decisions"]), run
    assert sum("auto_tune" in line for line in run.lines) == 2 * len(logged) + 1, run
    for line, row, decision in zip(logged, printed, tuning["decisions"]):
        seconds = f"{decision['time_ms'] / 1e3:.2f}"
        told = (seconds, decision["parameter"], str(decision["from"]), str(decision["to"]), decision["verdict"])
        assert line[:5] == told and row == told
        assert line[5] == decision["reason"]
        assert decision["parameter"] in PARAMETERS and decision["verdict"] in VERDICTS
        assert decision["from"] != decision["to"] and decision["samples_per_second_before"] > 0
        assert decision["to"] <= tuning["most"][decision["parameter"]]
        assert decision["gain_low"] <= decision["gain_high"]
    for name in ("start", "end", "most"):
        assert set(tuning[name]) == PARAMETERS
    for name in ("load_threads", "save_threads"):
        assert tuning["start"][name] <= tuning["end"][name] <= tuning["most"][name]


def test_load_bounds_and_decisions_that_agree(tmp_path, sim, zstd):
    """Unpacking is all the work there is, so more threads for it are tried. Of the files a few are different."""
    shape = [1, 131072]
    tensors = {"inputs": [models.sim_tensor("x", shape=shape)], "outputs": [models.sim_tensor("y", shape=[1, 16])]}
    (tmp_path / "in").mkdir()
    data = [np.random.default_rng(i).integers(0, 200, shape).astype(np.float32) for i in range(8)]
    for i in range(600):
        path = tmp_path / "in" / f"s{i}.npy.zst"
        if i < 8:
            path.write_bytes(zstd.compress(npy_bytes(data[i])))
        else:
            os.link(tmp_path / "in" / f"s{i % 8}.npy.zst", path)
    command = ["--model", sim(**tensors), "--input", tmp_path / "in", "--output", tmp_path / "out"]
    run = aispipe(*command, "--output_dirname", "r", "--auto_tune", "1", "--load_threads", 1, timeout=60)
    tuning = summary_of(tmp_path / "out", "r")["pipeline"]["auto_tune"]
    assert tuning["decisions"], run
    assert tuning["decisions"][0]["parameter"] == "load_threads", run
    check_decisions(run, tuning)
    files = tree(tmp_path / "out" / "r")
    assert len(files) == 600
    for name, result in files.items():
        number = int(re.match(r"s(\d+)", name)[1])
        assert result == complement(data[number % 8].tobytes()[:64])


@pytest.mark.parametrize("options", [[], ["--threads", "4"], ["--queue_depth", "2"], ["--inflight", "3"]])
def test_same_bytes_and_decisions_that_agree(tmp_path, sim, options):
    arrays, command = job(tmp_path, jittery(sim))
    run = aispipe(*command, *options)
    assert tree(tmp_path / "out" / "r") == expected(arrays)
    pipeline = summary_of(tmp_path / "out", "r")["pipeline"]
    tuning = pipeline["auto_tune"]
    check_decisions(run, tuning)
    assert pipeline["stages"]["load"]["threads"] == tuning["end"]["load_threads"]
    assert pipeline["inflight"] == tuning["end"]["inflight"]
    if options[:1] == ["--inflight"]:
        assert tuning["most"]["inflight"] == 3, "what the user gives is the bound of memory"
    for stage in pipeline["stages"].values():
        assert 0 <= stage["busy"] + stage["wait_input"] + stage["wait_output"] < 1.1


def test_given_threads_are_the_least(tmp_path, sim):
    arrays, command = job(tmp_path, sim(), samples=200)
    aispipe(*command, "--load_threads", 3, "--save_threads", 11)
    tuning = summary_of(tmp_path / "out", "r")["pipeline"]["auto_tune"]
    assert tuning["start"]["load_threads"] == 3 and tuning["most"]["load_threads"] == 8
    assert tuning["start"]["save_threads"] == tuning["most"]["save_threads"] == 11
    assert tree(tmp_path / "out" / "r") == expected(arrays)


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_a_run_that_is_too_short_says_so(tmp_path, sim, samples):
    arrays, command = job(tmp_path, sim(), samples)
    run = aispipe(*command)
    tuning = summary_of(tmp_path / "out", "r")["pipeline"]["auto_tune"]
    assert tuning["decisions"] == [] and tuning["start"] == tuning["end"]
    assert "the run was too short" in tuning["text"]
    check_decisions(run, tuning)
    assert tree(tmp_path / "out" / "r") == expected(arrays)


def test_nothing_is_said_without_it(tmp_path, sim):
    _, command = job(tmp_path, sim(), 5)
    run = aispipe(*command[:-2])
    assert "auto_tune" not in run.stdout
    assert "auto_tune" not in summary_of(tmp_path / "out", "r")["pipeline"]


def test_debug_tells_what_is_made(tmp_path, sim):
    _, command = job(tmp_path, sim(), 50)
    run = aispipe(*command, "--debug", "--load_threads", 2)
    assert "[DEBUG] pipeline: load: 8 threads, queue depth 64" in run.lines, run
    assert any("auto_tune starts with 50 batches in flight, 2 load and 1 save" in line for line in run.lines), run


@pytest.mark.parametrize(
    "options, needles",
    [
        (["--pipeline", "0"], ["--auto_tune", "--pipeline 0"]),
        (["--run_mode", "full"], ["--auto_tune", "--run_mode full"]),
    ],
)
def test_what_makes_no_sense_with_it_is_refused(tmp_path, sim, options, needles):
    _, command = job(tmp_path, sim(), 2)
    assert_one_error(aispipe(*command, *options, status=None), 2, *needles)
    assert not (tmp_path / "out").exists()


def test_made_up_data_is_refused(sim):
    assert_one_error(aispipe("--model", sim(), "--auto_tune", status=None), 2, "--auto_tune", "--input")


@pytest.mark.parametrize("off", ["0", "false"])
def test_off_is_no_reason_to_refuse(tmp_path, sim, off):
    _, command = job(tmp_path, sim(), 2)
    aispipe(*command[:-1], off, "--pipeline", "0")
    aispipe("--model", sim(), "--auto_tune", off)


def test_failure_in_the_middle(tmp_path, sim):
    stage = models.sim_stage(latency_us=100, jitter_us=3000)
    arrays, command = job(tmp_path, sim(h2d=stage, compute=stage, d2h={**stage, "fail_at": 400}))
    run = aispipe(*command, status=None)
    assert_one_error(run, 1, "d2h failed at batch 400", "simulated fault")
    assert temporaries(tmp_path / "out") == []
    files = tree(tmp_path / "out" / "r")
    right = expected(arrays)
    assert files and all(right[name] == data for name, data in files.items())


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_while_it_tries(tmp_path, sim, number, status):
    arrays, command = job(tmp_path, jittery(sim), samples=3000)
    process = start(*command)
    results = tmp_path / "out" / "r"
    wait_until(lambda: results.is_dir() and len(list(results.iterdir())) > 200, what="some results")
    sent = time.monotonic()
    process.signal(number)
    run = process.wait(60)
    assert time.monotonic() - sent < SLACK + 0.1, run
    assert run.status == status, run
    done, total = map(int, field(run, r"samples: (\d+) of (\d+), .*"))
    files = tree(results)
    right = expected(arrays)
    assert 0 < done == len(files) < total == 3000
    assert all(right[name] == data for name, data in files.items())
    check_decisions(run, summary_of(tmp_path / "out", "r")["pipeline"]["auto_tune"])


def test_each_of_several_devices_has_its_own(tmp_path, sim):
    arrays, command = job(tmp_path, jittery(sim), samples=400)
    aispipe(*command, "--device", "0,1", "--divide_input")
    files = {}
    for i in range(2):
        files.update(tree(tmp_path / "out" / "r" / f"device{i}_{i}"))
        summary = json.loads((tmp_path / "out" / "r" / f"device{i}_{i}_summary.json").read_text())
        assert summary["pipeline"]["auto_tune"]["start"]["load_threads"] >= 1
        assert summary["pipeline"]["samples"] == 200
    assert files == expected(arrays)
