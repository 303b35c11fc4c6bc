# SPDX-License-Identifier: MIT
"""The simulated device's AIPP against the same steps in numpy, image by image."""

import os
import subprocess

import numpy as np
import pytest
from aipp import BIAS, FORMATS, SCALE, TO_RGB, TO_YUV, bytes_of_image, csc, reference, size
from harness import ROOT, environment

TOOL = os.environ.get("AISPIPE_AIPP_RUN", str(ROOT / "build" / "tests" / "aipp_run"))

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
