/* SPDX-License-Identifier: MIT */
/** @file command_line.h What the tests of the command line share: parsing a line, and files to name in it. */
#ifndef AISPIPE_TESTS_COMMAND_LINE_H
#define AISPIPE_TESTS_COMMAND_LINE_H

#include "unit.h"

#include "cli/options_table.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ARGUMENTS 16

/* What a line of arguments led to. */
static struct options options;
static struct aispipe_error error;
static char warnings[2048];

static inline void keep_warning(void *context, enum aispipe_log_level level, const char *line)
{
    (void)context;
    if (level == AISPIPE_LOG_WARNING)
        (void)snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", line);
}

static inline int parse_array(const char *const *arguments)
{
    const struct aispipe_log log = {.write = keep_warning};
    char *argv[MAX_ARGUMENTS + 2] = {"aispipe"};
    int argc = 1;
    for (; arguments[argc - 1]; argc++) {
        assert_true(argc <= MAX_ARGUMENTS);
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    }
    options_free(&options);
    memset(&error, 0, sizeof error);
    warnings[0] = '\0';
    return options_parse(argc, argv, &options, &log, &error);
}

#define PARSE(...) parse_array((const char *const[]){__VA_ARGS__, NULL})
#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
/* With a model, which every line needs. */
#define ACCEPT(...)                                  \
    do {                                             \
        if (PARSE("--model", "m.onnx", __VA_ARGS__)) \
            fail_msg("refused: %s", error.message);  \
    } while (0)

/* An error line says all of `words` and is one line. */
static inline void check_error(int rc, const char *const *words)
{
    if (rc != AISPIPE_INVALID)
        fail_msg("status %d, '%s', where '%s' is to be refused", rc, error.message, words[0]);
    assert_null(strchr(error.message, '\n'));
    for (; *words; words++) {
        if (!strstr(error.message, *words))
            fail_msg("'%s' does not say '%s'", error.message, *words);
    }
}

#define REFUSE(words, ...) check_error(PARSE("--model", "m.onnx", __VA_ARGS__), words)

static inline const void *field(const struct option_spec *spec)
{
    return (const char *)&options + spec->offset;
}

static inline uint64_t number(const struct option_spec *spec)
{
    uint64_t value;
    memcpy(&value, field(spec), sizeof value);
    return value;
}

static inline bool flag(const struct option_spec *spec)
{
    bool value;
    memcpy(&value, field(spec), sizeof value);
    return value;
}

static inline const char *long_name(const struct option_spec *spec)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "--%s", spec->name);
    return name;
}

/* ---------------------------------------------------------------- files to name */

static char directory[PATH_MAX];

static inline void make_file(const char *name)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static inline int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    (void)umask(022);
    (void)snprintf(directory, sizeof directory, "%s/test_options.XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    make_file("m.onnx");
    make_file("a.npy");
    make_file("b.npy");
    assert_int_equal(mkdir("in", 0755), 0);
    assert_int_equal(mkdir("out", 0755), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    return 0;
}

static inline int tear_down(void **state)
{
    static const char *const files[] = {"m.onnx", "a.npy", "b.npy", "pipe"};
    (void)state;
    options_free(&options);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlink(files[i]);
    (void)rmdir("in");
    (void)rmdir("out");
    assert_int_equal(chdir("/"), 0);
    return rmdir(directory);
}

#endif
