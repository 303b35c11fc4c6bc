# SPDX-License-Identifier: MIT
"""What may be fed to a model, and the shape that a dynamic model is to take from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aispipe import _native

from ._errors import ArgumentError, ArgumentTypeError
from ._tensor import BaseTensor, scalar

MODES = ("static", "dymbatch", "dymhw", "dymdims", "dymshape")

STATIC: _native.Shape = (_native.STATIC, 0, 0, 0, None, None, False)

_IMAGE_AXES = (2, 3)
"""Axes of height and width."""


def take(feed: Any) -> Any:
    """`feed` as the extension takes it. A RuntimeError names the type of what cannot be fed."""
    if isinstance(feed, (np.ndarray, _native.Tensor)):
        return feed
    if isinstance(feed, np.generic):
        return scalar(feed)
    if isinstance(feed, BaseTensor):
        return feed.borrowed()
    if hasattr(feed, "data_ptr") and hasattr(feed, "element_size"):
        return _torch(feed)
    if hasattr(feed, "__dlpack__"):
        return feed
    if callable(getattr(feed, "numpy", None)):
        return np.asarray(feed.numpy())
    raise ArgumentTypeError(f"type:{type(feed)} invalid")


def _torch(feed: Any) -> _native.Tensor:
    """A torch tensor's memory, whatever its type: NumPy has no bfloat16, and here the bytes are what counts."""
    device = getattr(feed, "device", None)
    if device is not None and str(device).split(":")[0] != "cpu":
        raise ArgumentError(f"the tensor is on {device}; bring it to the CPU: tensor.cpu()")
    if str(getattr(feed, "dtype", "")).startswith("torch.complex"):
        raise ArgumentTypeError(f"a tensor of {feed.dtype} cannot be fed")
    feed = feed.contiguous() if hasattr(feed, "contiguous") else feed
    shape = tuple(int(n) for n in feed.shape)
    size = math.prod(shape) * feed.element_size()
    return _native.Tensor.borrow(feed.data_ptr() if size else 0, size, feed)


def take_all(feeds: Any) -> list:
    """All feeds of one execution."""
    if isinstance(feeds, (str, bytes, Mapping)) or not isinstance(feeds, Iterable):
        raise ArgumentTypeError(f"feeds are a list with one array or tensor for each input, not {type(feeds)}")
    return [take(feed) for feed in feeds]


def shape_of(feed: Any) -> tuple[int, ...]:
    """Dimensions of what a user feeds."""
    if isinstance(feed, BaseTensor):
        return (feed.size,)
    return tuple(int(n) for n in feed.shape)


def named(inputs: Sequence[_native.TensorInfo], feeds: Mapping[str, Any]) -> list:
    """The feeds of a dictionary in the model's order."""
    names = [i.name for i in inputs]
    unknown = [str(name) for name in feeds if name not in names]
    if unknown:
        raise ArgumentError(f"the model has no input {', '.join(unknown)}; its inputs are {', '.join(names)}")
    missing = [name for name in names if name not in feeds]
    if missing:
        raise ArgumentError(f"nothing is fed to input {', '.join(missing)}")
    return [feeds[name] for name in names]


# --- shapes ---------------------------------------------------------------------------------------------------------


def chosen(
    mode: str, inputs: Sequence[_native.TensorInfo], shapes: Sequence[Sequence[int]], sizes: Any, n_outputs: int
) -> _native.Shape:
    """What `mode` makes of the feeds' shapes. `sizes`: bytes for outputs, see `output_sizes`."""
    if mode not in MODES:
        raise ArgumentError(f"wrong infer_mode:{mode}, only support {', '.join(MODES)}")
    if mode == "static":
        return STATIC
    if len(shapes) != len(inputs):
        raise ArgumentError(f"the model has {len(inputs)} inputs, but {len(shapes)} feeds were given")
    if mode == "dymbatch":
        return (_native.BATCH, _batch(inputs, shapes), 0, 0, None, None, False)
    if mode == "dymhw":
        return (_native.HW, 0, *_height_width(inputs, shapes), None, None, False)
    text = dims_text(inputs, shapes)
    if mode == "dymdims":
        return (_native.DIMS, 0, 0, 0, text, None, False)
    return (_native.SHAPE, 0, 0, 0, text, output_sizes(sizes, n_outputs), True)


