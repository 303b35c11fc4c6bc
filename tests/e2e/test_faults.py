# SPDX-License-Identifier: MIT
"""One thing goes wrong, anywhere: the run ends with one line that says what, everything is released, and only
whole files are left. System calls fail through tests/faults; the simulated device fails by itself."""

import re

import harness
import models
import pytest
from harness import aispipe, assert_one_error, complement, float_files, summary_of, temporaries, tree, write_npy

SAMPLES = 9
MOST = 14 if not harness.SANITIZED else 8  # faults of one kind, spread over all calls of that kind

REASONS = {
    "EACCES": "Permission denied",
    "EAGAIN": "Resource temporarily unavailable",
    "EDQUOT": "quota exceeded",
    "EIO": "Input/output error",
    "EMFILE": "Too many open files",
    "ENOMEM": "memory",
    "ENOSPC": "No space left",
    "EROFS": "Read-only file system",
}


@pytest.fixture
def job(tmp_path, sim):
    """A run through all five stages, with both kinds of files: its arguments, and what it must leave."""

    class Job:
        output = tmp_path / "out"
        inputs = tmp_path / "in"
        arrays = float_files(tmp_path / "in", SAMPLES)
        model = sim()

        def __init__(self):
            for n in range(0, SAMPLES, 2):
                (self.inputs / f"s{n}.bin").unlink()
                write_npy(self.inputs / f"s{n}.npy", self.arrays[n])

        def arguments(self, name="r", model=None):
            command = ["--model", model or self.model, "--input", self.inputs, "--output", self.output]
            return command + ["--output_dirname", name, "--threads", "2", "--save_threads", "2"]

        def wanted(self):
            return {f"s{n}_0.bin": complement(a.tobytes()) for n, a in enumerate(self.arrays)}

        def assert_whole(self, name="r", complete=False):
            """Only whole results; with `complete` all of them, and the summary."""
            assert temporaries(self.output) == [] if self.output.exists() else True
            wanted = self.wanted()
            results = tree(self.output / name) if (self.output / name).exists() else {}
            for file, data in results.items():
                assert data == wanted[file], f"{file} is not whole"
            if complete:
                assert set(results) == set(wanted)
                assert summary_of(self.output, name)["pipeline"]["samples"] == SAMPLES
            elif (self.output / f"{name}_summary.json").exists():
                summary_of(self.output, name)  # it parses: it is whole

    return Job()


# --- every call of a kind -------------------------------------------------------------------------------


def spread(count, most):
    """At most `most` of 1…count: the first ones, the last ones, and some between."""
    if count <= most:
        return list(range(1, count + 1))
    step = (count - 1) / (most - 1)
    return sorted({1 + round(i * step) for i in range(most)})


SWEEPS = [
    ("open", "EMFILE"),
    ("open", "EACCES"),
    ("read", "EIO"),
    ("write", "ENOSPC"),
    ("rename", "EROFS"),
    ("close", "EIO"),
    ("thread", "EAGAIN"),
    ("malloc", "ENOMEM"),
    ("mmap", "ENOMEM"),
    ("stat", "EIO"),
    ("mkdir", "ENOSPC"),
    ("readdir", "EIO"),
    ("ftruncate", "EIO"),
    ("fallocate", "ENOSPC"),
    ("unlink", "EIO"),
]


@pytest.mark.parametrize("group, errno", SWEEPS, ids=lambda value: value)
def test_nth_call_fails(job, faults, group, errno):
    count = faults.count(*job.arguments("count"))[group]
    struck = 0
    for n in spread(count, MOST):
        name, hit = f"{group}{n}", faults.unused("hit")
        run = aispipe(*job.arguments(name), env=faults.environment(f"{group}:{n}:{errno}", hit=hit), status=None)
        struck += hit.exists()
        if run.status == 0:
            # Either this run made fewer calls, or it can do without that one. Then nothing is missing.
            assert not run.errors, run
            job.assert_whole(name, complete=True)
            continue
        assert hit.exists(), f"it failed though nothing was made to fail{run}"
        # (A path that cannot be looked up counts as no directory.)
        assert_one_error(run, (1, 2), REASONS[errno] + ("|Not a directory" if group == "stat" else ""))
        job.assert_whole(name)
    assert struck or not count, "no fault was injected"


