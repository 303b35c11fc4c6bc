/* SPDX-License-Identifier: MIT */
/* --out_nodes and --output_type. */
#include "simatc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOW(span) (int)((span).bytes < 100 ? (span).bytes : 100), (const char *)(span).data

static bool same(struct onnx_span a, struct onnx_span b)
{
    return a.bytes == b.bytes && memcmp(a.data, b.data, a.bytes) == 0;
}

/* ------------------------------------------------------------------ names of nodes and tensors */

struct node_name {
    char text[OM_NAME_MOST + 1];
};

/* A node without a name is known by its type and number, as atc does it. */
static void name_node(const struct onnx_model *model, size_t index, struct node_name *name)
{
    const struct onnx_node *node = &model->nodes[index];
    if (node->name.bytes)
        (void)snprintf(name->text, sizeof name->text, "%.*s", SHOW(node->name));
    else
        (void)snprintf(name->text, sizeof name->text, "%.*s_%zu", SHOW(node->type), index);
}

/* The node that makes a tensor, and as which of its outputs; false for an input or a weight. */
static bool find_maker(const struct onnx_model *model, struct onnx_span tensor, size_t *node, size_t *output)
{
    for (*node = 0; *node < model->n_nodes; (*node)++)
        for (*output = 0; *output < model->nodes[*node].n_outputs; (*output)++)
            if (same(model->node_outputs[model->nodes[*node].first_output + *output], tensor))
                return true;
    return false;
}

/* "node:0:tensor", or the tensor alone. Names that are too long are cut. */
static void name_output(const struct onnx_model *model, struct onnx_span tensor, char name[OM_NAME_MOST + 1])
{
    struct node_name maker;
    size_t node;
    size_t output;
    if (!find_maker(model, tensor, &node, &output)) {
        (void)snprintf(name, OM_NAME_MOST + 1, "%.*s", SHOW(tensor));
        return;
    }
    name_node(model, node, &maker);
    (void)snprintf(name, OM_NAME_MOST + 1, "%.100s:%zu:%.*s", maker.text, output, SHOW(tensor));
}

/* "node:0" to the tensor. */
static bool find_node_output(const struct onnx_model *model, struct onnx_span text, struct onnx_span *tensor)
{
    const uint8_t *colon = text.bytes ? memrchr(text.data, ':', text.bytes) : NULL;
    int64_t index;
    if (!colon)
        return false;
    struct onnx_span node = {text.data, (size_t)(colon - text.data)};
    struct onnx_span number = {colon + 1, text.bytes - node.bytes - 1};
    if (!simatc_number(number, &index) || index < 0)
        return false;
    for (size_t i = 0; i < model->n_nodes; i++) {
        struct node_name name;
        name_node(model, i, &name);
        if (onnx_is(node, name.text) && (uint64_t)index < model->nodes[i].n_outputs) {
            *tensor = model->node_outputs[model->nodes[i].first_output + (size_t)index];
            return tensor->bytes > 0;
        }
    }
    return false;
}

static bool find_tensor(const struct onnx_model *model, struct onnx_span text, struct onnx_span *tensor)
{
    size_t node;
    size_t output;
    *tensor = text;
    if (text.bytes && find_maker(model, text, &node, &output))
        return true;
    for (size_t i = 0; i < model->n_outputs; i++)
        if (same(model->outputs[i].name, text))
            return true;
    return find_node_output(model, text, tensor);
}

/* ------------------------------------------------------------------ --out_nodes */

static int add_output(const struct onnx_model *model, struct om_file *om, struct onnx_span tensor,
                      struct onnx_span *tensors, struct aispipe_error *error)
{
    if (om->n_outputs == OM_MAX_TENSORS)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "the model has more than %d outputs", OM_MAX_TENSORS);
    for (size_t i = 0; i < om->n_outputs; i++)
        if (same(tensors[i], tensor))
            return aispipe_fail(error, AISPIPE_INVALID, "output '%.*s' is there twice", SHOW(tensor));
    struct om_output *output = &om->outputs[om->n_outputs];
    output->dtype = AISPIPE_DTYPE_UNDEFINED;
    name_output(model, tensor, output->name);
    tensors[om->n_outputs++] = tensor;
    return 0;
}

