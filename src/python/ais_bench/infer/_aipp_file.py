# SPDX-License-Identifier: MIT
"""Settings of dynamic AIPP from a configuration file, whole or group by group."""

from __future__ import annotations

import configparser
import os
from collections.abc import Sequence

import aclruntime
from aclruntime._errors import ArgumentError, ArgumentTypeError, all_translating
from aispipe import _native

SECTION = "aipp_op"


@all_translating()
class AippFile:
    """The calls of `InferSession` that are about dynamic AIPP.

    Those that begin with `aipp_set_` take a `configparser.ConfigParser` with one section, `aipp_op`, and set one group
    of keys; what is not there is 0. `session.set_dym_aipp_info_set()` makes them count. All return 0.
    """

    session: aclruntime.InferenceSession

    def load_aipp_config_file(self, config_file: str, batchsize: int) -> int:
        """Reads a file, checks it and gives it to the model. A RuntimeError names file, key, value and range. A model
        without dynamic AIPP ignores the file. `batchsize`: largest batch that will be fed."""
        settings = _native.aipp_read(os.fspath(config_file))
        self.session.check_dym_aipp_input_exist()
        self.session.aipp_set_max_batch_size(batchsize)
        if self.session.get_dym_aipp_input_exist():
            self.session._native.set_aipp(settings)
        return 0

    def get_dym_aipp_input_exist(self) -> int:
        """How many inputs have dynamic AIPP: 0 or 1."""
        return self.session.get_dym_aipp_input_exist()

    def check_dym_aipp_input_exist(self) -> int:
        """0. More than one input with dynamic AIPP is a RuntimeError."""
        return self.session.check_dym_aipp_input_exist()

    def aipp_set_input_format(self, cfg: configparser.ConfigParser) -> int:
        """input_format."""
        return self.session.aipp_set_input_format(_section(cfg).get("input_format", "").strip())

    def aipp_set_src_image_size(self, cfg: configparser.ConfigParser) -> int:
        """src_image_size_w, src_image_size_h."""
        return self.session.aipp_set_src_image_size(_numbers(cfg, ("src_image_size_w", "src_image_size_h"), int))

    def aipp_set_rbuv_swap_switch(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """rbuv_swap_switch."""
        return self.session.aipp_set_rbuv_swap_switch(_numbers(cfg, ("rbuv_swap_switch",), int)[0])

    def aipp_set_ax_swap_switch(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """ax_swap_switch."""
        return self.session.aipp_set_ax_swap_switch(_numbers(cfg, ("ax_swap_switch",), int)[0])

    def aipp_set_csc_params(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """csc_switch, matrix_r0c0 to matrix_r2c2, output_bias_0 to _2, input_bias_0 to _2."""
        names = ["csc_switch", *(f"matrix_r{r}c{c}" for r in range(3) for c in range(3))]
        names += [f"{side}_bias_{i}" for side in ("output", "input") for i in range(3)]
        return self.session.aipp_set_csc_params(_numbers(cfg, names, int))

    def aipp_set_crop_params(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """crop, load_start_pos_w, load_start_pos_h, crop_size_w, crop_size_h."""
        names = ("crop", "load_start_pos_w", "load_start_pos_h", "crop_size_w", "crop_size_h")
        return self.session.aipp_set_crop_params(_numbers(cfg, names, int))

    def aipp_set_padding_params(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """padding, padding_size_top, _bottom, _left, _right."""
        names = ("padding", *(f"padding_size_{side}" for side in ("top", "bottom", "left", "right")))
        return self.session.aipp_set_padding_params(_numbers(cfg, names, int))

    def aipp_set_dtc_pixel_mean(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """mean_chn_0 to mean_chn_3."""
        return self.session.aipp_set_dtc_pixel_mean(_numbers(cfg, [f"mean_chn_{i}" for i in range(4)], int))

    def aipp_set_dtc_pixel_min(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """min_chn_0 to min_chn_3."""
        return self.session.aipp_set_dtc_pixel_min(_numbers(cfg, [f"min_chn_{i}" for i in range(4)], float))

    def aipp_set_pixel_var_reci(self, cfg: configparser.ConfigParser, option_list: Sequence[str] = ()) -> int:
        """var_reci_chn_0 to var_reci_chn_3."""
        return self.session.aipp_set_pixel_var_reci(_numbers(cfg, [f"var_reci_chn_{i}" for i in range(4)], float))


def _section(cfg: configparser.ConfigParser) -> configparser.SectionProxy:
    if not isinstance(cfg, configparser.ConfigParser):
        raise ArgumentTypeError(f"a configparser.ConfigParser is wanted, not {type(cfg)}")
    if not cfg.has_section(SECTION):
        raise ArgumentError(f"the AIPP configuration has no section [{SECTION}]")
    return cfg[SECTION]


def _numbers(cfg: configparser.ConfigParser, names: Sequence[str], number: type) -> list:
    """Values of the keys; 0 for those that are not there."""
    section = _section(cfg)
    values = []
    for name in names:
        text = section.get(name, "0").strip()
        try:
            values.append(number(text))
        except ValueError:
            kind = "a whole number" if number is int else "a number"
            raise ArgumentError(f"{name} is '{text}'; {kind} is wanted") from None
    return values
