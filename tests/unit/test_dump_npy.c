/* SPDX-License-Identifier: MIT */
/* --dump_npy: where a dump is sent, and where it is moved to. The tool's part is in
 * tests/e2e/test_acl_dump.py. */
#include "unit.h"

#include "cli/dump_npy.h"
#include "cli/run.h"
#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAMP "20260102030405"

TEMP_DIR(dir)
static struct aispipe_error error;
static struct dump_npy dump;

static void begin(void)
{
    const char text[] = "{\"dump\": {\"dump_path\": \"dumps\", \"dump_mode\": \"all\"}}";
    temp_write(&dir, "a.json", text, strlen(text));
    char acl_json[PATH_MAX];
    (void)snprintf(acl_json, sizeof acl_json, "%s", temp_path(&dir, "a.json"));
    assert_int_equal(dump_npy_begin(acl_json, dir.path, &dump, &error), 0);
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* What the runtime would write: a directory with a file, in `place`. */
static void write_dump(const char *stamp, const char *text)
{
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", dump.place, stamp);
    assert_int_equal(mkdir(path, 0750), 0);
    (void)snprintf(path, sizeof path, "%s/%s/file", dump.place, stamp);
    write_text(path, text);
}

static void check_text(const char *path, const char *wanted)
{
    char text[PATH_MAX + 64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_msg("there is no %s", path);
        return;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_int_equal(close(fd), 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, wanted);
}

static bool is_there(const char *name)
{
    return access(temp_path(&dir, name), F_OK) == 0;
}

static void test_begin(void **state)
{
    (void)state;
    char place[PATH_MAX], wanted[2 * PATH_MAX];
    begin();
    assert_non_null(realpath(dir.path, place));
    assert_memory_equal(dump.place, place, strlen(place));
    assert_memory_equal(dump.place + strlen(place), "/aispipe-", strlen("/aispipe-"));
    (void)snprintf(wanted, sizeof wanted, "%s/acl.json", dump.place);
    assert_string_equal(dump.acl_json, wanted);
    (void)snprintf(wanted, sizeof wanted, "{\"dump\":{\"dump_mode\":\"all\",\"dump_path\":\"%s\"}}",
                   dump.place);
    check_text(dump.acl_json, wanted);
    dump_npy_leave(dump.place);
    assert_int_equal(access(dump.place, F_OK), -1);
    dump_npy_leave(dump.place);
    dump_npy_leave(NULL);
}

static void test_cannot_begin(void **state)
{
    (void)state;
    char none[PATH_MAX];
    (void)snprintf(none, sizeof none, "%s", temp_path(&dir, "none"));
    assert_int_equal(dump_npy_begin("a.json", none, &dump, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "/none"));
    assert_int_equal(dump_npy_begin("/none/a.json", dir.path, &dump, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "/none/a.json"));
    assert_int_equal(access(dump.place, F_OK), -1);
}

/* The dump of another run in the same second is neither replaced nor added to. */
static void test_names_that_are_taken(void **state)
{
    (void)state;
    temp_subdir(&dir, STAMP);
    temp_write(&dir, STAMP "/file", "older", 5);
    temp_subdir(&dir, STAMP "_1_npy");
    begin();
    write_dump(STAMP, "newer");
    write_dump("20260102030406", "last");
    dump_npy_leave(dump.place);
    assert_false(is_there(STAMP "_1"));
    check_text(temp_path(&dir, STAMP "/file"), "older");
    check_text(temp_path(&dir, STAMP "_2/file"), "newer");
    check_text(temp_path(&dir, "20260102030406/file"), "last");
    assert_int_equal(access(dump.place, F_OK), -1);
}

/* The status of a run that did not succeed is not changed by what becomes of its dump. */
static void test_finish_after_a_failure(void **state)
{
    (void)state;
    struct console console = {0};
    begin();
    write_dump(STAMP, "all");
    assert_int_equal(dump_npy_finish(dump.place, &console, false, EXIT_FAILED), EXIT_FAILED);
    check_text(temp_path(&dir, STAMP "/file"), "all");
    assert_false(is_there(STAMP "_npy"));
    begin();
    assert_int_equal(dump_npy_finish(dump.place, &console, false, 130), 130);
    assert_int_equal(access(dump.place, F_OK), -1);
}

/* What is no directory is no dump, and is not thrown away. */
static void test_something_else_in_it(void **state)
{
    (void)state;
    struct console console = {0};
    char path[PATH_MAX + 16];
    begin();
    (void)snprintf(path, sizeof path, "%s/note", dump.place);
    write_text(path, "kept");
    assert_int_equal(dump_npy_finish(dump.place, &console, false, EXIT_DONE), EXIT_FAILED);
    check_text(path, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_begin, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(test_cannot_begin, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(test_names_that_are_taken, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(test_finish_after_a_failure, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(test_something_else_in_it, dir_make, dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
