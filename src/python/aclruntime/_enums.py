# SPDX-License-Identifier: MIT
"""The enumerations `dtype` and `type`; their values are AscendCL's numbers."""

from __future__ import annotations

import enum


class _Number(enum.Enum):
    """A named number: it prints as `dtype.float32`, and int() gives the number."""

    def __str__(self) -> str:
        return f"{self.__class__.__name__}.{self.name}"

    def __int__(self) -> int:
        return self.value

    __index__ = __int__


class dtype(_Number):
    """Type of a tensor's elements (aclDataType)."""

    float32 = 0
    float16 = 1
    int8 = 2
    int32 = 3
    uint8 = 4
    int16 = 6
    uint16 = 7
    uint32 = 8
    int64 = 9
    uint64 = 10
    double = 11
    bool = 12
    bfloat16 = 27


class type(_Number):
    """Where a tensor lies."""

    memory_host = 0
    memory_device = 1
    memory_dvpp = 2
