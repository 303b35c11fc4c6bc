/* SPDX-License-Identifier: MIT */
/* Names: aliases, dashes, unknown, repeated and incomplete options, and help. */
#include "command_line.h"

/* ---------------------------------------------------------------- spellings */

static void test_single_dash_aliases(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-m", "m.onnx"), 0);
    assert_string_equal(options.model, "m.onnx");
    assert_int_equal(PARSE("-om", "m.onnx"), 0);
    assert_string_equal(options.model, "m.onnx");
    ACCEPT("-i", "in", "-o", "out", "-od", "d", "-oba", "2", "-d", "3");
    assert_string_equal(options.input, "in");
    assert_string_equal(options.output, "out");
    assert_string_equal(options.output_dirname, "d");
    assert_int_equal(options.output_batchsize_axis, 2);
    assert_int_equal(options.device.values[0], 3);
    ACCEPT("-das", "1", "-pdt", "random", "-rm", "tensor", "-wcount", "7");
    assert_true(options.display_all_summary);
    assert_int_equal(options.pure_data_type, PURE_DATA_RANDOM);
    assert_int_equal(options.run_mode, RUN_MODE_TENSOR);
    assert_int_equal(options.warmup_count, 7);
    ACCEPT("-das=0", "-wcount=0", "-d=4", "-o=out");
    assert_false(options.display_all_summary);
    assert_int_equal(options.warmup_count, 0);
    assert_int_equal(options.device.values[0], 4);
    assert_string_equal(options.output, "out");
    ACCEPT("-das");
    assert_true(options.display_all_summary);
}

static void test_dash_and_underscore_are_one(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--om-model", "m.onnx"), 0);
    assert_int_equal(PARSE("--om_model=m.onnx"), 0);
    ACCEPT("--warmup-count", "3", "--display-all_summary=1", "--output_batchsize-axis=1", "--batch_size",
           "5");
    assert_int_equal(options.warmup_count, 3);
    assert_true(options.display_all_summary);
    assert_int_equal(options.output_batchsize_axis, 1);
    assert_int_equal(options.batchsize, 5);
    ACCEPT("--batch-size=6");
    assert_int_equal(options.batchsize, 6);
    ACCEPT("--batchsize=7");
    assert_int_equal(options.batchsize, 7);
}

/* Every spelling in the table is found, with '-' and with '_', and leads to its own entry only. */
static void test_every_spelling_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char name[64];
        (void)snprintf(name, sizeof name, "%s", long_name(spec));
        assert_ptr_equal(option_find(&main_options, name, strlen(name)), spec);
        for (char *c = name + 2; *c; c++)
            *c = *c == '_' ? '-' : *c;
        assert_ptr_equal(option_find(&main_options, name, strlen(name)), spec);
        assert_null(option_find(&main_options, name + 1, strlen(name) - 1));
        for (size_t k = 0; k < OPTION_MAX_ALIASES && spec->aliases[k]; k++)
            assert_ptr_equal(option_find(&main_options, spec->aliases[k], strlen(spec->aliases[k])), spec);
    }
}

static void test_unknown_options(void **state)
{
    (void)state;
    REFUSE(WORDS("unknown option --thread;", "did you mean --threads?", "--help"), "--thread", "2");
    REFUSE(WORDS("unknown option --Threads;", "did you mean --threads?"), "--Threads=2");
    REFUSE(WORDS("unknown option --lop;", "did you mean --loop?"), "--lop", "2");
    REFUSE(WORDS("unknown option --oufmt;", "did you mean --outfmt?"), "--oufmt", "BIN");
    REFUSE(WORDS("unknown option --warmup;", "did you mean --warmup_count?"), "--warmup", "2");
    REFUSE(WORDS("unknown option -dsa;", "did you mean -das?"), "-dsa");
    REFUSE(WORDS("unknown option -threads;", "did you mean --threads?"), "-threads", "2");
    REFUSE(WORDS("unknown option -OD;", "did you mean -od?"), "-OD", "d");
    REFUSE(WORDS("unknown option --quantise (--help"), "--quantise", "2");
    REFUSE(WORDS("unknown option -- (--help"), "--");
    REFUSE(WORDS("unknown option -z (--help"), "-z");
    REFUSE(WORDS("'img' is not an option", "joined by ','"), "img");
    REFUSE(WORDS("'-' is not an option"), "-");
    REFUSE(WORDS("'' is not an option"), "");
    REFUSE(WORDS("'b.npy' is not an option"), "--input", "a.npy", "b.npy");
    /* Nothing of it is near any option, nor may it do harm. */
    char junk[4096];
    memset(junk, 'j', sizeof junk);
    memcpy(junk, "--", 2);
    junk[sizeof junk - 1] = '\0';
    REFUSE(WORDS("unknown option --jjj", "..."), junk);
    assert_null(strstr(error.message, "did you mean"));
}

