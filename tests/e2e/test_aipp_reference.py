# SPDX-License-Identifier: MIT
"""The simulated device's AIPP against the same steps in numpy, image by image."""

import os
import subprocess

import numpy as np
import pytest
from harness import ROOT, environment

TOOL = os.environ.get("AISPIPE_AIPP_RUN", str(ROOT / "build" / "tests" / "aipp_run"))

TO_RGB = [[256, 0, 359], [256, -88, -183], [256, 454, 0]]
TO_YUV = [[77, 150, 29], [-43, -85, 128], [128, -107, -21]]
BIAS = [16, 120, 131]

DEFAULTS = {
    "rbuv_swap_switch": 0,
    "ax_swap_switch": 0,
    "csc_switch": 0,
    "crop": 0,
    "load_start_pos_w": 0,
    "load_start_pos_h": 0,
    "padding": 0,
    "left_padding_size": 0,
    "right_padding_size": 0,
    "top_padding_size": 0,
    "bottom_padding_size": 0,
    "padding_value": 0,
    **{f"mean_chn_{i}": 0 for i in range(4)},
    **{f"min_chn_{i}": 0.0 for i in range(4)},
    **{f"var_reci_chn_{i}": 1.0 for i in range(4)},
}


def bytes_of_image(kind, height, width):
    return {"YUV420SP_U8": height * width * 3 // 2, "XRGB8888_U8": 4 * height * width,
            "RGB888_U8": 3 * height * width, "YUV400_U8": height * width}[kind]


