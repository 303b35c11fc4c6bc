/* SPDX-License-Identifier: MIT */
/* The file of the simulated device: what it may say, and what is said about everything else. */
#include "unit.h"

#include "backends/sim_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/aispipe-sim-model-XXXXXX";
static char path[128];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(path, sizeof path, "%s/m.sim.json", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void write_model(const char *text, size_t bytes)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fwrite(text, 1, bytes, file) == bytes);
    assert_int_equal(fclose(file), 0);
}

static struct sim_model *accepted(const char *text)
{
    write_model(text, strlen(text));
    struct sim_model *model = NULL;
    struct aispipe_error error = {0};
    if (sim_model_read(path, &model, &error))
        fail_msg("%s: %s", text, error.message);
    return model;
}

/* Refused with one line that names the file and has all the words, which are separated by '|'. */
static void refused_bytes(const char *text, size_t bytes, int code, const char *words)
{
    write_model(text, bytes);
    struct sim_model *model = (struct sim_model *)1;
    struct aispipe_error error = {0};
    int rc = sim_model_read(path, &model, &error);
    if (rc != code)
        fail_msg("%.200s: status %d: %s", text, rc, error.message);
    assert_null(model);
    assert_int_equal(error.code, code);
    assert_non_null(strstr(error.message, path));
    assert_null(strchr(error.message, '\n'));
    char copy[256];
    (void)snprintf(copy, sizeof copy, "%s", words);
    char *rest = NULL;
    for (char *word = strtok_r(copy, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
        if (!strstr(error.message, word))
            fail_msg("%.200s: '%s' is not in: %s", text, word, error.message);
    assert_int_equal(sim_model_read(path, &model, NULL), code);
}

static void refused(const char *text, int code, const char *words)
{
    refused_bytes(text, strlen(text), code, words);
}

#define X "{\"name\":\"x\",\"dtype\":\"float32\",\"shape\":[1,16]}"
#define Y "{\"name\":\"y\",\"dtype\":\"bool\",\"shape\":[3]}"
#define WITH_INPUT(input) "{\"inputs\":[" input "],\"outputs\":[" Y "]}"
#define WITH_STAGE(stage) "{\"inputs\":[" X "],\"outputs\":[" Y "]," stage "}"

/* ------------------------------------------------------------------ what is accepted */

static void all_keys_are_read(void **state)
{
    (void)state;
    struct sim_model *model = accepted(
        "\n{ \"inputs\": [" X ", {\"shape\": [], \"dtype\": \"int64\", \"name\": \"\xc3\xa9\"}],\n"
        "  \"outputs\": [" Y ", {\"name\": \"x\", \"dtype\": \"bfloat16\", \"shape\": [0, 7]}],\n"
        "  \"h2d\": {\"latency_us\": 1.5, \"bytes_per_s\": 72e6, \"jitter_us\": 0.25, \"seed\": 9, \"wait\": "
        "\"spin\"},\n"
        "  \"d2h\": {\"fail_at\": 7, \"hang_at\": 3, \"hang_ms\": 2.5, \"wait\": \"sleep\"}}\n");
    const struct aispipe_model_desc *desc = &model->desc;
    assert_int_equal(desc->n_inputs, 2);
    assert_int_equal(desc->n_outputs, 2);
    assert_string_equal(desc->inputs[0].name, "x");
    assert_int_equal(desc->inputs[0].dtype, AISPIPE_FLOAT32);
    assert_int_equal(desc->inputs[0].rank, 2);
    assert_true(desc->inputs[0].dims[0] == 1 && desc->inputs[0].dims[1] == 16);
    assert_int_equal(desc->inputs[0].size, 64);
    assert_string_equal(desc->inputs[1].name, "\xc3\xa9");
    assert_int_equal(desc->inputs[1].rank, 0);
    assert_int_equal(desc->inputs[1].size, 8);
    assert_int_equal(desc->outputs[0].size, 3);
    assert_int_equal(desc->outputs[1].dtype, AISPIPE_BFLOAT16);
    assert_int_equal(desc->outputs[1].size, 0);
    assert_true(model->input_bytes == 72 && model->output_bytes == 3);
    const struct sim_stage *h2d = &model->stage[AISPIPE_LANE_H2D];
    assert_int_equal(h2d->nominal_ns, 2500); /* 1.5 us, and 72 bytes at 72 a microsecond */
    assert_true(h2d->jitter_ns == 250 && h2d->seed == 9 && h2d->spin && !h2d->fails && !h2d->hangs);
    const struct sim_stage *d2h = &model->stage[AISPIPE_LANE_D2H];
    assert_true(d2h->fails && d2h->fail_at == 7 && d2h->hangs && d2h->hang_at == 3 &&
                d2h->hang_ns == 2500000);
    assert_true(!d2h->spin && d2h->nominal_ns == 0 && d2h->jitter_ns == 0);
    const struct sim_stage *compute = &model->stage[AISPIPE_LANE_COMPUTE];
    assert_true(!compute->nominal_ns && compute->jitter_ns == 0 && !compute->fails && !compute->hangs);
    sim_model_free(model);
}

static void every_element_type_is_known(void **state)
{
    (void)state;
    static const char *const names[] = {"float32", "float16", "float64", "bfloat16", "int8",
                                        "int16",   "int32",   "int64",   "uint8",    "uint16",
                                        "uint32",  "uint64",  "bool"};
    static const size_t sizes[] = {4, 2, 8, 2, 1, 2, 4, 8, 1, 2, 4, 8, 1};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, WITH_INPUT("{\"name\":\"x\",\"dtype\":\"%s\",\"shape\":[5]}"),
                       names[i]);
        struct sim_model *model = accepted(text);
        assert_string_equal(aispipe_dtype_name(model->desc.inputs[0].dtype), names[i]);
        assert_int_equal(model->desc.inputs[0].size, 5 * sizes[i]);
        sim_model_free(model);
    }
}

