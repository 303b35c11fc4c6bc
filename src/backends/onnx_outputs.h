/* SPDX-License-Identifier: MIT */
/**
 * @file onnx_outputs.h
 * Makes every layer's output an output of a serialised ONNX model.
 *
 * Nothing is decoded but names: an ONNX file is a protobuf message, and a message that comes twice in a
 * protobuf file is merged by its readers. So a second "graph" with nothing but further outputs is written
 * behind the file's bytes, which stay as they are.
 */
#ifndef AISPIPE_BACKENDS_ONNX_OUTPUTS_H
#define AISPIPE_BACKENDS_ONNX_OUTPUTS_H

#include "aispipe/aispipe.h"

/** One layer's output. The texts are in the model's bytes and have no end mark. */
struct onnx_tensor {
    const char *name;
    const char *op; /**< the layer's operation: "Conv" */
    size_t name_length;
    size_t op_length;
    bool was_output; /**< of the graph as it came */
};

struct onnx_outputs {
    struct onnx_tensor *tensors; /**< in the graph's order */
    size_t n;
    uint8_t *addition; /**< to be written behind the model's bytes */
    size_t addition_bytes;
};

/**
 * Lists the outputs of all nodes of the main graph, and makes the addition. Left out are constants, which are
 * nobody's result, and further outputs of a node that nothing reads. `path` is for messages.
 */
int onnx_outputs(const void *model, size_t bytes, const char *path, struct onnx_outputs *outputs,
                 struct aispipe_error *error);
void onnx_outputs_free(struct onnx_outputs *outputs);

#endif
