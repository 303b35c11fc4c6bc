/* SPDX-License-Identifier: MIT */
/** @file ir.h Writes small models in OpenVINO's own format, so that tests need no Python. Include files.h
 * first. */
#ifndef AISPIPE_TESTS_IR_H
#define AISPIPE_TESTS_IR_H

#include "files.h"

#include <stdbool.h>

/** A model while it is being written: one layer per call, numbered from 0. */
struct ir {
    char layers[16384];
    char edges[4096];
    size_t layers_used;
    size_t edges_used;
    int port[64]; /**< of each layer: the port it gives its result on */
    int n;
};

__attribute__((format(printf, 4, 5))) static inline void ir_print(char *text, size_t capacity, size_t *used,
                                                                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text + *used, capacity - *used, format, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < capacity - *used);
    *used += (size_t)length;
}

#define IR_LAYER(ir, ...) ir_print((ir)->layers, sizeof(ir)->layers, &(ir)->layers_used, __VA_ARGS__)
#define IR_EDGE(ir, ...) ir_print((ir)->edges, sizeof(ir)->edges, &(ir)->edges_used, __VA_ARGS__)

/** A port of the shape "2,3"; "" is a scalar. A name of NULL: none. */
static inline void ir_port(struct ir *ir, int id, const char *type, const char *shape, const char *name)
{
    /* "f32" is FP32 here; the others are spelt the same, in either case. */
    bool is_float = type[0] == 'f';
    const char *precision = strcmp(type, "boolean") == 0 ? "BOOL" : type + is_float;
    IR_LAYER(ir, "<port id=\"%d\" precision=\"%s%s\"", id, is_float ? "FP" : "", precision);
    if (name)
        IR_LAYER(ir, " names=\"%s\"", name);
    IR_LAYER(ir, ">");
    for (const char *dim = shape; *dim;) {
        size_t length = strcspn(dim, ",");
        if (*dim == '?')
            IR_LAYER(ir, "<dim>-1</dim>");
        else
            IR_LAYER(ir, "<dim>%.*s</dim>", (int)length, dim);
        dim += length + (dim[length] == ',');
    }
    IR_LAYER(ir, "</port>");
}

/** An input of the model. Returns the layer's number, as all of these. */
static inline int ir_input(struct ir *ir, const char *name, const char *type, const char *shape)
{
    IR_LAYER(ir, "<layer id=\"%d\" name=\"%s\" type=\"Parameter\" version=\"opset1\">", ir->n, name);
    IR_LAYER(ir, "<data shape=\"%s\" element_type=\"%s\"/><output>", shape, type);
    ir_port(ir, 0, type, shape, name);
    IR_LAYER(ir, "</output></layer>\n");
    return ir->n++;
}

/** Constant bytes that stand at `offset` in the .bin file. */
static inline int ir_constant(struct ir *ir, const char *type, const char *shape, size_t offset, size_t bytes)
{
    IR_LAYER(ir, "<layer id=\"%d\" name=\"c%d\" type=\"Const\" version=\"opset1\">", ir->n, ir->n);
    IR_LAYER(ir, "<data element_type=\"%s\" shape=\"%s\" offset=\"%zu\" size=\"%zu\"/><output>", type, shape,
             offset, bytes);
    ir_port(ir, 0, type, shape, "constant");
    IR_LAYER(ir, "</output></layer>\n");
    return ir->n++;
}

/** Leads the result of layer `from` to port `to_port` of layer `to`. */
static inline void ir_edge(struct ir *ir, int from, int to, int to_port)
{
    IR_EDGE(ir, "<edge from-layer=\"%d\" from-port=\"%d\" to-layer=\"%d\" to-port=\"%d\"/>\n", from,
            ir->port[from], to, to_port);
}

/** An operation on the results of one or two layers (`b` −1: one). `kind` is `type="…" version="…"`. */
static inline int ir_op(struct ir *ir, const char *kind, const char *data, int a, int b, const char *type,
                        const char *shape, const char *name)
{
    IR_LAYER(ir, "<layer id=\"%d\" name=\"op%d\" %s>%s<input>", ir->n, ir->n, kind, data);
    ir_port(ir, 0, type, shape, NULL);
    ir_edge(ir, a, ir->n, 0);
    if (b >= 0) {
        ir_port(ir, 1, type, shape, NULL);
        ir_edge(ir, b, ir->n, 1);
    }
    IR_LAYER(ir, "</input><output>");
    ir_port(ir, 2, type, shape, name);
    IR_LAYER(ir, "</output></layer>\n");
    ir->port[ir->n] = 2;
    return ir->n++;
}

/** An output of the model: the result of layer `from`. */
static inline void ir_output(struct ir *ir, int from, const char *type, const char *shape)
{
    IR_LAYER(ir, "<layer id=\"%d\" name=\"result%d\" type=\"Result\" version=\"opset1\"><input>", ir->n,
             ir->n);
    ir_port(ir, 0, type, shape, NULL);
    IR_LAYER(ir, "</input></layer>\n");
    ir_edge(ir, from, ir->n, 0);
    ir->n++;
}

/** Writes NAME.xml and NAME.bin. Returns the path of the former (see temp_path). */
static inline const char *ir_save(const struct ir *ir, const struct temp_dir *dir, const char *name,
                                  const void *constants, size_t bytes)
{
    static char text[sizeof ir->layers + sizeof ir->edges + 256];
    char file[64];
    int length = snprintf(text, sizeof text,
                          "<?xml version=\"1.0\"?>\n<net name=\"%s\" version=\"11\">\n<layers>\n%s</layers>\n"
                          "<edges>\n%s</edges>\n</net>\n",
                          name, ir->layers, ir->edges);
    assert_true(length > 0 && (size_t)length < sizeof text);
    (void)snprintf(file, sizeof file, "%s.bin", name);
    temp_write(dir, file, constants ? constants : "", bytes);
    (void)snprintf(file, sizeof file, "%s.xml", name);
    temp_write(dir, file, text, (size_t)length);
    return temp_path(dir, file);
}

#endif