static void compute_counts_what_it_reads_and_writes(void **state)
{
    (void)state;
    struct sim_model *model =
        accepted(WITH_STAGE("\"compute\":{\"bytes_per_s\":67e3},\"d2h\":{\"bytes_per_s\":3e3},"
                            "\"h2d\":{\"bytes_per_s\":64e3}"));
    for (int k = 0; k < SIM_STAGES; k++)
        assert_int_equal(model->stage[k].nominal_ns, 1000000);
    sim_model_free(model);
}

static void numbers_reach_their_limits(void **state)
{
    (void)state;
    struct sim_model *model =
        accepted(WITH_STAGE("\"compute\":{\"latency_us\":3.6e9,\"jitter_us\":3.6e9,\"seed\":9007199254740992,"
                            "\"fail_at\":0,\"hang_at\":9007199254740992,\"hang_ms\":3600000}"));
    const struct sim_stage *compute = &model->stage[AISPIPE_LANE_COMPUTE];
    assert_true(compute->nominal_ns == 3600000000000u && compute->hang_ns == 3600000000000u);
    assert_true(compute->seed == 1ull << 53 && compute->hang_at == 1ull << 53);
    assert_true(compute->fails && compute->fail_at == 0);
    sim_model_free(model);
}

/* A model with `n` inputs that have `rank` dimensions of 1. */
static char *many(int n, int rank)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    (void)fprintf(out, "{\"outputs\":[" Y "],\"inputs\":[");
    for (int i = 0; i < n; i++) {
        (void)fprintf(out, "%s{\"name\":\"i%d\",\"dtype\":\"int8\",\"shape\":[", i ? "," : "", i);
        for (int k = 0; k < rank; k++)
            (void)fprintf(out, "%s1", k ? "," : "");
        (void)fprintf(out, "]}");
    }
    (void)fprintf(out, "]}");
    assert_int_equal(fclose(out), 0);
    return text;
}

