# SPDX-License-Identifier: MIT
"""The examples of docs/python.md and README.md run as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import models
import numpy
import onnx
import pytest

ROOT = Path(__file__).resolve().parents[2]


def examples(name):
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)


@pytest.fixture
def workplace(tmp_path):
    """What the examples say that there is."""
    models.classifier(tmp_path / "digits.onnx")
    weights = numpy.random.default_rng(2).standard_normal((64, 12)).astype("float32")
    flatten = onnx.helper.make_node("Flatten", ["image"], ["flat"])
    product = onnx.helper.make_node("MatMul", ["flat", "w"], ["features"])
    models.save(tmp_path / "features.onnx", [flatten, product], [models.port("image", (1, 1, 8, 8))],
                [models.port("features", (1, 12))], [("w", weights)])
    models.relu(tmp_path / "head.onnx", (1, 12))
    rng = numpy.random.default_rng(1)
    (tmp_path / "images").mkdir()
    images = rng.integers(0, 17, (40, 8, 8), dtype="uint8")
    for number, image in enumerate(images):
        numpy.save(tmp_path / "images" / f"{number:03}.npy", image)
    scores = models.reference(tmp_path / "digits.onnx", image=images.reshape(40, 1, 8, 8).astype("float32") / 16)[0]
    answers = scores.argmax(axis=1)
    answers[:4] = (answers[:4] + 1) % 10  # so that the accuracy is 0.9
    numpy.save(tmp_path / "labels.npy", answers)
    return tmp_path


def test_examples_of_the_introduction(workplace):
    blocks = examples("docs/python.md")
    assert len(blocks) >= 7
    done = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(blocks)], cwd=workplace, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "accuracy 0.900 of 40 images" in out
    assert "input 0 'image' takes the shape (2, 1, 8, 8), got (1, 1, 8, 8)" in out
    assert "missing.onnx" in out and "cosine 1.000000" in out


def test_first_example_is_short():
    lines = [line for line in examples("docs/python.md")[0].splitlines() if line.strip()]
    assert len(lines) <= 20


def test_example_of_the_readme(workplace):
    blocks = examples("README.md")
    assert blocks
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=workplace, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()
