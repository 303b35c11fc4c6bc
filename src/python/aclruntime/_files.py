# SPDX-License-Identifier: MIT
"""Files as inputs, results as files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from aispipe import _native

from ._errors import ArgumentError, ArgumentTypeError, ReadError

FORMATS = ("BIN", "NPY", "TXT")

DIRECTORY_MODE = 0o750
FILE_MODE = 0o640


# --- reading --------------------------------------------------------------------------------------------------------


def paths_of(entry: Any) -> list[str]:
    """A path, or a list of paths that are joined, as a list."""
    entries = [entry] if isinstance(entry, (str, os.PathLike)) else entry
    if not isinstance(entries, (list, tuple)) or not all(isinstance(p, (str, os.PathLike)) for p in entries):
        raise ArgumentTypeError(f"a path, or a list of paths, is wanted, not {entry!r}")
    if not entries:
        raise ArgumentError("a list of files is empty; at least one file is wanted")
    return [os.fspath(p) for p in entries]


def _array(path: str) -> np.ndarray:
    """What is in an .npy or a .bin file; the latter as bytes."""
    try:
        if path.lower().endswith(".npy"):
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return np.fromfile(path, np.uint8)
    except ValueError as error:
        raise ReadError(f"'{path}' is no .npy file of numbers: {error}") from None
    except OSError as error:
        raise ReadError(f"cannot read '{path}': {error.strerror or error}") from None


def shape_of_file(path: str) -> tuple[int, ...]:
    """Shape of an .npy file; a .bin file has none."""
    if not path.lower().endswith(".npy"):
        raise ArgumentError(f"'{path}' is no .npy file, so it does not say which shape is to be set")
    return _array(path).shape


def fill(tensor: _native.Tensor, paths: Sequence[str], what: str) -> None:
    """Reads the files, one behind the other, into a tensor on the host. Together they must be as large."""
    room = tensor.numpy().reshape(-1).view(np.uint8)
    at = 0
    for path in paths:
        array = _array(path)
        if array.dtype.hasobject:
            raise ArgumentTypeError(f"'{path}' holds objects, not numbers")
        end = at + array.nbytes
        if end <= room.nbytes:
            _copy(room[at:end], array)
        at = end
    if at != room.nbytes:
        raise ArgumentError(f"{what} takes {room.nbytes} bytes, but {_list(paths)} {_have(paths)} {at}")


def _copy(room: np.ndarray, array: np.ndarray) -> None:
    """The array's bytes, in C order and this machine's byte order."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    room[...] = plain.reshape(-1).view(np.uint8)


def _list(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"'{paths[0]}'{more}"


def _have(paths: Sequence[str]) -> str:
    return "has" if len(paths) == 1 else "have"


# --- writing --------------------------------------------------------------------------------------------------------


def stem_of(path: str) -> str:
    """Name without directory and last extension."""
    return os.path.splitext(os.path.basename(path))[0]


def check_stems(files: Iterable[Sequence[Any]]) -> list[str]:
    """The names of the results. Two that are the same are refused."""
    first: dict[str, str] = {}
    for entry in files:
        path = paths_of(entry[0])[0]
        stem = stem_of(path)
        if stem in first:
            raise ArgumentError(f"the results of '{first[stem]}' and '{path}' would have the same name; rename one")
        first[stem] = path
    return list(first)


def format_of(name: str) -> str:
    """BIN, NPY or TXT; '' is BIN."""
    wanted = (name or "BIN").upper() if isinstance(name, str) else name
    if wanted not in FORMATS:
        raise ArgumentError(f"output format {name!r}; {', '.join(FORMATS)} are there")
    return wanted


def save(directory: str, stem: str, arrays: Sequence[np.ndarray], wanted: str) -> None:
    """Writes `<stem>_<index>.<bin|npy|txt>` for each array, whole or not at all."""
    for index, array in enumerate(arrays):
        with whole_file(os.path.join(directory, f"{stem}_{index}.{wanted.lower()}")) as file:
            _write(file, array, wanted)


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """A file to write that appears under its name when the block ends without an error, or not at all."""
    beside = os.path.join(os.path.dirname(path), f".aispipe-{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.replace(beside, path)
    except OSError as error:
        raise ReadError(f"cannot write '{path}': {error.strerror or error}") from None
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


def _write(file: BinaryIO, array: np.ndarray, wanted: str) -> None:
    if wanted == "NPY":
        np.lib.format.write_array(file, array, allow_pickle=False)
    elif wanted == "BIN":
        file.write(array.reshape(-1).view(np.uint8).data)
    else:
        file.write(_text(array).encode("ascii"))


def _text(array: np.ndarray) -> str:
    """A row for each index of the flattened leading axes; a blank behind each value."""
    if array.dtype.kind == "V":
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)  # bfloat16
    value = "%f " if array.dtype.kind == "f" else "%d "
    rows = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    if not array.size:
        return ""
    return "".join(value * len(row) % tuple(row.tolist()) + "\n" for row in rows)