static void test_repeated_options(void **state)
{
    (void)state;
    REFUSE(WORDS("option --model is given twice", "as --model and as -m"), "-m", "m.onnx");
    REFUSE(WORDS("option --batchsize is given twice", "as --batch-size and as --batchsize"), "--batch-size=2",
           "--batchsize=2");
    REFUSE(WORDS("option --debug is given twice"), "--debug", "--debug", "0");
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char joined[96], value[16] = "1";
        if (spec->kind == OPTION_FLAG || spec->kind == OPTION_KEY_VALUE || spec->required)
            continue;
        if (spec->choices)
            (void)snprintf(value, sizeof value, "%s", spec->choices[0]);
        if (spec->kind == OPTION_HW)
            (void)snprintf(value, sizeof value, "1,1");
        if (spec->kind == OPTION_SHAPE || spec->kind == OPTION_RANGE)
            (void)snprintf(value, sizeof value, "x:1");
        (void)snprintf(joined, sizeof joined, "%s=%s", long_name(spec), value);
        REFUSE(WORDS(long_name(spec), "is given twice"), joined, "--progress=auto", joined,
               "--progress=auto");
    }
}

static void test_missing_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        const char *name = long_name(spec);
        char accepted[256];
        if (spec->kind == OPTION_FLAG || spec->kind == OPTION_BOOL)
            continue;
        option_accepts(spec, accepted, sizeof accepted);
        check_error(PARSE(name), WORDS(name, "needs a value; give", accepted));
        check_error(PARSE(name, "--debug"), WORDS(name, "needs a value before '--debug'", accepted));
        check_error(PARSE(name, "--unheard_of"), WORDS(name, "needs a value before '--unheard_of'"));
        if (strcmp(name, "--run_mode") != 0)
            check_error(PARSE(name, "-rm", "full"), WORDS(name, "needs a value before '-rm'"));
        for (size_t k = 0; k < OPTION_MAX_ALIASES && spec->aliases[k]; k++)
            check_error(PARSE(spec->aliases[k]), WORDS(spec->aliases[k], name, "needs a value"));
    }
}

/* ---------------------------------------------------------------- help */

static void test_help_wins(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help"), 0);
    assert_true(options.help);
    assert_false(options.version);
    assert_int_equal(PARSE("-h"), 0);
    assert_true(options.help);
    assert_int_equal(PARSE("--version"), 0);
    assert_true(options.version);
    assert_false(options.help);
    assert_int_equal(PARSE("--threads", "0", "--nonsense", "--help", "--model", "missing"), 0);
    assert_true(options.help);
    assert_null(options.model);
    assert_int_equal(PARSE("--threads", "--help"), 0);
    assert_true(options.help);
    assert_int_equal(PARSE("--version", "--help", "--version"), 0);
    assert_true(options.help && options.version);
    REFUSE(WORDS("option --help takes no value"), "--help=1");
    REFUSE(WORDS("option --version takes no value"), "--version=");
    REFUSE(WORDS("'1' is not an option"), "--debug", "1", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_dash_aliases),
        cmocka_unit_test(test_dash_and_underscore_are_one),
        cmocka_unit_test(test_every_spelling_is_found),
        cmocka_unit_test(test_unknown_options),
        cmocka_unit_test(test_repeated_options),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_help_wins),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
