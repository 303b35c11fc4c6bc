/* SPDX-License-Identifier: MIT */
/* The command line with which msprof is started, and a program of ours in its place. */
#include "unit.h"

#include "cli/msprof.h"
#include "files.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct temp_dir dir;
static struct aispipe_error error;
static struct msprof_command command;
static char *old_path;

static int setup(void **state)
{
    (void)state;
    temp_make(&dir);
    const char *path = getenv("PATH");
    old_path = strdup(path ? path : "");
    (void)unsetenv("AIT_NO_MSPROF_MODE");
    (void)unsetenv("NO_MSPROF_MODE");
    (void)unsetenv(MSPROF_DIRECTORY_VARIABLE);
    return setenv("PATH", dir.path, 1);
}

static int teardown(void **state)
{
    (void)state;
    msprof_free(&command);
    (void)setenv("PATH", old_path, 1);
    free(old_path);
    (void)unsetenv("AIT_NO_MSPROF_MODE");
    (void)unsetenv(MSPROF_DIRECTORY_VARIABLE);
    if (chdir("/"))
        return -1;
    temp_remove(&dir);
    return 0;
}

static void write_script(const char *text)
{
    temp_write(&dir, "msprof", text, strlen(text));
    assert_int_equal(chmod(temp_path(&dir, "msprof"), 0755), 0);
}

static void test_wanted(void **state)
{
    (void)state;
    assert_false(msprof_wanted());
    write_script("#!/bin/sh\n");
    assert_true(msprof_wanted());
    assert_int_equal(setenv("AIT_NO_MSPROF_MODE", "0", 1), 0);
    assert_true(msprof_wanted());
    assert_int_equal(setenv("AIT_NO_MSPROF_MODE", "1", 1), 0);
    assert_false(msprof_wanted());
    assert_int_equal(unsetenv("AIT_NO_MSPROF_MODE"), 0);
    assert_int_equal(setenv("NO_MSPROF_MODE", "1", 1), 0);
    assert_false(msprof_wanted());
    assert_int_equal(unsetenv("NO_MSPROF_MODE"), 0);
}

#define ARGV(...) ((char *[]){"aispipe", __VA_ARGS__, NULL})
#define COMPOSE(options, ...)                                                                                \
    (msprof_free(&command),                                                                                  \
     msprof_compose("out", options, (int)(sizeof ARGV(__VA_ARGS__) / sizeof(char *)) - 1, ARGV(__VA_ARGS__), \
                    &command, &error))

/* The program's command line as it is handed on, without the path of the program. */
static const char *application(void)
{
    static char text[4096];
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self);
    assert_true(length > 0);
    for (char **at = command.argv; *at; at++) {
        if (strncmp(*at, "--application=", 14) != 0)
            continue;
        assert_memory_equal(*at + 14, self, (size_t)length);
        (void)snprintf(text, sizeof text, "%s", *at + 14 + length);
        return text;
    }
    fail_msg("no --application");
    return NULL;
}

static void test_command(void **state)
{
    static const char *const rest[] = {
        "--model-execution=on", "--sys-hardware-mem=on",   "--sys-cpu-profiling=off",
        "--sys-profiling=off",  "--sys-pid-profiling=off", "--dvpp-profiling=on",
        "--runtime-api=on",     "--task-time=on",          "--aicpu=on",
    };
    (void)state;
    assert_int_equal(COMPOSE(NULL, "--model", "net.om", "--profiler", "1", "--output", "out"), 0);
    assert_string_equal(command.argv[0], "msprof");
    assert_string_equal(command.argv[1], "--output=out/profiler");
    assert_string_equal(application(), " --model net.om --output out --profiler=0 --warmup_count=0");
    for (size_t i = 0; i < 9; i++)
        assert_string_equal(command.argv[3 + i], rest[i]);
    assert_null(command.argv[12]);
}

static void test_spellings(void **state)
{
    static const char wanted[] = " -om net.om -o out --loop 3 --profiler=0 --warmup_count=0";
    (void)state;
    assert_int_equal(
        COMPOSE(NULL, "--profiler", "-om", "net.om", "--warmup-count", "5", "-o", "out", "--loop", "3"), 0);
    assert_string_equal(application(), wanted);
    assert_int_equal(COMPOSE(NULL, "-pf=true", "-om", "net.om", "-wcount", "5", "-o", "out", "--loop", "3"),
                     0);
    assert_string_equal(application(), wanted);
    assert_int_equal(
        COMPOSE(NULL, "-om", "net.om", "--warmup_count=5", "-o", "out", "--loop", "3", "-pf", "yes"), 0);
    assert_string_equal(application(), wanted);
    assert_int_equal(COMPOSE(NULL, "-om", "net.om", "-o", "out", "--loop", "3", "--profiler"), 0);
    assert_string_equal(application(), wanted);
    /* Names that only begin alike stay. */
    assert_int_equal(COMPOSE(NULL, "--profiler_rename", "0", "--prof"), 0);
    assert_string_equal(application(), " --profiler_rename 0 --prof --profiler=0 --warmup_count=0");
}

static void test_options_of_acl_json(void **state)
{
    char *options[] = {"--output=my place", "--l2=on", NULL};
    (void)state;
    assert_int_equal(COMPOSE(options, "--model", "net.om", "--acl_json_path", "a.json"), 0);
    assert_string_equal(command.argv[1], "--output=my place");
    assert_string_equal(command.argv[2], "--l2=on");
    assert_string_equal(application(),
                        " --model net.om --acl_json_path a.json --profiler=0 --warmup_count=0");
    assert_null(command.argv[4]);
}

