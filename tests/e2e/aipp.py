# SPDX-License-Identifier: MIT
"""What AIPP computes, in numpy, image by image; and settings for it, in the names of a converter's file."""

import numpy as np

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


def csc(matrix, inward=(0, 0, 0), outward=(0, 0, 0)):
    return {"csc_switch": 1, **{f"matrix_r{r}c{c}": matrix[r][c] for r in range(3) for c in range(3)},
            **{f"input_bias_{i}": inward[i] for i in range(3)}, **{f"output_bias_{i}": outward[i] for i in range(3)}}


def size(height, width):
    return {"src_image_size_h": height, "src_image_size_w": width}


SCALE = {"mean_chn_0": 104, "mean_chn_1": 117, "mean_chn_2": 123, "mean_chn_3": 5, "min_chn_0": 0.25,
         "min_chn_1": 1.5, "min_chn_2": 0, "min_chn_3": 3.75, "var_reci_chn_0": 0.0171, "var_reci_chn_1": -0.5,
         "var_reci_chn_2": 3.0, "var_reci_chn_3": 0.1}
FORMATS = [("YUV420SP_U8", 3), ("XRGB8888_U8", 4), ("XRGB8888_U8", 3), ("RGB888_U8", 3), ("YUV400_U8", 1)]
