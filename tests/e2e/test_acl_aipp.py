# SPDX-License-Identifier: MIT
"""Dynamic AIPP (--aipp_config) on the simulated Ascend device: images through AIPP in numpy and then the model by ONNX
Runtime, and what is refused."""

import os
import re

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


@pytest.mark.parametrize("kind, channels", [("YUV420SP_U8", 3), ("XRGB8888_U8", 4)])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_dynamic_batch(tmp_path, device, kind, channels, batch):
    """The settings are for the largest batch; what is fed is the chosen one."""
    path = image_model(tmp_path / "m.onnx", channels)
    om = convert(tmp_path, path, shape_of(channels, 6, 8, -1), "--dynamic_batch_size=1,2,4")
    run = run_images(device, tmp_path, path, om, kind, {**size(6, 8), **SCALE}, channels, batch,
                     options=["--dymBatch", batch, "--threads", 2])
    assert f"[INFO] try get model batchsize:{batch}" in run.lines
    assert device.calls()["aclmdlSetAIPPCropParams"] == 4


@pytest.mark.parametrize("kind, channels", FORMATS)
@pytest.mark.parametrize("h, w", [(6, 10), (12, 8)])
def test_dynamic_hw(tmp_path, device, kind, channels, h, w):
    path = image_model(tmp_path / "m.onnx", channels)
    om = convert(tmp_path, path, shape_of(channels, -1, -1, 2), "--dynamic_image_size=6,10;12,8")
    run_images(device, tmp_path, path, om, kind, {**size(h, w), **SCALE}, channels, 2,
               options=["--dymHW", f"{h},{w}", "--threads", 2])


@pytest.mark.parametrize("mode", ["static", "batch"])
@pytest.mark.parametrize("kind, channels", FORMATS)
def test_crop_and_padding(tmp_path, device, kind, channels, mode):
    settings = {**size(12, 14), **SCALE, "crop": 1, "load_start_pos_w": 4, "load_start_pos_h": 2, "crop_size_w": 5,
                "crop_size_h": 7, "padding": 1, "left_padding_size": 1, "right_padding_size": 2,
                "top_padding_size": 3, "bottom_padding_size": 4}
    path = image_model(tmp_path / "m.onnx", channels)
    options = ["--dynamic_batch_size=1,2,3"] if mode == "batch" else []
    om = convert(tmp_path, path, shape_of(channels, 14, 8, -1 if options else 2), *options)
    run_images(device, tmp_path, path, om, kind, settings, channels, 2, options=["--dymBatch", 2] if options else [])


@pytest.mark.parametrize("swap", [0, 1])
@pytest.mark.parametrize("kind", ["YUV420SP_U8", "RGB888_U8", "XRGB8888_U8"])
def test_colours(tmp_path, device, kind, swap):
    matrix = csc(TO_RGB, inward=BIAS, outward=(9, 9, 9)) if kind == "YUV420SP_U8" else csc(TO_YUV, (9, 9, 9), BIAS)
    settings = {**size(8, 6), **SCALE, **matrix, "rbuv_swap_switch": swap, "ax_swap_switch": swap}
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 8, 6, 2))
    run_images(device, tmp_path, path, om, kind, settings, 3, 2)


def test_images_are_the_second_input(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3, bias_first=True)
    om = convert(tmp_path, path, shape_of(3, 6, 10, 2), rank=1)
    run_images(device, tmp_path, path, om, "RGB888_U8", {**size(6, 10), **SCALE}, 3, 2, bias_first=True)


