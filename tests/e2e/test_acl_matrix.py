# SPDX-License-Identifier: MIT
"""Every kind of offline model through the program, against ONNX Runtime and numpy: fixed shapes of several batch sizes,
gears of batch, image size and dimensions, open shapes; one to three inputs; no AIPP, static AIPP, dynamic AIPP."""

import ascend
import models
import numpy as np
import onnx
import onnxruntime
import pytest
from aipp import DEFAULTS, bytes_of_image, reference
from harness import tree, write_bin, write_npy
from onnx import TensorProto, helper, numpy_helper

pytestmark = ascend.needed

BATCHES = 3
VECTORS = ["bias", "gain"]
# Of YUV an image has other bytes than its shape in the model says.
FORMATS = {"static": "YUV420SP_U8", "dynamic": "RGB888_U8"}
SCALE = {"mean_chn_0": 104, "mean_chn_1": 117, "mean_chn_2": 123, "min_chn_1": 1.5, "var_reci_chn_0": 0.25}

# Name, shape of the images as the converter takes it, its other options, shape in the run, the run's options.
MODES = [(f"static{n}", f"{n},3,8,8", [], (n, 3, 8, 8), []) for n in (1, 2, 4, 8)] + [
    ("batch1", "-1,3,8,8", ["--dynamic_batch_size=1,2,8"], (1, 3, 8, 8), ["--dymBatch", 1]),
    ("batch8", "-1,3,8,8", ["--dynamic_batch_size=1,2,8"], (8, 3, 8, 8), ["--dymBatch", 8]),
    ("hw", "2,3,-1,-1", ["--dynamic_image_size=8,8;6,10"], (2, 3, 6, 10), ["--dymHW", "6,10"]),
    ("dims", "-1,3,-1,-1", ["--dynamic_dims=1,8,8;2,6,10", "--input_format=ND"], (2, 3, 6, 10), "--dymDims"),
    ("shape", "-1,3,-1,-1", ["--input_format=ND"], (2, 3, 6, 10), "--dymShape"),
]
# AIPP is for images whose size the converter knows: no gears of dimensions, and open shapes only in the batch.
OPEN_BATCH = ("shape-batch", "1~4,3,8,8", [], (2, 3, 8, 8), "--dymShape")
COMBINATIONS = (
    [(mode, inputs, "none") for mode in MODES for inputs in (1, 2, 3)]
    + [(mode, 1 + i % 3, "static") for i, mode in enumerate(MODES[:7] + [OPEN_BATCH])]
    + [(mode, 1 + (i + 1) % 3, "dynamic") for i, mode in enumerate(MODES[:7])]
)
NAMES = [f"{mode[0]}-{inputs}-{aipp}" for mode, inputs, aipp in COMBINATIONS]


def model_of(path, inputs):
    """A convolution of images and its mean, to which a vector is added, and which another one multiplies."""
    nodes = [models.node("Conv", "x w", "map"), models.node("ReduceMean", "map", "v0", axes=[2, 3], keepdims=0)]
    for i, op in enumerate(["Add", "Mul"][: inputs - 1]):
        nodes.append(models.node(op, f"v{i} {VECTORS[i]}", f"v{i + 1}"))
    sides = [
        [("x", ["n", 3, "h", "w"])] + [(name, [4]) for name in VECTORS[: inputs - 1]],
        [("map", ["n", 4, "p", "q"]), (f"v{inputs - 1}", ["n", 4])],
    ]
    values = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side] for side in sides]
    graph = helper.make_graph(nodes, "g", *values, [numpy_helper.from_array(models.weights(4, 3, 3, 3), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", models.OPSET)])
    model.ir_version = models.IR_VERSION
    onnx.save(model, path)
    return path


def aipp_options(tmp_path, aipp, shape):
    """What the converter gets, and what the run does."""
    if aipp == "none":
        return [], []
    text = "related_input_rank: 0 "
    settings = {**SCALE, "src_image_size_h": shape[2], "src_image_size_w": shape[3]}
    if aipp == "dynamic":
        text += "aipp_mode: dynamic max_src_image_size: 4096"
        values = {**{k: v for k, v in DEFAULTS.items() if "padding" not in k}, **settings}
        lines = "".join(f"    {key} : {value}\n" for key, value in values.items())
        (tmp_path / "a.config").write_text(f"[aipp_op]\n    input_format : {FORMATS[aipp]}\n" + lines)
    else:
        # The size of the images is left out: with gears it is the gear's.
        text += f"aipp_mode: static input_format: {FORMATS[aipp]} " + " ".join(f"{k}: {v}" for k, v in SCALE.items())
    (tmp_path / "op.cfg").write_text("aipp_op { " + text + " }\n")
    return [f"--insert_op_conf={tmp_path}/op.cfg"], ["--aipp_config", tmp_path / "a.config"] * (aipp == "dynamic")


def write_batches(tmp_path, aipp, shape, inputs):
    """Writes the files of BATCHES batches; returns what the model gets, and what --input takes."""
    generator = np.random.default_rng(21)
    batches = []
    for k in range(BATCHES):
        if aipp == "none":
            images = generator.standard_normal(shape).astype(np.float32)
            write_npy(tmp_path / "in0" / f"s{k}.npy", images)
        else:
            raw = generator.integers(0, 256, (shape[0], bytes_of_image(FORMATS[aipp], *shape[2:])), np.uint8)
            write_bin(tmp_path / "in0" / f"s{k}.bin", raw.tobytes())
            settings = {**SCALE, "src_image_size_h": shape[2], "src_image_size_w": shape[3]}
            images = np.stack([reference(FORMATS[aipp], one, settings, 3, "float32") for one in raw])
            images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        vectors = [generator.standard_normal(4).astype(np.float32) for _ in range(inputs - 1)]
        for i, vector in enumerate(vectors):
            write_npy(tmp_path / f"in{i + 1}" / f"s{k}.npy", vector)
        batches.append([images] + vectors)
    return batches, ",".join(str(tmp_path / f"in{i}") for i in range(inputs))


@pytest.mark.parametrize("mode, inputs, aipp", COMBINATIONS, ids=NAMES)
def test_agrees(tmp_path, mode, inputs, aipp):
    name, converted, options, shape, flags = mode
    path = model_of(tmp_path / "m.onnx", inputs)
    vectors = "".join(f";{v}:4" for v in VECTORS[: inputs - 1])
    inserted, configured = aipp_options(tmp_path, aipp, shape)
    om = ascend.convert(path, tmp_path / "m.om", f"--input_shape=x:{converted}{vectors}", *options, *inserted)
    if isinstance(flags, str):
        flags = [flags, "x:" + ",".join(map(str, shape)) + vectors]
    if name.startswith("shape"):
        flags = flags + ["--outputSize", "4096,4096"]
    batches, where = write_batches(tmp_path, aipp, shape, inputs)
    (tmp_path / "device").mkdir()
    ascend.Device(tmp_path / "device").run(
        "--model", om, "--input", where, "--output", tmp_path / "out", "--output_dirname", "r", "--threads", 2,
        *flags, *configured,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    files = tree(tmp_path / "out" / "r")
    assert len(files) == 2 * BATCHES
    for k, feeds in enumerate(batches):
        for i, wanted in enumerate(session.run(None, dict(zip(names, feeds)))):
            got = np.frombuffer(files[f"s{k}_{i}.bin"], np.float32)
            np.testing.assert_allclose(got, wanted.ravel(), rtol=1e-4, atol=2e-3)
