/* SPDX-License-Identifier: MIT */
/* Values: defaults, numbers, booleans, words, depths. */
#include "command_line.h"

#include <inttypes.h>

/* ---------------------------------------------------------------- defaults */

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--model", "m.onnx"), 0);
    assert_string_equal(options.model, "m.onnx");
    assert_null(options.input);
    assert_null(options.output);
    assert_null(options.output_dirname);
    assert_int_equal(options.outfmt, AISPIPE_RESULT_BIN);
    assert_false(options.compress);
    assert_int_equal(options.pure_data_type, PURE_DATA_ZERO);
    assert_int_equal(options.seed, 0);
    assert_int_equal(options.limit, 0);
    assert_false(options.debug);
    assert_int_equal(options.run_mode, RUN_MODE_ARRAY);
    assert_false(options.display_all_summary);
    assert_int_equal(options.loop, 1);
    assert_int_equal(options.warmup_count, 1);
    assert_int_equal(options.device.count, 1);
    assert_int_equal(options.device.values[0], 0);
    assert_int_equal(options.batchsize, 0);
    assert_int_equal(options.output_batchsize_axis, 0);
    assert_string_equal(options.backend, "auto");
    assert_null(options.engine_device);
    assert_int_equal(options.n_engine_options, 0);
    assert_true(options.pipeline);
    assert_int_equal(options.threads, 1);
    assert_int_equal(options.load_threads, 0);
    assert_int_equal(options.save_threads, 0);
    for (int i = 0; i < AISPIPE_STAGES; i++)
        assert_int_equal(options.depth[i], 0);
    assert_int_equal(options.inflight, 0);
    assert_int_equal(options.progress, PROGRESS_AUTO);
    assert_false(options.help);
    assert_false(options.version);
    assert_string_equal(warnings, "");
}

static void test_model_is_required(void **state)
{
    const char *const none[] = {NULL};
    (void)state;
    check_error(parse_array(none), WORDS("--model is missing", "--model net.onnx"));
    check_error(PARSE("--threads", "2"), WORDS("--model is missing"));
}

/* ---------------------------------------------------------------- numbers */

static void refuse_number(const struct option_spec *spec, const char *value)
{
    char joined[128], accepted[256];
    const char *name = long_name(spec);
    option_accepts(spec, accepted, sizeof accepted);
    REFUSE(WORDS(name, "a whole number", accepted), name, value);
    if (!strstr(error.message, value))
        fail_msg("'%s' does not say '%s'", error.message, value);
    (void)snprintf(joined, sizeof joined, "%s=%s", name, value);
    REFUSE(WORDS(name, accepted), joined);
}

static void accept_number(const struct option_spec *spec, uint64_t value)
{
    char text[32], joined[128];
    const char *name = long_name(spec);
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    ACCEPT(name, text);
    assert_true(number(spec) == value);
    (void)snprintf(joined, sizeof joined, "%s=%s", name, text);
    ACCEPT(joined);
    assert_true(number(spec) == value);
    (void)snprintf(joined, sizeof joined, "%s=000%s", name, text);
    ACCEPT(joined);
    assert_true(number(spec) == value);
}

static void test_every_number(void **state)
{
    static const char *const bad[] = {
        "abc",
        "",
        " ",
        " 1",
        "1 ",
        "+1",
        "-1",
        "-0",
        "1.5",
        "1.",
        "0x10",
        "1e3",
        "1,000",
        "1_0",
        "nan",
        "True",
        "18446744073709551616",
        "99999999999999999999999999999999999",
        "-9223372036854775808",
        "1\n",
        "١",
    };
    int numbers = 0;
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char beyond[32];
        if (spec->kind != OPTION_NUMBER)
            continue;
        numbers++;
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            if (strchr(bad[k], '\n'))
                continue; /* the value is shown otherwise; see below */
            refuse_number(spec, bad[k]);
        }
        if (spec->min)
            refuse_number(spec, "0");
        if (spec->max < UINT64_MAX) {
            (void)snprintf(beyond, sizeof beyond, "%" PRIu64, spec->max + 1);
            refuse_number(spec, beyond);
        }
        accept_number(spec, spec->min);
        accept_number(spec, spec->max);
    }
    assert_true(numbers >= 10);
}