def test_files_of_one_image(tmp_path, device):
    """Files that are smaller than the batch are put together, the last batch is not full; .npy does as well."""
    path = tmp_path / "m.onnx"
    weights = numpy_helper.from_array(models.weights(4, 3, 3, 3), "w")
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
              for n, s in (("x", ["n", 3, "h", "w"]), ("y", ["n", 4, "p", "q"]))]
    graph = helper.make_graph([models.node("Conv", "x w", "y")], "g", values[:1], values[1:], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", models.OPSET)])
    made.ir_version = models.IR_VERSION
    onnx.save(made, path)
    om = convert(tmp_path, path, "--input_shape=x:2,3,6,10")
    settings = {**size(6, 10), **SCALE}
    config = write_config(tmp_path / "a.config", "RGB888_U8", settings)
    raw = np.random.default_rng(3).integers(0, 256, (5, 6 * 10 * 3), np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for i in range(5):
        write_npy(tmp_path / "x" / f"s{i}.npy", raw[i].reshape(6, 10, 3))
    device.run("--model", om, "--input", tmp_path / "x", "--output", tmp_path / "out", "--output_dirname", "r",
               "--outfmt", "BIN", "--aipp_config", config)
    files = tree(tmp_path / "out" / "r")
    assert len(files) == 5
    for i in range(5):
        image = reference("RGB888_U8", raw[i], settings, 3, "float32").transpose(2, 0, 1)[None]
        got = np.frombuffer(files[f"s{i}_0.bin"], np.float32)
        np.testing.assert_allclose(got, session.run(None, {"x": image})[0].ravel(), rtol=1e-4, atol=2e-3)


def test_without_input_and_on_several_devices(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    device.run("--model", om, "-aipp", config, "--loop", 3, "--device", "0,1", settings={"devices": 2})
    assert device.calls()["aclmdlCreateAIPP"] == device.calls()["aclmdlDestroyAIPP"] == 2


def test_reciprocals_that_are_left_out(tmp_path, device):
    """They count as 0: every pixel is 0 then, which is said."""
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    config = tmp_path / "a.config"
    config.write_text("[aipp_op]\n\tinput_format : RGB888_U8\n\tsrc_image_size_w : 10\n\tsrc_image_size_h : 6\n")
    write_bin(tmp_path / "x" / "b0.bin", bytes(range(180)))
    write_bias(tmp_path, 1)
    run = device.run("--model", om, "--input", f"{tmp_path}/x,{tmp_path}/bias", "--output", tmp_path / "out",
                     "--output_dirname", "r", "--outfmt", "BIN", "--aipp_config", config)
    assert any("[WARNING]" in line and "var_reci_chn_0" in line for line in run.stderr.splitlines() + run.lines)
    got = np.frombuffer(tree(tmp_path / "out" / "r")["b0_1.bin"], np.float32)
    np.testing.assert_array_equal(got, BIAS_VALUES)


def test_model_without_aipp_ignores_the_file(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = ascend.convert(path, tmp_path / "m.om", shape_of(3, 6, 10))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(600, 10))
    image = np.random.default_rng(2).standard_normal((1, 3, 6, 10)).astype(np.float32)
    write_npy(tmp_path / "x" / "b0.npy", image)
    write_bias(tmp_path, 1)
    run = device.run("--model", om, "--input", f"{tmp_path}/x,{tmp_path}/bias", "--output", tmp_path / "out",
                     "--output_dirname", "r", "--outfmt", "BIN", "--aipp_config", config)
    said = [line for line in run.stderr.splitlines() + run.lines if "has no dynamic AIPP" in line]
    assert len(said) == 1 and said[0].startswith("[WARNING]") and str(config) in said[0]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    check_results(tmp_path / "out" / "r", [session.run(None, {"x": image, "bias": BIAS_VALUES})])
    assert "aclmdlCreateAIPP" not in device.calls()


# ------------------------------------------------------------------ what is refused


def refused(device, om, status, *needles, options=(), **how):
    run = device.run("--model", om, *options, status=None, **how)
    assert_one_error(run, status, *(re.escape(str(needle)) for needle in needles))
    return run


def test_no_settings(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    refused(device, convert(tmp_path, path, shape_of(3, 6, 10)), 2, "dynamic AIPP", "--aipp_config")
    assert "aclmdlExecute" not in device.calls()


def test_two_inputs(tmp_path, device):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 6, 10]) for n in ("a", "b", "y")]
    made = helper.make_model(helper.make_graph([models.node("Sub", "a b", "y")], "g", values[:2], values[2:]),
                             opset_imports=[helper.make_opsetid("", models.OPSET)])
    made.ir_version = models.IR_VERSION
    onnx.save(made, tmp_path / "m.onnx")
    om = convert(tmp_path, tmp_path / "m.onnx", second=1)
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    refused(device, om, 2, "several inputs with dynamic AIPP", options=["--aipp_config", config])


def test_open_dimensions(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, "--input_shape=x:1~4,3,6,10;bias:4")
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    options = ["--aipp_config", config, "--dymShape", "x:2,3,6,10;bias:4"]
    refused(device, om, 2, "dynamic AIPP and open dimensions", options=options)


@pytest.mark.parametrize("change, needles", [
    ({"crop": 1, "crop_size_w": 10, "crop_size_h": 6}, ["crop is 1", "0 is wanted"]),
    ({"padding": 1}, ["padding is 1", "0 is wanted"]),
    (size(6, 8), ["are 6 and 8", "--dymHW is 6,10"]),
    (size(8, 10), ["are 8 and 10", "--dymHW is 6,10"]),
])
def test_dynamic_hw_wants_whole_images(tmp_path, device, change, needles):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, -1, -1, 2), "--dynamic_image_size=6,10;12,8")
    config = write_config(tmp_path / "a.config", "RGB888_U8", {**size(6, 10), **change})
    refused(device, om, 2, str(config), *needles, options=["--aipp_config", config, "--dymHW", "6,10"])