static void counts_reach_their_limits(void **state)
{
    (void)state;
    char *text = many(AISPIPE_MAX_TENSORS, AISPIPE_MAX_RANK);
    sim_model_free(accepted(text));
    free(text);
    text = many(AISPIPE_MAX_TENSORS + 1, 1);
    refused(text, AISPIPE_FORMAT, "inputs|129|128");
    free(text);
    text = many(1, AISPIPE_MAX_RANK + 1);
    refused(text, AISPIPE_FORMAT, "inputs[0].shape|33|32");
    free(text);
}

/* ------------------------------------------------------------------ what is refused */

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct sim_model *model = NULL;
    struct aispipe_error error = {0};
    (void)unlink(path);
    assert_int_equal(sim_model_read(path, &model, &error), AISPIPE_IO);
    assert_true(strstr(error.message, path) && strstr(error.message, "No such file"));
    assert_int_equal(sim_model_read(directory, &model, &error), AISPIPE_IO);
    assert_true(strstr(error.message, directory) && strstr(error.message, "directory"));
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it: must not wait */
    assert_int_equal(sim_model_read(path, &model, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "not a regular file"));
    assert_int_equal(unlink(path), 0);
    write_model("", 0);
    assert_int_equal(truncate(path, (1 << 20) + 1), 0);
    assert_int_equal(sim_model_read(path, &model, &error), AISPIPE_FORMAT);
    assert_true(strstr(error.message, path) && strstr(error.message, "1048577") &&
                strstr(error.message, "1048576"));
    assert_null(model);
}

static void largest_file_is_read(void **state)
{
    (void)state;
    size_t bytes = 1 << 20;
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, ' ', bytes);
    memcpy(text, WITH_INPUT(X), sizeof WITH_INPUT(X) - 1);
    write_model(text, bytes);
    struct sim_model *model = NULL;
    assert_int_equal(sim_model_read(path, &model, NULL), 0);
    sim_model_free(model);
    free(text);
}

static void text_that_is_no_json(void **state)
{
    (void)state;
    refused("", AISPIPE_FORMAT, "line 1, column 1:|JSON");
    refused("{", AISPIPE_FORMAT, "line 1, column");
    refused("{\n  \"inputs\": oops\n}", AISPIPE_FORMAT, "line 2, column 13:");
    refused(WITH_INPUT(X) "\n\n x", AISPIPE_FORMAT, "line 3, column 2:");
    refused("\x7f"
            "ELF",
            AISPIPE_FORMAT, "line 1, column 1:");
    refused("{\"inputs\": [1,]}", AISPIPE_FORMAT, "line 1");
    refused_bytes(WITH_INPUT(X) "\0{", sizeof(WITH_INPUT(X)) + 1, AISPIPE_FORMAT, "line 1");
    /* Deeper than the parser goes: refused, not a crash. */
    static char deep[100001];
    memset(deep, '[', sizeof deep - 1);
    refused(deep, AISPIPE_FORMAT, "line 1");
}

static void values_of_the_wrong_kind(void **state)
{
    (void)state;
    refused("[]", AISPIPE_FORMAT, "the model|a list|an object");
    refused("null", AISPIPE_FORMAT, "null|an object");
    refused("{}", AISPIPE_FORMAT, "\"inputs\" is missing");
    refused("{\"inputs\":[" X "]}", AISPIPE_FORMAT, "\"outputs\" is missing");
    refused("{\"inputs\":{},\"outputs\":[" Y "]}", AISPIPE_FORMAT, "inputs|an object|a list");
    refused("{\"inputs\":[],\"outputs\":[" Y "]}", AISPIPE_FORMAT, "inputs|0 tensors");
    refused("{\"inputs\":[" X "],\"outputs\":[]}", AISPIPE_FORMAT, "outputs|0 tensors");
    refused(WITH_INPUT("3"), AISPIPE_FORMAT, "inputs[0]|3|an object");
    refused("{\"inputs\":[" X "],\"outputs\":[" Y "],\"extra\":1}", AISPIPE_FORMAT, "\"extra\"|unknown|d2h");
    refused("{\"a\\n\\u001b[2J\":1}", AISPIPE_FORMAT, "\"a??[2J\"|unknown");
    refused("{\"inputs\":[" X "],\"inputs\":[" X "],\"outputs\":[" Y "]}", AISPIPE_FORMAT,
            "\"inputs\"|twice");
}

