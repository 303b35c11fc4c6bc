# SPDX-License-Identifier: MIT
"""Small models for the tests: ONNX graphs made on the spot, and JSON files for the simulated device.

Every ONNX maker returns a `Case`: where the model is, what it takes, how many samples make a batch. The
reference results come from ONNX Runtime, never from the program under test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
SEED = 20240

ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "bool": TensorProto.BOOL,
}


@dataclass
class Tensor:
    """One input or output: a name, a NumPy type name, a shape with the batch in it."""

    name: str
    dtype: str
    shape: tuple


@dataclass
class Case:
    """A model and what a test must know to feed it."""

    name: str
    graph_nodes: list
    inputs: list
    outputs: list
    batch: int  # samples in one execution
    constants: dict = field(default_factory=dict)
    low: float = -3.0
    high: float = 3.0

    def save(self, directory: Path) -> Path:
        path = directory / f"{self.name}.onnx"
        values = [value_info(t) for t in self.inputs]
        results = [value_info(t) for t in self.outputs]
        initial = [numpy_helper.from_array(np.asarray(v), k) for k, v in self.constants.items()]
        graph = helper.make_graph(self.graph_nodes, self.name, values, results, initial)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path

    def sample_shape(self, tensor: Tensor) -> tuple:
        """Shape of one sample's share of an input."""
        if self.batch == 1:
            return tuple(tensor.shape)
        return (tensor.shape[0] // self.batch,) + tuple(tensor.shape[1:])

    def samples(self, count: int) -> list:
        """`count` samples, each a list with one array per input; the same every time."""
        generator = np.random.default_rng(SEED)
        return [[self._values(generator, t) for t in self.inputs] for _ in range(count)]

    def _values(self, generator, tensor: Tensor) -> np.ndarray:
        shape = self.sample_shape(tensor)
        dtype = np.dtype(tensor.dtype)
        if dtype == np.bool_:
            return np.asarray(generator.integers(0, 2, shape)).astype(np.bool_)
        if dtype.kind in "iu":
            low = 0 if dtype.kind == "u" else int(self.low)
            return np.asarray(generator.integers(low, max(int(self.high), low + 1), shape)).astype(dtype)
        return np.asarray(generator.uniform(self.low, self.high, shape)).astype(dtype)


def value_info(tensor: Tensor):
    return helper.make_tensor_value_info(tensor.name, ONNX_TYPES[tensor.dtype], list(tensor.shape))


def weights(*shape, dtype="float32", seed=1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(dtype)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def cast(source, target, dtype):
    return node("Cast", source, target, to=ONNX_TYPES[dtype])


def conv_net(batch=4) -> Case:
    """A convolution, and a classifier on it: an image goes in, a feature map and scores come out."""
    return Case(
        "conv_net",
        [
            node("Conv", "x w b", "features"),
            node("Relu", "features", "map"),
            node("GlobalAveragePool", "map", "pooled"),
            node("Flatten", "pooled", "flat"),
            node("Gemm", "flat dense", "scores"),
        ],
        [Tensor("x", "float32", (batch, 3, 8, 8))],
        [Tensor("scores", "float32", (batch, 6)), Tensor("map", "float32", (batch, 5, 6, 6))],
        batch,
        {"w": weights(5, 3, 3, 3), "b": weights(5, seed=2), "dense": weights(5, 6, seed=3)},
    )


def matmul() -> Case:
    return Case(
        "matmul",
        [node("MatMul", "x w", "product"), node("Softmax", "product", "y", axis=1)],
        [Tensor("x", "float32", (7, 16))],
        [Tensor("y", "float32", (7, 10))],
        7,
        {"w": weights(16, 10)},
    )


def sum_and_product() -> Case:
    return Case(
        "sum_and_product",
        [node("Add", "a b", "sum"), node("Mul", "a b", "product")],
        [Tensor("a", "float32", (1, 2, 5)), Tensor("b", "float32", (1, 2, 5))],
        [Tensor("sum", "float32", (1, 2, 5)), Tensor("product", "float32", (1, 2, 5))],
        1,
    )


def three_int32() -> Case:
    return Case(
        "three_int32",
        [node("Add", "a b", "p"), node("Mul", "b c", "q"), node("Max", "a c", "r")],
        [Tensor(n, "int32", (4, 6)) for n in "abc"],
        [Tensor(n, "int32", (4, 6)) for n in "pqr"],
        4,
        low=-1000,
        high=1000,
    )


def half() -> Case:
    return Case(
        "half",
        [node("Mul", "x scale", "scaled"), node("Sigmoid", "scaled", "s"), node("Add", "s x", "y")],
        [Tensor("x", "float16", (4, 9))],
        [Tensor("y", "float16", (4, 9))],
        4,
        {"scale": np.array(0.5, np.float16)},
    )


def pixels() -> Case:
    """Bytes in, normalised floats and their arg-max out."""
    return Case(
        "pixels",
        [
            cast("x", "f", "float32"),
            node("Sub", "f mean", "centred"),
            node("Div", "centred spread", "y"),
            node("ArgMax", "y", "best", axis=1, keepdims=0),
        ],
        [Tensor("x", "uint8", (4, 3, 4, 4))],
        [Tensor("y", "float32", (4, 3, 4, 4)), Tensor("best", "int64", (4, 4, 4))],
        4,
        {"mean": np.float32(127.5), "spread": np.float32(64.25)},
        high=256,
    )


def signed_bytes() -> Case:
    return Case(
        "signed_bytes",
        [
            cast("x", "wide", "int32"),
            node("Mul", "wide minus", "negated"),
            cast("negated", "y", "int8"),
            node("Concat", "x x", "twice", axis=1),
        ],
        [Tensor("x", "int8", (7, 5))],
        [Tensor("y", "int8", (7, 5)), Tensor("twice", "int8", (7, 10))],
        7,
        {"minus": np.int32(-1)},
        low=-127,
        high=128,
    )


def long_sums() -> Case:
    return Case(
        "long_sums",
        [
            node("Add", "x c", "y"),
            node("ReduceSum", "x axis", "total", keepdims=1),
            node("Less", "x c", "small"),
        ],
        [Tensor("x", "int64", (1, 3, 4))],
        [Tensor("y", "int64", (1, 3, 4)), Tensor("total", "int64", (1, 3, 1)), Tensor("small", "bool", (1, 3, 4))],
        1,
        {"c": np.int64(17), "axis": np.array([2], np.int64)},
        low=-100000,
        high=100000,
    )


def logic() -> Case:
    return Case(
        "logic",
        [
            node("And", "a b", "both"),
            node("Not", "a", "no"),
            node("Where", "a x y", "chosen"),
        ],
        [Tensor("a", "bool", (4, 5)), Tensor("b", "bool", (4, 5)), Tensor("x", "float32", (4, 5))],
        [Tensor("both", "bool", (4, 5)), Tensor("no", "bool", (4, 5)), Tensor("chosen", "float32", (4, 5))],
        4,
        {"y": np.float32(-7.5)},
    )


def double() -> Case:
    return Case(
        "double",
        [node("Mul", "x x", "square"), node("Add", "square c", "y")],
        [Tensor("x", "float64", (4, 3))],
        [Tensor("y", "float64", (4, 3))],
        4,
        {"c": np.float64(0.125)},
    )


def scalars() -> Case:
    return Case(
        "scalars",
        [node("Mul", "x two", "y"), node("Add", "n n", "m")],
        [Tensor("x", "float32", ()), Tensor("n", "int64", ())],
        [Tensor("y", "float32", ()), Tensor("m", "int64", ())],
        1,
        {"two": np.float32(2)},
        low=-50,
        high=50,
    )


def empty_leading() -> Case:
    """No rows at all go in and come out; the second output shows that the rest of the model still works."""
    return Case(
        "empty_leading",
        [node("Relu", "x", "nothing"), node("Concat", "x x2", "joined", axis=0)],
        [Tensor("x", "float32", (0, 4)), Tensor("x2", "float32", (2, 4))],
        [Tensor("nothing", "float32", (0, 4)), Tensor("joined", "float32", (2, 4))],
        1,
    )


def split() -> Case:
    return Case(
        "split",
        [node("Split", "x", "first second third", axis=1)],
        [Tensor("x", "float32", (4, 12, 2))],
        [Tensor(n, "float32", (4, 4, 2)) for n in ("first", "second", "third")],
        4,
    )


def casts() -> Case:
    return Case(
        "casts",
        [cast("x", "i", "int32"), cast("x", "h", "float16"), node("Greater", "x zero", "positive")],
        [Tensor("x", "float32", (7, 3))],
        [Tensor("i", "int32", (7, 3)), Tensor("h", "float16", (7, 3)), Tensor("positive", "bool", (7, 3))],
        7,
        {"zero": np.float32(0)},
        low=-90,
        high=90,
    )


def words() -> Case:
    """16-bit integers of both kinds."""
    return Case(
        "words",
        [
            cast("s", "sf", "float32"),
            cast("u", "uf", "float32"),
            node("Add", "sf uf", "y"),
            node("Mul", "sf minus", "n"),
            cast("n", "t", "int16"),
        ],
        [Tensor("s", "int16", (1, 6)), Tensor("u", "uint16", (1, 6))],
        [Tensor("y", "float32", (1, 6)), Tensor("t", "int16", (1, 6))],
        1,
        {"minus": np.float32(-1)},
        low=-30000,
        high=30000,
    )


def reductions() -> Case:
    return Case(
        "reductions",
        [
            node("ReduceMean", "x", "mean", axes=[1, 2], keepdims=0),
            node("ReduceMax", "x", "most", axes=[2], keepdims=1),
            node("TopK", "x one", "value index", axis=1),
        ],
        [Tensor("x", "float32", (4, 5, 6))],
        [Tensor("mean", "float32", (4,)), Tensor("most", "float32", (4, 5, 1)), Tensor("index", "int64", (4, 1, 6))],
        4,
        {"one": np.array([1], np.int64)},
    )


ALL = [
    conv_net,
    matmul,
    sum_and_product,
    three_int32,
    half,
    pixels,
    signed_bytes,
    long_sums,
    logic,
    double,
    scalars,
    empty_leading,
    split,
    casts,
    words,
    reductions,
]


def transposed() -> Case:
    """The batch is axis 1 of the output."""
    return Case(
        "transposed",
        [node("Transpose", "x", "y", perm=[1, 0])],
        [Tensor("x", "float32", (4, 6))],
        [Tensor("y", "float32", (6, 4))],
        4,
    )


def unknown_dimension(directory: Path) -> Path:
    """A model whose first input has a second dimension nobody has fixed."""
    x = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [1, "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "width"])
    graph = helper.make_graph([node("Relu", "pictures", "y")], "unknown", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    path = directory / "unknown.onnx"
    onnx.save(model, path)
    return path


# --- the simulated device -------------------------------------------------------------------------------


def sim_tensor(name, dtype="float32", shape=(1, 16)) -> dict:
    return {"name": name, "dtype": dtype, "shape": list(shape)}


def sim_stage(spin=False, **given) -> dict:
    """How a stage of the simulated device behaves: latency_us, bytes_per_s, jitter_us, seed, spin (instead of
    sleeping), fail_at, hang_at, hang_ms. At batch fail_at it fails, before batch hang_at it stands still."""
    return {**given, "wait": "spin" if spin else "sleep"}


def sim_model(path: Path, inputs=None, outputs=None, **stages) -> Path:
    """Writes a model for the simulated device; `stages` are h2d, compute and d2h, each a dict."""
    document = {
        "inputs": inputs or [sim_tensor("x")],
        "outputs": outputs or [sim_tensor("y")],
    }
    document.update(stages)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def sim_expected(batch_inputs: list, output_bytes: list) -> list:
    """What the simulated device makes of one batch: bytes in, bytes out.

    Byte j of output k is the bitwise complement of byte (j mod n) of input (k mod number of inputs).
    """
    results = []
    for k, size in enumerate(output_bytes):
        source = np.frombuffer(batch_inputs[k % len(batch_inputs)], np.uint8)
        results.append((~np.resize(source, size)).astype(np.uint8).tobytes())
    return results
