/* SPDX-License-Identifier: MIT */
/* Paths, options that need others, and foreign text in error lines. */
#include "command_line.h"

#define NOBODY 65534

/* ---------------------------------------------------------------- paths */

static void test_model_must_be_a_file(void **state)
{
    (void)state;
    check_error(PARSE("--model", "missing.onnx"), WORDS("--model", "'missing.onnx' does not exist"));
    check_error(PARSE("--model", "in"), WORDS("--model", "'in' is a directory"));
    check_error(PARSE("--model", "pipe"), WORDS("--model", "'pipe' is not a regular file"));
    check_error(PARSE("--model", "a.npy/m.onnx"), WORDS("--model", "'a.npy/m.onnx'", "is a file"));
    check_error(PARSE("--model", ""), WORDS("--model", "''", "a file"));
    check_error(PARSE("--model="), WORDS("--model", "''"));
}

static int parse_as_nobody(const char *const *arguments)
{
    uid_t self = geteuid();
    if (self == 0) {
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    }
    int rc = parse_array(arguments);
    assert_int_equal(seteuid(self), 0);
    return rc;
}

static void test_paths_must_be_readable(void **state)
{
    (void)state;
    assert_int_equal(chmod("m.onnx", 0), 0);
    check_error(parse_as_nobody(WORDS("-m", "m.onnx")),
                WORDS("--model", "'m.onnx' cannot be read: Permission denied"));
    assert_int_equal(chmod("m.onnx", 0644), 0);
    assert_int_equal(chmod("in", 0), 0);
    check_error(parse_as_nobody(WORDS("-m", "m.onnx", "-i", "in")), WORDS("--input", "'in' cannot be read"));
    check_error(parse_as_nobody(WORDS("-m", "m.onnx", "-i", "in/x.npy")),
                WORDS("--input", "Permission denied"));
    assert_int_equal(chmod("in", 0755), 0);
}

