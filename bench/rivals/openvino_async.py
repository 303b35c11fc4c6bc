# SPDX-License-Identifier: MIT
"""OpenVINO's AsyncInferQueue with a thread that reads ahead and a thread that writes; throughput hint, float32.

Each slot owns an input and an output array that are wrapped as tensors once: a file is read into the memory that the
engine reads, and the writer writes the memory that the engine filled.
"""

from queue import SimpleQueue

import files
import numpy as np
import openvino

AHEAD = 4  # slots beyond those that are executing


class Slot:
    def __init__(self, compiled):
        self.x, self.y = (np.zeros(tuple(port.shape), np.float32) for port in (compiled.input(0), compiled.output(0)))
        self.input, self.output = (openvino.Tensor(array, shared_memory=True) for array in (self.x, self.y))
        self.buffer = memoryview(self.x).cast("B")
        self.target = None


def prefetch(todo, free, ready):
    for source, target in todo:
        slot = free.get()
        files.read_into(source, slot.buffer)
        slot.target = target
        ready.put(slot)
    ready.put(None)


def save(done, free, samples):
    for _ in range(samples):
        slot = done.get()
        files.write(slot.target, slot.y)
        free.put(slot)


def execute(queue, ready):
    while (slot := ready.get()) is not None:
        request = queue[queue.get_idle_request_id()]
        request.set_input_tensor(slot.input)
        request.set_output_tensor(slot.output)
        queue.start_async(userdata=slot)
    queue.wait_all()


def main():
    args = files.arguments(__doc__)
    todo = files.pairs(args)
    compiled = openvino.Core().compile_model(
        args.model, "CPU",
        {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": args.cores})
    queue = openvino.AsyncInferQueue(compiled)
    free, ready, done = SimpleQueue(), SimpleQueue(), SimpleQueue()
    for _ in range(len(queue) + AHEAD):
        free.put(Slot(compiled))
    for request in queue:
        request.infer()
    queue.set_callback(lambda request, slot: done.put(slot))
    with files.Loop(len(todo)):
        threads = files.start([(prefetch, todo, free, ready), (save, done, free, len(todo))])
        execute(queue, ready)
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
