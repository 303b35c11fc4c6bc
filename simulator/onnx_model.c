/* SPDX-License-Identifier: MIT */
/* The numbers of fields are those of onnx.proto, which the ONNX project publishes. */
#include "onnx_model.h"

#include "protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7 };
enum {
    GRAPH_NODE = 1,
    GRAPH_WEIGHT = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE = 13,
    GRAPH_SPARSE = 15
};
enum { NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum { TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1 };
enum { WEIGHT_NAME = 8, WEIGHT_LOCATION = 14, WEIGHT_EXTERNAL = 1 };

struct parser {
    const char *path;
    struct aispipe_error *error;
};

static struct protobuf_reader reader_of(struct onnx_span span)
{
    return (struct protobuf_reader){.at = span.data, .end = span.data + span.bytes};
}

static struct onnx_span span_of(const struct protobuf_field *field)
{
    return (struct onnx_span){field->data, field->bytes};
}

static bool is_bytes(const struct protobuf_field *field, uint32_t number)
{
    return field->number == number && field->wire == PROTOBUF_BYTES;
}

static bool same(struct onnx_span a, struct onnx_span b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool onnx_is(struct onnx_span span, const char *text)
{
    return same(span, (struct onnx_span){(const uint8_t *)text, strlen(text)});
}

static int damaged(const struct parser *parser)
{
    return aispipe_fail(parser->error, AISPIPE_FORMAT, "model '%s' is no ONNX model, or is damaged",
                        parser->path);
}

/* ------------------------------------------------------------------ tensors */

static enum aispipe_dtype map_type(uint64_t type)
{
    static const enum aispipe_dtype types[] = {
        [1] = AISPIPE_FLOAT32,   [2] = AISPIPE_UINT8,    [3] = AISPIPE_INT8,    [4] = AISPIPE_UINT16,
        [5] = AISPIPE_INT16,     [6] = AISPIPE_INT32,    [7] = AISPIPE_INT64,   [9] = AISPIPE_BOOL,
        [10] = AISPIPE_FLOAT16,  [11] = AISPIPE_FLOAT64, [12] = AISPIPE_UINT32, [13] = AISPIPE_UINT64,
        [16] = AISPIPE_BFLOAT16,
    };
    if (type == 1)
        return AISPIPE_FLOAT32; /* whose number, 0, is also that of the gaps */
    if (type >= sizeof types / sizeof *types || types[type] == 0)
        return AISPIPE_DTYPE_UNDEFINED;
    return types[type];
}

static bool parse_dim(struct onnx_span span, int64_t *dim)
{
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    *dim = -1;
    while (protobuf_next(&reader, &field))
        if (field.number == DIM_VALUE && field.wire == PROTOBUF_VARINT)
            *dim = (int64_t)field.value >= 0 ? (int64_t)field.value : -1;
    return !reader.bad;
}

static bool parse_shape(struct onnx_span span, struct onnx_tensor *tensor)
{
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    tensor->has_shape = true;
    tensor->rank = 0;
    while (protobuf_next(&reader, &field)) {
        int64_t dim;
        if (!is_bytes(&field, SHAPE_DIM))
            continue;
        if (!parse_dim(span_of(&field), &dim))
            return false;
        if (tensor->rank < OM_MAX_RANK)
            tensor->dims[tensor->rank] = dim;
        tensor->rank++;
    }
    return !reader.bad;
}

static bool parse_tensor_type(struct onnx_span span, struct onnx_tensor *tensor)
{
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        if (field.number == TENSOR_ELEMENT && field.wire == PROTOBUF_VARINT)
            tensor->dtype = map_type(field.value);
        if (is_bytes(&field, TENSOR_SHAPE) && !parse_shape(span_of(&field), tensor))
            return false;
    }
    return !reader.bad;
}

static bool parse_value(struct onnx_span span, struct onnx_tensor *tensor)
{
    *tensor = (struct onnx_tensor){.info = span, .dtype = AISPIPE_DTYPE_UNDEFINED};
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        if (is_bytes(&field, VALUE_NAME))
            tensor->name = span_of(&field);
        if (!is_bytes(&field, VALUE_TYPE))
            continue;
        struct protobuf_reader type = reader_of(span_of(&field));
        while (protobuf_next(&type, &field))
            if (is_bytes(&field, TYPE_TENSOR) && !parse_tensor_type(span_of(&field), tensor))
                return false;
        if (type.bad)
            return false;
    }
    return !reader.bad && tensor->name.bytes > 0;
}

/* ------------------------------------------------------------------ the graph */

/* How much of everything there is, so that lists can be made in one go. */
struct counts {
    size_t inputs, outputs, values, nodes, node_outputs, weights;
};

