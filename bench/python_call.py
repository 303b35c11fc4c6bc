#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a call from Python costs beyond the engine, on a model that does nothing.

    PYTHONPATH=build/src/python .venv/bin/python bench/python_call.py [--rounds N] [--calls N] [--items N]

Every way is measured in turn, again and again, in one process, so that whatever else the machine does meets all of
them alike; of each way the median over the rounds of the time a call is printed, and the median over the rounds of
what it takes more than the yardstick in the same round. Rounds are short and many, so that most of them are not
interrupted. The yardstick is the engine's own C call,
ov_infer_request_infer, on a request whose tensors are bound once; it is made through ctypes, and what ctypes itself
takes (a call that does nothing, ov_free(NULL)) is subtracted.
"""

import argparse
import contextlib
import ctypes
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

import aispipe
from ais_bench.infer.interface import InferSession


def write_model(path):
    """y = x, one row of 16 floats."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "nothing", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)


def time_calls(call, n):
    begin = time.perf_counter_ns()
    for _ in range(n):
        call()
    return (time.perf_counter_ns() - begin) / n / 1000


class Engine:
    """ov_infer_request_infer and ov_free(NULL) through ctypes."""

    def __init__(self, path):
        library = sorted((Path(openvino.__file__).parent / "libs").glob("libopenvino_c.so*"))[-1]
        self.c = ctypes.CDLL(str(library))
        core, model, compiled, self.request = (ctypes.c_void_p() for _ in range(4))
        self.check(self.c.ov_core_create(ctypes.byref(core)))
        self.check(self.c.ov_core_read_model(core, str(path).encode(), None, ctypes.byref(model)))
        options = [b"INFERENCE_NUM_THREADS", b"1", b"NUM_STREAMS", b"1", b"ENABLE_CPU_PINNING", b"NO"]
        self.check(self.c.ov_core_compile_model(core, model, b"CPU", ctypes.c_size_t(len(options)),
                                                ctypes.byref(compiled), *map(ctypes.c_char_p, options)))
        self.check(self.c.ov_compiled_model_create_infer_request(compiled, ctypes.byref(self.request)))

    @staticmethod
    def check(status):
        if status != 0:
            raise RuntimeError(f"OpenVINO's C library says {status}")

    def time(self, n):
        infer, nothing, request = self.c.ov_infer_request_infer, self.c.ov_free, self.request
        self.check(infer(request))
        return time_calls(lambda: infer(request), n) - time_calls(lambda: nothing(None), n)


def openvino_call(path):
    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    return lambda x: request.infer([x])[0]


def measure_calls(path, rounds, calls):
    x = numpy.linspace(-1, 1, 16, dtype=numpy.float32).reshape(1, 16)
    session = aispipe.Session(path)
    runtime = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = openvino_call(path)
    with contextlib.redirect_stdout(sys.stderr):  # it says what it does, and our output may be JSON
        older = InferSession(0, str(path))
    ways = {"onnxruntime": lambda: runtime.run(None, {"x": x}), "openvino": lambda: theirs(x),
            "InferSession.infer": lambda: older.infer([x])}
    engine = Engine(path)
    numpy.testing.assert_array_equal(session(x), runtime.run(None, {"x": x})[0])
    ways = {"aispipe.Session": lambda: session(x), **ways}
    times = {name: [] for name in ["engine", *ways]}
    for _ in range(rounds):
        times["engine"].append(engine.time(calls))
        for name, call in ways.items():
            times[name].append(time_calls(call, calls if name != "openvino" else max(calls // 10, 1)))
    with contextlib.redirect_stdout(sys.stderr):
        older.free_resource()
    beyond = {name: statistics.median(map(float.__sub__, times[name], times["engine"])) for name in ways}
    return {name: statistics.median(values) for name, values in times.items()}, beyond


def queue_map(compiled, items):
    """OpenVINO's queue, used well: as many requests as it asks for, results copied out in the callback."""
    results = [None] * len(items)

    def done(request, number):
        results[number] = request.get_output_tensor(0).data.copy()

    queue = openvino.AsyncInferQueue(compiled)
    queue.set_callback(done)
    for number, item in enumerate(items):
        queue.start_async([item], number)
    queue.wait_all()
    return results


def measure_map(path, rounds, n):
    items = [numpy.full((1, 16), number, numpy.float32) for number in range(n)]
    pipeline = aispipe.Pipeline(aispipe.Session(path))
    compiled = openvino.Core().compile_model(str(path), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    ways = {"Pipeline.map": lambda: list(pipeline.map(items)), "AsyncInferQueue": lambda: queue_map(compiled, items)}
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            results = way()
            times[name].append((time.perf_counter() - begin) / n * 1e6)
            assert len(results) == n and results[-1][0, 0] == n - 1
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--items", type=int, default=20000)
    parser.add_argument("--map_rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="figures for programs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "nothing.onnx"
        write_model(path)
        calls, beyond = measure_calls(path, args.rounds, args.calls)
        maps = measure_map(path, args.map_rounds, args.items)
    if args.json:
        json.dump({"calls_us": calls, "beyond_engine_us": beyond, "map_us": maps}, sys.stdout)
        return
    print(f"µs a call, median of {args.rounds} rounds of {args.calls} calls:")
    for name, value in calls.items():
        print(f"  {name:20s} {value:8.2f}" + (f"   engine + {beyond[name]:.2f}" if name in beyond else ""))
    print(f"µs an item, {args.items} items:")
    for name, value in maps.items():
        print(f"  {name:20s} {value:8.2f}")
    print(f"  ratio {maps['AsyncInferQueue'] / maps['Pipeline.map']:.2f}")


if __name__ == "__main__":
    main()
