/* SPDX-License-Identifier: MIT */
/* A session on the simulated device: its log lines in their order, and that failures leave nothing. */
#include "unit.h"

#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/aispipe-session-XXXXXX";
static char good[64];
static char bad[64];
static char unknown[64];

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -1;
    int rc = fputs(text, file);
    return fclose(file) || rc < 0 ? -1 : 0;
}

static int make_models(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(good, sizeof good, "%s/good.sim.json", directory);
    (void)snprintf(bad, sizeof bad, "%s/bad.sim.json", directory);
    (void)snprintf(unknown, sizeof unknown, "%s/good.abc", directory);
    const char *model = "{\"inputs\":[{\"name\":\"x\",\"dtype\":\"float32\",\"shape\":[2,3]}],"
                        "\"outputs\":[{\"name\":\"y\",\"dtype\":\"int8\",\"shape\":[5]}]}";
    return write_file(good, model) || write_file(bad, "{") || write_file(unknown, model) ? -1 : 0;
}

static int remove_models(void **state)
{
    (void)state;
    (void)unlink(good);
    (void)unlink(bad);
    (void)unlink(unknown);
    return rmdir(directory);
}

/* ------------------------------------------------------------------ a log that remembers */

struct lines {
    char text[16][256];
    unsigned count; /* without DEBUG lines */
    unsigned debug;
};

static void remember(void *context, enum aispipe_log_level level, const char *line)
{
    struct lines *lines = context;
    if (level == AISPIPE_LOG_DEBUG) {
        lines->debug++;
        return;
    }
    assert_int_equal(level, AISPIPE_LOG_INFO);
    assert_true(lines->count < 16);
    (void)snprintf(lines->text[lines->count++], sizeof lines->text[0], "%s", line);
}

static void check_lines(const struct lines *lines, const char *const *wanted, unsigned count)
{
    for (unsigned i = 0; i < count && i < lines->count; i++)
        assert_string_equal(lines->text[i], wanted[i]);
    assert_int_equal(lines->count, count);
}

/* ------------------------------------------------------------------ tests */

static void lines_come_in_their_order(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct aispipe_session_options options = {.device_id = 3, .log = {.write = remember, .context = &lines}};
    struct aispipe_session *session;
    assert_int_equal(aispipe_session_open(good, &options, &session, NULL), 0);
    aispipe_session_close(session);
    char loaded[128];
    (void)snprintf(loaded, sizeof loaded, "load model %s success", good);
    const char *const wanted[] = {"sim init success",
                                  "open device 3 success",
                                  loaded,
                                  "create model description success",
                                  "unload model success, model Id is 0",
                                  "end to reset device 3",
                                  "end to finalize sim"};
    check_lines(&lines, wanted, 7);
    assert_int_equal(lines.debug, 0);
}

static void debug_lines_come_when_asked_for(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct aispipe_session_options options = {.log = {.write = remember, .context = &lines, .debug = true}};
    struct aispipe_session *session;
    assert_int_equal(aispipe_session_open(good, &options, &session, NULL), 0);
    aispipe_session_close(session);
    assert_true(lines.debug > 0);
    assert_int_equal(lines.count, 7);
}

static void it_describes_its_model(void **state)
{
    (void)state;
    const struct aispipe_session_options options = {0};
    struct aispipe_session *session;
    assert_int_equal(aispipe_session_open(good, &options, &session, NULL), 0);
    assert_string_equal(aispipe_session_backend(session), "sim");
    const struct aispipe_model_desc *desc = aispipe_session_model(session);
    assert_int_equal(desc->n_inputs, 1);
    assert_int_equal(desc->n_outputs, 1);
    assert_string_equal(desc->inputs[0].name, "x");
    assert_int_equal(desc->inputs[0].size, 24);
    assert_string_equal(desc->outputs[0].name, "y");
    assert_int_equal(session->compute_threads, 1); /* 0 counts as 1 */
    aispipe_session_close(session);
}