static void test_model_that_all_may_change(void **state)
{
    (void)state;
    assert_int_equal(chmod("m.onnx", 0666), 0);
    ACCEPT("--loop", "1");
    if (geteuid() == 0)
        assert_non_null(strstr(warnings, "'m.onnx' can be changed by every user"));
    else
        assert_string_equal(warnings, "");
    assert_int_equal(chmod("m.onnx", 0644), 0);
    ACCEPT("--loop", "1");
    assert_string_equal(warnings, "");
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

static void test_other_paths_that_all_may_change(void **state)
{
    (void)state;
    unsigned one = geteuid() == 0;
    assert_int_equal(chmod("a.npy", 0666), 0);
    assert_int_equal(chmod("b.npy", 0666), 0);
    ACCEPT("--input", "in,a.npy,b.npy");
    assert_int_equal(count(warnings, "changed by every user"), one);
    assert_int_equal(count(warnings, "input 'a.npy'"), one);
    assert_int_equal(chmod("a.npy", 0644), 0);
    assert_int_equal(chmod("b.npy", 0644), 0);
    assert_int_equal(chmod("in", 0777), 0);
    ACCEPT("--input", "in");
    assert_int_equal(count(warnings, "input 'in'"), one);
    assert_int_equal(chmod("in", 01777), 0);
    ACCEPT("--input", "in");
    assert_string_equal(warnings, "");
    assert_int_equal(chmod("in", 0755), 0);

    FILE *file = fopen("shapes", "w");
    assert_non_null(file);
    assert_true(fputs("x:1\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("shapes", 0666), 0);
    ACCEPT("--dymShape_range", "shapes");
    assert_int_equal(count(warnings, "file of shapes 'shapes'"), one);
    assert_int_equal(chmod("shapes", 0644), 0);
    ACCEPT("--dymShape_range", "shapes");
    assert_string_equal(warnings, "");
    assert_int_equal(unlink("shapes"), 0);
    REFUSE(WORDS("--dymShape_range", "'shapes' is neither a file nor"), "--dymShape_range", "shapes");
}

static void test_input_paths(void **state)
{
    char many[PATH_MAX + 16];
    (void)state;
    ACCEPT("--input", "a.npy,b.npy,in");
    assert_string_equal(options.input, "a.npy,b.npy,in");
    REFUSE(WORDS("--input", "'none.npy' does not exist"), "--input", "a.npy,none.npy");
    REFUSE(WORDS("--input", "empty path", "'a.npy,'"), "--input", "a.npy,");
    REFUSE(WORDS("--input", "empty path"), "--input", ",a.npy");
    REFUSE(WORDS("--input", "empty path"), "--input", "a.npy,,b.npy");
    REFUSE(WORDS("--input", "''"), "--input", "");
    REFUSE(WORDS("--input", "'pipe' is neither"), "--input", "pipe");
    memset(many, 'a', sizeof many);
    many[sizeof many - 1] = '\0';
    REFUSE(WORDS("--input", "longer than a path can be", "..."), "--input", many);
    many[300] = '\0';
    REFUSE(WORDS("--input", "File name too long"), "--input", many);
}

static void test_output_paths(void **state)
{
    (void)state;
    ACCEPT("--output", "out");
    ACCEPT("--output", "not_there_yet/at/all");
    REFUSE(WORDS("--output", "'a.npy' exists and is not a directory"), "--output", "a.npy");
    REFUSE(WORDS("--output", "'a.npy/out'", "is a file"), "--output", "a.npy/out");
    REFUSE(WORDS("--output", "''"), "--output", "");
}

static void test_output_dirname(void **state)
{
    static const char *const bad[] = {"",       "/",      "/abs", "..", "../x", "x/..",
                                      "x/../y", "a/b/..", ".",    "./", "x/.",  "./."};
    static const char *const good[] = {"x",   "x/y",     "x/",  "..x",  "x..",
                                       "...", ".hidden", "./x", "x//y", "a b"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ACCEPT("-o", "out", "-od", good[i]);
        assert_string_equal(options.output_dirname, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSE(WORDS("--output_dirname", bad[i], "a relative path without '..'"), "-o", "out",
               "--output_dirname", bad[i]);
}

static void test_options_that_need_output(void **state)
{
    (void)state;
    REFUSE(WORDS("option --output_dirname needs --output"), "-od", "x");
    REFUSE(WORDS("option --compress needs --output"), "--compress");
    ACCEPT("--compress", "0");
    ACCEPT("--compress", "1", "-o", "out");
    assert_true(options.compress);
}

/* ---------------------------------------------------------------- error lines */

static void test_foreign_text_stays_on_the_line(void **state)
{
    char value[3000], *reason;
    (void)state;
    REFUSE(WORDS("--outfmt", "'a?[31m?b'"), "--outfmt", "a\033[31m\tb");
    check_error(PARSE("--model", "no\nsuch\177file"), WORDS("'no?such?file' does not exist"));
    REFUSE(WORDS("unknown option --a?b"), "--a\nb=\n");
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    REFUSE(WORDS("--threads", "vvv...vvv", "a whole number 1–1024"), "--threads", value);
    /* Cut in the middle of nothing: two-byte characters stay whole. */
    for (size_t i = 0; i + 2 < sizeof value; i += 2)
        memcpy(value + i, "é", 2);
    REFUSE(WORDS("éé...éé", "a whole number 1–1024"), "--threads", value);
    reason = strstr(error.message, "give");
    assert_non_null(reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_must_be_a_file),
        cmocka_unit_test(test_paths_must_be_readable),
        cmocka_unit_test(test_model_that_all_may_change),
        cmocka_unit_test(test_other_paths_that_all_may_change),
        cmocka_unit_test(test_input_paths),
        cmocka_unit_test(test_output_paths),
        cmocka_unit_test(test_output_dirname),
        cmocka_unit_test(test_options_that_need_output),
        cmocka_unit_test(test_foreign_text_stays_on_the_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
