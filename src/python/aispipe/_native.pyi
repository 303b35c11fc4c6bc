# SPDX-License-Identifier: MIT
"""The C extension: aispipe's C library (include/aispipe/) as Python objects, one to one.

The packages `aispipe`, `ais_bench` and `aclruntime` are written on it. Its interface is private and may change.

Errors. A failure of the library is an `Error` (a RuntimeError) whose `code` is the library's status. Where an
argument was wrong it is an `InvalidError`, which is a ValueError as well. An object of a type that cannot be taken is
a TypeError. After `close`, and in a child process after fork, it is a `ClosedError`.

Threads. Every method may be called from any thread at any time. The interpreter lock is released while the engine, a
transfer or the pipeline works.

Data types are numbers, those of AscendCL's aclDataType: 0 float32, 1 float16, 2 int8, 3 int32, 4 uint8, 6 int16,
7 uint16, 8 uint32, 9 int64, 10 uint64, 11 float64, 12 bool, 27 bfloat16 (as NumPy array: two bytes, dtype 'V2').

Feeds, what an input may be: a `Tensor`; anything with the buffer protocol (NumPy arrays and scalars, bytes,
array.array); anything with `__dlpack__` on the CPU (torch tensors, bfloat16 included) or `__array__`. What is
C-contiguous is not copied. Object, complex, string, time and structured arrays are refused; non-native byte order is
converted.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy

INVALID: int
NO_MEMORY: int
IO: int
FORMAT: int
MODEL: int
DEVICE: int
UNSUPPORTED: int
CLOSED: int
SYSTEM: int
TIMEOUT: int
FAULT: int
"""Values of `Error.code`."""

STATIC: int
BATCH: int
HW: int
DIMS: int
SHAPE: int
"""Modes of `Session.set_shape`, `Shape[0]` and `ModelInfo.mode`."""

HOST: int
"""-1, the device of what is on the host."""

H2D: int
D2H: int

class Error(RuntimeError):
    """The library, the engine or the device failed."""

    code: int

class InvalidError(Error, ValueError):
    """An argument, or a combination of arguments, is not acceptable."""

class ClosedError(Error):
    """The session was closed, the device finalised, or this process is a fork of the one that opened it."""

class TensorInfo(NamedTuple):
    """An input or output of a model."""

    name: str
    dtype: int
    format: int
    """Number of AscendCL's aclFormat: 0 NCHW, 1 NHWC, 2 ND, …; 2 where the engine has none."""
    shape: tuple[int, ...]
    """As the model declares it: -1 where open."""
    size: int
    """Bytes in the largest gear, or in the one shape; 0 where unknown."""
    real_size: int
    """Bytes in the shape that is set; 0 where none is."""

class ModelInfo(NamedTuple):
    mode: int
    """What is open: STATIC for nothing; engines without gears say SHAPE and take BATCH, HW and DIMS as well."""
    gears: int
    largest_batch: int
    """Largest gear of BATCH; 0 where there are none."""
    aipp_inputs: int
    aipp_set: bool

Shape = tuple[int, int, int, int, str | None, Sequence[int] | None, bool]
"""(mode, batch, height, width, dims, output_sizes, sizes_if_open), as the arguments of `Session.set_shape`."""

T = TypeVar("T", bound="Tensor")

class Tensor:
    """Data with a type and a shape, on the host or on a device. Its bytes never move; to_device and to_host copy.

    Buffer protocol, `__array_interface__` and DLPack export the host's memory without a copy; they raise BufferError
    where the host cannot reach it (on the CPU engine it always can). Weak references and subclasses are allowed.
    """

    def __init__(self, data: Any, copy: bool = True) -> None:
        """A tensor on the host from any feed (see above), zero-dimensional and empty ones too. copy=False borrows the
        memory where that is possible (C-contiguous), and holds a reference to `data` for as long."""
    @classmethod
    def empty(cls: type[T], dtype: int, shape: Sequence[int]) -> T:
        """Not initialised, aligned to 64 bytes."""
    @classmethod
    def borrow(cls: type[T], address: int, nbytes: int, owner: Any = None) -> T:
        """uint8 tensor of shape (nbytes,) over memory that somebody else owns; `owner` is kept alive."""
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype_code(self) -> int: ...
    @property
    def dtype(self) -> numpy.dtype: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> int:
        """-1 on the host."""
    @property
    def address(self) -> int:
        """Of the data, 0 where the host cannot reach it."""
    def to_device(self: T, device: int = 0, backend: str | None = None) -> T:
        """A copy on the device; itself where it is there already."""
    def to_host(self: T) -> T:
        """A copy on the host; itself where it is there already."""
    def view(self: T, dtype: int, shape: Sequence[int]) -> T:
        """The same bytes with another type and shape of the same size."""
    def numpy(self) -> numpy.ndarray:
        """An array over the host's memory, not a copy; the memory lives as long as the array."""
    def free(self) -> None:
        """Gives the memory up now; every later use is a ClosedError. BufferError once arrays look at it."""
    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
                   copy: bool | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    @property
    def __array_interface__(self) -> dict: ...

class MovableTensor(Tensor):
    """A tensor that can be moved in place. Buffer protocol on the host only, whatever the engine."""

    def replace(self, other: Tensor) -> None:
        """Takes the memory, type, shape and place of `other`, which keeps them, too. What was exported stays valid."""