static bool count_graph(struct onnx_span graph, struct counts *counts)
{
    struct protobuf_reader reader = reader_of(graph);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        counts->inputs += is_bytes(&field, GRAPH_INPUT);
        counts->outputs += is_bytes(&field, GRAPH_OUTPUT);
        counts->values += is_bytes(&field, GRAPH_VALUE);
        counts->weights += is_bytes(&field, GRAPH_WEIGHT) || is_bytes(&field, GRAPH_SPARSE);
        counts->nodes += is_bytes(&field, GRAPH_NODE);
        if (!is_bytes(&field, GRAPH_NODE))
            continue;
        struct protobuf_reader node = reader_of(span_of(&field));
        while (protobuf_next(&node, &field))
            counts->node_outputs += is_bytes(&field, NODE_OUTPUT);
        if (node.bad)
            return false;
    }
    return !reader.bad;
}

static bool make_lists(struct onnx_model *model, const struct counts *counts)
{
    /* One more than wanted: calloc(0) may be NULL. */
    model->inputs = calloc(counts->inputs + 1, sizeof *model->inputs);
    model->outputs = calloc(counts->outputs + 1, sizeof *model->outputs);
    model->values = calloc(counts->values + 1, sizeof *model->values);
    model->nodes = calloc(counts->nodes + 1, sizeof *model->nodes);
    model->node_outputs = calloc(counts->node_outputs + 1, sizeof *model->node_outputs);
    return model->inputs && model->outputs && model->values && model->nodes && model->node_outputs;
}

static void parse_node(struct onnx_span span, struct onnx_model *model)
{
    struct onnx_node *node = &model->nodes[model->n_nodes++];
    node->first_output = model->n_node_outputs;
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        if (is_bytes(&field, NODE_NAME))
            node->name = span_of(&field);
        if (is_bytes(&field, NODE_TYPE))
            node->type = span_of(&field);
        if (is_bytes(&field, NODE_OUTPUT))
            model->node_outputs[model->n_node_outputs++] = span_of(&field);
    }
    node->n_outputs = model->n_node_outputs - node->first_output;
}

/* The name of a weight; `*external` when its numbers are in another file. */
static bool parse_weight(struct onnx_span span, struct onnx_span *name, bool *external)
{
    struct protobuf_reader reader = reader_of(span);
    struct protobuf_field field;
    *name = (struct onnx_span){NULL, 0};
    while (protobuf_next(&reader, &field)) {
        if (is_bytes(&field, WEIGHT_NAME))
            *name = span_of(&field);
        if (field.number == WEIGHT_LOCATION && field.wire == PROTOBUF_VARINT &&
            field.value == WEIGHT_EXTERNAL)
            *external = true;
    }
    return !reader.bad;
}

/* Older models list their weights among the inputs. */
static void drop_input(struct onnx_model *model, struct onnx_span name)
{
    for (size_t i = 0; i < model->n_inputs; i++)
        if (same(model->inputs[i].name, name)) {
            memmove(&model->inputs[i], &model->inputs[i + 1],
                    (model->n_inputs - i - 1) * sizeof *model->inputs);
            model->n_inputs--;
            return;
        }
}

static bool parse_member(const struct protobuf_field *field, struct onnx_model *model)
{
    if (is_bytes(field, GRAPH_INPUT))
        return parse_value(span_of(field), &model->inputs[model->n_inputs++]);
    if (is_bytes(field, GRAPH_OUTPUT))
        return parse_value(span_of(field), &model->outputs[model->n_outputs++]);
    if (is_bytes(field, GRAPH_VALUE))
        return parse_value(span_of(field), &model->values[model->n_values++]);
    if (is_bytes(field, GRAPH_NODE))
        parse_node(span_of(field), model);
    return true;
}

static int drop_weights(const struct parser *parser, struct onnx_model *model)
{
    struct protobuf_reader reader = reader_of(model->graph);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        struct onnx_span name;
        bool external = false;
        if (!is_bytes(&field, GRAPH_WEIGHT))
            continue;
        if (!parse_weight(span_of(&field), &name, &external))
            return damaged(parser);
        if (external)
            return aispipe_fail(parser->error, AISPIPE_UNSUPPORTED,
                                "model '%s' keeps weights in another file; save it with its weights inside",
                                parser->path);
        drop_input(model, name);
    }
    return 0;
}

static int parse_graph(const struct parser *parser, struct onnx_model *model)
{
    struct counts counts = {0};
    if (!count_graph(model->graph, &counts))
        return damaged(parser);
    if (!make_lists(model, &counts))
        return aispipe_fail(parser->error, AISPIPE_NO_MEMORY, "no memory to read model '%s'", parser->path);
    struct protobuf_reader reader = reader_of(model->graph);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field))
        if (!parse_member(&field, model))
            return damaged(parser);
    return drop_weights(parser, model);
}

int onnx_parse(const void *data, size_t bytes, const char *path, struct onnx_model *model,
               struct aispipe_error *error)
{
    const struct parser parser = {path, error};
    *model = (struct onnx_model){.model = {data, bytes}};
    struct protobuf_reader reader = reader_of(model->model);
    struct protobuf_field field;
    size_t graphs = 0;
    bool version = false;
    while (protobuf_next(&reader, &field)) {
        version = version || (field.number == MODEL_IR_VERSION && field.wire == PROTOBUF_VARINT);
        if (is_bytes(&field, MODEL_GRAPH)) {
            model->graph = span_of(&field);
            graphs++;
        }
    }
    int rc = reader.bad || graphs != 1 || !version ? damaged(&parser) : parse_graph(&parser, model);
    if (rc)
        onnx_free(model);
    return rc;
}