static void test_lists_of_devices(void **state)
{
    static const char *const bad[] = {"",    ",",     "1,",   ",1", "1,,2", "1, 2",
                                      "1;2", "1,256", "-1,2", "a",  "1-3"};
    char many[4 * (NUMBER_LIST_MAX + 1)] = "";
    (void)state;
    ACCEPT("--device", "3");
    assert_int_equal(options.device.count, 1);
    assert_int_equal(options.device.values[0], 3);
    assert_false(options.divide_input);
    ACCEPT("-d", "255,0,7,0", "--divide_input");
    assert_int_equal(options.device.count, 4);
    assert_int_equal(options.device.values[0], 255);
    assert_int_equal(options.device.values[1], 0);
    assert_int_equal(options.device.values[2], 7);
    assert_int_equal(options.device.values[3], 0);
    assert_true(options.divide_input);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSE(WORDS("option --device: '", "0–255", "joined by ','", "at most 64"), "--device", bad[i]);
    for (int i = 0; i < NUMBER_LIST_MAX; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "%s%d", i ? "," : "", i);
    ACCEPT("--device", many);
    assert_int_equal(options.device.count, NUMBER_LIST_MAX);
    (void)snprintf(many + strlen(many), sizeof many - strlen(many), ",9");
    REFUSE(WORDS("option --device", "at most 64"), "--device", many);
}

static void test_numbers_that_people_try(void **state)
{
    (void)state;
    REFUSE(WORDS("option --threads: '0' is not accepted", "1–1024"), "--threads", "0");
    REFUSE(WORDS("option --threads: '100000' is not accepted", "1–1024"), "--threads", "100000");
    REFUSE(WORDS("option --device", "'256'", "0–255"), "--device", "256");
    REFUSE(WORDS("--loop", "'0'"), "--loop", "0");
    ACCEPT("--warmup_count", "0");
    assert_int_equal(options.warmup_count, 0);
    REFUSE(WORDS("--threads", "'1?'"), "--threads", "1\n");
}

/* ---------------------------------------------------------------- booleans */

static void test_booleans_in_all_spellings(void **state)
{
    static const char *const words[2][12] = {
        {"0", "false", "f", "no", "n", "FALSE", "False", "F", "NO", "No", "N", "fAlSe"},
        {"1", "true", "t", "yes", "y", "TRUE", "True", "T", "YES", "Yes", "Y", "yEs"},
    };
    static const char *const bad[] = {"", "2", "on", "off", "tr", "yess", "00", "01", "-", " 1", "truefalse"};
    int bools = 0;
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char joined[96];
        /* --perf stands with one backend only: test_perf_and_its_backend. The auto modes need files.
         * --dump_npy stands with --dump. */
        if (spec->kind != OPTION_BOOL || strcmp(spec->name, "perf") == 0 ||
            strcmp(spec->name, "dump_npy") == 0 || strncmp(spec->name, "auto_set", strlen("auto_set")) == 0)
            continue;
        bools++;
        const char *name = long_name(spec);
        for (int k = 0; k < 24; k++) {
            const char *word = words[k / 12][k % 12];
            ACCEPT("--output", "out", "--input", "in", name, word);
            assert_int_equal(flag(spec), k / 12);
            (void)snprintf(joined, sizeof joined, "%s=%s", name, word);
            ACCEPT("--output", "out", "--input", "in", joined);
            assert_int_equal(flag(spec), k / 12);
        }
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            (void)snprintf(joined, sizeof joined, "%s=%s", name, bad[k]);
            REFUSE(WORDS(name, "1 true t yes y"), "--output", "out", joined);
        }
        REFUSE(WORDS(name, "'2'"), "--output", "out", name, "2");
        ACCEPT("--output", "out", "--input", "in", name);
        assert_true(flag(spec));
        ACCEPT("--output", "out", "--input", "in", name, "--loop", "2");
        assert_true(flag(spec));
        assert_int_equal(options.loop, 2);
        ACCEPT("--output", "out", "--input", "in", name, "-oba", "0");
        assert_true(flag(spec));
    }
    assert_true(bools >= 4);
}

