/* SPDX-License-Identifier: MIT */
/**
 * @file onnx_model.h
 * As much of an ONNX file as simatc needs: names, types and shapes of inputs and outputs, and the same model
 * again with other shapes and other outputs. Everything else is copied as it is, not understood.
 */
#ifndef AISPIPE_SIMULATOR_ONNX_MODEL_H
#define AISPIPE_SIMULATOR_ONNX_MODEL_H

#include "om_file.h"

struct onnx_span {
    const uint8_t *data;
    size_t bytes;
};

struct onnx_tensor {
    struct onnx_span name;    /**< in the model's bytes, not terminated */
    struct onnx_span info;    /**< its ValueInfoProto */
    enum aispipe_dtype dtype; /**< UNDEFINED: none given, or one that AscendCL lacks */
    bool has_shape;
    int rank;
    int64_t dims[OM_MAX_RANK]; /**< −1: unknown; 0 as it is there */
};

struct onnx_node {
    struct onnx_span name, type;
    size_t first_output, n_outputs; /**< in onnx_model.node_outputs */
};

/** Points into the bytes that were parsed, which must live as long. */
struct onnx_model {
    struct onnx_span model, graph;
    struct onnx_tensor *inputs; /**< without those that are weights */
    size_t n_inputs;
    struct onnx_tensor *outputs;
    size_t n_outputs;
    struct onnx_tensor *values; /**< value_info: types of tensors inside */
    size_t n_values;
    struct onnx_node *nodes;
    size_t n_nodes;
    struct onnx_span *node_outputs;
    size_t n_node_outputs;
};

/** `path` is for messages. On failure `*model` is empty; AISPIPE_FORMAT, AISPIPE_UNSUPPORTED or NO_MEMORY. */
int onnx_parse(const void *data, size_t bytes, const char *path, struct onnx_model *model,
               struct aispipe_error *error);
void onnx_free(struct onnx_model *model);
bool onnx_is(struct onnx_span span, const char *text);

/**
 * The model with the dims of `inputs` (as many as the model has, in its order) and with `outputs` (names of
 * tensors) instead of its own. `*bytes` at `*data`, to be freed.
 */
int onnx_rewrite(const struct onnx_model *model, const struct om_input *inputs,
                 const struct onnx_span *outputs, size_t n_outputs, void **data, size_t *bytes,
                 struct aispipe_error *error);

#endif
