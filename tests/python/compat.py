# SPDX-License-Identifier: MIT
"""What the tests of `aclruntime` and `ais_bench` share: both engines in one process, a model for each mode, and results
by ONNX Runtime.

The simulated Ascend device is configured before anything loads it, and every test must leave its report empty; so must
the end of the process, when everything was given back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("AISPIPE_PYTHON", ROOT / "build" / "src" / "python"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
if str(PACKAGES) not in sys.path:
    sys.path.insert(0, str(PACKAGES))

import ascend  # noqa: E402
import harness  # noqa: E402
import models  # noqa: E402

HOME = Path(tempfile.mkdtemp(prefix="aispipe-compat-"))
REPORT = HOME / "report"
DEVICES = 2
os.environ.update(
    {
        "AISPIPE_ACL_LIB": ascend.LIBRARY,
        "AISPIPE_ACLSIM_REPORT": str(REPORT),
        "AISPIPE_ACLSIM_DEVICES": str(DEVICES),
    }
)

import aclruntime  # noqa: E402
from ais_bench.infer.interface import InferSession  # noqa: E402

ENGINES = ["openvino", pytest.param("acl", marks=ascend.needed)]
MODES = ["static", "dymbatch", "dymhw", "dymdims", "dymshape"]
each_engine = pytest.mark.parametrize("engine", ENGINES)
each_mode = pytest.mark.parametrize("mode", MODES)


def pairs(first, second) -> list:
    """zip of two that must be equally long (before Python 3.10 it cannot be asked to see to that)."""
    first, second = list(first), list(second)
    assert len(first) == len(second)
    return list(zip(first, second))


def complaints() -> str:
    return REPORT.read_text() if REPORT.exists() else ""


@pytest.fixture(autouse=True)
def no_complaints():
    """The simulated device saw no misuse in this test."""
    before = complaints()
    yield
    assert complaints()[len(before) :] == ""


@pytest.fixture(scope="session", autouse=True)
def nothing_left():
    """What was made was given back."""
    yield
    InferSession.finalize()
    InferSession.finalize()
    assert complaints() == ""


# --- models ---------------------------------------------------------------------------------------------------------

# For each mode: dimensions of both inputs as the model has them, simatc's options, shapes to run.
FORMS = {
    "static": ([2, 6], ["--input_shape=x:2,6;w:2,6"], [(2, 6)]),
    "dymbatch": (["n", 6], ["--input_shape=x:-1,6;w:-1,6", "--dynamic_batch_size=1,2,4"], [(1, 6), (4, 6), (2, 6)]),
    "dymhw": (
        [1, 3, "h", "w"],
        ["--input_shape=x:1,3,-1,-1;w:1,3,-1,-1", "--dynamic_image_size=8,8;6,10;5,5", "--input_format=NCHW"],
        [(1, 3, 8, 8), (1, 3, 6, 10), (1, 3, 5, 5)],
    ),
    "dymdims": (
        ["m", "k"],
        ["--input_shape=x:-1,-1;w:-1,-1", "--dynamic_dims=2,4,2,4;3,5,3,5", "--input_format=ND"],
        [(2, 4), (3, 5)],
    ),
    "dymshape": (["m", "k"], ["--input_shape=x:-1,-1;w:-1,-1", "--input_format=ND"], [(2, 4), (3, 5), (1, 7)]),
}


@lru_cache(maxsize=None)
def onnx_path(mode: str) -> Path:
    """y = relu(x) / 2 + w, z = softmax(x − w): what goes in can come out and go in again."""
    nodes = [
        models.node("Relu", "x", "r"),
        models.node("Mul", "r half", "h"),
        models.node("Add", "h w", "y"),
        models.node("Sub", "x w", "d"),
        models.node("Softmax", "d", "z", axis=1),
    ]
    return save(mode, nodes, [("x", FORMS[mode][0]), ("w", FORMS[mode][0])], ["y", "z"], {"half": np.float32(0.5)})


def save(name, nodes, inputs, outputs, constants=None, dtype="float32", out_dtype=None) -> Path:
    """Writes an ONNX model; dimensions are numbers or names, those of outputs are left to the engine."""
    from onnx import helper, numpy_helper

    type_in, type_out = models.ONNX_TYPES[dtype], models.ONNX_TYPES[out_dtype or dtype]
    ins = [helper.make_tensor_value_info(n, type_in, shape) for n, shape in inputs]
    rank = len(inputs[0][1])
    outs = [helper.make_tensor_value_info(n, type_out, [f"{n}{i}" for i in range(rank)]) for n in outputs]
    initial = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    model = helper.make_model(
        helper.make_graph(nodes, name, ins, outs, initial), opset_imports=[helper.make_opsetid("", models.OPSET)]
    )
    model.ir_version = models.IR_VERSION
    path = HOME / f"{name}.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


@lru_cache(maxsize=None)
def om_path(onnx_file: Path, *options: str) -> Path:
    return ascend.convert(onnx_file, onnx_file.with_suffix(".om"), *options)


def model(engine: str, mode: str) -> str:
    """A model whose sizes are chosen in this mode, for this engine."""
    path = onnx_path(mode)
    return str(path if engine == "openvino" else om_path(path, *FORMS[mode][1]))


def static_model(engine: str, case) -> str:
    """A model of tests/e2e/models.py, for this engine."""
    path = case().save(HOME)
    return str(path if engine == "openvino" else om_path(path))


def shapes(mode: str) -> list:
    return FORMS[mode][2]


def made(shape, seed=0) -> list:
    """x and w."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(-3, 3, shape).astype(np.float32) for _ in "xw"]


