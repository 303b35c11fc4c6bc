# SPDX-License-Identifier: MIT
"""simatc: what its files hold, read here by other means, and what it refuses."""

import json
import os
import re
import struct
import subprocess

import models
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from harness import ROOT, environment
from models import IR_VERSION, OPSET, node, weights
from onnx import TensorProto, helper, numpy_helper

SIMATC = os.environ.get("AISPIPE_SIMATC", str(ROOT / "build" / "simulator" / "simatc"))
REQUIRED = ["--framework=5", "--soc_version=Ascend310P3"]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def read_om(path):
    """(settings, ONNX bytes); everything that the header promises holds."""
    data = path.read_bytes()
    magic, version, nothing, settings, model, checksum = struct.unpack("<8sIIQQQ", data[:40])
    assert (magic, version, nothing) == (b"AISPOM\r\n", 1, 0)
    assert len(data) == 40 + settings + model
    assert fnv1a(data[40:]) == checksum
    return json.loads(data[40 : 40 + settings]), data[40 + settings :]


def save(path, nodes, inputs, outputs, constants=None, values=()):
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
        [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()],
        value_info=[helper.make_tensor_value_info(n, t, s) for n, t, s in values],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture
def image_model(tmp_path):
    """A convolution over images of any size and number, with its mean as second output."""
    conv = helper.make_node("Conv", ["x", "w"], ["features"], name="conv1")
    return save(
        tmp_path / "image.onnx",
        [conv, node("Relu", "features", "map"), node("GlobalAveragePool", "map", "mean")],
        [("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [("map", TensorProto.FLOAT, ["n", 4, "p", "q"]), ("mean", TensorProto.FLOAT, ["n", 4, 1, 1])],
        {"w": weights(4, 3, 3, 3)},
        [("features", TensorProto.FLOAT, ["n", 4, "p", "q"])],
    )


@pytest.fixture
def three_inputs(tmp_path):
    return save(
        tmp_path / "three.onnx",
        [node("MatMul", "a b", "ab"), node("Add", "ab c", "sum")],
        [("a", TensorProto.FLOAT, ["n", "k"]), ("b", TensorProto.FLOAT, ["k", 4]), ("c", TensorProto.FLOAT, ["n", 4])],
        [("sum", TensorProto.FLOAT, ["n", 4])],
    )


def simatc(model, output, *arguments, required=True):
    given = [f"--model={model}", f"--output={output}"] + (REQUIRED if required else []) + [str(a) for a in arguments]
    return subprocess.run([SIMATC, *given], env=environment(), capture_output=True, text=True, timeout=60)


def made(tmp_path, model, *arguments):
    done = simatc(model, tmp_path / "out", *arguments)
    assert done.returncode == 0, done.stderr
    assert "[ERROR]" not in done.stderr
    return read_om(tmp_path / "out.om")


def refused(tmp_path, model, wanted, *arguments, status=2, required=True):
    done = simatc(model, tmp_path / "out", *arguments, required=required)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[WARNING] ")]
    assert done.returncode == status, done.stderr
    assert len(lines) == 1 and lines[0].startswith("[ERROR] "), done.stderr
    assert wanted in lines[0]
    assert not list(tmp_path.glob("out*")), "something was left behind"


def model_shapes(model):
    inputs = onnx.load_from_string(model).graph.input
    return {i.name: [d.dim_value if d.HasField("dim_value") else -1 for d in i.type.tensor_type.shape.dim]
            for i in inputs}


def run(model, **feeds):
    """The model in the file by ONNX Runtime, after OpenVINO has read it as well."""
    assert len(openvino.Core().read_model(model, b"").outputs) > 0
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize("batch", [1, 2, 4, 8])
def test_static(tmp_path, image_model, batch):
    settings, model = made(tmp_path, image_model, f"--input_shape=x:{batch},3,8,9")
    x = settings["inputs"][0]
    assert settings["mode"] == "static" and settings["gears"] == []
    assert (x["name"], x["dtype"], x["format"]) == ("x", "float32", "NCHW")
    assert x["dims"] == x["low"] == x["high"] == [batch, 3, 8, 9]
    assert (settings["name"], settings["soc_version"]) == ("out", "Ascend310P3")
    assert model_shapes(model) == {"x": [batch, 3, 8, 9]}
    value = np.random.default_rng(1).uniform(-1, 1, (batch, 3, 8, 9)).astype(np.float32)
    np.testing.assert_array_equal(run(model, x=value)[0], run(image_model.read_bytes(), x=value)[0])


@pytest.mark.parametrize("make", [m for m in models.ALL if m is not models.empty_leading])
def test_models_of_every_kind_stay_what_they_are(tmp_path, make):
    case = make()
    path = case.save(tmp_path)
    settings, model = made(tmp_path, path)
    assert [(i["name"], i["dtype"], tuple(i["dims"])) for i in settings["inputs"]] == [
        (t.name, t.dtype, t.shape) for t in case.inputs]
    assert [o["name"].rsplit(":", 1)[-1] for o in settings["outputs"]] == [t.name for t in case.outputs]
    feeds = {t.name: np.concatenate([s[i] for s in case.samples(case.batch)]) if case.batch > 1 else case.samples(1)[0][i]
             for i, t in enumerate(case.inputs)}
    for found, wanted in zip(run(model, **feeds), run(path.read_bytes(), **feeds), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_dimension_of_zero(tmp_path):
    path = models.empty_leading().save(tmp_path)
    refused(tmp_path, path, "input 'x': dimension 0 is 0, which a device does not take")


def test_static_shape_of_the_model(tmp_path):
    path = save(tmp_path / "fixed.onnx", [node("Relu", "x", "y")], [("x", TensorProto.INT32, [2, 3])],
                [("y", TensorProto.INT32, [2, 3])])
    settings, _ = made(tmp_path, path)
    assert (settings["inputs"][0]["dims"], settings["inputs"][0]["format"]) == ([2, 3], "ND")
    assert settings["inputs"][0]["dtype"] == "int32"
    settings, model = made(tmp_path, path, "--input_shape=x:5,3")
    assert settings["inputs"][0]["dims"] == [5, 3] and model_shapes(model) == {"x": [5, 3]}


def test_dynamic_batch(tmp_path, image_model):
    settings, model = made(tmp_path, image_model, "--input_shape=x:-1,3,8,8", "--dynamic_batch_size=1,2,4,8")
    assert settings["mode"] == "dynamic_batch" and settings["gears"] == [[1], [2], [4], [8]]
    assert settings["inputs"][0]["dims"] == [-1, 3, 8, 8]
    assert model_shapes(model) == {"x": [-1, 3, 8, 8]}
    for n in (1, 8):
        assert run(model, x=np.zeros((n, 3, 8, 8), np.float32))[1].shape == (n, 4, 1, 1)


def test_dynamic_image_size(tmp_path, image_model):
    settings, model = made(tmp_path, image_model, "--input_shape", "x:2,3,-1,-1", "--dynamic_image_size", "8,9;16,12;")
    assert settings["mode"] == "dynamic_image_size" and settings["gears"] == [[8, 9], [16, 12]]
    assert model_shapes(model) == {"x": [2, 3, -1, -1]}
    assert run(model, x=np.zeros((2, 3, 16, 12), np.float32))[0].shape == (2, 4, 14, 10)


def test_dynamic_dims_lists_every_dimension(tmp_path, three_inputs):
    settings, model = made(tmp_path, three_inputs, "--input_shape=a:-1,-1;b:-1,4;c:-1,4", "--input_format=ND",
                           "--dynamic_dims=1,5,5,1;3,6,6,3")
    assert settings["mode"] == "dynamic_dims"
    assert settings["gears"] == [[1, 5, 5, 4, 1, 4], [3, 6, 6, 4, 3, 4]]
    found = run(model, a=np.ones((3, 6), np.float32), b=np.ones((6, 4), np.float32), c=np.ones((3, 4), np.float32))
    np.testing.assert_array_equal(found[0], np.full((3, 4), 7, np.float32))


def test_dynamic_shape(tmp_path, three_inputs):
    settings, _ = made(tmp_path, three_inputs, "--input_shape=a:1~8,5;b:5,4;c:-1,4")
    assert settings["mode"] == "dynamic_shape" and settings["gears"] == []
    a, b, c = settings["inputs"]
    assert (a["dims"], a["low"], a["high"]) == ([-1, 5], [1, 5], [8, 5])
    assert (b["dims"], c["dims"], c["low"], c["high"]) == ([5, 4], [-1, 4], [0, 4], [-1, 4])


def test_input_shape_range(tmp_path, three_inputs):
    settings, _ = made(tmp_path, three_inputs, "--input_shape_range=a:[1~8,3~-1];b:[-1,4];c:[1~8,4]")
    a, b, c = settings["inputs"]
    assert settings["mode"] == "dynamic_shape"
    assert (a["low"], a["high"], b["high"], c["high"]) == ([1, 3], [8, -1], [-1, 4], [8, 4])


def test_weights_among_the_inputs(tmp_path):
    """As models of older versions have them: a weight is not an input."""
    path = save(tmp_path / "old.onnx", [node("Mul", "x w", "y")],
                [("w", TensorProto.FLOAT, [3]), ("x", TensorProto.FLOAT, [2, 3])], [("y", TensorProto.FLOAT, [2, 3])],
                {"w": np.array([1, 2, 3], np.float32)})
    settings, model = made(tmp_path, path)
    assert [i["name"] for i in settings["inputs"]] == ["x"]
    np.testing.assert_array_equal(run(model, x=np.ones((2, 3), np.float32))[0], [[1, 2, 3]] * 2)


# ------------------------------------------------------------------ outputs


def test_outputs_have_atc_names(tmp_path, image_model):
    settings, _ = made(tmp_path, image_model, "--input_shape=x:1,3,8,8")
    assert settings["outputs"] == [{"name": "Relu_1:0:map", "dtype": None},
                                   {"name": "GlobalAveragePool_2:0:mean", "dtype": None}]


def test_out_nodes(tmp_path, image_model):
    settings, model = made(tmp_path, image_model, "--input_shape=x:1,3,8,8", "--out_nodes=mean;conv1:0")
    assert [o["name"] for o in settings["outputs"]] == ["GlobalAveragePool_2:0:mean", "conv1:0:features"]
    value = np.random.default_rng(2).uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32)
    mean, features = run(model, x=value)
    whole = run(image_model.read_bytes(), x=value)
    np.testing.assert_array_equal(mean, whole[1])
    np.testing.assert_array_equal(np.maximum(features, 0), whole[0])
    assert features.min() < 0


def test_output_type(tmp_path, image_model):
    settings, _ = made(tmp_path, image_model, "--input_shape=x:1,3,8,8", "--output_type=FP16")
    assert [o["dtype"] for o in settings["outputs"]] == ["float16", "float16"]
    settings, _ = made(tmp_path, image_model, "--input_shape=x:1,3,8,8", "--output_type=mean:FP16")
    assert [o["dtype"] for o in settings["outputs"]] == [None, "float16"]
    settings, _ = made(tmp_path, image_model, "--input_shape=x:1,3,8,8", "--output_type=Relu_1:0:UINT8;mean:FP32")
    assert [o["dtype"] for o in settings["outputs"]] == ["uint8", "float32"]


# ------------------------------------------------------------------ AIPP

STATIC = "aipp_op {{ aipp_mode: static\n input_format: {kind} # how they come\n {more} }}\n"


def aipp(tmp_path, text):
    path = tmp_path / "aipp.cfg"
    path.write_text(text)
    return f"--insert_op_conf={path}"


def test_static_aipp_takes_sizes_from_the_model(tmp_path, image_model):
    settings, _ = made(tmp_path, image_model, "--input_shape=x:4,3,8,10",
                       aipp(tmp_path, STATIC.format(kind="RGB888_U8", more="mean_chn_1: 7")))
    found = settings["inputs"][0]["aipp"]
    assert (found["mode"], found["input_format"]) == ("static", "RGB888_U8")
    assert (found["src_image_size_h"], found["src_image_size_w"], found["mean_chn_1"]) == (8, 10, 7)
    assert (found["var_reci_chn_2"], found["csc_switch"]) == (1, 0)


def test_static_aipp_crop_and_colours(tmp_path, image_model):
    more = "crop: true src_image_size_w: 20, src_image_size_h: 12; load_start_pos_w: 4 csc_switch: true matrix_r0c0: 7"
    settings, _ = made(tmp_path, image_model, "--input_shape=x:4,3,8,10",
                       aipp(tmp_path, STATIC.format(kind="YUV420SP_U8", more=more)))
    found = settings["inputs"][0]["aipp"]
    assert (found["crop_size_w"], found["crop_size_h"], found["load_start_pos_w"]) == (10, 8, 4)
    matrix = [found[f"matrix_r{r}c{c}"] for r in range(3) for c in range(3)]
    assert matrix == [7, 516, 0, 298, -100, -208, 298, 0, 409]
    assert [found[f"input_bias_{i}"] for i in range(3)] == [16, 128, 128]


@pytest.mark.parametrize("shape,gears", [
    ("x:-1,3,8,8", ["--dynamic_batch_size=1,2"]),
    ("x:2,3,-1,-1", ["--dynamic_image_size=8,8;16,12"]),
    ("x:1~4,3,8,8", []),
])
@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_aipp_with_dynamic_modes(tmp_path, image_model, shape, gears, mode):
    text = STATIC.format(kind="YUV420SP_U8", more="")
    if mode == "dynamic":
        text = "aipp_op {\n aipp_mode: dynamic\n related_input_rank: 0\n max_src_image_size: 752640\n}\n"
    settings, _ = made(tmp_path, image_model, f"--input_shape={shape}", *gears, aipp(tmp_path, text))
    found = settings["inputs"][0]["aipp"]
    assert found["mode"] == mode
    if mode == "dynamic":
        assert found == {"mode": "dynamic", "max_src_image_size": 752640}


AIPP_REFUSED = [
    ("aipp_op { aipp_mode: static }", "input_format is missing"),
    ("aipp_op { aipp_mode: dynamic }", "max_src_image_size is missing"),
    ("aipp_op { input_format: RGB888_U8 }", "aipp_mode is missing"),
    ("", "there is no aipp_op"),
    ("aipp_op { aipp_mode: static", "line 1"),
    ("aipp_op { aipp_mode: sometimes }", "static or dynamic"),
    (STATIC.format(kind="RGB565", more=""), "input_format is 'RGB565'"),
    (STATIC.format(kind="RGB888_U8", more="mean_chn_0: 256"), "mean_chn_0 is '256'"),
    (STATIC.format(kind="RGB888_U8", more="mean_chn_0: 1.5"), "whole number"),
    (STATIC.format(kind="RGB888_U8", more="mean_chn_0: 1 mean_chn_0: 1"), "mean_chn_0 is there twice"),
    (STATIC.format(kind="RGB888_U8", more="men_chn_0: 1"), "key 'men_chn_0' is not known"),
    (STATIC.format(kind="RGB888_U8", more="resize: true"), "resize is 'true'"),
    (STATIC.format(kind="RGB888_U8", more="src_image_size_w: 11"), "gives images of height 8 and width 11"),
    (STATIC.format(kind="RGB888_U8", more="crop: true"), "which crop needs"),
    (STATIC.format(kind="YUV400_U8", more=""), "gives 1 channels"),
    (STATIC.format(kind="RGB888_U8", more="related_input_rank: 1"), "related_input_rank is 1"),
    (STATIC.format(kind="RGB888_U8", more="") * 2, "two aipp_op"),
]


@pytest.mark.parametrize("text,wanted", AIPP_REFUSED)
def test_aipp_refused(tmp_path, image_model, text, wanted):
    done = simatc(image_model, tmp_path / "out", "--input_shape=x:1,3,8,8", aipp(tmp_path, text))
    assert done.returncode in (1, 2)
    assert re.fullmatch(r"\[ERROR\] [^\n]*\n", done.stderr), done.stderr
    assert wanted in done.stderr
    assert not (tmp_path / "out.om").exists()


# ------------------------------------------------------------------ the command line


def test_settings_without_meaning_are_accepted(tmp_path, image_model):
    done = simatc(image_model, tmp_path / "out", "--input_shape=x:1,3,8,8", "--log=error", "--op_type_map", "a:b",
                  "--enable_small_channel=1", "--precision_mode", "allow_fp32_to_fp16")
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("[WARNING] ")]
    for name in ("log", "op_type_map", "enable_small_channel", "precision_mode"):
        assert sum(f"--{name}=" in line for line in warnings) == 1
    assert len(warnings) == 4


def test_one_dash(tmp_path, image_model):
    done = subprocess.run([SIMATC, f"--model={image_model}", "--framework", "5", f"--output={tmp_path / 'out'}",
                           "-soc_version", "Ascend910B", "-input_shape=x:1,3,8,8"], env=environment(), timeout=60)
    assert done.returncode == 0
    assert read_om(tmp_path / "out.om")[0]["soc_version"] == "Ascend910B"


def test_help():
    done = subprocess.run([SIMATC, "--help"], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for option in ("model", "framework", "output", "soc_version", "input_format", "input_shape", "input_shape_range",
                   "dynamic_batch_size", "dynamic_image_size", "dynamic_dims", "insert_op_conf", "out_nodes",
                   "output_type", "op_type_map", "enable_small_channel", "precision_mode", "log"):
        assert f"--{option}" in done.stdout


IMAGE_REFUSED = [
    (["--input_shape=y:1,3,8,8"], "the model has no input 'y'; it has x"),
    (["--input_shape=x:1,3,8"], "given 3 dimensions; the model's has 4"),
    (["--input_shape=x:1,3,8,0"], "dimension 3 is '0'"),
    (["--input_shape=x:1,3,8,8z"], "dimension 3 is '8z'"),
    (["--input_shape=x:1,3,9~8,8"], "dimension 2 is '9~8'"),
    (["--input_shape=x:1,3,8,99999999999999999999"], "dimension 3"),
    (["--input_shape=x"], "is not name:dims"),
    (["--input_shape=x:1,3,8,8;x:1,3,8,8"], "input 'x' is there twice"),
    (["--input_shape=x:1,3,8,8", "--input_shape=x:1,3,8,8"], "--input_shape' is there twice"),
    ([], "leaves dimension 0 open"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=1,2", "--dynamic_dims=1;2"], "exclude each other"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=1,2", "--dynamic_image_size=8,8;9,9"], "exclude each other"),
    (["--input_shape=x:-1,3,8,8", "--input_shape_range=x:[1~2,3,8,8]"], "exclude each other"),
    (["--input_shape_range=x:[1~2,3,8,8]", "--dynamic_batch_size=1,2"], "exclude each other"),
    (["--dynamic_batch_size=1,2"], "needs --input_shape"),
    (["--input_shape=x:2,3,8,8", "--dynamic_batch_size=1,2"], "no dimension in --input_shape is -1"),
    (["--input_shape=x:1~2,3,8,8", "--dynamic_batch_size=1,2"], "has a range"),
    (["--input_shape=x:-1,3,-1,8", "--dynamic_batch_size=1,2"], "only the first dimension"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=4"], "at least two"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=4,4"], "gear '4' is there twice"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=4,0"], "'0' is no number from 1"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=4,,8"], "'' is no number"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_batch_size=" + ",".join(map(str, range(1, 102)))], "more than 100"),
    (["--input_shape=x:1,3,-1,-1", "--dynamic_image_size=8,8;9"], "gear '9' has 1 numbers; 2 are wanted"),
    (["--input_shape=x:-1,3,-1,-1", "--dynamic_image_size=8,8;9,9"], "height and width, and nothing else"),
    (["--input_shape=x:1,3,-1,-1", "--input_format=ND", "--dynamic_image_size=8,8;9,9"], "NCHW or NHWC"),
    (["--input_shape=x:-1,3,-1,8", "--dynamic_dims=1,2;3"], "gear '3' has 1 numbers; 2 are wanted"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_dims=1;2", "--input_format=NCHW"], "needs --input_format=ND"),
    (["--input_shape=x:-1,3,8,8", "--dynamic_dims=1;2", "--insert_op_conf=x"], "exclude each other"),
    (["--input_shape=x:1,3,8,8", "--input_format=NCWH"], "NCHW, NHWC or ND"),
    (["--input_shape=x:1,3,8,8", "--out_nodes=nowhere:0"], "the model has no 'nowhere:0'"),
    (["--input_shape=x:1,3,8,8", "--out_nodes=conv1:1"], "the model has no 'conv1:1'"),
    (["--input_shape=x:1,3,8,8", "--out_nodes=mean;mean"], "output 'mean' is there twice"),
    (["--input_shape=x:1,3,8,8", "--output_type=FP64"], "neither FP32"),
    (["--input_shape=x:1,3,8,8", "--output_type=features:FP16"], "is no output of this model"),
    (["--input_shape=x:1,3,8,8", "--colour=red"], "option '--colour=red' is not known"),
    (["--input_shape=x:1,3,8,8", "stray"], "'stray' is no option"),
    (["--input_shape"], "has no value"),
    (["--input_shape=", "--log=x"], "has no value"),
    (["--input_shape", "--log=x"], "has no value"),
]


@pytest.mark.parametrize("arguments,wanted", IMAGE_REFUSED)
def test_refused(tmp_path, image_model, arguments, wanted):
    done = simatc(image_model, tmp_path / "out", *arguments)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[WARNING] ")]
    assert done.returncode in (1, 2), done.stderr
    assert len(lines) == 1 and lines[0].startswith("[ERROR] "), done.stderr
    assert wanted in lines[0]
    assert not list(tmp_path.glob("out*")), "something was left behind"


@pytest.mark.parametrize("missing", ["model", "framework", "output", "soc_version"])
def test_required_options(tmp_path, image_model, missing):
    options = {"model": image_model, "framework": 5, "output": tmp_path / "out", "soc_version": "Ascend310P3"}
    del options[missing]
    done = subprocess.run([SIMATC] + [f"--{k}={v}" for k, v in options.items()], env=environment(),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"[ERROR] --{missing} is missing (see simatc --help)\n"


def test_wrong_framework_and_soc(tmp_path, image_model):
    refused(tmp_path, image_model, "--framework=3: only 5", "--framework=3", "--soc_version=Ascend310", required=False)
    refused(tmp_path, image_model, "begins with Ascend", "--framework=5", "--soc_version=Kirin", required=False)


# ------------------------------------------------------------------ files


def test_model_is_missing_or_no_model(tmp_path, image_model):
    refused(tmp_path, tmp_path / "no.onnx", "No such file", status=1)
    refused(tmp_path, tmp_path, "is a directory", status=1)
    for content in (b"", b"\0", b"not a model at all", os.urandom(4096)):
        path = tmp_path / "bad.onnx"
        path.write_bytes(content)
        refused(tmp_path, path, "is no ONNX model, or is damaged", status=1)


def test_cut_models_are_refused(tmp_path, image_model):
    whole = image_model.read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        done = simatc(path, tmp_path / "out", "--input_shape=x:1,3,8,8")
        # A cut between two fields behind the graph leaves a model that is whole for all that simatc knows.
        if done.returncode == 0:
            assert "graph" in str(onnx.load_from_string(whole[:length]))
            (tmp_path / "out.om").unlink()
            continue
        assert done.returncode == 1 and done.stderr.count("\n") == 1, (length, done.stderr)
        assert "is no ONNX model, or is damaged" in done.stderr


def test_weights_in_another_file(tmp_path):
    path = save(tmp_path / "m.onnx", [node("Mul", "x w", "y")], [("x", TensorProto.FLOAT, [1, 512])],
                [("y", TensorProto.FLOAT, [1, 512])], {"w": weights(512)})
    model = onnx.load(path)
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    refused(tmp_path, tmp_path / "apart.onnx", "keeps weights in another file", status=1)


def test_an_element_type_that_the_device_lacks(tmp_path):
    path = save(tmp_path / "m.onnx", [node("Identity", "x", "y")], [("x", TensorProto.STRING, [2])],
                [("y", TensorProto.STRING, [2])])
    refused(tmp_path, path, "element type that the device lacks", status=1)


def test_output_is_written_whole_or_not_at_all(tmp_path, image_model):
    (tmp_path / "out.om").write_bytes(b"an earlier one")
    done = simatc(image_model, tmp_path / "out", "--input_shape=x:1,3,8,8")
    assert done.returncode == 0 and read_om(tmp_path / "out.om")[0]["mode"] == "static"
    assert (tmp_path / "out.om").stat().st_mode & 0o027 == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.onnx", "out.om"]
    done = simatc(image_model, tmp_path / "nowhere" / "out", "--input_shape=x:1,3,8,8")
    assert done.returncode == 1 and "nowhere/out.om': No such file" in done.stderr
    done = simatc(image_model, tmp_path / "full", "--input_shape=x:1,3,8,8")
    (tmp_path / "dir.om").mkdir()
    done = simatc(image_model, tmp_path / "dir", "--input_shape=x:1,3,8,8")
    assert done.returncode == 1 and "rename" in done.stderr
    assert not list(tmp_path.glob("*.tmp"))
