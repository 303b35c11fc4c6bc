/* SPDX-License-Identifier: MIT */
/* Outputs added to serialised models: small ones written by hand here, and broken ones. */
#include "unit.h"

#include "backends/onnx_outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message that grows. */
struct message {
    uint8_t bytes[4096];
    size_t n;
};

static void put(struct message *m, unsigned field, const void *data, size_t n)
{
    m->bytes[m->n++] = (uint8_t)(field << 3 | 2);
    assert_true(n < 16384);
    if (n >= 128)
        m->bytes[m->n++] = (uint8_t)(n | 128);
    m->bytes[m->n++] = (uint8_t)(n >= 128 ? n >> 7 : n);
    memcpy(m->bytes + m->n, data, n);
    m->n += n;
}

static void put_text(struct message *m, unsigned field, const char *text)
{
    put(m, field, text, strlen(text));
}

/* A node: names joined by blanks. */
static void put_node(struct message *graph, const char *op, const char *inputs, const char *outputs)
{
    const char *const lists[] = {inputs, outputs};
    struct message node = {.n = 0};
    for (unsigned k = 0; k < 2; k++)
        for (const char *at = lists[k]; *at;) {
            size_t length = strcspn(at, " ");
            put(&node, k + 1, at, length);
            at += length + (at[length] == ' ');
        }
    put_text(&node, 4, op);
    put(graph, 1, node.bytes, node.n);
}

static void put_output(struct message *graph, const char *name)
{
    struct message value = {.n = 0};
    put_text(&value, 1, name);
    put(graph, 12, value.bytes, value.n);
}

static struct message model_of(const struct message *graph)
{
    struct message model = {.bytes = {8, 8}, .n = 2}; /* ir_version */
    put(&model, 7, graph->bytes, graph->n);
    return model;
}

static void test_added(void **state)
{
    (void)state;
    struct aispipe_error error;
    struct message graph = {.n = 0}, wanted = {.n = 0}, inner = {.n = 0};
    put_node(&graph, "Constant", "", "c");
    put_node(&graph, "Conv", "x c", "first");
    put_node(&graph, "Split", "first", "a b unread");
    put_node(&graph, "Add", "a b", "y");
    put_output(&graph, "y");
    struct message model = model_of(&graph);
    struct onnx_outputs outputs;
    assert_int_equal(onnx_outputs(model.bytes, model.n, "m", &outputs, &error), 0);
    static const char *const names[] = {"first", "a", "b", "y"}, *const ops[] = {"Conv", "Split", "Split",
                                                                                 "Add"};
    assert_int_equal(outputs.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(outputs.tensors[i].name_length, strlen(names[i]));
        assert_memory_equal(outputs.tensors[i].name, names[i], strlen(names[i]));
        assert_memory_equal(outputs.tensors[i].op, ops[i], outputs.tensors[i].op_length);
        assert_int_equal(outputs.tensors[i].was_output, i == 3);
        if (i < 3)
            put_output(&inner, names[i]);
    }
    put(&wanted, 7, inner.bytes, inner.n);
    assert_int_equal(outputs.addition_bytes, wanted.n);
    assert_memory_equal(outputs.addition, wanted.bytes, wanted.n);
    onnx_outputs_free(&outputs);
}

/* Lengths that take two bytes, and many layers. */
static void test_long_names(void **state)
{
    (void)state;
    struct aispipe_error error;
    struct message graph = {.n = 0}, wanted = {.n = 0}, inner = {.n = 0};
    for (int i = 0; i < 9; i++) {
        char name[160];
        (void)snprintf(name, sizeof name, "%0*d", 120 + i, i);
        put_node(&graph, "Relu", "x", name);
        put_output(&inner, name);
    }
    struct message model = model_of(&graph);
    put(&wanted, 7, inner.bytes, inner.n);
    struct onnx_outputs outputs;
    assert_int_equal(onnx_outputs(model.bytes, model.n, "m", &outputs, &error), 0);
    assert_int_equal(outputs.n, 9);
    assert_int_equal(outputs.addition_bytes, wanted.n);
    assert_memory_equal(outputs.addition, wanted.bytes, wanted.n);
    onnx_outputs_free(&outputs);
}

static void test_nothing_to_add(void **state)
{
    (void)state;
    struct aispipe_error error;
    struct message graph = {.n = 0};
    put_node(&graph, "Relu", "x", "y");
    put_output(&graph, "y");
    struct message model = model_of(&graph);
    struct onnx_outputs outputs;
    assert_int_equal(onnx_outputs(model.bytes, model.n, "m", &outputs, &error), 0);
    assert_int_equal(outputs.n, 1);
    assert_int_equal(outputs.addition_bytes, 0);
    onnx_outputs_free(&outputs);
}

/* Every prefix and every changed byte: an error or a list, never a read beyond the end (the sanitizers look).
 */
static void test_broken(void **state)
{
    (void)state;
    struct aispipe_error error;
    struct message graph = {.n = 0};
    put_node(&graph, "Conv", "x w", "first");
    put_node(&graph, "Relu", "first", "y");
    put_output(&graph, "y");
    struct message model = model_of(&graph);
    struct onnx_outputs outputs;
    for (size_t n = 0; n < model.n; n++) {
        uint8_t *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, model.bytes, n);
        assert_int_equal(onnx_outputs(copy, n, "m.onnx", &outputs, &error), AISPIPE_FORMAT);
        assert_non_null(strstr(error.message, "'m.onnx'"));
        free(copy);
    }
    for (size_t at = 0; at < model.n; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t *copy = malloc(model.n);
            assert_non_null(copy);
            memcpy(copy, model.bytes, model.n);
            copy[at] = (uint8_t)value;
            if (onnx_outputs(copy, model.n, "m", &outputs, &error) == 0)
                onnx_outputs_free(&outputs);
            free(copy);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_nothing_to_add),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
