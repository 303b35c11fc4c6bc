# SPDX-License-Identifier: MIT
"""Models for the benches, made on the spot: the same bytes every time, no download.

    python bench/models.py tiny_conv|resnet50|copy PATH [--batch N] [--bytes N]
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Graph:
    """Collects nodes and seeded weights; every method returns the name of its result."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, kind, inputs, result=None, **attributes):
        result = result or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [result], name=result, **attributes))
        return result

    def conv(self, x, channels_in, channels_out, kernel, stride=1, gain=2.0):
        """Convolution with bias; the variance of the weights keeps the activations' scale through the net."""
        deviation = np.sqrt(gain / (channels_in * kernel * kernel))
        shape = (channels_out, channels_in, kernel, kernel)
        weight = self.weight(self.random.standard_normal(shape, dtype=np.float32) * deviation)
        bias = self.weight(self.random.standard_normal(channels_out, dtype=np.float32) * 0.01)
        return self.node("Conv", [x, weight, bias], kernel_shape=[kernel, kernel], strides=[stride, stride],
                         pads=[kernel // 2] * 4)

    def relu(self, x):
        return self.node("Relu", [x])

    def dense(self, x, features_in, features_out, result):
        deviation = np.sqrt(1.0 / features_in)
        shape = (features_out, features_in)
        weight = self.weight(self.random.standard_normal(shape, dtype=np.float32) * deviation)
        bias = self.weight(np.zeros(features_out))
        return self.node("Gemm", [x, weight, bias], result, transB=1)

    def save(self, path, name, x_shape, y_shape):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)
        graph = helper.make_graph(self.nodes, name, [x], [y], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def tiny_conv(path, batch=1):
    """Two small convolutions and a classifier over [batch, 3, 32, 32]: some tens of microseconds."""
    g = Graph(seed=1)
    x = g.relu(g.conv("x", 3, 8, 3, stride=4))
    x = g.relu(g.conv(x, 8, 16, 3))
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    g.dense(x, 16, 10, "y")
    g.save(path, "tiny_conv", [batch, 3, 32, 32], [batch, 10])


def bottleneck(g, x, channels_in, width, stride):
    """1×1, 3×3 (which carries the stride) and 1×1 convolution around a shortcut."""
    channels_out = 4 * width
    y = g.relu(g.conv(x, channels_in, width, 1))
    y = g.relu(g.conv(y, width, width, 3, stride))
    # A small gain on the branch, so that sixteen additions do not blow the activations up.
    y = g.conv(y, width, channels_out, 1, gain=0.2)
    if stride != 1 or channels_in != channels_out:
        x = g.conv(x, channels_in, channels_out, 1, stride, gain=1.0)
    return g.relu(g.node("Add", [x, y]))


def resnet50(path, batch=1):
    """ResNet-50 over [batch, 3, 224, 224], batch normalisation folded into the convolutions: 25.5 M weights."""
    g = Graph(seed=50)
    x = g.relu(g.conv("x", 3, 64, 7, stride=2))
    x = g.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for blocks, width, first_stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for block in range(blocks):
            x = bottleneck(g, x, channels, width, first_stride if block == 0 else 1)
            channels = 4 * width
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    g.dense(x, channels, 1000, "y")
    g.save(path, "resnet50", [batch, 3, 224, 224], [batch, 1000])


def copy_model(path, bytes=600 * 1024):
    """Gives its input back: what is left is the cost of moving `bytes` (a multiple of 4) from file to file."""
    g = Graph(seed=0)
    g.node("Identity", ["x"], "y")
    g.save(path, "copy", [1, bytes // 4], [1, bytes // 4])


def main():
    parser = argparse.ArgumentParser(description="Make a model for the benches.")
    parser.add_argument("model", choices=("tiny_conv", "resnet50", "copy"))
    parser.add_argument("path")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--bytes", type=int, default=600 * 1024)
    arguments = parser.parse_args()
    if arguments.model == "copy":
        copy_model(arguments.path, arguments.bytes)
    else:
        make = tiny_conv if arguments.model == "tiny_conv" else resnet50
        make(arguments.path, arguments.batch)


if __name__ == "__main__":
    main()