void onnx_free(struct onnx_model *model)
{
    free(model->inputs);
    free(model->outputs);
    free(model->values);
    free(model->nodes);
    free(model->node_outputs);
    *model = (struct onnx_model){0};
}

/* ------------------------------------------------------------------ writing */

/* A ValueInfoProto of a name and, where it is known, a type: the element type as it was, and `shape` if
 * given. */
static void write_value(struct protobuf_writer *graph, uint32_t number, struct onnx_span name,
                        uint64_t element, const struct protobuf_writer *shape)
{
    struct protobuf_writer tensor = {0};
    struct protobuf_writer type = {0};
    struct protobuf_writer value = {0};
    protobuf_bytes(&value, VALUE_NAME, name.data, name.bytes);
    if (element) {
        protobuf_varint(&tensor, TENSOR_ELEMENT, element);
        if (shape)
            protobuf_bytes(&tensor, TENSOR_SHAPE, shape->data, shape->bytes);
        protobuf_bytes(&type, TYPE_TENSOR, tensor.data, tensor.bytes);
        protobuf_bytes(&value, VALUE_TYPE, type.data, type.bytes);
    }
    protobuf_bytes(graph, number, value.data, value.bytes);
    graph->failed = graph->failed || tensor.failed || type.failed || value.failed;
    free(tensor.data);
    free(type.data);
    free(value.data);
}

static uint64_t onnx_type(enum aispipe_dtype dtype)
{
    for (uint64_t type = 1; type <= 16; type++)
        if (dtype != AISPIPE_DTYPE_UNDEFINED && map_type(type) == dtype)
            return type;
    return 0;
}

static void write_input(struct protobuf_writer *graph, struct onnx_span name, const struct om_input *input)
{
    struct protobuf_writer shape = {0};
    for (int axis = 0; axis < input->rank; axis++) {
        struct protobuf_writer dim = {0};
        if (input->dims[axis] > 0)
            protobuf_varint(&dim, DIM_VALUE, (uint64_t)input->dims[axis]);
        protobuf_bytes(&shape, SHAPE_DIM, dim.data, dim.bytes);
        shape.failed = shape.failed || dim.failed;
        free(dim.data);
    }
    write_value(graph, GRAPH_INPUT, name, onnx_type(input->dtype), &shape);
    graph->failed = graph->failed || shape.failed;
    free(shape.data);
}

static uint64_t type_of(const struct onnx_model *model, struct onnx_span name)
{
    for (size_t i = 0; i < model->n_outputs; i++)
        if (same(model->outputs[i].name, name))
            return onnx_type(model->outputs[i].dtype);
    for (size_t i = 0; i < model->n_values; i++)
        if (same(model->values[i].name, name))
            return onnx_type(model->values[i].dtype);
    return 0;
}

/* Shapes inside (value_info) are left out: they were those of the old inputs. */
static void write_graph(struct protobuf_writer *graph, const struct onnx_model *model,
                        const struct om_input *inputs, const struct onnx_span *outputs, size_t n_outputs)
{
    struct protobuf_reader reader = reader_of(model->graph);
    struct protobuf_field field;
    size_t next = 0;
    while (protobuf_next(&reader, &field)) {
        if (is_bytes(&field, GRAPH_OUTPUT) || is_bytes(&field, GRAPH_VALUE))
            continue;
        if (next < model->n_inputs && is_bytes(&field, GRAPH_INPUT) &&
            field.data == model->inputs[next].info.data) {
            write_input(graph, model->inputs[next].name, &inputs[next]);
            next++;
        } else
            protobuf_raw(graph, field.whole, field.whole_bytes);
    }
    for (size_t i = 0; i < n_outputs; i++)
        write_value(graph, GRAPH_OUTPUT, outputs[i], type_of(model, outputs[i]), NULL);
}

int onnx_rewrite(const struct onnx_model *model, const struct om_input *inputs,
                 const struct onnx_span *outputs, size_t n_outputs, void **data, size_t *bytes,
                 struct aispipe_error *error)
{
    struct protobuf_writer graph = {0};
    struct protobuf_writer whole = {0};
    write_graph(&graph, model, inputs, outputs, n_outputs);
    struct protobuf_reader reader = reader_of(model->model);
    struct protobuf_field field;
    while (!graph.failed && protobuf_next(&reader, &field)) {
        if (is_bytes(&field, MODEL_GRAPH))
            protobuf_bytes(&whole, MODEL_GRAPH, graph.data, graph.bytes);
        else
            protobuf_raw(&whole, field.whole, field.whole_bytes);
    }
    bool failed = graph.failed || whole.failed;
    free(graph.data);
    if (failed) {
        free(whole.data);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for another %zu bytes of the model",
                            model->model.bytes);
    }
    *data = whole.data;
    *bytes = whole.bytes;
    return 0;
}
