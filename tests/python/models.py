# SPDX-License-Identifier: MIT
"""Small ONNX models, and what ONNX Runtime makes of them: the reference of every test here."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

DTYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE,
          "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
          "int64": TensorProto.INT64, "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL}


def port(name, shape, dtype="float32"):
    return helper.make_tensor_value_info(name, DTYPES[dtype], shape)


def save(path: Path, nodes, inputs, outputs, constants=()) -> Path:
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def relu(path: Path, shape=(1, 16)) -> Path:
    """y = max(x, 0); None in the shape leaves a dimension open."""
    return save(path, [helper.make_node("Relu", ["x"], ["y"])], [port("x", shape)], [port("y", shape)])


def twice(path: Path, dtype, shape=(2, 3)) -> Path:
    """y = x, followed by x again, in the type given."""
    nodes = [helper.make_node("Concat", ["x", "x"], ["y"], axis=0)]
    return save(path, nodes, [port("x", shape, dtype)], [port("y", (2 * shape[0], *shape[1:]), dtype)])


def two_by_two(path: Path) -> Path:
    """sum = a + b, product = a * b, of three int32 numbers and three."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    ports = [port(name, (3,), "int32") for name in ("a", "b", "sum", "product")]
    return save(path, nodes, ports[:2], ports[2:])


def slow(path: Path, size=512, layers=6) -> Path:
    """Matrix products that take some milliseconds."""
    weights = numpy.eye(size, dtype=numpy.float32)
    nodes = [helper.make_node("MatMul", [f"h{i}" if i else "x", "w"], [f"h{i + 1}" if i + 1 < layers else "y"])
             for i in range(layers)]
    return save(path, nodes, [port("x", (size, size))], [port("y", (size, size))], [("w", weights)])


def classifier(path: Path, classes=10, size=8) -> Path:
    """Scores of images (n, 1, size, size), n open: a linear layer."""
    weights = numpy.random.default_rng(5).standard_normal((size * size, classes)).astype(numpy.float32)
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["scores"])]
    return save(path, nodes, [port("image", (None, 1, size, size))], [port("scores", (None, classes))],
                [("w", weights)])


def reference(path: Path, **feeds):
    """Outputs of ONNX Runtime, in the model's order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)