@pytest.mark.parametrize("group", ["read", "write"])
def test_short_counts_are_completed(job, faults, group):
    count = faults.count(*job.arguments("count"))[group]
    assert count >= SAMPLES
    for n in spread(count, 8):
        aispipe(*job.arguments(f"short{n}"), env=faults.environment(f"{group}:{n}:SHORT"))
        job.assert_whole(f"short{n}", complete=True)
    aispipe(*job.arguments("all"), env=faults.environment(f"{group}:1+:SHORT"))
    job.assert_whole("all", complete=True)


@pytest.mark.parametrize("group, path", [("open", ".bin"), ("open", ".tmp"), ("read", "/in/"), ("write", "/out/")])
def test_interrupted_calls_are_repeated(job, faults, group, path):
    for n in (1, 3):
        hit = faults.unused("hit")
        environment = faults.environment(f"{group}:{n}:EINTR", path=path, hit=hit)
        aispipe(*job.arguments(f"again{n}"), env=environment)
        assert hit.exists()
        job.assert_whole(f"again{n}", complete=True)


# --- the fault is where it was put, and the line says so --------------------------------------------------

IN_A_STAGE = [
    ("open:1:EACCES", "s3.bin", "load", "batch 3", "s3.bin", "Permission denied"),
    ("open:1:EMFILE", "s4.npy", "load", "batch 4", "s4.npy", "Too many open files"),
    ("read:1:EIO", "s5.bin", "load", "batch 5", "s5.bin", "Input/output error"),
    ("read:1:EIO", "s6.npy", "load", "batch 6", "s6.npy", "Input/output error"),
    ("open:4:EMFILE", ".tmp", "save", r"s\d_0\.bin", "Too many open files"),
    ("write:4:ENOSPC", "out/r", "save", r"s\d_0\.bin", "No space left", "free"),
    ("write:1:EDQUOT", "out/r", "save", r"s\d_0\.bin", "quota", "free|room"),
    ("write:9:EIO", "out/r", "save", r"s\d_0\.bin", "Input/output error"),
    ("close:4:EIO", "out/r", "save", r"s\d_0\.bin", "Input/output error"),
    ("rename:1:EROFS", "s7_0.bin", "save", r"batch 7", r"s7_0\.bin", "Read-only"),
]


@pytest.mark.parametrize("case", IN_A_STAGE, ids=lambda case: f"{case[0]}-{case[1]}")
def test_line_names_stage_batch_file_and_reason(job, faults, case):
    fault, path, stage, *needles = case
    hit = faults.unused("hit")
    run = aispipe(*job.arguments(), env=faults.environment(fault, path=path, hit=hit), status=None)
    assert hit.exists(), run
    assert_one_error(run, 1, rf"\[ERROR\] {stage} failed at batch \d+ \(.*s\d\.(bin|npy)\): ", *needles)
    job.assert_whole()
    saved = re.search(r"(\d+) of (\d+) samples were saved", run.stdout)
    assert saved, f"it does not say how much was saved{run}"
    assert int(saved[1]) == len(tree(job.output / "r") if (job.output / "r").exists() else {})


@pytest.mark.parametrize("n", range(1, 8))
def test_thread_that_cannot_be_created(job, faults, n):
    hit = faults.unused("hit")
    run = aispipe(*job.arguments(), env=faults.environment(f"thread:{n}:EAGAIN", hit=hit), status=None)
    assert hit.exists()
    assert_one_error(run, (1, 2), "thread", "temporarily unavailable")
    job.assert_whole()


def test_summary_that_cannot_be_written(job, faults):
    for fault in ("open:1:ENOSPC", "write:1:ENOSPC", "rename:1:ENOSPC"):
        environment = faults.environment(fault, path="summary.")
        run = aispipe(*job.arguments(), env=environment, status=None)
        assert_one_error(run, 1, "r_summary.json", "No space left")
        assert tree(job.output / "r") == job.wanted()
        assert not (job.output / "r_summary.json").exists() and temporaries(job.output) == []