/* ---------------------------------------------------------------- words */

static void test_choices_in_any_case(void **state)
{
    (void)state;
    ACCEPT("--outfmt", "npy", "-rm", "FULL", "-pdt=Random", "--progress", "Never", "--backend", "SIM");
    assert_int_equal(options.outfmt, AISPIPE_RESULT_NPY);
    assert_int_equal(options.run_mode, RUN_MODE_FULL);
    assert_int_equal(options.pure_data_type, PURE_DATA_RANDOM);
    assert_int_equal(options.progress, PROGRESS_NEVER);
    assert_string_equal(options.backend, "sim");
    ACCEPT("--outfmt=TXT", "--run_mode=files");
    assert_int_equal(options.outfmt, AISPIPE_RESULT_TXT);
    assert_int_equal(options.run_mode, RUN_MODE_FILES);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char accepted[256];
        if (spec->kind != OPTION_CHOICE && spec->kind != OPTION_NAME)
            continue;
        option_accepts(spec, accepted, sizeof accepted);
        REFUSE(WORDS(long_name(spec), "'nonsense'", accepted, " or "), long_name(spec), "nonsense");
        REFUSE(WORDS(long_name(spec), "''", accepted), long_name(spec), "");
    }
}

static void test_engine_options_may_be_many(void **state)
{
    (void)state;
    ACCEPT("--engine_option", "A=1", "--engine-option=B=x=y", "--engine_option", "AB=", "--engine_device",
           "GPU");
    assert_int_equal(options.n_engine_options, 3);
    assert_string_equal(options.engine_options[0], "A=1");
    assert_string_equal(options.engine_options[1], "B=x=y");
    assert_string_equal(options.engine_options[2], "AB=");
    assert_string_equal(options.engine_device, "GPU");
    REFUSE(WORDS("--engine_option", "key is given twice", "'A=1'", "'A=2'"), "--engine_option", "A=1",
           "--engine_option", "A=2");
    REFUSE(WORDS("--engine_option", "KEY=VALUE"), "--engine_option", "A");
    REFUSE(WORDS("--engine_option", "KEY=VALUE"), "--engine_option", "=1");
    REFUSE(WORDS("--engine_option", "KEY=VALUE"), "--engine_option", "");
    REFUSE(WORDS("--engine_device", "not empty"), "--engine_device", "");
}

/* ---------------------------------------------------------------- depths */

static void check_depths(uint64_t load, uint64_t h2d, uint64_t compute, uint64_t d2h, uint64_t save)
{
    assert_int_equal(options.depth[AISPIPE_STAGE_LOAD], load);
    assert_int_equal(options.depth[AISPIPE_STAGE_H2D], h2d);
    assert_int_equal(options.depth[AISPIPE_STAGE_COMPUTE], compute);
    assert_int_equal(options.depth[AISPIPE_STAGE_D2H], d2h);
    assert_int_equal(options.depth[AISPIPE_STAGE_SAVE], save);
}

static void test_queue_depth(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "abc",
        "8,4",
        "load",
        "load=",
        "=8",
        "load=0",
        "load=-1",
        "load=8,",
        ",load=8",
        "load=8,,d2h=1",
        "load=8,load=4",
        "disk=3",
        "load=8 ",
        " load=8",
        "load = 8",
        "load:8",
        "load=8;h2d=4",
        "load=8=9",
        "load=1.5",
        "lo=4",
        "loads=4",
        "1048577",
        "load=1048577",
        "18446744073709551617",
        "load=18446744073709551617",
        "8,load=4",
        "load=8,4",
        "=",
        ",",
    };
    (void)state;
    ACCEPT("--queue_depth", "8");
    check_depths(8, 8, 8, 8, 8);
    ACCEPT("--queue-depth=load=8,h2d=4,compute=3,d2h=2,save=1");
    check_depths(8, 4, 3, 2, 1);
    ACCEPT("--queue_depth", "save=16,LOAD=2");
    check_depths(2, 0, 0, 0, 16);
    ACCEPT("--queue_depth=1048576");
    check_depths(1048576, 1048576, 1048576, 1048576, 1048576);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSE(WORDS("--queue_depth", bad[i], "1–1048576", "load=8,h2d=4,compute=4,d2h=8,save=8"),
               "--queue_depth", bad[i]);
}

