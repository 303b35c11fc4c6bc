# SPDX-License-Identifier: MIT
"""Runs models on an accelerator or CPU: one call at a time, or a whole dataset through a pipeline.

    import aispipe

    with aispipe.Session("model.onnx") as session:
        y = session(x)                                  # one call; NumPy arrays in and out
        for y in aispipe.Pipeline(session).map(xs):     # many, loading ahead, in order
            ...
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from ._native import ClosedError, Error, InvalidError, Tensor
    from ._pipeline import Pipeline, Results
    from ._session import Port, Session

__all__ = ["ClosedError", "Error", "InvalidError", "Pipeline", "Port", "Results", "Session", "Tensor"]

# Imported when they are first asked for: the command `aispipe` passes through here, and needs no NumPy.
_WHERE = {"Pipeline": "_pipeline", "Results": "_pipeline", "Port": "_session", "Session": "_session"}


def __getattr__(name: str) -> typing.Any:
    from importlib import import_module

    if name == "__version__":
        return import_module("._native", __name__).version()
    if name not in __all__:
        raise AttributeError(f"module 'aispipe' has no attribute '{name}'")
    value = getattr(import_module("." + _WHERE.get(name, "_native"), __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