static void tensors_that_are_none(void **state)
{
    (void)state;
    refused(WITH_INPUT("{\"dtype\":\"int8\",\"shape\":[]}"), AISPIPE_FORMAT, "inputs[0]|\"name\" is missing");
    refused(WITH_INPUT("{\"name\":\"x\",\"shape\":[]}"), AISPIPE_FORMAT, "inputs[0]|\"dtype\" is missing");
    refused(WITH_INPUT("{\"name\":\"x\",\"dtype\":\"int8\"}"), AISPIPE_FORMAT,
            "inputs[0]|\"shape\" is missing");
    refused(WITH_INPUT("{\"name\":\"x\",\"dtype\":\"int8\",\"shape\":[],\"size\":1}"), AISPIPE_FORMAT,
            "\"size\"|unknown");
    refused(WITH_INPUT("{\"name\":\"\",\"dtype\":\"int8\",\"shape\":[]}"), AISPIPE_FORMAT, "inputs[0].name");
    refused(WITH_INPUT("{\"name\":\"a\\nb\",\"dtype\":\"int8\",\"shape\":[]}"), AISPIPE_FORMAT,
            "inputs[0].name");
    refused(WITH_INPUT("{\"name\":5,\"dtype\":\"int8\",\"shape\":[]}"), AISPIPE_FORMAT, "inputs[0].name|5");
    refused(WITH_INPUT("{\"name\":\"x\",\"dtype\":\"float33\",\"shape\":[]}"), AISPIPE_FORMAT,
            "inputs[0].dtype|\"float33\"|float32|bfloat16");
    refused(WITH_INPUT("{\"name\":\"x\",\"dtype\":\"undefined\",\"shape\":[]}"), AISPIPE_FORMAT,
            "inputs[0].dtype");
    refused(WITH_INPUT("{\"name\":\"x\",\"dtype\":1,\"shape\":[]}"), AISPIPE_FORMAT, "inputs[0].dtype|1");
    refused(WITH_INPUT(X "," X), AISPIPE_FORMAT, "inputs[1]|'x'|twice");
}

static void refused_shape(const char *shape, int code, const char *words)
{
    char text[512];
    (void)snprintf(text, sizeof text, WITH_INPUT("{\"name\":\"pic\",\"dtype\":\"float32\",\"shape\":%s}"),
                   shape);
    refused(text, code, words);
}

