# SPDX-License-Identifier: MIT
"""Ctrl-C: what is in flight is finished and saved, the summary says how far it came, a second one ends at once."""

import re
import signal
import time

import models
import pytest
from harness import (
    SANITIZED,
    SIGNALS,
    assert_one_error,
    complement,
    field,
    float_files,
    sanitizer_environment,
    start,
    summary_of,
    temporaries,
    tree,
    wait_until,
)

SLACK = 1.0 if not SANITIZED else 5.0  # the run must end within a second plus one batch

# A second signal ends the program in the middle of everything: its threads are not joined, and must not be.
ENDS_WITH_THREADS = {"TSAN_OPTIONS": sanitizer_environment(TSAN_OPTIONS="report_thread_leaks=0")["TSAN_OPTIONS"]}


def begin(tmp_path, model, *options, samples=400, wait_for=5, **how):
    """Starts a run, and returns when some results are there."""
    arrays = float_files(tmp_path / "in", samples)
    output = tmp_path / "out"
    command = ["--model", model, "--input", tmp_path / "in", "--output", output, "--output_dirname", "r"]
    process = start(*command, *options, **how)
    results = output / "r"

    def enough():
        return not process.alive() or (
            results.is_dir() and sum(not p.name.startswith(".") for p in results.iterdir()) >= wait_for
        )

    wait_until(enough, what="the first result")
    return process, arrays


def finish(process, number, timeout=60):
    """Sends the signal, and returns the run and how long it took to end."""
    sent = time.monotonic()
    process.signal(number)
    return process.wait(timeout), time.monotonic() - sent


def check_partial(tmp_path, run, arrays, status):
    assert run.status == status, run
    assert temporaries(tmp_path / "out") == []
    files = tree(tmp_path / "out" / "r")
    done, total = map(int, field(run, r"samples: (\d+) of (\d+), .*"))
    assert total == len(arrays) and done == len(files) and 0 < done < total, run
    info = summary_of(tmp_path / "out", "r")["filesinfo"]
    assert set(files) == {f"s{n}_0.bin" for n in info}
    for n in info:
        assert files[f"s{n}_0.bin"] == complement(arrays[int(n)].tobytes())
    assert summary_of(tmp_path / "out", "r")["pipeline"]["samples"] == done
    for line in ("unload model success, model Id is 0", "end to reset device 0", "end to finalize sim"):
        assert f"[INFO] {line}" in run.lines, run


@pytest.mark.parametrize("name", sorted(SIGNALS))
@pytest.mark.parametrize("options", [[], ["--threads", "4"], ["--pipeline", "0"]], ids=["1", "4", "serial"])
def test_signal_in_the_middle(tmp_path, sim, name, options):
    number, status = SIGNALS[name]
    process, arrays = begin(tmp_path, sim(compute=models.sim_stage(latency_us=20_000)), *options)
    run, took = finish(process, number)
    check_partial(tmp_path, run, arrays, status)
    assert took < SLACK + 0.02, run


@pytest.mark.parametrize("stage", ["h2d", "d2h"])
def test_signal_while_a_transfer_is_slow(tmp_path, sim, stage):
    process, arrays = begin(tmp_path, sim(**{stage: models.sim_stage(latency_us=20_000)}))
    run, took = finish(process, signal.SIGINT)
    assert took < SLACK + 0.2, run
    check_partial(tmp_path, run, arrays, 130)


def test_batch_that_takes_long_is_finished(tmp_path, sim):
    model = sim(compute=models.sim_stage(hang_at=10, hang_ms=2000))
    process, arrays = begin(tmp_path, model, wait_for=10, samples=40)
    run, took = finish(process, signal.SIGINT)
    assert run.status == 130 and temporaries(tmp_path / "out") == []
    assert took < 2 + SLACK, run
    files = tree(tmp_path / "out" / "r")
    assert files["s10_0.bin"] == complement(arrays[10].tobytes())


def test_many_executions_of_one_batch_are_cut_short(tmp_path, sim):
    model = sim(compute=models.sim_stage(latency_us=1000))
    process = start("--model", model, "--loop", "1000000", "--output", tmp_path / "out", "--output_dirname", "r")
    wait_until(lambda: "warm up" in process.read_stdout(), what="the warm-up")
    time.sleep(0.1)
    run, took = finish(process, signal.SIGINT)
    assert run.status == 130
    assert took < SLACK + 0.1, run
    assert 0 < summary_of(tmp_path / "out", "r")["NPU_compute_time"]["count"] < 1000000


