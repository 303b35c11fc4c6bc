# SPDX-License-Identifier: MIT
"""Exceptions. Programs written for the older packages expect a RuntimeError, whatever went wrong; where Python has a
more exact class, an exception is of both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

C = TypeVar("C", bound=type)


class ArgumentError(RuntimeError, ValueError):
    """An argument has a value that cannot be."""


class ArgumentTypeError(RuntimeError, TypeError):
    """An argument is of a type that cannot be taken."""


class HostMemoryError(RuntimeError, BufferError):
    """The data is not where the host may look at it."""


class ReadError(RuntimeError, OSError):
    """A file cannot be read or written."""


def translated(error: Exception) -> RuntimeError:
    """The RuntimeError that stands for `error`."""
    for base, own in ((BufferError, HostMemoryError), (OSError, ReadError), (TypeError, ArgumentTypeError)):
        if isinstance(error, base):
            return own(str(error))
    return ArgumentError(str(error) or type(error).__name__)


def translating(function: Callable) -> Callable:
    """`function`, with what Python has for wrong arguments as a RuntimeError with the same text."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RuntimeError:
            raise
        except (BufferError, LookupError, OSError, TypeError, ArithmeticError, ValueError) as error:
            raise translated(error) from error

    return call


def all_translating(but: tuple[str, ...] = ()) -> Callable[[C], C]:
    """The same for all public calls of a class, and for its making; `but` for those that see to it themselves."""

    def change(cls: C) -> C:
        for name, member in list(vars(cls).items()):
            public = name == "__init__" or not name.startswith("_")
            if public and name not in but and isinstance(member, FunctionType):
                setattr(cls, name, translating(member))
            elif public and name not in but and isinstance(member, staticmethod):
                setattr(cls, name, staticmethod(translating(member.__func__)))
        return cls

    return change