static void shapes_that_are_none(void **state)
{
    (void)state;
    refused_shape("\"1\"", AISPIPE_FORMAT, "inputs[0].shape|\"1\"|a list");
    refused_shape("[1,-1]", AISPIPE_MODEL, "dimension 1|input 'pic'|unknown|inputs[0].shape[1]");
    refused_shape("[-2]", AISPIPE_FORMAT, "dimension 0|'pic'|-2");
    refused_shape("[1.5]", AISPIPE_FORMAT, "dimension 0|'pic'|1.5");
    refused_shape("[null]", AISPIPE_FORMAT, "dimension 0|'pic'|null");
    refused_shape("[1,\"2\"]", AISPIPE_FORMAT, "dimension 1|'pic'|\"2\"");
    refused_shape("[1e300]", AISPIPE_FORMAT, "dimension 0|'pic'");
    refused_shape("[1e999]", AISPIPE_FORMAT, "dimension 0|'pic'");
    refused_shape("[9007199254740994]", AISPIPE_FORMAT, "dimension 0|'pic'");
    refused_shape("[4294967296,4294967296]", AISPIPE_MODEL, "'pic'|overflows");
    refused_shape("[1,1,2147483648,2147483648]", AISPIPE_MODEL, "'pic'|overflows"); /* by the element size */
    refused("{\"inputs\":[" X "],\"outputs\":[{\"name\":\"o\",\"dtype\":\"int8\",\"shape\":[-1]}]}",
            AISPIPE_MODEL, "dimension 0|output 'o'|unknown");
#define BIG(name) "{\"name\":\"" name "\",\"dtype\":\"int8\",\"shape\":[4294967296,2147483648]}"
    refused(WITH_INPUT(BIG("a") "," BIG("b")), AISPIPE_MODEL, "inputs|together overflows");
#undef BIG
}

static void stages_that_are_none(void **state)
{
    (void)state;
    refused(WITH_STAGE("\"h2d\":[]"), AISPIPE_FORMAT, "h2d|a list|an object");
    refused(WITH_STAGE("\"compute\":{\"latencyy\":3}"), AISPIPE_FORMAT,
            "compute|\"latencyy\"|unknown|latency_us");
    refused(WITH_STAGE("\"d2h\":{\"seed\":3,\"seed\":4}"), AISPIPE_FORMAT, "d2h|\"seed\"|twice");
    static const char *const bad[][2] = {
        {"latency_us", "-1"},
        {"latency_us", "\"1\""},
        {"latency_us", "1e10"},
        {"latency_us", "1e999"},
        {"bytes_per_s", "0"},
        {"bytes_per_s", "-5"},
        {"bytes_per_s", "1e19"},
        {"jitter_us", "-0.1"},
        {"jitter_us", "null"},
        {"seed", "1.5"},
        {"seed", "-1"},
        {"seed", "1e17"},
        {"fail_at", "-1"},
        {"fail_at", "0.5"},
        {"fail_at", "[]"},
        {"hang_at", "true"},
        {"hang_ms", "-1"},
        {"hang_ms", "4e6"},
        {"wait", "\"nap\""},
        {"wait", "1"},
        {"wait", "\"SPIN\""},
        {"wait", "\"\""},
        {"latency_us", "{\"a\": 1}"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        char words[64];
        (void)snprintf(text, sizeof text, WITH_STAGE("\"compute\":{\"%s\":%s}"), bad[i][0], bad[i][1]);
        (void)snprintf(words, sizeof words, "compute.%s|wanted", bad[i][0]);
        refused(text, AISPIPE_FORMAT, words);
    }
    refused(WITH_STAGE("\"h2d\":{\"hang_at\":1}"), AISPIPE_FORMAT, "h2d|hang_at|hang_ms|together");
    refused(WITH_STAGE("\"h2d\":{\"hang_ms\":1}"), AISPIPE_FORMAT, "h2d|hang_at|hang_ms|together");
    refused(WITH_STAGE("\"h2d\":{\"bytes_per_s\":1e-9}"), AISPIPE_FORMAT, "h2d|bytes_per_s|hour");
}

static void freeing_nothing_is_allowed(void **state)
{
    (void)state;
    sim_model_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_read),
        cmocka_unit_test(every_element_type_is_known),
        cmocka_unit_test(compute_counts_what_it_reads_and_writes),
        cmocka_unit_test(numbers_reach_their_limits),
        cmocka_unit_test(counts_reach_their_limits),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(largest_file_is_read),
        cmocka_unit_test(text_that_is_no_json),
        cmocka_unit_test(values_of_the_wrong_kind),
        cmocka_unit_test(tensors_that_are_none),
        cmocka_unit_test(shapes_that_are_none),
        cmocka_unit_test(stages_that_are_none),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