def _batch(inputs: Sequence[_native.TensorInfo], shapes: Sequence[Sequence[int]]) -> int:
    """The dimension where the model has its first -1; all others must be the model's, or the same."""
    batch = 0
    for info, shape in zip(inputs, shapes):
        if len(shape) != len(info.shape):
            raise ArgumentError(f"input {info.name} has shape {info.shape}, but the feed has {tuple(shape)}")
        for axis, (wanted, got) in enumerate(zip(info.shape, shape)):
            if wanted < 0 and not batch:
                batch = got
            if got != (batch if wanted < 0 else wanted):
                wanted = batch if wanted < 0 else wanted
                raise ArgumentError(
                    f"input {info.name} has shape {info.shape}, but the feed has {tuple(shape)}: dimension {axis} "
                    f"is {got}, {wanted} is wanted"
                )
    if not batch:
        raise ArgumentError("mode dymbatch is for a model with a dynamic batch; no dimension of this one is open")
    return batch


def _height_width(inputs: Sequence[_native.TensorInfo], shapes: Sequence[Sequence[int]]) -> tuple[int, int]:
    height, width = _IMAGE_AXES
    for info, shape in zip(inputs, shapes):
        if len(info.shape) <= width or info.shape[height] >= 0 or info.shape[width] >= 0:
            continue
        if len(shape) != len(info.shape):
            raise ArgumentError(f"input {info.name} has shape {info.shape}, but the feed has {tuple(shape)}")
        return shape[height], shape[width]
    raise ArgumentError("mode dymhw is for a model with a dynamic image size; dimensions 2 and 3 of no input are open")


def dims_text(inputs: Sequence[_native.TensorInfo], shapes: Sequence[Sequence[int]]) -> str:
    """"in1:1,600;in2:1,600". Scalars have no dimension to be named, but one that is fed to a vector is one element."""
    if len(shapes) != len(inputs):
        raise ArgumentError(f"the model has {len(inputs)} inputs, but {len(shapes)} shapes were given")
    named_shapes = ((i.name, tuple(s) or (1,) * len(i.shape)) for i, s in zip(inputs, shapes))
    return ";".join(f"{name}:{','.join(map(str, shape))}" for name, shape in named_shapes if shape)


def output_sizes(sizes: Any, n_outputs: int) -> list[int]:
    """Bytes for each output whose size is known only after execution. An int counts for every output."""
    if isinstance(sizes, (int, np.integer)) and not isinstance(sizes, bool):
        sizes = [sizes] * n_outputs
    if not isinstance(sizes, (list, tuple)):
        raise ArgumentTypeError(f"custom_sizes:{sizes!r} type:{type(sizes)} invalid; an int or a list of int is wanted")
    if len(sizes) != n_outputs:
        raise ArgumentError(f"custom_sizes has {len(sizes)} entries, but the model has {n_outputs} outputs")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise ArgumentTypeError(f"custom_sizes:{size!r} is no number of bytes")
        if size < 0:
            raise ArgumentError(f"custom_sizes:{size}; 0 bytes or more are wanted")
    return [int(size) for size in sizes]


def next_inputs(in_out_list: Sequence[int], inputs: Sequence[Any], outputs: Sequence[Any]) -> list:
    """What is fed in the next round: entry k says which output becomes input k; -1 keeps the input."""
    return [inputs[k] if source < 0 else outputs[source] for k, source in enumerate(in_out_list)]


def check_in_out_list(in_out_list: Any, n_inputs: int, n_outputs: int) -> list[int]:
    """The list, where it fits the model. None counts as empty."""
    entries = [] if in_out_list is None else in_out_list
    if not isinstance(entries, (list, tuple)):
        raise ArgumentTypeError(f"in_out_list is a list with an int for each input, not {type(entries)}")
    if len(entries) != n_inputs:
        raise ArgumentError(
            f"inputs' amount and length of in_out_list not matched: the model has {n_inputs} inputs, in_out_list "
            f"{len(entries)} entries"
        )
    for k, source in enumerate(entries):
        if isinstance(source, bool) or not isinstance(source, (int, np.integer)):
            raise ArgumentTypeError(f"entry {k} of in_out_list is {source!r}; a number of an output, or -1, is wanted")
        if not -1 <= source < n_outputs:
            raise ArgumentError(f"entry {k} of in_out_list is {source}; -1 to {n_outputs - 1} is wanted")
    return [int(source) for source in entries]
