/* SPDX-License-Identifier: MIT */
/* --config: values of every kind, what the command line overrules, every refusal, and files that are damaged.
 */
#include "command_line.h"

#include "cli/config_file.h"

static void write_text(const char *text, size_t length)
{
    FILE *file = fopen("c.json", "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void config(const char *text)
{
    write_text(text, strlen(text));
}

#define TAKE(text, ...)                              \
    do {                                             \
        config(text);                                \
        ACCEPT("--config", "c.json", ##__VA_ARGS__); \
    } while (0)

/* The error says all of `words`. */
#define DROP(words, text, ...) \
    (config(text), check_error(PARSE("--model", "m.onnx", "--config", "c.json", ##__VA_ARGS__), words))

/* ---------------------------------------------------------------- values */

static void test_kinds(void **state)
{
    (void)state;
    TAKE("{\"threads\": 4, \"load_threads\": \"2\", \"queue_depth\": \"load=8,save=9\", \"inflight\": 64,"
         " \"dymBatch\": 8, \"debug\": true, \"display_all_summary\": \"no\", \"profiler_rename\": false,"
         " \"compress\": 0, \"outfmt\": \"npy\", \"device\": 3, \"backend\": \"sim\", \"npu_id\": \"1\","
         " \"engine_option\": [\"A=1\", \"B=2\"]}");
    assert_int_equal(options.threads, 4);
    assert_int_equal(options.load_threads, 2);
    assert_int_equal(options.depth[AISPIPE_STAGE_LOAD], 8);
    assert_int_equal(options.depth[AISPIPE_STAGE_SAVE], 9);
    assert_int_equal(options.depth[AISPIPE_STAGE_COMPUTE], 0);
    assert_int_equal(options.inflight, 64);
    assert_int_equal(options.dym_batch, 8);
    assert_true(options.debug && !options.display_all_summary && !options.profiler_rename);
    assert_int_equal(options.outfmt, AISPIPE_RESULT_NPY);
    assert_int_equal(options.device.values[0], 3);
    assert_string_equal(options.backend, "sim");
    assert_int_equal(options.n_engine_options, 2);
    assert_string_equal(options.engine_options[1], "B=2");
    assert_string_equal(options.config, "c.json");
    TAKE("{\"queue_depth\": 7}");
    for (int k = 0; k < AISPIPE_STAGES; k++)
        assert_int_equal(options.depth[k], 7);
    TAKE("{}");
    assert_int_equal(options.threads, 1);
    TAKE("{\"seed\": 9007199254740992, \"loop\": 1e3, \"engine_option\": \"A=1\"}");
    assert_int_equal(options.seed, 9007199254740992u);
    assert_int_equal(options.loop, 1000);
    assert_string_equal(options.engine_options[0], "A=1");
    TAKE("{\"seed\": \"18446744073709551615\"}");
    assert_true(options.seed == UINT64_MAX);
    TAKE(" \n\t{ \"dym\\u0042atch\" : 3 } \n"); /* an escape is the letter it means */
    assert_int_equal(options.dym_batch, 3);
}

/* Each option that takes a number, a text or a boolean takes it from a file as well. */
static void test_every_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char text[128];
        if (spec->kind == OPTION_BOOL)
            (void)snprintf(text, sizeof text, "{\"%s\": false}", spec->name);
        else if (spec->kind == OPTION_NUMBER)
            (void)snprintf(text, sizeof text, "{\"%s\": %d}", spec->name, spec->min ? (int)spec->min : 1);
        else if (spec->kind == OPTION_CHOICE)
            (void)snprintf(text, sizeof text, "{\"%s\": \"%s\"}", spec->name, spec->choices[0]);
        else
            continue;
        config(text);
        if (PARSE("--model", "m.onnx", "--output", ".", "--config", "c.json"))
            fail_msg("%s refused: %s", text, error.message);
    }
}

static void test_spellings(void **state)
{
    (void)state;
    TAKE("{\"load-threads\": 2, \"dym-batch\": 4}");
    assert_int_equal(options.load_threads, 2);
    assert_int_equal(options.dym_batch, 4);
}

/* ---------------------------------------------------------------- precedence */

static void test_command_line_counts(void **state)
{
    (void)state;
    TAKE("{\"threads\": 4, \"inflight\": 8, \"queue_depth\": \"load=8,save=9\"}", "--threads", "2",
         "--queue_depth", "load=3");
    assert_int_equal(options.threads, 2);
    assert_int_equal(options.inflight, 8);
    assert_int_equal(options.depth[AISPIPE_STAGE_LOAD], 3);
    assert_int_equal(options.depth[AISPIPE_STAGE_SAVE], 0); /* the option as a whole */
    /* Also where the line says what is the default. */
    TAKE("{\"threads\": 4, \"debug\": true}", "--threads", "1", "--debug", "0");
    assert_int_equal(options.threads, 1);
    assert_false(options.debug);
    /* The model, too. */
    TAKE("{\"model\": \"nowhere.onnx\"}");
    assert_string_equal(options.model, "m.onnx");
}

static void test_engine_options_by_key(void **state)
{
    (void)state;
    TAKE("{\"engine_option\": [\"A=1\", \"B=2\", \"C=3\"]}", "--engine_option", "B=9", "--engine_option",
         "D=4");
    assert_int_equal(options.n_engine_options, 4);
    const char *const wanted[] = {"A=1", "B=9", "C=3", "D=4"};
    for (int k = 0; k < 4; k++) {
        int found = 0;
        for (int i = 0; i < 4; i++)
            found += strcmp(options.engine_options[i], wanted[k]) == 0;
        assert_int_equal(found, 1);
    }
    DROP(WORDS("--engine_option", "twice"), "{\"engine_option\": \"A=1\"}", "--engine_option", "A=2",
         "--engine_option", "A=3");
}

/* ---------------------------------------------------------------- refusals */

static void test_refused_values(void **state)
{
    (void)state;
    DROP(WORDS("'c.json': key 'threads'", "'0'", "1–1024"), "{\"threads\": 0}");
    DROP(WORDS("key 'threads'", "'-1'"), "{\"threads\": -1}");
    DROP(WORDS("key 'threads'", "'1.5'"), "{\"threads\": 1.5}");
    DROP(WORDS("key 'threads'", "true", "1–1024"), "{\"threads\": true}");
    DROP(WORDS("key 'threads'", "null"), "{\"threads\": null}");
    DROP(WORDS("key 'threads'", "a list"), "{\"threads\": [4]}");
    DROP(WORDS("key 'threads'", "an object"), "{\"threads\": {}}");
    DROP(WORDS("key 'threads'", "'four'"), "{\"threads\": \"four\"}");
    DROP(WORDS("key 'input'", "5", "in quotes"), "{\"input\": 5}");
    DROP(WORDS("key 'debug'", "'2'"), "{\"debug\": 2}");
    DROP(WORDS("key 'debug'", "null", "true or false"), "{\"debug\": null}");
    DROP(WORDS("key 'seed'", "too large", "in quotes"), "{\"seed\": 18446744073709551615}");
    DROP(WORDS("key 'loop'", "too large"), "{\"loop\": 1e400}");
    DROP(WORDS("key 'queue_depth'", "'load=0'"), "{\"queue_depth\": \"load=0\"}");
    DROP(WORDS("key 'output_dirname'", "'../x'", "without '..'"), "{\"output_dirname\": \"../x\"}");
    DROP(WORDS("key 'engine_option'", "'A'", "KEY=VALUE"), "{\"engine_option\": [\"A\"]}");
    DROP(WORDS("key 'engine_option'", "1", "list of such"), "{\"engine_option\": [1]}");
    DROP(WORDS("key 'engine_option'", "a list"), "{\"engine_option\": [[\"A=1\"]]}");
    DROP(WORDS("key 'engine_option'", "twice", "'A=1'", "'A=2'"), "{\"engine_option\": [\"A=1\", \"A=2\"]}");
    DROP(WORDS("key 'dymShape'"), "{\"dymShape\": \"in1:1;2\"}");
}

static void test_refused_keys(void **state)
{
    (void)state;
    DROP(WORDS("'c.json': unknown key 'threds'", "did you mean 'threads'"), "{\"threds\": 4}");
    DROP(WORDS("unknown key '--threads'", "did you mean 'threads'"), "{\"--threads\": 4}");
    DROP(WORDS("unknown key '-rm'", "did you mean 'run_mode'"), "{\"-rm\": \"full\"}");
    DROP(WORDS("unknown key ''"), "{\"\": 4}");
    DROP(WORDS("unknown key 'budget'"), "{\"budget\": 4}");
    DROP(WORDS("--threads is given twice", "'threads' and 'threads'"), "{\"threads\": 4, \"threads\": 4}");
    DROP(WORDS("--dymBatch is given twice", "'dym-batch'"), "{\"dymBatch\": 4, \"dym-batch\": 4}");
    DROP(WORDS("key 'config'", "command line only"), "{\"config\": \"c.json\"}");
    DROP(WORDS("key 'help'", "command line only"), "{\"help\": true}");
    DROP(WORDS("key 'version'", "command line only"), "{\"version\": true}");
}

/* What options mean together, and on disk, is said with the file that they are from. */
static void test_blame(void **state)
{
    (void)state;
    DROP(WORDS("--input: 'nowhere'", "(--input: from 'c.json')"), "{\"input\": \"nowhere\", \"threads\": 2}");
    DROP(WORDS("--dymBatch and --dymHW", "(--dymBatch: from 'c.json')"), "{\"dymBatch\": 2}", "--dymHW",
         "2,2");
    DROP(WORDS("--output", "(--compress: from 'c.json')"), "{\"compress\": true}");
    config("{\"threads\": 2}");
    REFUSE(WORDS("--input"), "--config", "c.json", "--input", "nowhere");
    assert_null(strstr(error.message, "from 'c.json'"));
}

static void test_refused_files(void **state)
{
    (void)state;
    DROP(WORDS("'c.json'", "line 1, column 1", "not JSON"), "");
    DROP(WORDS("line 3, column 2"), "{\"threads\": 4,\n\"inflight\": 3,\n}");
    DROP(WORDS("line 2, column 2"), "{\"threads\": 4}\n x");
    DROP(WORDS("line 1", "not JSON"), "{'threads': 4}");
    DROP(WORDS("line 1, column 22", "not JSON"), "{\"output_dirname\": \"a\\u0000b\"}");
    DROP(WORDS("does not hold a JSON object"), "[4]");
    DROP(WORDS("does not hold a JSON object"), "null");
    write_text("{}\0{}", 5);
    REFUSE(WORDS("line 1, column 4"), "--config", "c.json");
    REFUSE(WORDS("--config", "'nowhere.json'", "No such file"), "--config", "nowhere.json");
    REFUSE(WORDS("--config", "'.'", "is a directory"), "--config", ".");
    REFUSE(WORDS("--config", "not a regular file"), "--config", "/dev/null");
    REFUSE(WORDS("--config", "needs a value"), "--config");
    REFUSE(WORDS("--config", "not a regular file"), "--config", "pipe");
    FILE *file = fopen("c.json", "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), CONFIG_FILE_MOST + 1), 0);
    assert_int_equal(fclose(file), 0);
    REFUSE(WORDS("--config", "1048577 bytes", "1048576"), "--config", "c.json");
    /* What is wrong with the line is said before the file is looked at. */
    REFUSE(WORDS("unknown option --threds"), "--config", "nowhere.json", "--threds", "4");
    config("{\"threads\": 0}");
    assert_int_equal(PARSE("--config", "c.json", "--help"), 0); /* nothing else is looked at */
    assert_true(options.help);
}

static void test_writable_by_all(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    config("{}");
    assert_int_equal(chmod("c.json", 0646), 0);
    ACCEPT("--config", "c.json");
    assert_non_null(strstr(warnings, "file of options 'c.json' can be changed by every user"));
    assert_int_equal(chmod("c.json", 0644), 0);
}

/* A good file with bytes changed, lost or doubled: taken or refused with one line, and nothing worse. */
static void test_damaged_files(void **state)
{
    (void)state;
    static const char good[] = "{\"threads\": 4, \"queue_depth\": \"load=8,save=8\", \"debug\": true,"
                               " \"engine_option\": [\"A=1\", \"B=2\"], \"dymShape\": \"in1:1,600\","
                               " \"seed\": 123456789012}";
    static const char alphabet[] = "{}[]\",:\\u0ntrue-1.eE \n\x80\xff";
    unsigned seed = 5, taken = 0;
    for (int round = 0; round < 3000; round++) {
        char text[2 * sizeof good];
        size_t length = sizeof good - 1;
        memcpy(text, good, sizeof good);
        for (int k = rand_r(&seed) % 3; k >= 0; k--) {
            size_t at = (size_t)rand_r(&seed) % length;
            if (rand_r(&seed) % 3)
                text[at] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
            else
                memmove(text + at, text + at + 1, --length - at);
        }
        write_text(text, length);
        int rc = PARSE("--model", "m.onnx", "--config", "c.json");
        taken += rc == 0;
        if (rc)
            check_error(rc, WORDS("c.json"));
    }
    assert_true(taken > 10 && taken < 2000);
}

static int clean_up(void **state)
{
    (void)unlink("c.json");
    return tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_command_line_counts),
        cmocka_unit_test(test_engine_options_by_key),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_refused_keys),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_writable_by_all),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
