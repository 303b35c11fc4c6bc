# SPDX-License-Identifier: MIT
"""Dynamic AIPP (--aipp_config) on the simulated Ascend device: images through AIPP in numpy and then the model by ONNX
Runtime, and what is refused."""

import ascend
import harness
import models
import numpy as np
import onnx
import onnxruntime
import pytest
from aipp import BIAS, DEFAULTS, FORMATS, SCALE, TO_RGB, TO_YUV, bytes_of_image, csc, reference, size
from harness import assert_one_error, tree, write_bin, write_npy
from onnx import TensorProto, helper, numpy_helper

pytestmark = ascend.needed

BIAS_VALUES = np.array([0.5, -1.25, 3.0, 100.0], np.float32)
# The names of a converter's file that --aipp_config has in another order.
RENAMED = {f"{side}_padding_size": f"padding_size_{side}" for side in ("left", "right", "top", "bottom")}


@pytest.fixture
def device(tmp_path):
    directory = tmp_path / "device"
    directory.mkdir()
    return ascend.Device(directory)


def image_model(path, channels, layout="NCHW", bias_first=False):
    """A convolution of images, to whose mean another input is added."""
    start = [] if layout == "NCHW" else [models.node("Transpose", "x", "t", perm=[0, 3, 1, 2])]
    shape = ["n", channels, "h", "w"] if layout == "NCHW" else ["n", "h", "w", channels]
    nodes = start + [
        models.node("Conv", "x w" if layout == "NCHW" else "t w", "map"),
        models.node("ReduceMean", "map", "mean", axes=[2, 3], keepdims=0),
        models.node("Add", "mean bias", "y"),
    ]
    inputs = [("x", shape), ("bias", [4])]
    outputs = [("map", ["n", 4, "p", "q"]), ("y", ["n", 4])]
    values = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side] for side in (inputs, outputs)]
    if bias_first:
        values[0].reverse()
    weights = numpy_helper.from_array(models.weights(4, channels, 3, 3), "w")
    made = helper.make_model(helper.make_graph(nodes, "g", *values, [weights]),
                             opset_imports=[helper.make_opsetid("", models.OPSET)])
    made.ir_version = models.IR_VERSION
    onnx.save(made, path)
    return path


def convert(tmp_path, path, *options, rank=0, most=1 << 16, second=None):
    text = ""
    for r in [rank] + ([] if second is None else [second]):
        text += f"aipp_op {{ aipp_mode: dynamic related_input_rank: {r} max_src_image_size: {most} }}\n"
    (tmp_path / "op.cfg").write_text(text)
    return ascend.convert(path, tmp_path / "m.om", *options, f"--insert_op_conf={tmp_path}/op.cfg")


def write_config(path, kind, settings):
    values = {**DEFAULTS, **settings}
    del values["padding_value"]
    lines = [f"    {RENAMED.get(key, key)} : {value}\n" for key, value in values.items()]
    path.write_text("[aipp_op]\n" + f"    input_format : {kind}\n" + "".join(lines))
    return path


def write_images(tmp_path, kind, settings, count):
    """One file for each image; returns them, and the other input's file as often."""
    bytes_each = bytes_of_image(kind, settings["src_image_size_h"], settings["src_image_size_w"])
    raw = np.random.default_rng(5).integers(0, 256, (count, bytes_each), np.uint8)
    for i in range(count):
        write_bin(tmp_path / "x" / f"s{i}.bin", raw[i].tobytes())
    return raw


def write_bias(tmp_path, batches):
    for i in range(batches):
        write_bin(tmp_path / "bias" / f"s{i}.bin", BIAS_VALUES.tobytes())


def wanted_of(path, kind, settings, raw, channels, layout="NCHW"):
    """Both outputs for each image."""
    images = np.stack([reference(kind, each, settings, channels, "float32") for each in raw])
    if layout == "NCHW":
        images = images.transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": images[i : i + 1], "bias": BIAS_VALUES}) for i in range(len(raw))]


def check_results(directory, wanted):
    """Batches are of one file here, so that each has the results of all of its images."""
    files = tree(directory)
    for output in (0, 1):
        got = np.concatenate([np.frombuffer(files[f"b{i}_{output}.bin"], np.float32) for i in range(len(files) // 2)])
        np.testing.assert_allclose(got, np.concatenate([w[output].ravel() for w in wanted]), rtol=1e-4, atol=2e-3)


def run_images(device, tmp_path, path, om, kind, settings, channels, batch=1, batches=3, layout="NCHW", options=(),
               bias_first=False):
    """`batches` executions of `batch` images each, compared with the reference."""
    config = write_config(tmp_path / "a.config", kind, settings)
    raw = write_images(tmp_path, kind, settings, batch * batches)
    for i in range(batches):
        write_bin(tmp_path / "batches" / f"b{i}.bin", raw[i * batch : (i + 1) * batch].tobytes())
    write_bias(tmp_path, batches)
    inputs = [tmp_path / "batches", tmp_path / "bias"]
    if bias_first:
        for i in range(batches):  # results are called after the files of the first input
            (tmp_path / "bias" / f"s{i}.bin").rename(tmp_path / "bias" / f"b{i}.bin")
        inputs.reverse()
    result = device.run("--model", om, "--input", ",".join(map(str, inputs)), "--output", tmp_path / "out",
                        "--output_dirname", "r", "--outfmt", "BIN", "--aipp_config", config, *options)
    check_results(tmp_path / "out" / "r", wanted_of(path, kind, settings, raw, channels, layout))
    return result


def shape_of(channels, height, width, batch=1, layout="NCHW"):
    dims = (batch, channels, height, width) if layout == "NCHW" else (batch, height, width, channels)
    return "--input_shape=x:" + ",".join(map(str, dims)) + ";bias:4"


# ------------------------------------------------------------------ results


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind, channels", FORMATS)
def test_static(tmp_path, device, kind, channels, layout):
    path = image_model(tmp_path / "m.onnx", channels, layout)
    om = convert(tmp_path, path, shape_of(channels, 6, 10, 2, layout), f"--input_format={layout}")
    settings = {**size(6, 10), **SCALE}
    run = run_images(device, tmp_path, path, om, kind, settings, channels, 2, layout=layout,
                     options=["--threads", 2, "--debug", 1])
    assert "ascend_dynamic_aipp_data" not in run.stdout
    bytes_fed = 2 * bytes_of_image(kind, 6, 10)
    assert any(line.split()[:2] == ["#0", "x"] and line.split()[-2:] == [str(bytes_fed)] * 2 for line in run.lines), run
    calls = device.calls()
    assert calls["aclmdlCreateAIPP"] == calls["aclmdlDestroyAIPP"] == 1
    for name in ("CropParams", "PaddingParams", "DtcPixelMean", "DtcPixelMin", "PixelVarReci"):
        assert calls[f"aclmdlSetAIPP{name}"] == 2, "once for each image of the batch"
