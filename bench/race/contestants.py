# SPDX-License-Identifier: MIT
"""Who takes part: how each one is started, and where its figure comes from.

Every figure is samples per second of the contestant's own loop, without starting up and compiling: Python rivals print
it, aispipe has it in its summary, benchmark_app reports it. The wall time of the whole process is taken beside it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RIVALS = Path(__file__).resolve().parents[1] / "rivals"


class Failed(Exception):
    """A contestant did not do its work; the message says which and how."""


@dataclass
class Track:
    """What a contestant runs on."""

    aispipe: str
    options: list  # further ones for aispipe
    model: Path
    inputs: Path
    files: int
    threads: int  # executions at a time
    cores: int
    seconds: float  # how long benchmark_app measures
    quick: bool

    @property
    def limit(self):
        """Seconds after which a contestant hangs; None: the user has said how much there is to do."""
        return 60 if self.quick else None

    @property
    def streams(self):
        """Threads of all streams together, shared evenly: what aispipe does with --threads."""
        return self.threads * max(1, self.cores // self.threads)


@dataclass
class Lap:
    rate: float  # samples/s of the loop
    whole: float  # seconds of the process
    results: Path = None  # directory, for those that write files
    ending: str = "_0.bin"


def run(command, limit):
    words = [str(word) for word in command]
    # Without .pyc files in the clone; a Python that is aborted says where it was.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
    begin = time.perf_counter()
    with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        hangs = False
        try:
            out, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            hangs = True
            process.send_signal(signal.SIGABRT)
            out, errors = process.communicate()
    seconds = time.perf_counter() - begin
    if process.returncode != 0:
        what = f"no end within {limit} s" if hangs else f"status {process.returncode}"
        raise Failed(f"{what} of: {' '.join(words)}\n{out[-4000:]}{errors[-4000:]}")
    return out, seconds


def aispipe(track, results):
    _, whole = run([track.aispipe, "--model", track.model, "--input", track.inputs, "--output", results.parent,
                    "--output_dirname", results.name, "--threads", track.threads, "--progress", "never", *track.options],
                   track.limit)
    summary = results.parent / f"{results.name}_summary.json"
    rate = json.loads(summary.read_text())["pipeline"]["samples_per_second"]
    summary.unlink()
    return Lap(rate, whole, results)


def script(name, *options):
    def start(track, results):
        out, whole = run([sys.executable, RIVALS / f"{name}.py", "--model", track.model, "--input", track.inputs, "--output",
                          results, "--threads", track.threads, "--cores", track.cores, *options], track.limit)
        figures = json.loads(out.splitlines()[-1])
        if figures["samples"] != track.files:
            raise Failed(f"{name}: {figures['samples']} samples of {track.files}")
        return Lap(figures["samples"] / figures["seconds"], whole, results)

    return start


def benchmark_app_program():
    """The one of the environment that runs this."""
    beside = Path(sys.executable).parent / "benchmark_app"
    program = str(beside) if beside.exists() else shutil.which("benchmark_app")
    if not program:
        raise Failed("benchmark_app was not found beside Python nor in PATH; the package openvino brings it")
    return program


def benchmark_app(hint):
    def start(track, _):
        command = [benchmark_app_program(), "-m", track.model, "-d", "CPU", "-infer_precision", "f32"]
        command += ["-hint", hint or "none"]
        if not hint:
            command += ["-api", "async", "-nstreams", track.threads, "-nireq", track.threads, "-nthreads", track.streams]
        command += ["-niter", 2 * track.threads] if track.quick else ["-t", track.seconds]
        out, whole = run(command, track.limit)
        found = re.search(r"Throughput:\s+([0-9.]+) FPS", out)
        if not found:
            raise Failed(f"benchmark_app printed no throughput:\n{out[-4000:]}")
        return Lap(float(found.group(1)), whole)

    return start


def cp(track, results):
    _, seconds = run([shutil.which("cp"), "-r", track.inputs, results], track.limit)
    return Lap(track.files / seconds, seconds, results, ".bin")


@dataclass
class Contestant:
    name: str  # in the table
    note: str
    start: object


CONTESTANTS = {
    "aispipe": Contestant("aispipe", "files to files", aispipe),
    "app-same": Contestant("benchmark_app, same streams and threads", "no files", benchmark_app(None)),
    "app-latency": Contestant("benchmark_app, -hint latency", "no files", benchmark_app("latency")),
    "app-throughput": Contestant("benchmark_app, -hint throughput", "no files", benchmark_app("throughput")),
    "ort-loop": Contestant("ONNX Runtime, Python loop", "np.fromfile, run, tofile", script("onnxruntime_loop")),
    "ort-os": Contestant("ONNX Runtime, tuned Python loop", "os.readv, run, os.write",
                         script("onnxruntime_loop", "--io", "os")),
    "ort-threads": Contestant("ONNX Runtime, Python threads", "read ahead, run, write", script("onnxruntime_threads")),
    "ov-sync": Contestant("OpenVINO, Python loop", "bound tensor", script("openvino_sync")),
    "ov-async": Contestant("OpenVINO, AsyncInferQueue", "read ahead, write behind", script("openvino_async")),
    "cp": Contestant("cp -r", "no model", cp),
}
