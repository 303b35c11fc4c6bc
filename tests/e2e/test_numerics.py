# SPDX-License-Identifier: MIT
"""Every output of every sample, against ONNX Runtime: element types, ranks, batches, formats, modes, threads."""

import re

import models
import numpy as np
import onnxruntime
import pytest
from harness import aispipe, npy_bytes, tree, write_bin, write_npy

TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "float16": 1e-2}

# Name of the run, input ending, result format, options, whether the batch divides the number of samples.
RUNS = [
    ("npy-1-thread", ".npy", "NPY", ["--threads", "1"], True),
    ("bin-files-2-threads", ".bin", "BIN", ["--threads", "2", "--run_mode", "files"], False),
    ("txt-4-threads", ".npy", "TXT", ["--threads", "4"], False),
    ("one-in-flight", ".npy", "BIN", ["--pipeline", "0"], False),
    ("tensor", ".bin", "NPY", ["--run_mode", "tensor", "--threads", "4"], True),
    ("full", ".npy", "TXT", ["--run_mode", "full", "--threads", "2"], True),
]


def reference(case, path, samples) -> list:
    """ONNX Runtime's outputs, one list of arrays per sample. A last batch is filled with its first sample."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    results = []
    for first in range(0, len(samples), case.batch):
        real = samples[first : first + case.batch]
        batch = real + [real[0]] * (case.batch - len(real))
        feeds = {t.name: join([s[i] for s in batch]) for i, t in enumerate(case.inputs)}
        outputs = session.run([t.name for t in case.outputs], feeds)
        pieces = [cut(output, case.batch) for output in outputs]
        results += [[piece[k] for piece in pieces] for k in range(len(real))]
    return results


def join(arrays):
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def cut(array, pieces, axis=0):
    return [array] if pieces == 1 else np.split(array, pieces, axis)


def write_inputs(case, samples, directory, ending) -> str:
    """One directory per input; returns what --input takes."""
    write = write_npy if ending == ".npy" else write_bin
    for i in range(len(case.inputs)):
        for n, sample in enumerate(samples):
            write(directory / f"input{i}" / f"s{n}{ending}", sample[i])
    return ",".join(str(directory / f"input{i}") for i in range(len(case.inputs)))


def from_npy(data, like):
    import io

    array = np.load(io.BytesIO(data))
    assert data == npy_bytes(array), "not the bytes that numpy.save writes"
    assert array.dtype == like.dtype and array.shape == like.shape
    return array


def from_bin(data, like):
    assert len(data) == like.nbytes
    return np.frombuffer(data, like.dtype).reshape(like.shape)


def from_txt(data, like):
    """A row per index of the flattened leading axes, a blank behind each value."""
    number = r"-?\d+\.\d{6} " if like.dtype.kind == "f" else r"-?\d+ "
    rows = data.decode("ascii").split("\n")
    assert rows.pop() == ""
    per_row = like.shape[-1] if like.ndim else 1
    assert len(rows) == (like.size // per_row if like.ndim > 1 else 1)
    assert all(re.fullmatch(f"({number}){{{per_row}}}", row) for row in rows), rows
    values = [v for row in rows for v in row.split()]
    if like.dtype.kind == "f":
        return np.array(values, np.float64).reshape(like.shape)
    return np.array([int(v) for v in values], like.dtype).reshape(like.shape)


READERS = {"NPY": ("npy", from_npy), "BIN": ("bin", from_bin), "TXT": ("txt", from_txt)}


def assert_same(got, wanted, outfmt):
    rtol = TOLERANCE.get(wanted.dtype.name)
    if rtol is None:
        np.testing.assert_array_equal(got, wanted)
        return
    # Text has six decimals. Beyond that, zero has no relative error: allow what rounding gives near it.
    atol = 6e-7 if outfmt == "TXT" else 1e-6
    np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=atol)


def check_results(directory, wanted, outfmt, name="s"):
    extension, read = READERS[outfmt]
    files = tree(directory)
    names = {f"{name}{n}_{k}.{extension}" for n, outputs in enumerate(wanted) for k in range(len(outputs))}
    assert set(files) == names
    for n, outputs in enumerate(wanted):
        for k, output in enumerate(outputs):
            assert_same(read(files[f"{name}{n}_{k}.{extension}"], output), output, outfmt)


def sample_count(case, divides):
    if case.batch == 1:
        return 5
    return 2 * case.batch if divides else 2 * case.batch + case.batch // 2


def test_the_models_cover_what_they_should():
    cases = [maker() for maker in models.ALL]
    tensors = [t for case in cases for t in case.inputs + case.outputs]
    assert len(cases) >= 10
    assert {len(case.inputs) for case in cases} == {1, 2, 3} == {len(case.outputs) for case in cases}
    assert {case.batch for case in cases} == {1, 4, 7}
    assert {t.dtype for t in tensors} >= {"float32", "float16", "int8", "uint8", "int32", "int64", "bool"}
    assert () in {t.shape for t in tensors} and (0, 4) in {t.shape for t in tensors}


@pytest.mark.parametrize("maker", models.ALL, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("name, ending, outfmt, options, divides", RUNS, ids=[run[0] for run in RUNS])
def test_agrees_with_onnx_runtime(tmp_path, onnx_model, maker, name, ending, outfmt, options, divides):
    case, model = onnx_model(maker)
    samples = case.samples(sample_count(case, divides))
    where = write_inputs(case, samples, tmp_path / "in", ending)
    output = tmp_path / "out"
    command = ["--model", model, "--input", where, "--output", output, "--output_dirname", "r", "--outfmt", outfmt]
    aispipe(*command, *options)
    check_results(output / "r", reference(case, model, samples), outfmt)


def test_output_cut_along_another_axis(tmp_path, onnx_model):
    case, model = onnx_model(models.transposed)
    samples = case.samples(6)
    where = write_inputs(case, samples, tmp_path / "in", ".npy")
    for axis_option in ("--output_batchsize_axis", "-oba"):
        output = tmp_path / axis_option.strip("-")
        command = ["--model", model, "--input", where, "--output", output, "--output_dirname", "r", "--outfmt", "NPY"]
        aispipe(*command, axis_option, "1")
        check_results(output / "r", [[sample[0].T] for sample in samples], "NPY")


def test_results_are_the_models_precision(tmp_path, onnx_model):
    """A float32 model must not be computed in bfloat16 behind the user's back, which some CPUs prefer."""
    case, model = onnx_model(models.conv_net)
    samples = case.samples(4)
    where = write_inputs(case, samples, tmp_path / "in", ".bin")
    aispipe("--model", model, "--input", where, "--output", tmp_path / "out", "--output_dirname", "r")
    wanted = reference(case, model, samples)
    got = tree(tmp_path / "out" / "r")
    worst = max(
        np.abs(from_bin(got[f"s{n}_1.bin"], outputs[1]) - outputs[1]).max() for n, outputs in enumerate(wanted)
    )
    assert worst < 1e-4  # bfloat16 has 8 bits: errors of some 1e-2


def test_files_one_by_one_feed_the_inputs_in_equal_runs(tmp_path, onnx_model):
    case, model = onnx_model(models.three_int32)
    samples = case.samples(4)
    write_inputs(case, samples, tmp_path / "in", ".bin")
    files = [str(tmp_path / "in" / f"input{i}" / f"s{n}.bin") for i in range(3) for n in range(4)]
    aispipe("--model", model, "--input", ",".join(files), "--output", tmp_path / "out", "--output_dirname", "r")
    check_results(tmp_path / "out" / "r", reference(case, model, samples), "BIN")
