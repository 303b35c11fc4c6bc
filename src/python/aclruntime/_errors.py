# SPDX-License-Identifier: MIT
"""Exceptions. Programs written for the older packages expect a RuntimeError, whatever went wrong; where Python has a
more exact class, an exception is of both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class ArgumentError(RuntimeError, ValueError):
    """An argument has a value that cannot be."""


class ArgumentTypeError(RuntimeError, TypeError):
    """An argument is of a type that cannot be taken."""


class HostMemoryError(RuntimeError, BufferError):
    """The data is not where the host may look at it."""


class ReadError(RuntimeError, OSError):
    """A file cannot be read or written."""


@contextlib.contextmanager
def as_runtime_error() -> Iterator[None]:
    """What is raised inside is a RuntimeError outside, with the same text."""
    try:
        yield
    except RuntimeError:
        raise
    except Exception as error:
        raise translated(error) from error


def translated(error: Exception) -> RuntimeError:
    """The RuntimeError that stands for `error`."""
    for base, own in ((BufferError, HostMemoryError), (OSError, ReadError), (TypeError, ArgumentTypeError)):
        if isinstance(error, base):
            return own(str(error))
    return ArgumentError(str(error) or type(error).__name__)
