# SPDX-License-Identifier: MIT
"""Very many small files: planned, sorted and run, and memory hardly grows with them. Very many executions without any
files: it grows even less.

AISPIPE_MILLION=1 in the environment takes a million instead of 200,000.
"""

import json
import os
import time

import ascend
import models
import numpy as np
import pytest
from harness import complement, start, summary_of, temporaries

pytestmark = pytest.mark.plain_only

MANY = 1_000_000 if os.environ.get("AISPIPE_MILLION") == "1" else 200_000
FEW = MANY // 10
BYTES_PER_SAMPLE = 200


def make_files(directory, count):
    """Four bytes each, the number of the file. In an order that is not theirs."""
    directory.mkdir()
    root = os.open(directory, os.O_RDONLY)
    for k in range(count):
        n = (k * 7919) % count  # 7919 is prime, and does not divide the counts used here
        fd = os.open(f"img{n}.bin", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=root)
        os.write(fd, n.to_bytes(4, "little"))
        os.close(fd)
    os.close(root)


def measured(*arguments, env=None):
    """Runs the program; returns the run and the most memory it had."""
    process = start(*arguments, "--progress", "never", env=env)
    peak = 0
    while process.alive():
        peak = max(peak, process.peak_memory())
        time.sleep(0.001)
    run = process.wait(timeout=1)
    assert run.status == 0 and not run.errors, run
    assert peak > 0
    return run, peak


def test_many_files(memory_path, tmp_path):
    tensors = dict(inputs=[models.sim_tensor("x", "int32", (1,))], outputs=[models.sim_tensor("y", "int32", (1,))])
    model = models.sim_model(tmp_path / "model.sim.json", **tensors)
    make_files(memory_path / "few", FEW)
    make_files(memory_path / "in", MANY)
    output = memory_path / "out"
    command = ["--model", model, "--output", output]
    _, small = measured(*command, "--input", memory_path / "few", "--output_dirname", "few")
    _, large = measured(*command, "--input", memory_path / "in", "--output_dirname", "many")
    growth = (large - small) / (MANY - FEW)
    print(f"{FEW} samples: {small} bytes, {MANY} samples: {large} bytes, {growth:.1f} bytes a sample")
    assert growth < BYTES_PER_SAMPLE

    results = {entry.name for entry in os.scandir(output / "many")}
    assert results == {f"img{n}_0.bin" for n in range(MANY)}
    for n in range(0, MANY, 997):
        assert (output / "many" / f"img{n}_0.bin").read_bytes() == complement(n.to_bytes(4, "little"))
    check_summary(memory_path)
    assert temporaries(output / "few") == [] and [p.name for p in output.glob("*.tmp")] == []


def check_summary(memory_path):
    """Valid JSON, every sample in it, in natural order."""
    output = memory_path / "out"
    summary = json.loads((output / "many_summary.json").read_text())
    assert summary["pipeline"]["samples"] == MANY == len(summary["filesinfo"])
    assert summary["NPU_compute_time"]["count"] == MANY == len(summary["npu_compute_time_list"])
    for n, (number, files) in enumerate(summary["filesinfo"].items()):
        assert number == str(n)
        assert files["infiles"] == [f"{memory_path}/in/img{n}.bin"]
        assert files["outfiles"] == [f"{output}/many/img{n}_0.bin"]


FLAT = 2 << 20  # bytes: what a run may differ from the next one


def check_loop(directory, model, env=None):
    """--loop against a tenth of it."""

    def run(loop):
        command = ["--model", model, "--threads", "2", "--loop", loop, "--output", directory, "--output_dirname", loop]
        _, peak = measured(*command, env=env)
        assert summary_of(directory, str(loop))["NPU_compute_time"]["count"] == loop
        return peak

    small, large = run(FEW), run(MANY)
    print(f"{FEW} executions: {small} bytes, {MANY} executions: {large} bytes")
    assert large - small < FLAT


def test_many_executions(tmp_path, onnx_model):
    check_loop(tmp_path, onnx_model(models.sum_and_product)[1])


@ascend.needed
def test_many_executions_on_ascend(tmp_path, onnx_model, device):
    _, onnx = onnx_model(models.sum_and_product)
    check_loop(tmp_path, ascend.convert(onnx, tmp_path / "m.om"), env=device.environment())
    assert device.calls()["aclmdlExecute"] >= MANY


@pytest.mark.parametrize("form", ["bin", "npy"])
def test_no_memory_is_allocated_per_sample(faults, memory_path, tmp_path, form):
    """Ten times the files: not even one allocation more for a hundred samples. What is left is lists that double."""
    tensors = dict(inputs=[models.sim_tensor("x", "int32", (1, 3))], outputs=[models.sim_tensor("y", "int32", (1, 3))])
    model = models.sim_model(tmp_path / "model.sim.json", **tensors)
    counts = {}
    for count in (300, 3000):
        inputs = memory_path / f"in{count}"
        inputs.mkdir()
        for n in range(count):
            array = np.array([[n, n, n]], np.int32)
            array.tofile(inputs / f"{n}.bin") if form == "bin" else np.save(inputs / f"{n}.npy", array)
        counts[count] = faults.count("--model", model, "--input", inputs, "--output", memory_path / "out", "--outfmt",
                                     form.upper(), "--output_dirname", str(count), "--inflight", 32)
        assert counts[count]["rename"] == count + 1 and counts[count]["malloc"] > 0
    assert counts[3000]["malloc"] - counts[300]["malloc"] < (3000 - 300) / 100, counts
