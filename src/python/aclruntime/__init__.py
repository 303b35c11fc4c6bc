# SPDX-License-Identifier: MIT
"""The older tool's runtime package, on aispipe: sessions and tensors with the names that programs know.

New programs are better written on `aispipe`. Every failure is a RuntimeError.
"""

from ._enums import dtype, type
from ._options import MemorySummary, infer_options, session_options, sumary_info, tensor_desc
from ._session import InferenceSession, model
from ._tensor import BaseTensor, Tensor, batch

for _member in (*dtype, *type):
    globals()[_member.name] = _member  # aclruntime.float32, aclruntime.memory_host, …

__all__ = [
    "BaseTensor",
    "InferenceSession",
    "MemorySummary",
    "Tensor",
    "batch",
    "dtype",
    "infer_options",
    "model",
    "session_options",
    "sumary_info",
    "tensor_desc",
    "type",
    *(_member.name for _member in (*dtype, *type)),
]

del _member
