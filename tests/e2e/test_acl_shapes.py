# SPDX-License-Identifier: MIT
"""Shapes that are chosen at run time, on the simulated Ascend device, against ONNX Runtime: gears of batch, image size
and dimensions, and models whose dimensions are open."""

import io
import re

import ascend
import models
import numpy as np
import onnx
import onnxruntime
import pytest
from harness import assert_one_error, tree, write_npy
from onnx import TensorProto, helper, numpy_helper

pytestmark = ascend.needed


def save(path, nodes, inputs, outputs, constants=None):
    values = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side] for side in (inputs, outputs)]
    initial = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *values, initial), opset_imports=[helper.make_opsetid("", models.OPSET)]
    )
    model.ir_version = models.IR_VERSION
    onnx.save(model, path)
    return path


@pytest.fixture
def images(tmp_path):
    """Images of any size and number, and a vector that is added to the mean: an input that no gear changes."""
    return save(
        tmp_path / "images.onnx",
        [models.node("Conv", "x w", "map"), models.node("ReduceMean", "map", "mean", axes=[2, 3], keepdims=0)]
        + [models.node("Add", "mean bias", "y")],
        [("x", ["n", 3, "h", "w"]), ("bias", [4])],
        [("map", ["n", 4, "p", "q"]), ("y", ["n", 4])],
        {"w": models.weights(4, 3, 3, 3)},
    )


@pytest.fixture
def pair(tmp_path):
    return save(
        tmp_path / "pair.onnx",
        [models.node("MatMul", "a b", "y")],
        [("a", ["m", "k"]), ("b", ["k", "n"])],
        [("y", ["m", "n"])],
    )


def made(tmp_path, *shapes, count=3):
    """Arrays of these shapes for each sample, written as .npy; returns them, and what --input takes."""
    generator = np.random.default_rng(11)
    samples = []
    for k in range(count):
        samples.append([generator.standard_normal(shape).astype(np.float32) for shape in shapes])
        for i, array in enumerate(samples[-1]):
            write_npy(tmp_path / f"in{i}" / f"s{k}.npy", array)
    return samples, ",".join(str(tmp_path / f"in{i}") for i in range(len(shapes)))


def check(path, samples, directory):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    files = tree(directory)
    assert len(files) == len(samples) * len(session.get_outputs())
    for k, sample in enumerate(samples):
        for i, wanted in enumerate(session.run(None, dict(zip(names, sample)))):
            got = np.load(io.BytesIO(files[f"s{k}_{i}.npy"]))
            assert got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def run(device, om, where, output, *options, **how):
    command = ["--model", om, "--input", where, "--output", output, "--output_dirname", "r", "--outfmt", "NPY"]
    return device.run(*command, *options, **how)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_batch(tmp_path, device, images, n, threads):
    om = ascend.convert(
        images, tmp_path / "m.om", "--input_shape=x:-1,3,8,8;bias:4", "--dynamic_batch_size=1,2,4"
    )
    samples, where = made(tmp_path, (n, 3, 8, 8), (4,))
    result = run(device, om, where, tmp_path / "out", "--dymBatch", n, "--threads", threads)
    check(images, samples, tmp_path / "out" / "r")
    assert f"[INFO] try get model batchsize:{n}" in result.lines
    assert device.calls()["aclmdlSetDynamicBatchSize"] >= 3


@pytest.mark.parametrize("h, w", [(8, 8), (6, 10), (5, 5)])
def test_hw(tmp_path, device, images, h, w):
    om = ascend.convert(
        images, tmp_path / "m.om", "--input_shape=x:2,3,-1,-1;bias:4", "--dynamic_image_size=8,8;6,10;5,5",
        "--input_format=NCHW",
    )
    samples, where = made(tmp_path, (2, 3, h, w), (4,))
    run(device, om, where, tmp_path / "out", "--dymHW", f"{h},{w}", "--threads", 2)
    check(images, samples, tmp_path / "out" / "r")


