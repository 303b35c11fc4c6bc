# SPDX-License-Identifier: MIT
"""Writes the network of net.py as an ONNX model: input `image` [1, 1, 8, 8], output `logits` [1, 10]."""

import onnx
from onnx import TensorProto, helper, numpy_helper

import net

# Old enough for every engine in use, new enough that no operator here differs from today's.
OPSET = 13
IR_VERSION = 8


def conv_node(layer, source, target, tensors):
    tensors += [(target + "_weight", layer.weight), (target + "_bias", layer.bias)]
    inputs = [source, target + "_weight", target + "_bias"]
    return [helper.make_node("Conv", inputs, [target], kernel_shape=[3, 3], pads=[1, 1, 1, 1])]


def relu_node(layer, source, target, tensors):
    return [helper.make_node("Relu", [source], [target])]


def max_pool_node(layer, source, target, tensors):
    return [helper.make_node("MaxPool", [source], [target], kernel_shape=[2, 2], strides=[2, 2])]


def dense_nodes(layer, source, target, tensors):
    tensors += [(target + "_weight", layer.weight), (target + "_bias", layer.bias)]
    flat = target + "_flat"
    inputs = [flat, target + "_weight", target + "_bias"]
    return [
        helper.make_node("Flatten", [source], [flat], axis=1),
        helper.make_node("Gemm", inputs, [target], transB=1),
    ]


EXPORTERS = {net.Conv: conv_node, net.Relu: relu_node, net.MaxPool: max_pool_node, net.Dense: dense_nodes}


def to_onnx(network):
    """The checked ONNX model of a net.Network, for one image at a time."""
    nodes, tensors = [], []
    source = "image"
    last = len(network.layers) - 1
    for i, layer in enumerate(network.layers):
        target = "logits" if i == last else "layer%d" % i
        nodes += EXPORTERS[type(layer)](layer, source, target, tensors)
        source = target

    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, net.SIDE, net.SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, net.CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in tensors],
    )
    model = helper.make_model(
        graph, producer_name="aispipe digits example", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
