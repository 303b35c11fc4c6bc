# SPDX-License-Identifier: MIT
"""`--dump 1` on the CPU engine: every layer's output of the first batch, against ONNX Runtime's."""

from __future__ import annotations

import json

import models
import numpy as np
import onnx
import onnxruntime
import pytest
from harness import aispipe, assert_one_error
from models import Case, Tensor, cast, node


def awkward() -> Case:
    """Names with slashes, colons and blanks; constants; outputs that nobody reads; one tensor read twice; integers
    and truth values on the way."""
    return Case(
        "awkward",
        [
            node("Constant", "", "two", value_float=2.0),
            onnx.helper.make_node("Mul", ["x", "two"], ["/a/b Mul:0"]),
            onnx.helper.make_node("Relu", ["/a/b Mul:0"], ["/a/b_Mul_0"]),
            onnx.helper.make_node("Greater", ["/a/b_Mul_0", "two"], ["above"]),
            cast("above", "counted", "int32"),
            onnx.helper.make_node("Split", ["/a/b_Mul_0"], ["left", "right"], axis=1),
            onnx.helper.make_node("MaxPool", ["image"], ["pooled", "places"], kernel_shape=[2, 2]),
            node("ReduceSum", "counted", "y", keepdims=0),
            node("Add", "left right", "z"),
        ],
        [Tensor("x", "float32", (2, 6)), Tensor("image", "float32", (2, 1, 4, 4))],
        [Tensor("y", "int32", ()), Tensor("z", "float32", (2, 3)), Tensor("pooled", "float32", (2, 1, 3, 3))],
        1,
    )


def layers_of(path, feeds) -> dict:
    """Every node's first output and every output that is read, computed by ONNX Runtime. Constants are not among
    them."""
    model = onnx.load(path)
    given = {o.name for o in model.graph.output}
    read = {name for n in model.graph.node for name in n.input} | given
    nodes = [n for n in model.graph.node if n.op_type != "Constant"]
    names = [o for n in nodes for i, o in enumerate(n.output) if o and (i == 0 or o in read)]
    for name in names:
        if name not in given:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, feeds)))


def dump(path, output, *more):
    run = aispipe("--model", path, "--dump", "1", "--output", output, "--output_dirname", "r", *more)
    place = output / "dump" / "r"
    index = json.loads((place / "tensors.json").read_text())
    tensors = {t["name"]: t for t in index["tensors"]}
    assert len(tensors) == len(index["tensors"])
    arrays = {name: np.load(place / t["file"]) for name, t in tensors.items()}
    for name, t in tensors.items():
        assert (list(arrays[name].shape), arrays[name].dtype.name) == (t["shape"], t["dtype"])
    files = {p.name for p in place.iterdir()}
    assert files == {t["file"] for t in tensors.values()} | {"tensors.json"}
    assert f"[INFO] dump: the outputs of {len(tensors)} layers are in {place}" in run.lines
    return tensors, arrays


def batch_files(case, directory, count):
    """`count` samples on disk; returns the option that names them, and the first batch's feeds."""
    samples = case.samples(count)
    places = []
    for i, tensor in enumerate(case.inputs):
        place = directory / tensor.name
        place.mkdir(parents=True)
        places.append(str(place))
        for s, sample in enumerate(samples):
            np.save(place / f"s{s}.npy", sample[i])
    first = samples[: case.batch]
    feeds = {
        t.name: np.concatenate([s[i] for s in first]) if case.batch > 1 else first[0][i]
        for i, t in enumerate(case.inputs)
    }
    return ["--input", ",".join(places)], feeds


@pytest.mark.parametrize("maker", [models.conv_net, models.pixels, models.half, awkward], ids=lambda m: m.__name__)
def test_every_layer(maker, onnx_model, tmp_path):
    case, path = onnx_model(maker)
    option, feeds = batch_files(case, tmp_path / "in", 2 * case.batch)
    wanted = layers_of(path, feeds)
    tensors, arrays = dump(path, tmp_path / "out", *option)
    assert list(tensors) == list(wanted)
    for name, array in wanted.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape, name
        tolerance = 5e-3 if array.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(arrays[name], array, rtol=tolerance, atol=tolerance, err_msg=name)


