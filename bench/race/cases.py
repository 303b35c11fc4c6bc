# SPDX-License-Identifier: MIT
"""The three cases: which model, how many files, who takes part, and what is to be reached."""

from dataclasses import dataclass, field
from pathlib import Path

import models
import numpy as np

LOOPS = ("ort-loop", "ort-os", "ort-threads", "ov-sync", "ov-async")
BENCHMARK_APP = ("app-same", "app-latency", "app-throughput")


@dataclass
class Target:
    """aispipe at least `least` times as fast as the fastest (by medians) of `rivals`."""

    what: str
    rivals: tuple
    least: float


@dataclass
class Case:
    name: str
    title: str
    make: object  # writes the model to a path
    shape: tuple
    files: int
    quick_files: int
    contestants: tuple
    targets: list = field(default_factory=list)
    copies: bool = False  # the results are the inputs
    threads: int = 2  # executions at a time, unless --threads says so
    model_bytes: int = 1 << 20  # of the model's file, at most
    tolerance: float = 1e-4  # of the largest value of a result

    def prepare(self, directory, files):
        """Makes the model and the inputs. Returns their paths."""
        model, inputs = Path(directory) / f"{self.name}.onnx", Path(directory) / "inputs"
        self.make(str(model))
        inputs.mkdir()
        random = np.random.default_rng(0)
        data = random.standard_normal(self.shape, dtype=np.float32)
        for i in range(files):
            # Every file is its own, and making 600 MB of random numbers takes longer than the race.
            data = np.roll(data, 1, axis=-1)
            data.flat[0] = i / files
            data.tofile(inputs / f"{i:06}.bin")
        return model, inputs

    @property
    def bytes(self):
        return int(np.prod(self.shape)) * 4


CASES = [
    Case("resnet50", "ResNet-50", models.resnet50, (1, 3, 224, 224), 60, 4, BENCHMARK_APP + LOOPS, [
        Target("benchmark_app, same streams and threads", ("app-same",), 0.98),
        Target("the best Python rival", LOOPS, 1.0),
    ], model_bytes=110 << 20),
    Case("tiny", "tiny convolution net", models.tiny_conv, (1, 3, 32, 32), 10000, 200, BENCHMARK_APP + LOOPS, [
        Target("the best Python rival", LOOPS, 5.0),
        Target("the loop that most people write", ("ort-loop",), 5.0),
        Target("benchmark_app, best of its hints", BENCHMARK_APP, 0.9),
    ]),
    Case("copy", "copy model, 600 KiB", models.copy_model, (1, 600 * 1024 // 4), 1000, 20, ("cp", *LOOPS), [
        Target("cp -r", ("cp",), 0.9),
        Target("the best Python rival", LOOPS, 1.0),
    ], copies=True, threads=1),
]