def test_many_warm_ups_are_cut_short(tmp_path, sim):
    model = sim(compute=models.sim_stage(latency_us=10_000))
    process = start("--model", model, "--warmup_count", "1000000")
    wait_until(lambda: "batchsize" in process.read_stdout(), what="the model")
    time.sleep(0.2)
    run, took = finish(process, signal.SIGTERM)
    assert run.status == 143
    assert took < SLACK, run


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_second_signal_ends_at_once(tmp_path, sim, name):
    number, status = SIGNALS[name]
    model = sim(compute=models.sim_stage(hang_at=10, hang_ms=60_000))
    process, arrays = begin(tmp_path, model, wait_for=10, samples=40, env=ENDS_WITH_THREADS)
    process.signal(number)
    time.sleep(0.3)
    assert process.alive(), "the first signal did not wait for what is in flight"
    run, took = finish(process, number)
    assert run.status == status
    assert took < SLACK, run
    assert temporaries(tmp_path / "out") == []
    for file, data in tree(tmp_path / "out" / "r").items():
        n = int(re.fullmatch(r"s(\d+)_0\.bin", file)[1])
        assert data == complement(arrays[n].tobytes())


def test_second_signal_in_the_middle_of_writing(tmp_path, sim):
    """Many small writes are under way: no half file, no temporary may stay."""
    options = ["--save_threads", "4", "--threads", "2"]
    process, arrays = begin(tmp_path, sim(), *options, samples=4000, wait_for=50, env=ENDS_WITH_THREADS)
    process.signal(signal.SIGINT)
    run, _ = finish(process, signal.SIGINT)
    assert run.status in (0, 130), run  # it may have been through before
    assert temporaries(tmp_path / "out") == []
    for file, data in tree(tmp_path / "out" / "r").items():
        n = int(re.fullmatch(r"s(\d+)_0\.bin", file)[1])
        assert data == complement(arrays[n].tobytes())


def test_signal_in_full_mode(tmp_path, sim):
    """Everything is transferred first, so nothing is saved yet when the signal comes; what was computed is."""
    arrays = float_files(tmp_path / "in", 300)
    model = sim(compute=models.sim_stage(latency_us=10_000))
    command = ["--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r"]
    process = start(*command, "--run_mode", "full")
    wait_until(lambda: "warm up" in process.read_stdout(), what="the warm-up")
    time.sleep(0.5)
    run, took = finish(process, signal.SIGINT)
    check_partial(tmp_path, run, arrays, 130)
    assert took < SLACK + 0.1, run


def test_signal_before_the_run(tmp_path, sim, faults):
    """The program waits in its first look at the input directory: nothing is there to finish."""
    float_files(tmp_path / "in", 3)
    hit = faults.unused("hit")
    process = start(
        "--model", sim(), "--input", tmp_path / "in", "--output", tmp_path / "out",
        env=faults.environment("open:1:WAIT", path=tmp_path / "in", hit=hit),
    )
    wait_until(hit.exists, what="the look at the input directory")
    run, took = finish(process, signal.SIGINT)
    assert_one_error(run, 130, "SIGINT", "nothing was saved")
    assert took < SLACK
    assert not (tmp_path / "out").exists()


def test_signal_after_the_end_changes_nothing(tmp_path, sim, faults):
    """The summary file is being written: it is finished, and all results are there."""
    arrays = float_files(tmp_path / "in", 5)
    hit = faults.unused("hit")
    process = start(
        "--model", sim(), "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r",
        env=faults.environment("rename:1:WAIT", path="r_summary.json", hit=hit),
    )
    wait_until(hit.exists, what="the summary file")
    process.signal(signal.SIGINT)
    time.sleep(0.2)
    hit.with_name(hit.name + ".go").touch()
    run = process.wait()
    assert run.status in (0, 130), run
    assert len(tree(tmp_path / "out" / "r")) == 5
    assert list(summary_of(tmp_path / "out", "r")["filesinfo"]) == [str(n) for n in range(len(arrays))]
    assert temporaries(tmp_path / "out") == []