def wanted(mode: str, feeds) -> list:
    """What the mode's model gives, by ONNX Runtime."""
    return reference(onnx_path(mode), feeds)


@lru_cache(maxsize=None)
def _runtime(path: Path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def reference(path, feeds) -> list:
    session = _runtime(Path(path))
    return session.run(None, {i.name: f for i, f in zip(session.get_inputs(), feeds)})


def close(got, want) -> None:
    assert len(got) == len(want)
    for g, w in zip(got, want):
        assert np.asarray(g).dtype == w.dtype
        np.testing.assert_allclose(np.asarray(g), w, rtol=1e-5, atol=1e-5)


def loop(x, w, sources, times) -> list:
    """The model several times in a row, in numpy; `sources` as in_out_list."""
    inputs = [x.astype(np.float64), w.astype(np.float64)]
    for k in range(times):
        if k:
            inputs = [i if s < 0 else outputs[s] for i, s in zip(inputs, sources)]
        d = inputs[0] - inputs[1]
        e = np.exp(d - d.max(axis=1, keepdims=True))
        outputs = [np.maximum(inputs[0], 0) / 2 + inputs[1], e / e.sum(axis=1, keepdims=True)]
    return [o.astype(np.float32) for o in outputs]


def dims(shape) -> str:
    text = ",".join(map(str, shape))
    return f"x:{text};w:{text}"


def set_shape(session, mode, shape) -> None:
    """Sets a shape by the call that there is for the mode."""
    calls = {
        "static": lambda: session.set_staticbatch(),
        "dymbatch": lambda: session.set_dynamic_batchsize(shape[0]),
        "dymhw": lambda: session.set_dynamic_hw(shape[2], shape[3]),
        "dymdims": lambda: session.set_dynamic_dims(dims(shape)),
        "dymshape": lambda: session.set_dynamic_shape(dims(shape)),
    }
    if mode == "dymshape":
        assert session.set_custom_outsize([4096, 4096]) == 0
    assert calls[mode]() == 0


@pytest.fixture
def opened():
    """Opens sessions that are freed when the test ends: opened(engine, mode) → InferSession."""
    sessions = []

    def open_one(engine, mode="static", **how):
        sessions.append(InferSession(how.pop("device", 0), how.pop("path", None) or model(engine, mode), **how))
        return sessions[-1]

    yield open_one
    for session in sessions:
        assert session.free_resource() == 0


@pytest.fixture
def raw():
    """The same for aclruntime.InferenceSession."""
    sessions = []

    def open_one(engine, mode="static", path=None, device=0):
        options = aclruntime.session_options()
        options.log_level = 4
        sessions.append(aclruntime.InferenceSession(str(path or model(engine, mode)), device, options))
        return sessions[-1]

    yield open_one
    for session in sessions:
        assert session.free_resource() == 0


# --- other processes ------------------------------------------------------------------------------------------------


def program(text: str, *arguments, status=0, env=None, timeout=60) -> subprocess.CompletedProcess:
    """Runs a Python program on the packages, in a process of its own with a simulated device of its own, whose report
    must be empty. `calls` of the result is how often it called each function of the runtime."""
    with tempfile.TemporaryDirectory(prefix="run-", dir=HOME) as directory:
        report, calls = Path(directory) / "report", Path(directory) / "calls"
        variables = harness.environment(
            {
                "PYTHONPATH": str(PACKAGES),
                "AISPIPE_ACLSIM_REPORT": str(report),
                "AISPIPE_ACLSIM_CALLS": str(calls),
                **(env or {}),
            }
        )
        prologue = "import numpy as np, sys\nimport aclruntime\nfrom ais_bench.infer.interface import *\n"
        done = subprocess.run(
            [sys.executable, "-c", prologue + textwrap.dedent(text), *map(str, arguments)],
            capture_output=True,
            text=True,
            env=variables,
            timeout=timeout * (5 if harness.SANITIZED else 1),
        )
        assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Fatal Python" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
        assert not harness.SANITIZER_REPORTS.search(done.stderr), done.stderr
        found = report.read_text() if report.exists() else ""
        assert found == "", f"{found}\n{done.stdout}\n{done.stderr}"
        done.calls = dict(line.split() for line in calls.read_text().splitlines()) if calls.exists() else {}
        done.calls = {k: int(v) for k, v in done.calls.items()}
        return done