static void test_blanks_are_refused(void **state)
{
    static const char *const bad[] = {"a b.om", "", "a\"b", "it's", "a\\b", "a\tb"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(COMPOSE(NULL, "--model", (char *)bad[i]), AISPIPE_UNSUPPORTED);
        assert_non_null(strstr(error.message, bad[i]));
        assert_non_null(strstr(error.message, "AIT_NO_MSPROF_MODE=1"));
        assert_null(command.argv);
    }
}

static void read_file(const char *name, char *text, size_t capacity)
{
    int fd = open(temp_path(&dir, name), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, capacity - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(close(fd), 0);
}

/* What plays msprof writes down how it was started, goes elsewhere, and says where its results are. */
static void test_run(void **state)
{
    static const char script[] =
        "#!/bin/sh\n"
        "printf '%s\\n' \"$@\" > arguments\n"
        "cd /\n"
        "echo \"$AIT_NO_MSPROF_MODE $PWD $" MSPROF_DIRECTORY_VARIABLE "\" > \"$OLDPWD\"/given\n"
        "echo '[INFO] Data is saved in: /x/out/profiler/PROF_000001_2024_ABC/mindstudio'\n"
        "exit 5\n";
    (void)state;
    char text[4096], wanted[PATH_MAX + 64], results[PATH_MAX], place[PATH_MAX];
    struct process_end end;
    write_script(script);
    assert_int_equal(chdir(dir.path), 0);
    assert_non_null(getcwd(place, sizeof place));
    assert_int_equal(COMPOSE(NULL, "--model", "net.om", "--profiler"), 0);
    sigset_t signals;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &signals), 0);
    assert_int_equal(msprof_run(&command, results, sizeof results, &end, &error), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &signals, NULL), 0);
    assert_int_equal(end.status, 5);
    assert_string_equal(results, "/x/out/profiler/PROF_000001_2024_ABC");
    read_file("given", text, sizeof text);
    (void)snprintf(wanted, sizeof wanted, "1 / %s\n", place);
    assert_string_equal(text, wanted);
    read_file("arguments", text, sizeof text);
    char *line = strtok(text, "\n");
    for (size_t i = 1; command.argv[i]; i++, line = strtok(NULL, "\n"))
        assert_string_equal(line, command.argv[i]);
    assert_null(line);
}

static void test_return(void **state)
{
    (void)state;
    char place[PATH_MAX], now[PATH_MAX];
    assert_non_null(realpath(dir.path, place));
    assert_int_equal(setenv(MSPROF_DIRECTORY_VARIABLE, dir.path, 1), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(msprof_return(&error), 0); /* not below msprof: the variable is somebody else's */
    assert_string_equal(getcwd(now, sizeof now), "/");
    assert_int_equal(setenv("AIT_NO_MSPROF_MODE", "1", 1), 0);
    assert_int_equal(msprof_return(&error), 0);
    assert_string_equal(getcwd(now, sizeof now), place);
    assert_int_equal(setenv(MSPROF_DIRECTORY_VARIABLE, "/none/such", 1), 0);
    assert_int_equal(msprof_return(&error), AISPIPE_SYSTEM);
    assert_non_null(strstr(error.message, "/none/such"));
}

static bool there(const char *name)
{
    return access(temp_path(&dir, name), F_OK) == 0;
}

static void test_rename(void **state)
{
    static const char *const files[] = {"PROF_000001_2024_ABC/summary.csv", "PROF_000001_2024_ABC/d/a.b.json",
                                        "PROF_000001_2024_ABC/d/data.bin", "PROF_000001_2024_ABC/d/.csv"};
    (void)state;
    size_t renamed;
    temp_subdir(&dir, "PROF_000001_2024_ABC");
    temp_subdir(&dir, "PROF_000001_2024_ABC/d");
    for (size_t i = 0; i < 4; i++)
        temp_write(&dir, files[i], "x", 1);
    for (int round = 0; round < 2; round++) { /* the second time there is nothing left to do */
        assert_int_equal(
            msprof_rename(temp_path(&dir, "PROF_000001_2024_ABC"), "/models/net.v1.om", &renamed, &error), 0);
        assert_int_equal(renamed, round ? 0 : 2);
        assert_true(there("PROF_000001_2024_ABC/summary_net_ABC.csv"));
        assert_true(there("PROF_000001_2024_ABC/d/a.b_net_ABC.json"));
        assert_false(there(files[0]) || there(files[1]));
        assert_true(there(files[2]) && there(files[3]));
    }
    temp_write(&dir, files[0], "y", 1); /* its place is taken */
    assert_int_equal(msprof_rename(temp_path(&dir, "PROF_000001_2024_ABC"), "net.om", &renamed, &error),
                     AISPIPE_IO);
    assert_non_null(strstr(error.message, "'summary.csv'"));
    assert_int_equal(msprof_rename(temp_path(&dir, "none_X"), "net.om", &renamed, &error), AISPIPE_IO);
    assert_int_equal(msprof_rename("none", "net.om", &renamed, &error), AISPIPE_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spellings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options_of_acl_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blanks_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rename, setup, teardown),
        cmocka_unit_test_setup_teardown(test_return, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