def test_more_bytes_than_the_model_allows(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10, 2), most=359)
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    refused(device, om, 2, "2 images of 180 bytes", "359", "max_src_image_size", options=["--aipp_config", config])


def test_images_that_do_not_fit_the_model(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10, 2))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 8))
    refused(device, om, 1, "aclmdlExecute", "the model wants", options=["--aipp_config", config])


def test_input_of_another_size(tmp_path, device):
    """A file of what the model wants, and not of the image."""
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    write_npy(tmp_path / "x" / "b0.npy", np.zeros((1, 3, 6, 10), np.float32))
    write_bias(tmp_path, 1)
    options = ["--aipp_config", config, "--input", f"{tmp_path}/x,{tmp_path}/bias"]
    refused(device, om, 2, "720", "180", options=options)


def broken(text):
    return "[aipp_op]\ninput_format: YUV420SP_U8\nsrc_image_size_w: 10\nsrc_image_size_h: 6\n" + text


@pytest.mark.parametrize("text, needles", [
    ("", ["[aipp_op] is missing"]),
    ("[aipp_op]\nsrc_image_size_w: 10\nsrc_image_size_h: 6\n", ["input_format is missing", "YUV400_U8"]),
    (broken("input_format: RGB\n"), ["line 5", "input_format is 'RGB'"]),
    (broken("src_image_size_w: 4097\n"), ["src_image_size_w is 4097", "from 2 to 4096"]),
    (broken("src_image_size_w: 9\n"), ["are 9 and 6", "even numbers"]),
    (broken("src_image_size_h: 7\n"), ["are 10 and 7", "even numbers"]),
    (broken("crop: 1\ncrop_size_w: 10\ncrop_size_h: 6\nload_start_pos_w: 2\n"), ["make 12", "src_image_size_w, 10"]),
    (broken("mean_chn_2: 1.5\n"), ["mean_chn_2 is '1.5'", "whole number"]),
])
def test_wrong_settings(tmp_path, device, text, needles):
    """Said before the device is opened."""
    path = image_model(tmp_path / "m.onnx", 3)
    config = tmp_path / "a.config"
    config.write_text(text)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    refused(device, om, 2, "a.config", *needles, options=["--aipp_config", config])
    assert not device.counts.exists(), "the runtime was called"


