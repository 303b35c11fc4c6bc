# SPDX-License-Identifier: MIT
"""Six runs on the simulated device, each held back by something else: what tuning is measured on.

    import scenarios
    with tempfile.TemporaryDirectory() as root:
        for scenario in scenarios.ALL:
            prepared = scenarios.make(scenario, Path(root) / scenario.name)
            rate = scenarios.run("build/aispipe", prepared, ["--load_threads", "2"])   # samples a second

    python bench/scenarios.py make NAME DIR      makes one and prints the command that runs it

The device sleeps, so that only what the host does (reading, unpacking, formatting, writing) needs cores. Of the
files a few are different, the rest are further names of them: a dataset costs little room in /dev/shm.
"""

import argparse
import ctypes
import ctypes.util
import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

DIFFERENT = 16  # files of a dataset that are different


@dataclass(frozen=True)
class Scenario:
    name: str
    what: str  # what holds it back
    samples: int
    shape: tuple  # of the input, float32
    output: tuple  # of the output, float32
    stages: dict  # what the model file says about h2d, compute, d2h
    packed: bool = False  # inputs are .npy.zst
    saved: tuple = None  # options of saving; None: nothing is saved
    fixed: tuple = ()  # options that belong to the scenario: whoever tunes may not change them
    tune: tuple = ()  # further options for `aispipe tune`
    grid: dict = field(default_factory=dict)  # option → values, for the exhaustive search


def stage(latency_us=0, jitter_us=0, hang_at=None, hang_ms=None):
    entry = {"latency_us": latency_us, "jitter_us": jitter_us, "seed": 7}
    if hang_at is not None:
        entry.update(hang_at=hang_at, hang_ms=hang_ms)
    return entry


# 0 in flight: the default, as many as fit 16 MiB.
GRID = {"threads": (1, 2, 4), "load_threads": (1, 2, 4), "save_threads": (1, 2), "inflight": (0, 4, 16, 64)}

LOAD = Scenario(
    "load", "reading: files of 768 KiB that have to be unpacked",
    samples=300, shape=(1, 3, 256, 256), output=(1, 64), packed=True,
    stages={"h2d": stage(100), "compute": stage(200), "d2h": stage(50)}, grid=GRID)
H2D = Scenario(
    "h2d", "the transfer to the device, which no option can change: the defaults are best",
    samples=600, shape=(1, 256), output=(1, 256),
    stages={"h2d": stage(800), "compute": stage(500), "d2h": stage(200)}, grid=GRID)
COMPUTE1 = Scenario(
    "compute1", "executions, with one compute thread: the defaults are best",
    samples=400, shape=(1, 256), output=(1, 256),
    stages={"h2d": stage(100), "compute": stage(1500), "d2h": stage(100)}, fixed=("--threads", "1"),
    grid={**GRID, "threads": (1,)})
COMPUTE4 = Scenario(
    "compute4", "executions, with up to four compute threads",
    samples=800, shape=(1, 256), output=(1, 256),
    stages={"h2d": stage(200), "compute": stage(3000), "d2h": stage(200)},
    tune=("--max_threads", "4"), grid=GRID)
SAVE = Scenario(
    "save", "writing: results of 400 KB, as text",
    samples=240, shape=(1, 64), output=(1, 1000, 100), saved=("--outfmt", "TXT"),
    stages={"h2d": stage(50), "compute": stage(200), "d2h": stage(100)},
    grid={"threads": (1, 2), "load_threads": (1, 2), "save_threads": (1, 2, 4), "inflight": (0, 4, 16, 64)})
BURSTY = Scenario(
    "bursty", "three stages as fast as each other, all with times that vary much, and each hangs once",
    samples=400, shape=(1, 131072), output=(1, 256),
    stages={"h2d": stage(100, 1800, hang_at=80, hang_ms=30), "compute": stage(100, 3600, hang_at=40, hang_ms=30),
            "d2h": stage(100, 1800, hang_at=120, hang_ms=30)},
    tune=("--max_threads", "4"), grid={**GRID, "inflight": (0, 4, 16, 64, 128)})

ALL = (LOAD, H2D, COMPUTE1, COMPUTE4, SAVE, BURSTY)
BY_NAME = {scenario.name: scenario for scenario in ALL}


@dataclass(frozen=True)
class Prepared:
    scenario: Scenario
    root: Path

    @property
    def job(self):
        """The options that say what is run, and nothing about how; `aispipe tune` takes them, too."""
        job = ["--model", self.root / "model.sim.json", "--input", self.root / "in"]
        if self.scenario.saved is not None:
            job += ["--output", self.root / "out", *self.scenario.saved]
        return [str(word) for word in job]


def compress(data):
    """One zstd frame. libzstd is there anyway: aispipe is linked with it."""
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    zstd.ZSTD_compressBound.restype = zstd.ZSTD_compress.restype = ctypes.c_size_t
    zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    zstd.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    room = zstd.ZSTD_compressBound(len(data))
    buffer = ctypes.create_string_buffer(room)
    length = zstd.ZSTD_compress(buffer, room, data, len(data), 3)
    if length > room:
        raise RuntimeError("libzstd cannot compress")
    return buffer.raw[:length]


def npy(array):
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def make(scenario, root):
    """Makes model and dataset below `root`, which must not exist."""
    root = Path(root)
    (root / "in").mkdir(parents=True)
    model = {"inputs": [{"name": "x", "dtype": "float32", "shape": list(scenario.shape)}],
             "outputs": [{"name": "y", "dtype": "float32", "shape": list(scenario.output)}], **scenario.stages}
    (root / "model.sim.json").write_text(json.dumps(model))
    random = np.random.default_rng(0)
    ending = ".npy.zst" if scenario.packed else ".npy"
    for i in range(scenario.samples):
        path = root / "in" / f"{i:05}{ending}"
        if i >= DIFFERENT:
            os.link(root / "in" / f"{i % DIFFERENT:05}{ending}", path)
            continue
        # Small whole numbers as float32: they pack to about a fifth, and take time to unpack.
        data = npy(random.integers(0, 200, scenario.shape).astype(np.float32))
        path.write_bytes(compress(data) if scenario.packed else data)
    return Prepared(scenario, root)


def words(settings):
    """{"threads": 4, "inflight": 0} → --threads 4. 0 is the default, which is not given."""
    return [word for key, value in settings.items() if value for word in (f"--{key}", str(value))]


def run(program, prepared, options=(), timeout=120):
    """One run; samples a second from end to end, of the pipeline as the program prints it. Results are removed."""
    command = [program, *prepared.job, "--progress", "never", *map(str, options)]
    if prepared.scenario.saved is not None:
        command += ["--output_dirname", "r"]
    try:
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout).stdout
    finally:
        shutil.rmtree(prepared.root / "out", ignore_errors=True)
    done, total = map(int, re.search(r"samples: (\d+) of (\d+)", text).groups())
    if done != total:
        raise RuntimeError(f"{shlex.join(command)}: {done} of {total} samples came out")
    return float(re.search(r"end to end: ([\d.]+) samples/s", text).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("make",))
    parser.add_argument("name", choices=tuple(BY_NAME))
    parser.add_argument("dir", type=Path)
    arguments = parser.parse_args()
    prepared = make(BY_NAME[arguments.name], arguments.dir)
    print(shlex.join(["aispipe", *prepared.job, *prepared.scenario.fixed]))


if __name__ == "__main__":
    main()
