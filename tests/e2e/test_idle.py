# SPDX-License-Identifier: MIT
"""A stage that waits uses no processor time, however many threads it has."""

import models
import pytest
from harness import aispipe, float_files, start

pytestmark = pytest.mark.plain_only

SAMPLES = 8
LATENCY_US = 200_000


def test_stages_that_wait_use_no_processor(tmp_path, sim):
    float_files(tmp_path / "in", SAMPLES)
    base = ["--input", tmp_path / "in", "--progress", "never"]
    cost_of_starting = aispipe("--model", sim("fast"), *base).cpu
    runs = {}
    # Side by side: they sleep nearly all the time.
    for stage in ("h2d", "compute", "d2h"):
        model = sim(stage, **{stage: models.sim_stage(latency_us=LATENCY_US)})
        runs[stage] = start("--model", model, *base)
        runs[stage + " in line"] = start("--model", model, *base, "--queue_depth", "1", "--pipeline", "0")
    many = sim("many", compute=models.sim_stage(latency_us=LATENCY_US * 2))
    runs["many threads"] = start("--model", many, *base, "--threads", "4", "--load_threads", "8", "--save_threads", "8")
    hung = sim("hung", compute=models.sim_stage(hang_at=2, hang_ms=1000))
    runs["hang"] = start("--model", hung, *base, "--threads", "2")
    for name, process in runs.items():
        run = process.wait()
        assert run.status == 0, run
        least = {"many threads": 0.8, "hang": 1.0}.get(name, SAMPLES * LATENCY_US / 1e6)
        assert run.wall >= least, f"{name}: the device was not slow, so nothing was shown{run}"
        idle_cost = run.cpu - cost_of_starting
        assert idle_cost < 0.02 * run.wall + 0.02, f"{name}: {idle_cost:.3f} s of processor in {run.wall:.2f} s{run}"