def test_names_of_files(onnx_model, tmp_path):
    case, path = onnx_model(awkward)
    option, _ = batch_files(case, tmp_path / "in", 1)
    tensors, _ = dump(path, tmp_path / "out", *option)
    assert tensors["/a/b Mul:0"]["file"] == "0000_a_b_Mul_0.npy"
    assert tensors["/a/b_Mul_0"]["file"] == "0001_a_b_Mul_0.npy"
    assert tensors["above"]["op"] == "Greater"
    assert "places" not in tensors and "two" not in tensors and "right" in tensors


def test_results_are_those_without_it(onnx_model, tmp_path):
    case, path = onnx_model(models.conv_net)
    option, _ = batch_files(case, tmp_path / "in", 3 * case.batch)
    dump(path, tmp_path / "out", *option)
    aispipe("--model", path, *option, "--output", tmp_path / "out", "--output_dirname", "plain")
    results = {p.name: p.read_bytes() for p in (tmp_path / "out" / "r").iterdir()}
    plain = {p.name: p.read_bytes() for p in (tmp_path / "out" / "plain").iterdir()}
    assert results == plain and len(plain) == 3 * case.batch * 2


def test_each_of_several_devices(onnx_model, tmp_path):
    case, path = onnx_model(models.conv_net)
    option, feeds = batch_files(case, tmp_path / "in", case.batch)
    aispipe("--model", path, "--dump", "1", "--output", tmp_path / "out", "--output_dirname", "r", *option,
            "--device", "0,0")  # fmt: skip
    wanted = layers_of(path, feeds)
    for place in ("device0_0", "device0_1"):
        below = tmp_path / "out" / "dump" / "r" / place
        tensors = json.loads((below / "tensors.json").read_text())["tensors"]
        assert [t["name"] for t in tensors] == list(wanted)
        for t in tensors:
            np.testing.assert_allclose(np.load(below / t["file"]), wanted[t["name"]], rtol=1e-5, atol=1e-5)


def test_made_up_data(onnx_model, tmp_path):
    case, path = onnx_model(models.conv_net)
    _, arrays = dump(path, tmp_path / "out")
    wanted = layers_of(path, {"x": np.zeros(case.inputs[0].shape, np.float32)})
    for name, array in wanted.items():
        np.testing.assert_allclose(arrays[name], array, rtol=1e-5, atol=1e-5, err_msg=name)


def test_other_formats_are_refused(onnx_model, sim, tmp_path):
    import openvino

    _, path = onnx_model(models.matmul)
    converted = tmp_path / "net.xml"
    openvino.save_model(openvino.Core().read_model(path), converted, compress_to_fp16=False)
    out = ["--dump", "1", "--output", tmp_path / "out"]
    assert_one_error(aispipe("--model", converted, *out, status=None), 2, "net.xml", "not an .onnx file")
    assert_one_error(aispipe("--model", sim(), *out, status=None), 2, "backend 'sim' cannot dump")
    assert_one_error(aispipe("--model", path, "--dump", "1", status=None), 2, "--dump needs --output")
    assert not (tmp_path / "out").exists()


def test_place_that_cannot_be_made(onnx_model, tmp_path):
    _, path = onnx_model(models.matmul)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dump").write_text("a file")
    run = aispipe("--model", path, "--dump", "1", "--output", tmp_path / "out", status=None)
    assert_one_error(run, 1, "out/dump/", "Not a directory")


def test_weights_in_files_of_their_own_are_refused(onnx_model, tmp_path):
    _, path = onnx_model(models.matmul)
    split = tmp_path / "split.onnx"
    onnx.save(onnx.load(path), split, save_as_external_data=True, location="weights.bin", size_threshold=0)
    run = aispipe("--model", split, "--dump", "1", "--output", tmp_path / "out", status=None)
    assert_one_error(run, 1, "split.onnx", "files of their own")
    assert not (tmp_path / "out").exists()
    aispipe("--model", split)
