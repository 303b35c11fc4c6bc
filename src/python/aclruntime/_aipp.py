# SPDX-License-Identifier: MIT
"""Settings of dynamic AIPP, one call for each group of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aispipe import _native

from ._errors import ArgumentError, ArgumentTypeError, all_translating

_MATRIX = tuple(f"matrix_r{row}c{column}" for row in range(3) for column in range(3))
_BIASES = tuple(f"{side}_bias_{i}" for side in ("output", "input") for i in range(3))

_SAMPLE = {"input_format": "RGB888_U8", "src_image_size_w": 4096, "src_image_size_h": 4096}
"""What a single setting is checked together with: the largest image, so that any crop lies inside."""


class AippSettings:
    """What has been set, until it is given to the model."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def put(self, what: str, names: Sequence[str], values: Any, number: type = int) -> int:
        """Checks a group of settings and keeps it; a RuntimeError names the value and its range."""
        if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
            raise ArgumentTypeError(f"{what} takes a list of {len(names)} numbers, not {type(values)}")
        if len(values) != len(names):
            raise ArgumentError(f"{what} takes a list of {len(names)} numbers, not {len(values)}")
        group = {name: _number(name, value, number) for name, value in zip(names, values)}
        _native.aipp_check({**_SAMPLE, **group})
        self.values.update(group)
        return 0

    def put_format(self, name: Any) -> int:
        """Keeps the format of the images."""
        if not isinstance(name, str):
            raise ArgumentTypeError(f"input_format is a name, such as RGB888_U8, not {type(name)}")
        _native.aipp_check({**_SAMPLE, "input_format": name})
        self.values["input_format"] = name
        return 0


def _number(name: str, value: Any, number: type) -> Any:
    accepted = (int, np.integer) if number is int else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, accepted):
        kind = "a whole number" if number is int else "a number"
        raise ArgumentTypeError(f"{name} is {value!r}; {kind} is wanted")
    return number(value)


@all_translating()
class AippCalls:
    """The `aipp_*` calls of an `InferenceSession`. Each returns 0; `set_dym_aipp_info_set` makes them count.

    Values out of range are a RuntimeError that names the setting, the value and the range.
    """

    _aipp: AippSettings
    _native: _native.Session

    def aipp_set_max_batch_size(self, batch_size: int) -> int:
        """Largest batch of images; the settings are made for the model's largest batch, which must reach it."""
        size = _number("max_batch_size", batch_size, int)
        most = max(self._native.info().largest_batch, 1)
        if self._native.info().largest_batch and not 1 <= size <= most:
            raise ArgumentError(f"max_batch_size is {size}; 1 to {most}, the model's largest batch, is wanted")
        if size < 1:
            raise ArgumentError(f"max_batch_size is {size}; 1 or more is wanted")
        return 0

    def aipp_set_input_format(self, input_format: str) -> int:
        """YUV420SP_U8, XRGB8888_U8, RGB888_U8 or YUV400_U8."""
        return self._aipp.put_format(input_format)

    def aipp_set_src_image_size(self, size: Sequence[int]) -> int:
        """[width, height] of the images, pixels."""
        return self._aipp.put("aipp_set_src_image_size", ("src_image_size_w", "src_image_size_h"), size)

    def aipp_set_rbuv_swap_switch(self, switch: int) -> int:
        """1: R and B, or U and V, are swapped."""
        return self._aipp.put("aipp_set_rbuv_swap_switch", ("rbuv_swap_switch",), [switch])

    def aipp_set_ax_swap_switch(self, switch: int) -> int:
        """1: the fourth channel comes first."""
        return self._aipp.put("aipp_set_ax_swap_switch", ("ax_swap_switch",), [switch])

    def aipp_set_csc_params(self, params: Sequence[int]) -> int:
        """Colour conversion: [switch, 9 of the matrix, 3 output biases, 3 input biases]."""
        return self._aipp.put("aipp_set_csc_params", ("csc_switch", *_MATRIX, *_BIASES), params)

    def aipp_set_crop_params(self, params: Sequence[int]) -> int:
        """[switch, x, y, width, height], pixels."""
        names = ("crop", "load_start_pos_w", "load_start_pos_h", "crop_size_w", "crop_size_h")
        return self._aipp.put("aipp_set_crop_params", names, params)

    def aipp_set_padding_params(self, params: Sequence[int]) -> int:
        """[switch, top, bottom, left, right], pixels."""
        names = ("padding", *(f"padding_size_{side}" for side in ("top", "bottom", "left", "right")))
        return self._aipp.put("aipp_set_padding_params", names, params)

    def aipp_set_dtc_pixel_mean(self, mean: Sequence[int]) -> int:
        """Mean of each of 4 channels."""
        return self._aipp.put("aipp_set_dtc_pixel_mean", [f"mean_chn_{i}" for i in range(4)], mean)

    def aipp_set_dtc_pixel_min(self, least: Sequence[float]) -> int:
        """Minimum of each of 4 channels."""
        return self._aipp.put("aipp_set_dtc_pixel_min", [f"min_chn_{i}" for i in range(4)], least, float)

    def aipp_set_pixel_var_reci(self, reciprocals: Sequence[float]) -> int:
        """Reciprocal of the variance of each of 4 channels."""
        return self._aipp.put("aipp_set_pixel_var_reci", [f"var_reci_chn_{i}" for i in range(4)], reciprocals, float)

    def set_dym_aipp_info_set(self) -> int:
        """Gives the settings to the model. One without dynamic AIPP ignores them."""
        if not self.get_dym_aipp_input_exist():
            return 0
        self.check_dym_aipp_input_exist()
        self._native.set_aipp(dict(self._aipp.values))
        return 0

    def get_dym_aipp_input_exist(self) -> int:
        """How many inputs have dynamic AIPP: 0 or 1."""
        return self._native.info().aipp_inputs

    def check_dym_aipp_input_exist(self) -> int:
        """0. More than one input with dynamic AIPP is a RuntimeError."""
        count = self.get_dym_aipp_input_exist()
        if count > 1:
            raise ArgumentError(f"the model has {count} inputs with dynamic AIPP; at most one can be set")
        return 0
