# SPDX-License-Identifier: MIT
"""Tensors, and memory that the caller lends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aispipe import _native

from ._enums import dtype, type as memory_type
from ._errors import ArgumentError, ArgumentTypeError, HostMemoryError, all_translating, translating

_native_shape = _native.Tensor.shape.__get__
_native_array = _native.Tensor.__array_interface__.__get__


@all_translating()
class Tensor(_native.MovableTensor):
    """Data with a type and a shape, on the host or on a device.

    `Tensor(array)` copies anything with the buffer protocol; zero-dimensional and empty arrays, too. On the host it
    offers the buffer protocol itself: `numpy.array(tensor)`. On a device it refuses that, until `to_host()`.
    """

    def __init__(self, buffer: Any) -> None:
        """Raises a RuntimeError for complex, object and text arrays, and for what has no buffer."""
        if isinstance(buffer, np.generic):
            buffer = scalar(buffer)
        elif not isinstance(buffer, np.ndarray):
            buffer = _array(buffer)
        super().__init__(buffer)

    @property
    def shape(self) -> list[int]:
        """Dimensions; [] for a scalar."""
        return list(_native_shape(self))

    @property
    def dtype(self) -> dtype:
        """Type of the elements."""
        return dtype(self.dtype_code)

    @property
    def type(self) -> memory_type:
        """memory_host or memory_device."""
        return memory_type.memory_host if self.device < 0 else memory_type.memory_device

    @property
    def __array_interface__(self) -> dict:
        if self.device >= 0:
            raise HostMemoryError(f"the tensor is on device {self.device}; to_host() brings it to the host")
        return _native_array(self)

    def to_device(self, device_id: int = 0) -> Tensor:
        """Moves this tensor to a device, from the host or from another device, and returns it."""
        if self.device not in (_native.HOST, device_id):
            self.to_host()
        self.replace(super().to_device(device_id))
        return self

    def to_host(self) -> Tensor:
        """Moves this tensor to the host and returns it. Arrays made from it before stay valid."""
        self.replace(super().to_host())
        return self

    def to_dvpp(self, device_id: int = 0) -> Tensor:
        """As `to_device`: there is no memory of that kind apart."""
        return self.to_device(device_id)

    def __str__(self) -> str:
        shape = str(tuple(self.shape))
        return f"<Tensor>\nshape:\t{shape}\ndtype:\t{self.dtype.name}\ndevice:\t{self.device}"

    __repr__ = __str__


def scalar(value: np.generic) -> np.generic | np.ndarray:
    """A NumPy scalar as it is where it is a number. Dates and texts export bytes, but as arrays say what they are."""
    return value if isinstance(value, (np.number, np.bool_)) else np.asarray(value)


def _array(buffer: Any) -> np.ndarray:
    """An array over the memory of what has the buffer protocol."""
    try:
        return np.asarray(memoryview(buffer))
    except TypeError:
        raise ArgumentTypeError(
            f"a Tensor is made of something with the buffer protocol, such as a NumPy array, not of {type(buffer)}"
        ) from None


@all_translating()
class BaseTensor:
    """Memory on the host that the caller lends for a call: it is neither copied nor kept.

    `buf` is its address, `size` its bytes.
    """

    __slots__ = ("buf", "size")

    def __init__(self, buf: int, size: int) -> None:
        for name, value in (("address", buf), ("size", size)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ArgumentTypeError(f"the {name} of a BaseTensor is a number, not {type(value)}")
            if value < 0:
                raise ArgumentError(f"the {name} of a BaseTensor is {value}; 0 or more is wanted")
        if size and not buf:
            raise ArgumentError(f"a BaseTensor of {size} bytes needs an address, not 0")
        self.buf = int(buf)
        self.size = int(size)

    def borrowed(self) -> _native.Tensor:
        """The memory as a tensor of bytes."""
        return _native.Tensor.borrow(self.buf, self.size, self)


@translating
def batch(inputs: Sequence[Tensor], keep_dims: bool = False) -> Tensor:
    """Joins tensors of one type and shape into one on the host.

    [1,3],[1,3] → [2,1,3]; with `keep_dims` → [2,3], joined along the first axis.
    """
    if not isinstance(inputs, (list, tuple)) or not all(isinstance(t, Tensor) for t in inputs):
        raise ArgumentTypeError("batch() takes a list of Tensor")
    if not inputs:
        raise ArgumentError("batch() needs at least one tensor")
    first = inputs[0]
    for tensor in inputs:
        if tensor.dtype is not first.dtype or tensor.shape != first.shape:
            raise ArgumentError(
                f"batch() joins tensors of one type and shape, not {first.dtype} {tuple(first.shape)} and "
                f"{tensor.dtype} {tuple(tensor.shape)}"
            )
    if keep_dims and not first.shape:
        raise ArgumentError("scalars have no axis to be joined along; leave keep_dims out")
    shape = [len(inputs) * first.shape[0], *first.shape[1:]] if keep_dims else [len(inputs), *first.shape]
    joined = Tensor.empty(first.dtype_code, shape)
    parts = joined.numpy().reshape((len(inputs), *first.shape))
    for part, tensor in zip(parts.reshape(len(inputs), -1), inputs):
        part[...] = _native.Tensor.to_host(tensor).numpy().reshape(-1)
    return joined