def unpack(kind, raw, s):
    """One image as height × width × channels, swapped as it is to be."""
    height, width = s["src_image_size_h"], s["src_image_size_w"]
    if kind == "YUV400_U8":
        return raw.reshape(height, width, 1)
    if kind == "YUV420SP_U8":
        luma = raw[: height * width].reshape(height, width)
        chroma = raw[height * width :].reshape(height // 2, width // 2, 2)
        if s["rbuv_swap_switch"]:
            chroma = chroma[..., ::-1]
        return np.dstack([luma, chroma.repeat(2, axis=0).repeat(2, axis=1)])
    if kind == "RGB888_U8":
        image = raw.reshape(height, width, 3)
    else:
        image = raw.reshape(height, width, 4)
        if s["ax_swap_switch"]:
            image = np.roll(image, -1, axis=2)
    if s["rbuv_swap_switch"]:
        image = image[..., [2, 1, 0] + list(range(3, image.shape[2]))]
    return image


def convert(kind, image, s):
    matrix = np.array([[s[f"matrix_r{r}c{c}"] for c in range(3)] for r in range(3)], np.int64)
    values = image[..., :3].astype(np.int64)
    if kind == "YUV420SP_U8":
        values = values - [s[f"input_bias_{i}"] for i in range(3)]
    out = np.floor_divide(np.einsum("rc,hwc->hwr", matrix, values), 256)
    if kind != "YUV420SP_U8":
        out = out + [s[f"output_bias_{i}"] for i in range(3)]
    return out.clip(0, 255).astype(np.uint8)


def reference(kind, raw, settings, channels, dtype):
    s = {**DEFAULTS, **settings}
    image = unpack(kind, raw, s)
    if s["crop"]:
        y, x = s["load_start_pos_h"], s["load_start_pos_w"]
        image = image[y : y + s["crop_size_h"], x : x + s["crop_size_w"]]
    if s["csc_switch"]:
        image = convert(kind, image, s)
    image = image[..., :channels]
    if dtype != "uint8":
        per_channel = [np.array([s[f"{k}_chn_{i}"] for i in range(channels)], np.float32)
                       for k in ("mean", "min", "var_reci")]
        image = (image.astype(np.float32) - per_channel[0] - per_channel[1]) * per_channel[2]
    if s["padding"]:
        sides = [(s["top_padding_size"], s["bottom_padding_size"]), (s["left_padding_size"], s["right_padding_size"])]
        image = np.pad(image, sides + [(0, 0)], constant_values=s["padding_value"])
    return image.astype(dtype)


def write_config(path, kind, images):
    text = ""
    for rank, settings in enumerate(images):
        lines = [f"    {key} : {value}" for key, value in settings.items()]
        text += "aipp_op {\n    aipp_mode : static\n" + f"    input_format : {kind}\n    related_input_rank : {rank}\n"
        text += "\n".join(lines) + "\n}\n"
    path.write_text(text)


def run_tool(directory, *arguments):
    done = subprocess.run([TOOL, str(directory / "c.cfg"), *map(str, arguments), str(directory / "in"),
                           str(directory / "out")], env=environment(), capture_output=True, text=True, timeout=60)
    return done


def check(directory, kind, images, channels, dtype="float32", layout="NCHW", batch=None):
    """`images`: settings of each image, or one for the whole batch."""
    batch = batch or len(images)
    height, width = images[0]["src_image_size_h"], images[0]["src_image_size_w"]
    raw = np.random.default_rng(7).integers(0, 256, (batch, bytes_of_image(kind, height, width)), np.uint8)
    wanted = np.stack([reference(kind, raw[i], images[i if len(images) > 1 else 0], channels, dtype)
                       for i in range(batch)])
    size = wanted.shape[1:3]
    if layout == "NCHW":
        wanted = wanted.transpose(0, 3, 1, 2)
    write_config(directory / "c.cfg", kind, images)
    (directory / "in").write_bytes(raw.tobytes())
    done = run_tool(directory, dtype, layout, batch, channels, *size)
    assert done.returncode == 0, done.stderr
    found = np.fromfile(directory / "out", dtype).reshape(wanted.shape)
    np.testing.assert_array_equal(found, wanted)


def csc(matrix, inward=(0, 0, 0), outward=(0, 0, 0)):
    return {"csc_switch": 1, **{f"matrix_r{r}c{c}": matrix[r][c] for r in range(3) for c in range(3)},
            **{f"input_bias_{i}": inward[i] for i in range(3)}, **{f"output_bias_{i}": outward[i] for i in range(3)}}


def size(height, width):
    return {"src_image_size_h": height, "src_image_size_w": width}


SCALE = {"mean_chn_0": 104, "mean_chn_1": 117, "mean_chn_2": 123, "mean_chn_3": 5, "min_chn_0": 0.25,
         "min_chn_1": 1.5, "min_chn_2": 0, "min_chn_3": 3.75, "var_reci_chn_0": 0.0171, "var_reci_chn_1": -0.5,
         "var_reci_chn_2": 3.0, "var_reci_chn_3": 0.1}
FORMATS = [("YUV420SP_U8", 3), ("XRGB8888_U8", 4), ("XRGB8888_U8", 3), ("RGB888_U8", 3), ("YUV400_U8", 1)]
DTYPES = ["float32", "float16", "uint8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind,channels", FORMATS)
def test_plain(tmp_path, kind, channels, layout, dtype):
    check(tmp_path, kind, [size(6, 10)], channels, dtype, layout, batch=3)


@pytest.mark.parametrize("ax", [0, 1])
@pytest.mark.parametrize("rbuv", [0, 1])
@pytest.mark.parametrize("kind,channels", FORMATS)
def test_swaps(tmp_path, kind, channels, rbuv, ax):
    settings = {**size(4, 6), "rbuv_swap_switch": rbuv, "ax_swap_switch": ax}
    check(tmp_path, kind, [settings], channels, batch=2)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("kind,channels", FORMATS)
def test_mean_min_reciprocal(tmp_path, kind, channels, dtype):
    check(tmp_path, kind, [{**size(8, 8), **SCALE}], channels, dtype, batch=2)


@pytest.mark.parametrize("kind,channels", FORMATS)
def test_crop_then_pad(tmp_path, kind, channels):
    settings = {**size(12, 14), **SCALE, "crop": 1, "load_start_pos_w": 4, "load_start_pos_h": 2, "crop_size_w": 5,
                "crop_size_h": 7, "padding": 1, "left_padding_size": 1, "right_padding_size": 2,
                "top_padding_size": 3, "bottom_padding_size": 32, "padding_value": -2.5}
    check(tmp_path, kind, [settings], channels, batch=2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("swap", [0, 1])
def test_yuv_to_rgb(tmp_path, swap, dtype):
    settings = {**size(8, 6), **csc(TO_RGB, inward=BIAS, outward=(9, 9, 9)), "rbuv_swap_switch": swap}
    check(tmp_path, "YUV420SP_U8", [settings], 3, dtype, batch=2)


@pytest.mark.parametrize("kind", ["RGB888_U8", "XRGB8888_U8"])
@pytest.mark.parametrize("swap", [0, 1])
def test_rgb_to_yuv(tmp_path, kind, swap):
    settings = {**size(5, 7), **csc(TO_YUV, inward=(9, 9, 9), outward=BIAS), "rbuv_swap_switch": swap,
                "ax_swap_switch": swap, **SCALE}
    check(tmp_path, kind, [settings], 3, batch=2)


def test_every_value_of_a_matrix(tmp_path):
    """Entries at their ends: nothing overflows, everything is cut to a byte."""
    for entry in (-32677, 32676):
        check(tmp_path, "RGB888_U8", [{**size(4, 4), **csc([[entry] * 3] * 3)}], 3)


def test_settings_of_each_image(tmp_path):
    images = []
    for i in range(4):
        images.append({**size(16, 16), **SCALE, "var_reci_chn_1": 0.5 + i, "crop": 1, "load_start_pos_w": 2 * i,
                       "load_start_pos_h": 6 - 2 * i, "crop_size_w": 8 - i, "crop_size_h": 8, "padding": 1,
                       "left_padding_size": i})
    check(tmp_path, "YUV420SP_U8", images, 3)


def test_large_image(tmp_path):
    """Wide enough for several rows to matter, and odd in both directions."""
    check(tmp_path, "RGB888_U8", [{**size(135, 241), **csc(TO_YUV, outward=BIAS), **SCALE}], 3, batch=2)


@pytest.mark.parametrize("change,wanted", [
    ({"crop": 1, "crop_size_w": 7, "crop_size_h": 4, "load_start_pos_w": 2}, "beyond the image's width of 8"),
    ({"crop": 1, "crop_size_w": 4, "crop_size_h": 4, "load_start_pos_w": 1}, "even numbers"),
    ({"csc_switch": "maybe"}, "csc_switch is 'maybe'"),
    ({"src_image_size_w": 7}, "even numbers"),
    ({"src_image_size_w": 0}, "src_image_size_w is 0; 2 to 4096"),
    ({"mean_chn_0": 256}, "from 0 to 255"),
    ({"padding": 1, "left_padding_size": 1}, "8 high and 9 wide; the model wants 8 and 8"),
])
def test_refused(tmp_path, change, wanted):
    write_config(tmp_path / "c.cfg", "YUV420SP_U8", [{**size(8, 8), **change}])
    (tmp_path / "in").write_bytes(bytes(96))
    done = run_tool(tmp_path, "float32", "NCHW", 1, 3, 8, 8)
    assert done.returncode == 1
    assert wanted in done.stderr
    assert not (tmp_path / "out").exists()


def test_too_few_bytes(tmp_path):
    write_config(tmp_path / "c.cfg", "YUV420SP_U8", [size(8, 8)])
    (tmp_path / "in").write_bytes(bytes(191))
    done = run_tool(tmp_path, "float32", "NCHW", 2, 3, 8, 8)
    assert done.returncode == 1
    assert "2 images of 96 bytes are wanted; there are 191 bytes" in done.stderr