static void test_perf_and_its_backend(void **state)
{
    (void)state;
    ACCEPT("--backend", "trtexec", "--perf");
    assert_true(options.perf);
    ACCEPT("--perf", "0");
    assert_false(options.perf);
    REFUSE(WORDS("--perf needs --backend trtexec", "auto"), "--perf", "1");
    REFUSE(WORDS("--backend", "add --perf 1"), "--backend", "trtexec", "--perf", "0");
    REFUSE(WORDS("--input", "data of its own"), "--backend", "trtexec", "--perf", "--input", "a.npy");
    REFUSE(WORDS("--energy_consumption"), "--backend", "trtexec", "--perf", "-ec");
}

static void test_profiler_and_dump(void **state)
{
    (void)state;
    ACCEPT("--output", "out", "-pf", "1", "--dump", "0");
    assert_true(options.profiler);
    REFUSE(WORDS("--profiler needs --output"), "--profiler");
    REFUSE(WORDS("--dump needs --output"), "--dump", "1");
    REFUSE(WORDS("--profiler and --dump exclude each other"), "--output", "out", "--profiler", "--dump");
    ACCEPT("--output", "out", "--dump", "--dump_npy");
    assert_true(options.dump && options.dump_npy);
    ACCEPT("--dump-npy", "0");
    assert_false(options.dump_npy);
    REFUSE(WORDS("--dump_npy needs --output"), "--dump_npy");
    REFUSE(WORDS("--dump_npy converts", "--dump 1", "--acl_json_path"), "--output", "out", "--dump_npy");
    REFUSE(WORDS("--dump_npy converts"), "--output", "out", "--dump_npy", "--dump", "0");
    ACCEPT("--output", "out", "--dump", "--device", "0,1");
    ACCEPT("--output", "out", "--profiler", "--device", "0,1", "--backend", "acl");
    REFUSE(WORDS("--dump", "one shape"), "--output", "out", "--dump", "-dr", "x:1~2,3");
    ACCEPT("--output", "out", "--dump", "-dr", "x:1~2,3", "--backend", "acl");
    REFUSE(WORDS("--dump", "trtexec"), "--output", "out", "--dump", "--backend", "trtexec", "--perf");
}

static void test_lists_of_numbers(void **state)
{
    (void)state;
    ACCEPT("-ec");
    assert_int_equal(options.npu_id.count, 1);
    assert_int_equal(options.npu_id.values[0], 0);
    ACCEPT("-ec", "--npu_id", "7,2048,0");
    assert_int_equal(options.npu_id.count, 3);
    assert_int_equal(options.npu_id.values[1], 2048);
    REFUSE(WORDS("--npu_id", "'7,2049'", "0–2048"), "--npu_id", "7,2049");
    REFUSE(WORDS("--npu_id", "'7,'"), "--npu_id", "7,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_model_is_required),
        cmocka_unit_test(test_every_number),
        cmocka_unit_test(test_numbers_that_people_try),
        cmocka_unit_test(test_lists_of_devices),
        cmocka_unit_test(test_booleans_in_all_spellings),
        cmocka_unit_test(test_perf_and_its_backend),
        cmocka_unit_test(test_profiler_and_dump),
        cmocka_unit_test(test_lists_of_numbers),
        cmocka_unit_test(test_choices_in_any_case),
        cmocka_unit_test(test_engine_options_may_be_many),
        cmocka_unit_test(test_queue_depth),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
