# SPDX-License-Identifier: MIT
"""Python loop over ONNX Runtime: read, run, write, one file after the other; all cores work on each execution.

--io numpy is the loop that most people write: np.fromfile, run, tofile. --io os reads into one buffer again and again
and does without file objects, which matters where an execution takes microseconds.
"""

import files
import numpy as np
import onnxruntime


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def with_numpy(run, outputs, name, shape, todo):
    for source, target in todo:
        x = np.fromfile(source, np.float32).reshape(shape)
        run(outputs, {name: x})[0].tofile(target)


def with_os(run, outputs, feed, buffer, todo):
    for source, target in todo:
        files.read_into(source, buffer)
        files.write(target, run(outputs, feed)[0])


def main():
    args = files.arguments(__doc__)
    todo = files.pairs(args)
    engine = session(args.model, args.cores)
    outputs, port = [engine.get_outputs()[0].name], engine.get_inputs()[0]
    x = np.zeros(port.shape, np.float32)
    feed = {port.name: x}
    engine.run(outputs, feed)
    with files.Loop(len(todo)):
        if args.io == "numpy":
            with_numpy(engine.run, outputs, port.name, port.shape, todo)
        else:
            with_os(engine.run, outputs, feed, memoryview(x).cast("B"), todo)


if __name__ == "__main__":
    main()
