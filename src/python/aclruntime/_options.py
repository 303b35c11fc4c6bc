# SPDX-License-Identifier: MIT
"""What a session is opened with, what its pipeline is told, and what it says of its model."""

from __future__ import annotations

from collections.abc import Callable

from aispipe import _native

from ._enums import dtype
from ._errors import ArgumentError, ArgumentTypeError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class session_options:
    """Settings of an `InferenceSession`; read when it is opened."""

    def __init__(self) -> None:
        self.loop: int = 1
        """Executions for each call, each one timed; 1 or more."""
        self.log_level: int = 2
        """What is printed: 1 debug, 2 information, 3 warnings, 4 errors."""
        self.acl_json_path: str = ""
        """Configuration of the Ascend runtime; '': none."""

    def checked_loop(self) -> int:
        """`loop`, where it is a number of executions."""
        if isinstance(self.loop, bool) or not isinstance(self.loop, int):
            raise ArgumentTypeError(f"loop is a number of executions, not {self.loop!r}")
        if self.loop < 1:
            raise ArgumentError(f"loop is {self.loop}; 1 or more is wanted")
        return self.loop

    def logger(self) -> Callable[[int, str], None]:
        """What prints the library's lines, on standard output as the program `aispipe` does."""
        if self.log_level not in (1, 2, 3, 4):
            raise ArgumentError(f"log_level is {self.log_level!r}; 1 debug, 2 info, 3 warning or 4 error is wanted")
        least = self.log_level - 1

        def log(level: int, line: str) -> None:
            if level >= least:
                print(f"[{_LEVELS[level]}] {line}", flush=True)

        return log


class infer_options:
    """Settings of `InferenceSession.run_pipeline`."""

    def __init__(self) -> None:
        self.output_dir: str = ""
        """Directory of the results; '': nothing is saved."""
        self.out_format: str = ""
        """BIN (also ''), NPY or TXT."""
        self.auto_dym_shape: bool = False
        """The dynamic shape of each execution is that of its .npy files, or of `shapes_list`."""
        self.auto_dym_dims: bool = False
        """The same for dynamic dims."""
        self.pure_infer_mode: bool = False
        """No file is read: the inputs are zeros, the results are called pure_infer_data."""
        self.output_names: list[str] = []
        """Outputs that are saved; []: all."""
        self.shapes_list: list[list[list[int]]] = []
        """For each execution a shape for each input; []: those of the files."""


class tensor_desc:
    """An input or output of a model."""

    __slots__ = ("name", "datatype", "format", "shape", "size", "realsize")

    def __init__(self, info: _native.TensorInfo) -> None:
        self.name: str = info.name
        self.datatype: dtype = dtype(info.dtype)
        self.format: int = info.format
        """AscendCL's number: 0 NCHW, 1 NHWC, 2 ND."""
        self.shape: list[int] = list(info.shape)
        """-1 where a dimension is chosen at run time."""
        self.size: int = info.size
        """Bytes, of the largest gear where there are gears; 0 where unknown."""
        self.realsize: int = info.real_size
        """Bytes in the shape that is set; 0 where none is."""

    def line(self, index: int) -> str:
        """As in the description of a model."""
        shape = str(tuple(self.shape))
        name = _native.dtype_name(self.datatype.value)
        return f"  #{index}    {self.name}  {shape}  {name}  {self.size}  {self.realsize}"

    def __str__(self) -> str:
        return (
            f"<TensorDesc>\nname:\t{self.name}\nshape:\t{tuple(self.shape)}\ndtype:\t{self.datatype.name}\n"
            f"format:\t{self.format}\nsize:\t{self.size}\nrealsize:\t{self.realsize}"
        )


class sumary_info:
    """Statistics of a session."""

    def __init__(self, intervals: list[tuple[float, float]]) -> None:
        self.exec_time_list = intervals
        """(start, end) of each execution, ms since this process' first one."""


class MemorySummary:
    """Transfers between host and devices, of the whole process. Kept from the import of this package on."""

    @property
    def H2D_time_list(self) -> list[float]:
        """ms of each transfer to a device."""
        return _native.transfers(_native.H2D)

    @property
    def D2H_time_list(self) -> list[float]:
        """ms of each transfer to the host."""
        return _native.transfers(_native.D2H)

    def reset(self) -> None:
        """Forgets both lists."""
        _native.transfers_reset()


_native.transfers_record(True)