static void refused(const char *path, struct aispipe_session_options options, int code, const char *word,
                    struct lines *lines)
{
    *lines = (struct lines){0};
    options.log = (struct aispipe_log){.write = remember, .context = lines};
    struct aispipe_session *session = (struct aispipe_session *)1;
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_session_open(path, &options, &session, &error), code);
    assert_null(session);
    assert_int_equal(error.code, code);
    if (!strstr(error.message, word))
        fail_msg("'%s' is not in: %s", word, error.message);
    assert_int_equal(aispipe_session_open(path, &options, &session, NULL), code);
    assert_null(session);
    /* The second time wrote the same lines again; keep the first half. */
    assert_int_equal(lines->count % 2, 0);
    lines->count /= 2;
}

static void failures_undo_what_was_done(void **state)
{
    (void)state;
    struct lines lines;
    refused(good, (struct aispipe_session_options){.backend = "abacus"}, AISPIPE_INVALID, "abacus", &lines);
    assert_int_equal(lines.count, 0);
    refused(unknown, (struct aispipe_session_options){0}, AISPIPE_INVALID, unknown, &lines);
    assert_int_equal(lines.count, 0);
    refused(good, (struct aispipe_session_options){.engine_device = "GPU"}, AISPIPE_UNSUPPORTED, "GPU",
            &lines);
    assert_int_equal(lines.count, 0);
    const char *const undone[] = {"sim init success", "open device 9 success", "end to reset device 9",
                                  "end to finalize sim"};
    const struct aispipe_session_options nine = {.device_id = 9};
    refused(bad, nine, AISPIPE_FORMAT, bad, &lines);
    check_lines(&lines, undone, 4);
    refused(directory, (struct aispipe_session_options){.device_id = 9, .backend = "sim"}, AISPIPE_IO,
            directory, &lines);
    check_lines(&lines, undone, 4);
}

static void shapes_are_refused_where_models_are_fixed(void **state)
{
    (void)state;
    struct lines lines;
    const struct aispipe_session_options options = {.shape = {.mode = AISPIPE_SHAPE_BATCH, .batch = 2}};
    refused(good, options, AISPIPE_UNSUPPORTED, "--dymBatch: backend sim", &lines);
    struct aispipe_session *session;
    struct aispipe_error error;
    assert_int_equal(
        aispipe_session_open(good, &(struct aispipe_session_options){.shape_later = true}, &session, NULL),
        0);
    assert_int_equal(aispipe_session_set_shape(session, &options.shape, &error), AISPIPE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "--dymBatch"));
    assert_int_equal(aispipe_session_model(session)->inputs[0].size, 24);
    aispipe_session_close(session);
}

static void a_file_for_ascend_is_refused(void **state)
{
    (void)state;
    struct lines lines;
    const struct aispipe_session_options options = {.acl_json = "a.json"};
    refused(good, options, AISPIPE_UNSUPPORTED, "backend 'sim' takes no acl.json ('a.json')", &lines);
}

static void the_backend_may_be_named(void **state)
{
    (void)state;
    struct aispipe_session *session;
    const struct aispipe_session_options options = {.backend = "sim"};
    assert_int_equal(aispipe_session_open(unknown, &options, &session, NULL), 0);
    aispipe_session_close(session);
    aispipe_session_close(NULL);
}

static void sessions_do_not_see_each_other(void **state)
{
    (void)state;
    const struct aispipe_session_options options = {0};
    struct aispipe_session *one;
    struct aispipe_session *two;
    assert_int_equal(aispipe_session_open(good, &options, &one, NULL), 0);
    assert_int_equal(aispipe_session_open(good, &options, &two, NULL), 0);
    aispipe_session_close(one);
    assert_string_equal(aispipe_session_model(two)->inputs[0].name, "x");
    aispipe_session_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_in_their_order),
        cmocka_unit_test(debug_lines_come_when_asked_for),
        cmocka_unit_test(it_describes_its_model),
        cmocka_unit_test(failures_undo_what_was_done),
        cmocka_unit_test(the_backend_may_be_named),
        cmocka_unit_test(sessions_do_not_see_each_other),
        cmocka_unit_test(shapes_are_refused_where_models_are_fixed),
        cmocka_unit_test(a_file_for_ascend_is_refused),
    };
    return cmocka_run_group_tests(tests, make_models, remove_models);
}
