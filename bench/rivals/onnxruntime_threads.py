# SPDX-License-Identifier: MIT
"""ONNX Runtime with files out of its way: a thread that reads ahead, --threads that run, a thread that writes.

The cores are shared among the executions (intra_op_num_threads). ONNX Runtime and system calls let go of Python's
lock, so that the threads really overlap where an execution takes long enough.
"""

from queue import SimpleQueue

import files
import numpy as np
from onnxruntime_loop import session

AHEAD = 4  # samples that are read ahead, for each running thread


def prefetch(todo, free, ready, runners):
    for source, target in todo:
        x = free.get()
        files.read_into(source, memoryview(x).cast("B"))
        ready.put((x, target))
    for _ in range(runners):
        ready.put(None)


def execute(engine, ready, free, done):
    outputs, name = [engine.get_outputs()[0].name], engine.get_inputs()[0].name
    while (item := ready.get()) is not None:
        x, target = item
        done.put((target, engine.run(outputs, {name: x})[0]))
        free.put(x)
    done.put(None)


def save(done, runners):
    while runners:
        item = done.get()
        if item is None:
            runners -= 1
        else:
            files.write(*item)


def main():
    args = files.arguments(__doc__)
    todo = files.pairs(args)
    engine = session(args.model, max(1, args.cores // args.threads))
    port = engine.get_inputs()[0]
    free, ready, done = SimpleQueue(), SimpleQueue(), SimpleQueue()
    for _ in range(AHEAD * args.threads):
        free.put(np.zeros(port.shape, np.float32))
    engine.run(None, {port.name: np.zeros(port.shape, np.float32)})
    work = [(prefetch, todo, free, ready, args.threads), (save, done, args.threads),
            *[(execute, engine, ready, free, done)] * args.threads]
    with files.Loop(len(todo)):
        for thread in files.start(work):
            thread.join()


if __name__ == "__main__":
    main()
