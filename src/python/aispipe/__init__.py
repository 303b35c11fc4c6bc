# SPDX-License-Identifier: MIT
"""Runs models on an accelerator or CPU: one call at a time, or a whole dataset through a pipeline.

    import aispipe

    with aispipe.Session("model.onnx") as session:
        y = session(x)                                  # one call; NumPy arrays in and out
        for y in aispipe.Pipeline(session).map(xs):     # many, loading ahead, in order
            ...
"""

from ._native import ClosedError, Error, InvalidError, Tensor, version
from ._pipeline import Pipeline, Results
from ._session import Port, Session

__version__ = version()
__all__ = ["ClosedError", "Error", "InvalidError", "Pipeline", "Port", "Results", "Session", "Tensor"]