class Session:
    """A model loaded on a device. Subclasses are allowed."""

    def __init__(self, model: str, *, device: int = 0, backend: str | None = None, engine_device: str | None = None,
                 engine_options: Sequence[str] = (), threads: int = 1, shape: Shape | None = None,
                 shape_later: bool = True, aipp_config: str | None = None, aipp_later: bool = False,
                 acl_json: str | None = None, hold: bool = False, debug: bool = False,
                 log: Callable[[int, str], None] | None = None, affinity: str | None = None) -> None:
        """`log` gets (level, line), level 0 debug, 1 info, 2 warning, 3 error, from any thread; None: dropped.
        `hold`: device and runtime stay started until `finalize`."""
    def __call__(self, *feeds: Any) -> Any:
        """execute(feeds, True): dtype and shape are checked. One array, or a list where there are several outputs.
        Until set_shape has chosen one, open dimensions are those of the feeds."""
    def execute(self, feeds: Sequence[Any], strict: bool = False, out: type[Tensor] | None = None,
                on_device: bool = False, outputs: Sequence[int] | None = None, loop: int = 0,
                shape: Shape | bool | None = None, untimed: bool = False) -> list:
        """Executes once. Positional arguments only (it is the fast path).

        feeds     in the model's order, hidden inputs left out
        strict    also dtype and shape must be the input's; else, and with a Shape, the number of bytes alone
        out       None: NumPy arrays over the engine's memory; else a type, Tensor or a subclass
        on_device with `out`: results stay on the device
        outputs   indexes of those wanted, in that order; None: all; empty: only timed
        loop      executions, each one timed; 0: as set_loop says
        shape     None: the one that is set; True: that of the feeds; or a Shape
        untimed   leaves no trace in the statistics
        """
    def set_shape(self, mode: int, batch: int = 0, height: int = 0, width: int = 0, dims: str | None = None,
                  output_sizes: Sequence[int] | None = None, sizes_if_open: bool = False) -> None: ...
    def follow_feeds(self) -> None:
        """From now on strict calls set the shape of their feeds, as before the first set_shape."""
    def set_output_sizes(self, sizes: Sequence[int]) -> None:
        """Bytes for outputs whose size is known only after execution: one an output, or one for all, or none."""
    def set_loop(self, loop: int) -> None: ...
    def set_aipp(self, settings: dict[str, int | float]) -> None:
        """Settings with the names of the configuration file (matrix_r0c0, mean_chn_0, …); those that are missing are
        0. `input_format` is a name ("RGB888_U8") or a number. Out of range: InvalidError."""
    def inputs(self) -> list[TensorInfo]: ...
    def outputs(self) -> list[TensorInfo]: ...
    def info(self) -> ModelInfo: ...
    def find_input(self, name: str) -> int: ...
    def find_output(self, name: str) -> int:
        """InvalidError lists the names that there are."""
    @property
    def model(self) -> str: ...
    @property
    def device(self) -> int: ...
    @property
    def backend(self) -> str: ...
    @property
    def follows_feeds(self) -> bool:
        """Whether strict calls set the shape of their feeds."""
    @property
    def closed(self) -> bool: ...
    def stats(self) -> dict[str, float]:
        """executions, compute_ms, min_ms, max_ms, h2d_ms, d2h_ms (sums, but min and max), span_ms."""
    def record(self, on: bool = True) -> None:
        """From now on the interval of each execution is kept. Off at first."""
    def intervals(self) -> list[tuple[float, float]]:
        """(start, end) of each recorded execution, ms since this process' first execution."""
    def reset_stats(self) -> None: ...
    def close(self) -> None:
        """Waits for executions that run, ends the session's stream, unloads. Any number of times."""

class Stream:
    """A pipeline that is fed by push and emptied by iterating. One at a time in a session."""

    def __init__(self, session: Session, *, threads: int = 0, load_threads: int = 0, inflight: int = 0,
                 capacity: int = 0, ordered: bool = True, strict: bool = False, loop: int = 0, warmup: int = 0) -> None: ...
    def push(self, feeds: Sequence[Any], wait: bool = True) -> bool:
        """False: no room (only without `wait`). The data may be changed as soon as the call returns."""
    def poll(self) -> tuple[int, list[numpy.ndarray]] | None:
        """The next result, (number of the item from 0, outputs); None: not yet, or never (see `done`)."""
    def __iter__(self) -> Stream: ...
    def __next__(self) -> tuple[int, list[numpy.ndarray]]:
        """The next result; waits. The end: after finish, when all results were taken, or after cancel."""
    @property
    def done(self) -> bool: ...
    def finish(self) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def stats(self) -> dict[str, Any]:
        """samples, wall_ms, samples_per_second, bottleneck, and stages: name → dict with threads, busy, wait_input,
        wait_output, service_mean_ms, service_p99_ms, queue_mean, queue_peak."""

def version() -> str: ...
def dtype_size(code: int) -> int:
    """Bytes of an element; 0 for a number that is no type."""
def dtype_name(code: int) -> str: ...
def aipp_read(path: str) -> dict[str, int | float]:
    """Reads and checks a configuration file; `Session.set_aipp` takes the result."""
def aipp_check(settings: dict[str, int | float | str]) -> None:
    """InvalidError where one is out of range, as `Session.set_aipp` would find it."""
def transfers_record(on: bool) -> None:
    """From now on the duration of every transfer of this process is kept. Off at first."""
def transfers(direction: int) -> list[float]:
    """ms each, oldest first; H2D or D2H."""
def transfers_reset() -> None: ...
def finalize() -> None:
    """Ends what the library keeps for the whole process: shuts down every session opened with `hold`, frees device
    memory, lets go of devices and runtimes. InvalidError while a session that is not held uses a runtime. Runs by itself
    at exit; a runtime may refuse to start again."""
