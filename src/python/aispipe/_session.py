# SPDX-License-Identifier: MIT
"""Session: a model that is loaded, and called."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from . import _native

_log = logging.getLogger("aispipe")
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


def _to_logging(level: int, line: str) -> None:
    _log.log(_LEVELS[level], "%s", line)


class Port(NamedTuple):
    """An input or output of a model.

    Attributes:
        name: as the model has it
        dtype: NumPy's name of the element type; "bfloat16" for the type that NumPy lacks
        shape: dimensions, -1 where the model leaves one open
        nbytes: bytes of the whole tensor in the shape that is set; 0 while dimensions are open
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def _ports(infos: Sequence[_native.TensorInfo]) -> list[Port]:
    return [Port(i.name, _native.dtype_name(i.dtype), tuple(i.shape), i.real_size) for i in infos]


class Session(_native.Session):
    """A model loaded on a device, ready to be called.

    ``session(x)`` executes once. It takes one array for each input, in the model's order, and returns a NumPy array,
    or a list of them where the model has several outputs. Dtype and shape must be the input's. An input is a NumPy
    array, a `Tensor`, anything with the buffer protocol, or a torch tensor on the CPU. C-contiguous arrays are not
    copied on the CPU engine, others are made contiguous. The arrays that come back lie over memory of the engine's,
    which is used again only when nobody refers to them any more: keep them for as long as you like.

    Dimensions that the model leaves open are those of the arrays, until `set_shape` chooses others.

    A session may be called by several threads at once: `threads` calls run side by side, others wait. The interpreter
    lock is free meanwhile. After a fork the child must open sessions of its own.

    Parameters:
        model: path: .onnx, .xml, .tflite, .pb or .pdmodel for the CPU, .om for Ascend
        device: id of the device, 0 to 255
        backend: "openvino", "acl" or "sim"; None: by the ending of the model's name
        engine_device: OpenVINO's name of a device; None: "CPU"
        engine_options: properties handed to the engine, such as {"NUM_STREAMS": 1}
        threads: executions that may run side by side, 1 or more
        aipp_config: file with the settings of dynamic AIPP (Ascend)
        acl_json: file with which Ascend's runtime is started
        affinity: processor cores for the engine's threads and for pipelines of this session: a list as "0-3,8", "none",
            or "auto": those of the device's NUMA node where that is known. Calls stay in the thread that makes them

    Raises:
        Error: the model or the engine cannot be loaded; a RuntimeError, the text is the command line's
        InvalidError: an argument cannot be accepted; a ValueError as well
    """

    def __init__(self, model: str | os.PathLike, *, device: int = 0, backend: str | None = None,
                 engine_device: str | None = None, engine_options: Mapping[str, Any] | None = None, threads: int = 1,
                 aipp_config: str | None = None, acl_json: str | None = None, affinity: str | None = None) -> None:
        super().__init__(os.fspath(model), device=device, backend=backend, engine_device=engine_device,
                         engine_options=[f"{key}={value}" for key, value in (engine_options or {}).items()],
                         threads=threads, aipp_config=aipp_config, acl_json=acl_json, affinity=affinity, log=_to_logging,
                         debug=_log.isEnabledFor(logging.DEBUG))
        self._threads = threads
        self._input_names = [info.name for info in super().inputs()]
        self._output_names = [info.name for info in super().outputs()]

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, numpy.ndarray]:
        """Executes once with inputs given by name.

        Parameters:
            feeds: an array for each input, by its name
            outputs: names of the outputs that are wanted; None: all

        Returns:
            a NumPy array for each output, by its name

        Raises:
            InvalidError: names that are missing or unknown, or wrong shapes
            TypeError: an array of another dtype, or what is no array
            Error: the engine failed
        """
        if not isinstance(feeds, Mapping):
            raise TypeError(f"run takes a dict of arrays by name, not {type(feeds)}; inputs: {self._input_names}")
        if len(feeds) != len(self._input_names) or any(name not in feeds for name in self._input_names):
            missing = [name for name in self._input_names if name not in feeds]
            unknown = [name for name in feeds if name not in self._input_names]
            raise _native.InvalidError(f"the model takes the inputs {self._input_names}: missing {missing}, "
                                       f"unknown {unknown}")
        names = self._output_names if outputs is None else list(outputs)
        indexes = None if outputs is None else [self.find_output(name) for name in names]
        arrays = self.execute([feeds[name] for name in self._input_names], True, None, False, indexes)
        return dict(zip(names, arrays))

    def on_device(self, *feeds: Any) -> list[_native.Tensor]:
        """Executes once as ``session(*feeds)`` does and leaves the outputs on the device.

        Returns:
            a `Tensor` for each output, which can be fed again without a copy to the host
        """
        return self.execute(feeds, True, _native.Tensor, True)

    @property
    def inputs(self) -> list[Port]:
        """What the model takes, a list of `Port` in its order."""
        return _ports(super().inputs())

    @property
    def outputs(self) -> list[Port]:
        """What the model gives, a list of `Port` in its order."""
        return _ports(super().outputs())

    @property
    def threads(self) -> int:
        """Executions that may run side by side."""
        return self._threads

    def set_shape(self, *, batch: int | None = None, hw: tuple[int, int] | None = None,
                  dims: Mapping[str, Sequence[int]] | None = None, shape: Mapping[str, Sequence[int]] | None = None,
                  output_sizes: Sequence[int] | None = None) -> None:
        """Chooses the dimensions that the model leaves open, until the next call; without arguments: as the feeds.

        Parameters:
            batch: the first dimension of the inputs that leave it open; on Ascend one of the model's batch gears
            hw: height and width of the images; on Ascend one of the model's gears
            dims: all dimensions of inputs, by name; on Ascend one of the model's gears
            shape: all dimensions of inputs, by name, any that the model can compute
            output_sizes: bytes for each output, where they are known only after execution

        Raises:
            InvalidError: more than one of them, or sizes that contradict the model
            Error: the engine cannot do it
        """
        given = [value for value in (batch, hw, dims, shape) if value is not None]
        if len(given) > 1:
            raise _native.InvalidError("set_shape takes one of batch, hw, dims and shape")
        if output_sizes is not None and not given:
            self.set_output_sizes(output_sizes)
        if batch is not None:
            super().set_shape(_native.BATCH, batch=batch, output_sizes=output_sizes)
        elif hw is not None:
            height, width = hw
            super().set_shape(_native.HW, height=height, width=width, output_sizes=output_sizes)
        elif dims is not None:
            super().set_shape(_native.DIMS, dims=_spell(dims), output_sizes=output_sizes)
        elif shape is not None:
            super().set_shape(_native.SHAPE, dims=_spell(shape), output_sizes=output_sizes)
        elif output_sizes is None:
            self.follow_feeds()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"on {self.backend}, device {self.device}"
        return f"<aispipe.Session {self.model!r} {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a session cannot be pickled: open one in every process")


def _spell(shapes: Mapping[str, Sequence[int]]) -> str:
    """{"a": (1, 2)} as "a:1,2"."""
    if not isinstance(shapes, Mapping):
        raise TypeError(f"dimensions are given by name, as a dict, not {type(shapes)}")
    return ";".join(f"{name}:{','.join(str(int(dim)) for dim in dims)}" for name, dims in shapes.items())