def test_earlier_results_survive_a_failing_write(job, faults):
    aispipe(*job.arguments())
    before = tree(job.output)
    environment = faults.environment("write:1+:ENOSPC", path="out/r")
    assert_one_error(aispipe(*job.arguments(), env=environment, status=None), 1, "No space left")
    assert tree(job.output) == before


@pytest.mark.parametrize("fault, needle", [("read:1:EIO", "Input/output"), ("open:1:EMFILE", "Too many open files")])
def test_model_file_that_cannot_be_read(job, faults, fault, needle):
    run = aispipe(*job.arguments(), env=faults.environment(fault, path="model.sim.json"), status=None)
    assert_one_error(run, 2, "model.sim.json", needle)
    assert not job.output.exists()


# --- the device -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["h2d", "compute", "d2h"])
@pytest.mark.parametrize("batch", [0, 4, SAMPLES - 1])
@pytest.mark.parametrize("options", [[], ["--pipeline", "0"], ["--run_mode", "full"]], ids=["array", "serial", "full"])
def test_device_fails(job, sim, stage, batch, options):
    model = sim("failing", **{stage: models.sim_stage(fail_at=batch)})
    run = aispipe(*job.arguments(model=model), *options, status=None)
    ending = "npy" if batch % 2 == 0 else "bin"
    assert_one_error(run, 1, rf"\[ERROR\] {stage} failed at batch {batch} \(.*s{batch}\.{ending}\): .+")
    job.assert_whole()
    assert not (job.output / "r" / f"s{batch}_0.bin").exists()


@pytest.mark.parametrize("stage", ["h2d", "compute", "d2h"])
def test_device_fails_while_all_else_waits(job, sim, stage):
    """Slow stages and short rings: everybody sleeps in a ring when the fault comes, and must wake up."""
    slow = {other: models.sim_stage(latency_us=2000) for other in ("h2d", "compute", "d2h")}
    slow[stage] = models.sim_stage(latency_us=2000, fail_at=5)
    model = sim("failing", **slow)
    for depth in ("1", "8"):
        run = aispipe(*job.arguments(model=model), "--queue_depth", depth, "--load_threads", "3", status=None)
        assert_one_error(run, 1, rf"{stage} failed at batch 5")
        job.assert_whole()


def test_only_the_first_of_many_errors_is_told(job, sim):
    model = sim("failing", compute=models.sim_stage(fail_at=0), d2h=models.sim_stage(fail_at=0))
    for _ in range(10):
        run = aispipe(*job.arguments(model=model), "--progress=always", status=None)
        assert_one_error(run, 1, "compute failed at batch 0")


def test_hang_that_ends_is_no_failure(job, sim):
    model = sim("hanging", compute=models.sim_stage(hang_at=3, hang_ms=300))
    run = aispipe(*job.arguments(model=model))
    assert run.wall >= 0.3
    job.assert_whole(complete=True)


def test_device_fails_in_pure_inference(sim):
    run = aispipe("--model", sim(compute=models.sim_stage(fail_at=0)), "--loop", "5", status=None)
    assert_one_error(run, 1, "compute failed at batch 0")


# --- the fault library itself -------------------------------------------------------------------------------


def test_faults_are_not_felt_without_one(job, faults):
    counts = faults.count(*job.arguments())
    job.assert_whole(complete=True)
    assert counts["open"] >= 2 * SAMPLES and counts["rename"] == SAMPLES + 1
    assert counts["read"] >= SAMPLES and counts["write"] >= SAMPLES
    assert counts["thread"] >= 6 and counts["malloc"] > 0


def test_nonsense_is_not_ignored(job, faults):
    for fault in ("write", "write:1", "write:1:EWHAT", "scribble:1:EIO"):
        assert aispipe(*job.arguments(), env=faults.environment(fault), status=None).status == 97
