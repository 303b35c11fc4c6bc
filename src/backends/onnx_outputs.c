/* SPDX-License-Identifier: MIT */
#include "onnx_outputs.h"

#include <stdlib.h>
#include <string.h>

/* Field numbers of onnx.proto. */
enum {
    MODEL_GRAPH = 7,
    GRAPH_NODE = 1,
    GRAPH_OUTPUT = 12,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_OP_TYPE = 4,
    VALUE_INFO_NAME = 1,
};

/* Protobuf's wire types. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* ---------------------------------------------------------------- reading */

struct bytes {
    const uint8_t *at;
    const uint8_t *end;
};

struct field {
    uint64_t number;
    bool is_bytes;
    struct bytes bytes; /* where is_bytes */
};

static bool read_varint(struct bytes *from, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && from->at < from->end; shift += 7) {
        uint8_t byte = *from->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool skip(struct bytes *from, uint64_t count)
{
    if (count > (uint64_t)(from->end - from->at))
        return false;
    from->at += count;
    return true;
}

/* 1: a field; 0: the message ends here; −1: this is no message. */
static int next_field(struct bytes *from, struct field *field)
{
    uint64_t tag, value;
    if (from->at == from->end)
        return 0;
    if (!read_varint(from, &tag))
        return -1;
    *field = (struct field){.number = tag >> 3, .is_bytes = (tag & 7) == WIRE_BYTES};
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(from, &value) ? 1 : -1;
    case WIRE_64:
        return skip(from, 8) ? 1 : -1;
    case WIRE_32:
        return skip(from, 4) ? 1 : -1;
    case WIRE_BYTES:
        if (!read_varint(from, &value))
            return -1;
        field->bytes.at = from->at;
        if (!skip(from, value))
            return -1;
        field->bytes.end = from->at;
        return 1;
    default:
        return -1;
    }
}

static bool same(struct bytes a, const char *text, size_t length)
{
    return (size_t)(a.end - a.at) == length && memcmp(a.at, text, length) == 0;
}

/* ---------------------------------------------------------------- collecting */

/* What is read of a model: its graphs (one, as a rule) and what they say. */
struct reader {
    struct bytes model;
    const char *path;
    struct onnx_outputs *outputs;
    struct aispipe_error *error;
};

static int broken(const struct reader *reader)
{
    return aispipe_fail(reader->error, AISPIPE_FORMAT, "model '%s' is no complete ONNX file", reader->path);
}

/* Calls `take` for every field of this number that holds bytes. Not 0: ended with that. */
static int for_each(const struct reader *reader, struct bytes message, uint64_t number,
                    int (*take)(const struct reader *reader, struct bytes bytes, void *context),
                    void *context)
{
    struct field field;
    int more;
    while ((more = next_field(&message, &field)) > 0) {
        if (field.number != number || !field.is_bytes)
            continue;
        int rc = take(reader, field.bytes, context);
        if (rc)
            return rc;
    }
    return more < 0 ? broken(reader) : 0;
}

/* A search through all graphs: for a name among the nodes' inputs, or among the graphs' outputs. */
struct search {
    struct bytes name;
    uint64_t outer; /* field of the graph */
    uint64_t inner; /* field of that */
};

#define FOUND 1

static int compare(const struct reader *reader, struct bytes bytes, void *context)
{
    const struct search *search = context;
    (void)reader;
    return same(bytes, (const char *)search->name.at, (size_t)(search->name.end - search->name.at)) ? FOUND
                                                                                                    : 0;
}

static int search_inner(const struct reader *reader, struct bytes message, void *context)
{
    return for_each(reader, message, ((struct search *)context)->inner, compare, context);
}

static int search_graph(const struct reader *reader, struct bytes graph, void *context)
{
    return for_each(reader, graph, ((struct search *)context)->outer, search_inner, context);
}

static int search(const struct reader *reader, struct bytes name, uint64_t outer, uint64_t inner)
{
    struct search wanted = {.name = name, .outer = outer, .inner = inner};
    return for_each(reader, reader->model, MODEL_GRAPH, search_graph, &wanted);
}