@pytest.mark.parametrize("m, k, n", [(1, 4, 2), (3, 5, 7)])
def test_dims(tmp_path, device, pair, m, k, n):
    om = ascend.convert(
        pair, tmp_path / "m.om", "--input_shape=a:-1,-1;b:-1,-1", "--dynamic_dims=1,4,4,2;3,5,5,7", "--input_format=ND"
    )
    samples, where = made(tmp_path, (m, k), (k, n))
    run(device, om, where, tmp_path / "out", "--dymDims", f"a:{m},{k};b:{k},{n}", "--threads", 2)
    check(pair, samples, tmp_path / "out" / "r")


def any_shape(pair, tmp_path):
    return ascend.convert(pair, tmp_path / "m.om", "--input_shape=a:-1,-1;b:-1,-1", "--input_format=ND")


@pytest.mark.parametrize("m, k, n", [(1, 4, 2), (3, 5, 7)])
def test_shape(tmp_path, device, pair, m, k, n):
    om = any_shape(pair, tmp_path)
    samples, where = made(tmp_path, (m, k), (k, n))
    shape = ["--dymShape", f"a:{m},{k};b:{k},{n}", "--outputSize", 4 * m * n + 100, "--threads", 2]
    run(device, om, where, tmp_path / "out", *shape)
    check(pair, samples, tmp_path / "out" / "r")


def mixed(tmp_path, shapes):
    """One sample of each shape, in turn."""
    generator = np.random.default_rng(12)
    samples = []
    for k in range(12):
        m, inner, n = shapes[k % len(shapes)]
        samples.append([generator.standard_normal(s).astype(np.float32) for s in ((m, inner), (inner, n))])
        for i, array in enumerate(samples[-1]):
            write_npy(tmp_path / f"in{i}" / f"s{k}.npy", array)
    return samples, f"{tmp_path}/in0,{tmp_path}/in1"


@pytest.mark.parametrize("threads", [1, 3])
def test_samples_of_several_dims(tmp_path, device, pair, threads):
    om = ascend.convert(
        pair, tmp_path / "m.om", "--input_shape=a:-1,-1;b:-1,-1", "--dynamic_dims=1,4,4,2;3,5,5,7;9,9,9,9",
        "--input_format=ND",
    )
    samples, where = mixed(tmp_path, [(1, 4, 2), (3, 5, 7)])
    run(device, om, where, tmp_path / "out", "--auto_set_dymdims_mode", 1, "--threads", threads)
    check(pair, samples, tmp_path / "out" / "r")
    assert device.calls().get("aclmdlLoadFromFile", 0) + device.calls().get("aclmdlLoadFromFileWithMem", 0) == threads
    samples, where = mixed(tmp_path, [(1, 4, 2), (2, 5, 7)])
    failed = run(device, om, where, tmp_path / "out2", "--auto_set_dymdims_mode", 1, status=None)
    assert_one_error(failed, (1, 2), "--dymDims|--auto_set_dymdims_mode", "a:3,5;b:5,7")


@pytest.mark.parametrize("threads", [1, 3])
def test_samples_of_several_shapes(tmp_path, device, pair, threads):
    om = any_shape(pair, tmp_path)
    samples, where = mixed(tmp_path, [(1, 4, 2), (3, 5, 7), (6, 1, 6)])
    run(device, om, where, tmp_path / "out", "--auto_set_dymshape_mode", 1, "--outputSize", 200, "--threads", threads)
    check(pair, samples, tmp_path / "out" / "r")


@pytest.mark.parametrize("divide", [0, 1])
def test_samples_of_several_shapes_on_several_devices(tmp_path, device, pair, divide):
    om = any_shape(pair, tmp_path)
    samples, where = mixed(tmp_path, [(1, 4, 2), (3, 5, 7), (6, 1, 6)])
    options = ["--auto_set_dymshape_mode", 1, "--outputSize", 200, "--device", "0,1", "--divide_input", divide]
    run(device, om, where, tmp_path / "out", *options, settings={"devices": 2})
    parts = [tree(tmp_path / "out" / "r" / f"device{i}_{i}") for i in range(2)]
    assert [len(part) for part in parts] == ([6, 6] if divide else [12, 12])
    for part in parts if not divide else [{**parts[0], **parts[1]}]:
        whole = tmp_path / "whole"
        for name, data in part.items():
            whole.mkdir(exist_ok=True)
            (whole / name).write_bytes(data)
        check(pair, samples, whole)


