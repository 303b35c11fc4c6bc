# SPDX-License-Identifier: MIT
"""Python loop over OpenVINO: read into the input tensor's memory, infer, write; latency hint, float32.

The tensor is bound to the request once, so that a call neither copies nor converts anything. start_async and wait are
the engine's own calls; InferRequest.infer does the same with a dictionary of results made anew each time.
"""

import files
import numpy as np
import openvino


def main():
    args = files.arguments(__doc__)
    todo = files.pairs(args)
    compiled = openvino.Core().compile_model(
        args.model, "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": args.cores})
    request = compiled.create_infer_request()
    x = np.zeros(tuple(compiled.input(0).shape), np.float32)
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
    request.infer()
    y, buffer = request.get_output_tensor(0).data, memoryview(x).cast("B")
    with files.Loop(len(todo)):
        for source, target in todo:
            files.read_into(source, buffer)
            request.start_async()
            request.wait()
            files.write(target, y)


if __name__ == "__main__":
    main()