def path_cases(directory):
    config = write_config(directory / "a.config", "RGB888_U8", size(6, 10))
    (directory / "a.cfg").write_text(config.read_text())
    (directory / "large.config").write_bytes(config.read_bytes() + b"\n" * (12801 - config.stat().st_size))
    (directory / "d.config").mkdir()
    return {"a.cfg": "does not end in .config", "none.config": "does not exist", "large.config": "12801 bytes",
            "d.config": "is a directory"}


@pytest.mark.parametrize("name", ["a.cfg", "none.config", "large.config", "d.config"])
def test_wrong_paths(tmp_path, device, name):
    path = image_model(tmp_path / "m.onnx", 3)
    om = ascend.convert(path, tmp_path / "m.om", shape_of(3, 6, 10))
    wanted = path_cases(tmp_path)[name]
    refused(device, om, 2, "--aipp_config", name, wanted, options=["--aipp_config", tmp_path / name])
    assert not device.counts.exists(), "something was loaded"


def test_settings_that_everybody_can_change(tmp_path, device):
    if os.geteuid() != 0:
        pytest.skip("the warning is root's")
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    for mode, warned in ((0o644, False), (0o646, True)):
        config.chmod(mode)
        run = device.run("--model", om, "--aipp_config", config)
        assert ("can be changed by every user" in run.stderr + run.stdout) == warned, run


def test_the_largest_file_is_read(tmp_path, device):
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    config.write_bytes(config.read_bytes() + b"\n" * (12800 - config.stat().st_size))
    device.run("--model", om, "--aipp_config", config)


@pytest.mark.parametrize("name", ["m.onnx", "m.sim.json"])
def test_other_backends_ignore_it(tmp_path, name):
    image_model(tmp_path / "m.onnx", 3)
    models.sim_model(tmp_path / "m.sim.json")
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    shape = [] if "sim" in name else ["--dymShape", "x:1,3,6,10"]
    run = harness.aispipe("--model", tmp_path / name, "--aipp_config", config, *shape)
    assert re.search(r"^\[WARNING\] backend \w+ has no AIPP", run.stderr, re.MULTILINE)
    assert f"'{config}' has no effect" in run.stderr


def test_trtexec_refuses_it(tmp_path):
    image_model(tmp_path / "m.onnx", 3)
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    options = ["--backend", "trtexec", "--perf", "1"]
    run = harness.aispipe("--model", tmp_path / "m.onnx", "--aipp_config", config, *options, status=None)
    assert_one_error(run, 2, "--aipp_config", "no AIPP", "leave it out")


AIPP_CALLS = ["aclmdlGetAippType", "aclmdlCreateAIPP", "aclmdlSetAIPPInputFormat", "aclmdlSetAIPPSrcImageSize",
              "aclmdlSetAIPPRbuvSwapSwitch", "aclmdlSetAIPPAxSwapSwitch", "aclmdlSetAIPPCscParams",
              "aclmdlSetAIPPCropParams", "aclmdlSetAIPPPaddingParams", "aclmdlSetAIPPDtcPixelMean",
              "aclmdlSetAIPPDtcPixelMin", "aclmdlSetAIPPPixelVarReci", "aclmdlSetInputAIPP", "aclmdlDestroyAIPP"]


@pytest.mark.parametrize("call", AIPP_CALLS)
def test_calls_that_fail(tmp_path, device, call):
    """Each ends the run with its name, and leaves nothing behind."""
    path = image_model(tmp_path / "m.onnx", 3)
    om = convert(tmp_path, path, shape_of(3, 6, 10, 2))
    config = write_config(tmp_path / "a.config", "RGB888_U8", size(6, 10))
    refused(device, om, 1, call, options=["--aipp_config", config], fault=f"{call}:1:500000")