static int add_tensor(const struct reader *reader, struct bytes name, struct bytes op)
{
    struct onnx_outputs *outputs = reader->outputs;
    int is_output = search(reader, name, GRAPH_OUTPUT, VALUE_INFO_NAME);
    if (is_output < 0)
        return is_output;
    /* Grown at powers of two. */
    if ((outputs->n & (outputs->n - 1)) == 0) {
        size_t room = outputs->n ? 2 * outputs->n : 1;
        struct onnx_tensor *grown = reallocarray(outputs->tensors, room, sizeof *grown);
        if (!grown)
            return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory for the layers of model '%s'",
                                reader->path);
        outputs->tensors = grown;
    }
    outputs->tensors[outputs->n++] = (struct onnx_tensor){
        .name = (const char *)name.at,
        .name_length = (size_t)(name.end - name.at),
        .op = (const char *)op.at,
        .op_length = (size_t)(op.end - op.at),
        .was_output = is_output == FOUND,
    };
    return 0;
}

/* State while the outputs of one node are read. */
struct node {
    struct bytes op;
    unsigned index;
};

/* The first output is always somebody's result. A further one that nobody reads may be of a kind that an
 * engine computes only when it must, or not at all. */
static int take_output(const struct reader *reader, struct bytes name, void *context)
{
    struct node *node = context;
    bool first = node->index++ == 0;
    if (name.at == name.end)
        return 0;
    if (!first) {
        int wanted = search(reader, name, GRAPH_NODE, NODE_INPUT);
        if (wanted == 0)
            wanted = search(reader, name, GRAPH_OUTPUT, VALUE_INFO_NAME);
        if (wanted <= 0)
            return wanted;
    }
    return add_tensor(reader, name, node->op);
}

static int take_op(const struct reader *reader, struct bytes bytes, void *context)
{
    (void)reader;
    *(struct bytes *)context = bytes;
    return 0;
}

static int take_node(const struct reader *reader, struct bytes message, void *context)
{
    (void)context;
    struct node node = {.op = {message.at, message.at}};
    int rc = for_each(reader, message, NODE_OP_TYPE, take_op, &node.op);
    if (rc || same(node.op, "Constant", strlen("Constant")))
        return rc;
    return for_each(reader, message, NODE_OUTPUT, take_output, &node);
}

static int take_graph(const struct reader *reader, struct bytes graph, void *context)
{
    return for_each(reader, graph, GRAPH_NODE, take_node, context);
}

/* ---------------------------------------------------------------- writing */

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

/* All field numbers here are below 16, so a tag is one byte. */
static uint8_t *put_header(uint8_t *to, unsigned field, size_t bytes)
{
    *to++ = (uint8_t)(field << 3 | WIRE_BYTES);
    return put_varint(to, bytes);
}

static size_t field_bytes(size_t bytes)
{
    return 1 + varint_bytes(bytes) + bytes;
}

/* A graph of nothing but outputs, of which nothing is said but the name: the reader infers type and shape. */
static int make_addition(const struct reader *reader)
{
    struct onnx_outputs *outputs = reader->outputs;
    size_t graph = 0;
    for (size_t i = 0; i < outputs->n; i++)
        if (!outputs->tensors[i].was_output)
            graph += field_bytes(field_bytes(outputs->tensors[i].name_length));
    if (!graph)
        return 0;
    outputs->addition_bytes = field_bytes(graph);
    outputs->addition = malloc(outputs->addition_bytes);
    if (!outputs->addition)
        return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory for the layers of model '%s'",
                            reader->path);
    uint8_t *to = put_header(outputs->addition, MODEL_GRAPH, graph);
    for (size_t i = 0; i < outputs->n; i++) {
        const struct onnx_tensor *tensor = &outputs->tensors[i];
        if (tensor->was_output)
            continue;
        to = put_header(to, GRAPH_OUTPUT, field_bytes(tensor->name_length));
        to = put_header(to, VALUE_INFO_NAME, tensor->name_length);
        memcpy(to, tensor->name, tensor->name_length);
        to += tensor->name_length;
    }
    return 0;
}

int onnx_outputs(const void *model, size_t bytes, const char *path, struct onnx_outputs *outputs,
                 struct aispipe_error *error)
{
    *outputs = (struct onnx_outputs){0};
    const struct reader reader = {
        .model = {model, (const uint8_t *)model + bytes}, .path = path, .outputs = outputs, .error = error};
    int rc = for_each(&reader, reader.model, MODEL_GRAPH, take_graph, NULL);
    if (!rc && !outputs->n)
        rc = aispipe_fail(error, AISPIPE_FORMAT, "model '%s' has no layers", path);
    if (!rc)
        rc = make_addition(&reader);
    if (rc)
        onnx_outputs_free(outputs);
    return rc;
}

void onnx_outputs_free(struct onnx_outputs *outputs)
{
    free(outputs->tensors);
    free(outputs->addition);
    *outputs = (struct onnx_outputs){0};
}