def test_a_range_of_shapes(tmp_path, device, pair):
    om = any_shape(pair, tmp_path)
    result = device.run("--model", om, "--dymShape_range", "a:1~3,4;b:4,5-6", "--outputSize", 1000)
    found = [line for line in result.lines if re.search(r"result:OK throughput", line)]
    assert len(found) == 6, result


def test_a_range_of_shapes_is_profiled_as_a_whole(tmp_path, device, pair):
    """The device's runtime profiles the process, whatever shapes it runs."""
    command = ["--model", any_shape(pair, tmp_path), "--dymShape_range", "a:1~2,4;b:4,5", "--outputSize", 1000]
    options = ["--output", tmp_path / "out", "--profiler", 1]
    result = device.run(*command, *options, env={"AIT_NO_MSPROF_MODE": "1"})
    assert sum("result:OK throughput" in line for line in result.lines) == 2
    assert (tmp_path / "out" / "acl.json").exists()
    model = tmp_path / "pair.onnx"
    refused = device.run("--model", model, *command[2:4], *options, status=None)
    assert_one_error(refused, 2, "--profiler", "one shape", "--dymShape")


def test_refused(tmp_path, device, pair):
    om = any_shape(pair, tmp_path)
    assert_one_error(device.run("--model", om, status=None), 2, "--dymShape", "a:-1,-1;b:-1,-1")
    assert_one_error(device.run("--model", om, "--dymBatch", 2, status=None), 2, "--dymBatch", "--dymShape")
    needs = device.run("--model", om, "--dymShape", "a:2,3;b:3,4", status=None)
    assert_one_error(needs, 2, "--outputSize")
    small = device.run("--model", om, "--dymShape", "a:2,3;b:3,4", "--outputSize", 20, status=None)
    assert_one_error(small, (1, 2), "output|32")
    fixed = ascend.convert(pair, tmp_path / "f.om", "--input_shape=a:2,3;b:3,4")
    for option in (["--dymBatch", 2], ["--dymShape", "a:2,3;b:3,4"], ["--dymHW", "2,2"]):
        assert_one_error(device.run("--model", fixed, *option, status=None), 2, option[0], "a:2,3;b:3,4")


def test_shapes_that_come_later_are_refused_once(tmp_path, device, images, pair):
    """A model that takes none of the shapes is refused before any of them is tried, or any file is read."""
    batches = ascend.convert(images, tmp_path / "b.om", "--input_shape=x:-1,3,8,8;bias:4", "--dynamic_batch_size=1,2,4")
    fixed = ascend.convert(pair, tmp_path / "f.om", "--input_shape=a:2,3;b:3,4")
    ways = [["--dymShape_range", "a:1~3,4;b:4,2"]]
    for option in ("--auto_set_dymdims_mode", "--auto_set_dymshape_mode"):
        ways.append([option, "--input", made(tmp_path, (2, 3), (3, 4))[1]])
    for way in ways:
        for om, words in ((batches, r"batch sizes \(1, 2, 4\).*--dymBatch"), (fixed, "a:2,3;b:3,4.*leave")):
            refused = device.run("--model", om, *way, status=None)
            assert_one_error(refused, 2, way[0], words)
            assert "WARNING" not in refused.stderr and "dymshape:" not in refused.stdout
    unsized = device.run("--model", any_shape(pair, tmp_path), *ways[0], status=None)
    assert_one_error(unsized, 2, "--dymShape_range", "--outputSize")
    wrong = device.run("--model", any_shape(pair, tmp_path), *ways[0], "--outputSize", "9,9", status=None)
    assert_one_error(wrong, 2, "--dymShape_range", "2 sizes", "1 output")


def test_output_size_of_a_gear(tmp_path, device, images):
    """A gear's outputs are known: what is set aside may be more than they need, not less."""
    om = ascend.convert(images, tmp_path / "m.om", "--input_shape=x:-1,3,8,8;bias:4", "--dynamic_batch_size=1,2,4")
    needed = 4 * 2 * 4 * 6 * 6  # float32, batch 2, 4 channels, 6 × 6
    device.run("--model", om, "--dymBatch", 2, "--outputSize", f"{needed},32")
    small = device.run("--model", om, "--dymBatch", 2, "--outputSize", f"{needed - 1},32", status=None)
    assert_one_error(small, 2, "output 0", str(needed), str(needed - 1))
