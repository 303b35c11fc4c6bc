# SPDX-License-Identifier: MIT
"""A small convolutional network for 8x8 grey digits, forward and backward, in plain NumPy.

    image [N, 1, 8, 8] -> conv 3x3 (8) -> ReLU -> conv 3x3 (16) -> ReLU -> max pool 2x2 -> dense 10 -> logits

Convolution is one matrix product over unfolded 3x3 patches ("im2col"), which is what makes NumPy fast enough.
Everything is float32 and follows from the seed.
"""

import numpy as np

CLASSES = 10
SIDE = 8
CHANNELS = (8, 16)
POOLED = CHANNELS[1] * (SIDE // 2) ** 2


def unfold(images):
    """3x3 patches around every pixel, zeros outside: [N, C, H, W] -> [N, H, W, C * 9]."""
    n, c, h, w = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = np.empty((n, h, w, c, 3, 3), dtype=images.dtype)
    for dy in range(3):
        for dx in range(3):
            patches[..., dy, dx] = padded[:, :, dy : dy + h, dx : dx + w].transpose(0, 2, 3, 1)
    return patches.reshape(n, h, w, c * 9)


def fold(patches, channels):
    """The transpose of unfold: adds every patch value back to the pixel that it came from."""
    n, h, w, _ = patches.shape
    patches = patches.reshape(n, h, w, channels, 3, 3)
    padded = np.zeros((n, channels, h + 2, w + 2), dtype=patches.dtype)
    for dy in range(3):
        for dx in range(3):
            padded[:, :, dy : dy + h, dx : dx + w] += patches[..., dy, dx].transpose(0, 3, 1, 2)
    return padded[:, :, 1 : h + 1, 1 : w + 1]


class Conv:
    """3x3 convolution, stride 1, zero padding 1. Weights are [out, in, 3, 3], as ONNX wants them."""

    def __init__(self, rng, c_in, c_out):
        scale = np.sqrt(2.0 / (c_in * 9))
        self.weight = (rng.standard_normal((c_out, c_in, 3, 3)) * scale).astype(np.float32)
        self.bias = np.zeros(c_out, dtype=np.float32)

    def parameters(self):
        return [self.weight, self.bias]

    def forward(self, x):
        self.patches = unfold(x)
        out = self.patches @ self.weight.reshape(len(self.bias), -1).T + self.bias
        return out.transpose(0, 3, 1, 2)

    def backward(self, grad):
        """Gradients of the parameters and of the input, for the input of the last forward."""
        c_out, c_in = self.weight.shape[:2]
        grad = grad.transpose(0, 2, 3, 1)
        flat = grad.reshape(-1, c_out)
        weight = (flat.T @ self.patches.reshape(-1, c_in * 9)).reshape(self.weight.shape)
        x = fold(grad @ self.weight.reshape(c_out, -1), c_in)
        return [weight, flat.sum(axis=0)], x


class Relu:
    def parameters(self):
        return []

    def forward(self, x):
        self.positive = x > 0
        return x * self.positive

    def backward(self, grad):
        return [], grad * self.positive


class MaxPool:
    """2x2 maximum, stride 2. Where values are equal, the gradient goes to the first."""

    def parameters(self):
        return []

    def forward(self, x):
        n, c, h, w = x.shape
        cells = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        cells = cells.reshape(n, c, h // 2, w // 2, 4)
        self.winner = cells.argmax(axis=-1)[..., None]
        return np.take_along_axis(cells, self.winner, axis=-1)[..., 0]

    def backward(self, grad):
        n, c, h, w = grad.shape
        cells = np.zeros((n, c, h, w, 4), dtype=grad.dtype)
        np.put_along_axis(cells, self.winner, grad[..., None], axis=-1)
        cells = cells.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return [], cells.reshape(n, c, 2 * h, 2 * w)


class Dense:
    """Flattens, then one fully connected layer. Weights are [out, in], as ONNX's Gemm with transB wants."""

    def __init__(self, rng, n_in, n_out):
        self.weight = (rng.standard_normal((n_out, n_in)) * np.sqrt(1.0 / n_in)).astype(np.float32)
        self.bias = np.zeros(n_out, dtype=np.float32)

    def parameters(self):
        return [self.weight, self.bias]

    def forward(self, x):
        self.shape = x.shape
        self.flat = x.reshape(len(x), -1)
        return self.flat @ self.weight.T + self.bias

    def backward(self, grad):
        return [grad.T @ self.flat, grad.sum(axis=0)], (grad @ self.weight).reshape(self.shape)


class Network:
    """The layers in order. `layers` is what export.py turns into ONNX nodes."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.layers = [
            Conv(rng, 1, CHANNELS[0]),
            Relu(),
            Conv(rng, CHANNELS[0], CHANNELS[1]),
            Relu(),
            MaxPool(),
            Dense(rng, POOLED, CLASSES),
        ]

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

    def forward(self, images):
        """Logits [N, 10] of images [N, 1, 8, 8]."""
        for layer in self.layers:
            images = layer.forward(images)
        return images

    def loss_and_gradients(self, images, labels):
        """Mean cross entropy of the batch, and its gradient for every parameter, in their order."""
        logits = self.forward(images)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        loss = -log_softmax[rows, labels].mean()

        grad = np.exp(log_softmax)
        grad[rows, labels] -= 1
        grad /= len(labels)
        gradients = []
        for layer in reversed(self.layers):
            own, grad = layer.backward(grad)
            gradients = own + gradients
        return loss, gradients


def fit(network, images, labels, epochs, seed, batch=32, rate=2e-3, report=None):
    """Adam over shuffled batches; the rate falls to zero along a half cosine. report(epoch, mean loss)."""
    rng = np.random.default_rng(seed)
    parameters = network.parameters()
    mean = [np.zeros_like(p) for p in parameters]
    square = [np.zeros_like(p) for p in parameters]
    steps = epochs * -(-len(images) // batch)
    step = 0
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        losses = []
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            loss, gradients = network.loss_and_gradients(images[chosen], labels[chosen])
            losses.append(loss)
            step += 1
            now = np.float32(rate * 0.5 * (1 + np.cos(np.pi * step / steps)))
            for p, g, m, s in zip(parameters, gradients, mean, square):
                m += np.float32(0.1) * (g - m)
                s += np.float32(0.001) * (g * g - s)
                m_hat = m / np.float32(1 - 0.9**step)
                s_hat = s / np.float32(1 - 0.999**step)
                p -= now * m_hat / (np.sqrt(s_hat) + np.float32(1e-8))
        if report:
            report(epoch + 1, float(np.mean(losses)))
