# SPDX-License-Identifier: MIT
"""However the run is laid out, the results are the same bytes."""

import models
import numpy as np
import pytest
from harness import aispipe, tree, write_bin

SAMPLES = 41  # no batch divides it

LAYOUTS = [
    ["--threads", "1"],
    ["--threads", "2"],
    ["--threads", "4"],
    ["--threads", "7", "--load_threads", "3", "--save_threads", "3"],
    ["--pipeline", "0"],
    ["--pipeline", "0", "--threads", "3"],
    ["--queue_depth", "1"],
    ["--queue_depth", "load=2,h2d=1,compute=3,d2h=1,save=2", "--threads", "2"],
    ["--queue_depth", "save=1", "--save_threads", "4"],
    ["--inflight", "1"],
    ["--inflight", "2", "--threads", "4"],
    ["--inflight", "1000", "--threads", "4"],
    ["--load_threads", "1", "--save_threads", "1"],
    ["--load_threads", "8", "--save_threads", "8"],
    ["--run_mode", "files", "--threads", "2"],
    ["--run_mode", "tensor", "--threads", "3"],
    ["--run_mode", "full"],
    ["--run_mode", "full", "--threads", "4", "--load_threads", "4"],
    ["--loop", "3", "--threads", "2"],
    ["--warmup_count", "0"],
    ["--warmup_count", "4", "--threads", "3"],
    ["--device", "7"],
    ["--progress", "always"],
    ["--debug", "1", "--display_all_summary", "1"],
]


def jittery(sim, spin=False):
    """Two inputs, two outputs of different sizes, four samples a batch, and every stage's time is random."""
    times = dict(latency_us=150, jitter_us=300, spin=spin)
    return sim(
        inputs=[models.sim_tensor("a", "float32", (4, 6)), models.sim_tensor("b", "uint8", (4, 10))],
        outputs=[models.sim_tensor("y", "float32", (4, 6)), models.sim_tensor("z", "int16", (4, 3))],
        h2d=models.sim_stage(seed=1, **times),
        compute=models.sim_stage(seed=2, **times),
        d2h=models.sim_stage(seed=3, **times),
    )


def two_inputs(directory):
    generator = np.random.default_rng(11)
    samples = []
    for i in range(SAMPLES):
        a, b = generator.bytes(24), generator.bytes(10)
        write_bin(directory / "a" / f"s{i}.bin", a)
        write_bin(directory / "b" / f"s{i}.bin", b)
        samples.append((a, b))
    return f"{directory / 'a'},{directory / 'b'}", samples


def expected_files(samples):
    """What the simulated device makes of them, cut into samples by hand."""
    files = {}
    for first in range(0, len(samples), 4):
        real = samples[first : first + 4]
        filled = real + [real[0]] * (4 - len(real))
        batch = [b"".join(s[i] for s in filled) for i in range(2)]
        y, z = models.sim_expected(batch, [4 * 24, 4 * 6])
        for n in range(len(real)):
            files[f"s{first + n}_0.bin"] = y[n * 24 : n * 24 + 24]
            files[f"s{first + n}_1.bin"] = z[n * 6 : n * 6 + 6]
    return files


def test_simulated_device(tmp_path, sim):
    model = jittery(sim)
    where, samples = two_inputs(tmp_path / "in")
    wanted = expected_files(samples)
    for n, layout in enumerate(LAYOUTS):
        aispipe("--model", model, "--input", where, "--output", tmp_path / "out", "--output_dirname", f"r{n}", *layout)
        assert tree(tmp_path / "out" / f"r{n}") == wanted, layout


def test_simulated_device_that_spins(tmp_path, sim):
    model = jittery(sim, spin=True)
    where, samples = two_inputs(tmp_path / "in")
    aispipe("--model", model, "--input", where, "--output", tmp_path / "out", "--output_dirname", "r", "--threads", "4")
    assert tree(tmp_path / "out" / "r") == expected_files(samples)


@pytest.mark.parametrize("maker", [models.conv_net, models.reductions], ids=lambda maker: maker.__name__)
def test_real_model(tmp_path, onnx_model, maker):
    case, model = onnx_model(maker)
    for n, sample in enumerate(case.samples(21)):
        write_bin(tmp_path / "in" / f"s{n}.bin", sample[0])
    wanted = None
    for n, layout in enumerate(LAYOUTS[:5] + LAYOUTS[7:8] + LAYOUTS[14:18]):
        output = tmp_path / "out"
        aispipe("--model", model, "--input", tmp_path / "in", "--output", output, "--output_dirname", f"r{n}", *layout)
        got = tree(output / f"r{n}")
        assert len(got) == 21 * len(case.outputs)
        wanted = wanted or got
        assert got == wanted, layout


def test_repeated_runs(tmp_path, sim):
    model = jittery(sim)
    where, samples = two_inputs(tmp_path / "in")
    wanted = expected_files(samples)
    command = ["--model", model, "--input", where, "--output", tmp_path / "out", "--output_dirname", "same"]
    for n in range(20):
        aispipe(*command, "--threads", "4")
        assert tree(tmp_path / "out" / "same") == wanted, n
