# SPDX-License-Identifier: MIT
"""Did a contestant do its work? Every file is there and whole, and its values are the reference's."""

import os

import numpy as np

from .contestants import Failed

SAMPLED = 16  # files whose values are compared after the first round; their number and sizes always are


class Reference:
    """What the results must be: the inputs where the model copies, otherwise the first results of another engine."""

    def __init__(self, case, inputs):
        self.case = case
        self.names = sorted(name[:-4] for name in os.listdir(inputs))
        self.directory, self.ending = (inputs, ".bin") if case.copies else (None, None)

    def compare(self, who, lap, everything):
        """`everything`: all values, not a sample. The first one that is compared becomes the reference if none is."""
        found = sorted(name for name in os.listdir(lap.results) if not name.startswith("."))
        if found != [name + lap.ending for name in self.names]:
            raise Failed(f"{who}: {len(found)} results in {lap.results}, not one for each of {len(self.names)} files")
        if self.directory is None:
            self.directory, self.ending = lap.results, lap.ending
            return
        step = 1 if everything else max(1, len(self.names) // SAMPLED)
        for name in self.names[::step]:
            self.compare_file(who, lap.results / (name + lap.ending), self.directory / (name + self.ending))

    def compare_file(self, who, path, reference):
        result, expected = np.fromfile(path, np.float32), np.fromfile(reference, np.float32)
        if result.size != expected.size:
            raise Failed(f"{who}: {path.name} has {result.size} values, not {expected.size}")
        if self.case.copies:
            if not np.array_equal(result.view(np.uint32), expected.view(np.uint32)):
                raise Failed(f"{who}: {path.name} is not a copy of its input")
        elif not np.allclose(result, expected, rtol=0, atol=self.case.tolerance * np.abs(expected).max()):
            worst = np.abs(result - expected).max()
            raise Failed(f"{who}: {path.name} differs from {reference} by up to {worst:g}")