static int add_named(const struct simatc_options *options, const struct onnx_model *model, struct om_file *om,
                     struct onnx_span *tensors, struct aispipe_error *error)
{
    struct onnx_span rest = {(const uint8_t *)options->out_nodes, strlen(options->out_nodes)};
    struct onnx_span part;
    int rc = 0;
    if (rest.bytes > 1 && rest.data[rest.bytes - 1] == ';')
        rest.bytes--;
    while (!rc && simatc_cut(&rest, ';', &part)) {
        struct onnx_span tensor;
        if (!find_tensor(model, part, &tensor))
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "--out_nodes: the model has no '%.*s'; node:number or the name of a tensor is wanted",
                SHOW(part));
        rc = add_output(model, om, tensor, tensors, error);
    }
    return rc;
}

/* ------------------------------------------------------------------ --output_type */

static bool find_type(struct onnx_span name, enum aispipe_dtype *dtype)
{
    static const struct {
        const char *name;
        enum aispipe_dtype dtype;
    } types[] = {{"FP32", AISPIPE_FLOAT32}, {"FP16", AISPIPE_FLOAT16}, {"UINT8", AISPIPE_UINT8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (onnx_is(name, types[i].name)) {
            *dtype = types[i].dtype;
            return true;
        }
    return false;
}

static int set_one_type(const struct onnx_model *model, struct om_file *om, const struct onnx_span *tensors,
                        struct onnx_span text, struct aispipe_error *error)
{
    const uint8_t *colon = text.bytes ? memrchr(text.data, ':', text.bytes) : NULL;
    enum aispipe_dtype dtype;
    struct onnx_span tensor;
    struct onnx_span type = text;
    struct onnx_span name = text;
    if (colon) {
        name.bytes = (size_t)(colon - text.data);
        type = (struct onnx_span){colon + 1, text.bytes - name.bytes - 1};
    }
    if (!colon || !find_type(type, &dtype))
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "--output_type: '%.*s' is neither FP32, FP16 or UINT8 nor node:number with one of them",
            SHOW(text));
    bool found = find_tensor(model, name, &tensor);
    for (size_t i = 0; found && i < om->n_outputs; i++)
        if (same(tensors[i], tensor)) {
            om->outputs[i].dtype = dtype;
            return 0;
        }
    return aispipe_fail(error, AISPIPE_INVALID, "--output_type: '%.*s' is no output of this model",
                        SHOW(name));
}

static int set_types(const struct simatc_options *options, const struct onnx_model *model, struct om_file *om,
                     const struct onnx_span *tensors, struct aispipe_error *error)
{
    struct onnx_span rest = {(const uint8_t *)options->output_type, strlen(options->output_type)};
    struct onnx_span part;
    enum aispipe_dtype dtype;
    if (find_type(rest, &dtype)) {
        for (size_t i = 0; i < om->n_outputs; i++)
            om->outputs[i].dtype = dtype;
        return 0;
    }
    int rc = 0;
    if (rest.bytes > 1 && rest.data[rest.bytes - 1] == ';')
        rest.bytes--;
    while (!rc && simatc_cut(&rest, ';', &part))
        rc = set_one_type(model, om, tensors, part, error);
    return rc;
}

int simatc_set_outputs(const struct simatc_options *options, const struct onnx_model *model,
                       struct om_file *om, struct onnx_span *tensors, struct aispipe_error *error)
{
    om->n_outputs = 0;
    om->outputs = calloc(OM_MAX_TENSORS, sizeof *om->outputs);
    if (!om->outputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for outputs");
    int rc = 0;
    if (options->out_nodes)
        rc = add_named(options, model, om, tensors, error);
    for (size_t i = 0; !rc && !options->out_nodes && i < model->n_outputs; i++)
        rc = add_output(model, om, model->outputs[i].name, tensors, error);
    if (!rc && om->n_outputs == 0)
        rc = aispipe_fail(error, AISPIPE_UNSUPPORTED, "the model has no outputs");
    if (!rc && options->output_type)
        rc = set_types(options, model, om, tensors, error);
    return rc;
}
