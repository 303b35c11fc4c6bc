/* SPDX-License-Identifier: MIT */
/* acl.json: what is written, and what a user's own file is refused or warned about for. */
#include "unit.h"

#include "aispipe/acl_json.h"
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct temp_dir dir;
static struct aispipe_error error;
static struct aispipe_acl_json json;
static char warnings[4096];

static void keep(void *context, enum aispipe_log_level level, const char *line)
{
    (void)context;
    assert_int_equal(level, AISPIPE_LOG_WARNING);
    size_t used = strlen(warnings);
    (void)snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

static const struct aispipe_log sink = {.write = keep};

static int setup(void **state)
{
    (void)state;
    temp_make(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    aispipe_acl_json_free(&json);
    temp_remove(&dir);
    return 0;
}

static int read_back(const char *text)
{
    aispipe_acl_json_free(&json);
    warnings[0] = '\0';
    temp_write(&dir, "acl.json", text, strlen(text));
    return aispipe_acl_json_read(temp_path(&dir, "acl.json"), "/models/net.v1.om", &sink, &json, &error);
}

static void check_file(const char *path, const char *format, const char *place)
{
    char wanted[PATH_MAX + 256], got[PATH_MAX + 256];
    (void)snprintf(wanted, sizeof wanted, format, place);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_msg("cannot open %s", path);
        return;
    }
    ssize_t n = read(fd, got, sizeof got - 1);
    assert_true(n > 0);
    got[n] = '\0';
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(close(fd), 0);
    assert_string_equal(got, wanted);
}

static void test_written(void **state)
{
    (void)state;
    char path[PATH_MAX], place[PATH_MAX];
    (void)umask(022);
    assert_non_null(realpath(dir.path, place));
    assert_int_equal(aispipe_acl_json_write_profiler(dir.path, path, sizeof path, &error), 0);
    assert_string_equal(path, temp_path(&dir, "acl.json"));
    check_file(path,
               "{\"profiler\": {\"switch\": \"on\", \"aicpu\": \"on\", \"output\": \"%s/profiler\", "
               "\"aic_metrics\": \"\"}}\n",
               place);
    assert_int_equal(aispipe_acl_json_write_dump(dir.path, "some/where/net.v1.om", path, sizeof path, &error),
                     0);
    check_file(path,
               "{\"dump\": {\"dump_path\": \"%s/dump\", \"dump_mode\": \"all\", \"dump_list\": "
               "[{\"model_name\": \"net.v1\"}]}}\n",
               place);
    /* What is written is what is read without a word. */
    warnings[0] = '\0';
    assert_int_equal(aispipe_acl_json_read(path, "net.v1.om", &sink, &json, &error), 0);
    assert_string_equal(warnings, "");
    assert_true(json.has_dump && !json.has_profiler);
    size_t length = strlen(place);
    assert_memory_equal(json.dump_path, place, length);
    assert_string_equal(json.dump_path + length, "/dump");
    assert_int_equal(access(temp_path(&dir, ".acl.json.tmp"), F_OK), -1);
}

static void test_cannot_write(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(aispipe_acl_json_write_profiler(temp_path(&dir, "none"), path, sizeof path, &error),
                     AISPIPE_IO);
    assert_non_null(strstr(error.message, "/none/profiler"));
    temp_write(&dir, "dump", "", 0);
    temp_subdir(&dir, "acl.json");
    assert_int_equal(aispipe_acl_json_write_profiler(dir.path, path, sizeof path, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "/acl.json"));
}

static void check_refused(const char *text, const char *words)
{
    assert_true(read_back(text) < 0);
    if (!strstr(error.message, words) || !strstr(error.message, "acl.json'"))
        fail_msg("'%s' does not say '%s'", error.message, words);
}

static void test_refused(void **state)
{
    (void)state;
    char large[AISPIPE_ACL_JSON_MAX_BYTES + 2];
    memset(large, ' ', sizeof large);
    memcpy(large, "{}", 2);
    large[AISPIPE_ACL_JSON_MAX_BYTES] = '\0';
    assert_int_equal(read_back(large), 0);
    large[AISPIPE_ACL_JSON_MAX_BYTES] = ' ';
    large[AISPIPE_ACL_JSON_MAX_BYTES + 1] = '\0';
    check_refused(large, "larger than 8192 bytes");
    check_refused("", "no JSON object");
    check_refused("{\"dump\": {}", "no JSON object");
    check_refused("{} x", "no JSON object");
    check_refused("[]", "no JSON object");
    check_refused("{\"dump\": 1}", "\"dump\"");
    check_refused("{\"profiler\": []}", "\"profiler\"");
    assert_int_equal(aispipe_acl_json_read(temp_path(&dir, "none.json"), "m", &sink, &json, &error),
                     AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "No such file"));
    temp_write(&dir, "acl.txt", "{}", 2);
    assert_int_equal(aispipe_acl_json_read(temp_path(&dir, "acl.txt"), "m", &sink, &json, &error),
                     AISPIPE_INVALID);
    assert_non_null(strstr(error.message, ".json"));
    temp_subdir(&dir, "d.json");
    assert_int_equal(aispipe_acl_json_read(temp_path(&dir, "d.json"), "m", &sink, &json, &error),
                     AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "regular file"));
}

/* Reads a dump section; `words`: what its one warning says, NULL for none. */
static void check_dump(const char *key, const char *words, const char *format)
{
    char text[PATH_MAX + 512];
    (void)snprintf(text, sizeof text, format, dir.path);
    assert_int_equal(read_back(text), 0);
    assert_true(json.has_dump);
    if (!words) {
        assert_string_equal(warnings, "");
        return;
    }
    char *end = strchr(warnings, '\n');
    if (!strstr(warnings, key) || !strstr(warnings, words) || !end || end[1])
        fail_msg("'%s' is not one warning with '%s'", warnings, words);
}

#define DUMP(more) \
    "{\"dump\": {\"dump_path\": \"%s\"" more ", \"dump_list\": [{\"model_name\": \"net.v1\"}]}}"

static void test_dump_section(void **state)
{
    (void)state;
    check_dump(NULL, NULL, DUMP(""));
    check_dump(NULL, NULL, DUMP(", \"dump_mode\": \"input\", \"dump_op_switch\": \"off\""));
    check_dump("\"dump_mode\"", "input, output, all", DUMP(", \"dump_mode\": \"inputs\""));
    check_dump("\"dump_mode\"", "none of", DUMP(", \"dump_mode\": 3"));
    check_dump("\"dump_op_switch\"", "on, off", DUMP(", \"dump_op_switch\": \"yes\""));
    check_dump("\"model_name\"", "'other', but the model is 'net.v1'",
               "{\"dump\": {\"dump_path\": \"%s\", \"dump_list\": [{\"model_name\": \"other\"}]}}");
    check_dump("\"model_name\"", "missing",
               "{\"dump\": {\"dump_path\": \"%s\", \"dump_list\": [{\"layer\": []}]}}");
    check_dump("\"model_name\"", "missing", "{\"dump\": {\"dump_path\": \"%s\"}}");
    check_dump(NULL, NULL,
               "{\"dump\": {\"dump_path\": \"%s\", \"dump_list\": [{\"model_name\": \"a\"}, {\"model_name\": "
               "\"net.v1\"}]}}");
    check_dump("\"dump_path\"", "No such file",
               "{\"dump\": {\"dump_path\": \"%s/none\", \"dump_list\": [{\"model_name\": \"net.v1\"}]}}");
    check_dump("\"dump_path\"", "not a directory",
               "{\"dump\": {\"dump_path\": \"%s/acl.json\", \"dump_list\": [{\"model_name\": \"net.v1\"}]}}");
    check_dump("\"dump_path\"", "missing", "{\"dump\": {\"dump_list\": [{\"model_name\": \"net.v1\"}]}}");
}

static void check_options(const char *text, const char *const *wanted)
{
    assert_int_equal(read_back(text), 0);
    assert_true(json.has_profiler);
    size_t n = 0;
    for (; wanted[n]; n++) {
        assert_true(n < json.n_options);
        assert_string_equal(json.options[n], wanted[n]);
    }
    assert_int_equal(json.n_options, n);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_profiler_section(void **state)
{
    (void)state;
    check_options(
        "{\"profiler\": {\"switch\": \"on\", \"output\": \"./p\", \"aic_metrics\": \"\", \"aicpu\": \"on\","
        " \"host_sys_usage_freq\": 50, \"l2\": \"off\"}}",
        OPTIONS("--output=./p", "--aicpu=on", "--host-sys-usage-freq=50", "--l2=off"));
    assert_string_equal(warnings, "");
    assert_null(json.options[json.n_options]);
    check_options("{\"profiler\": {\"switch\": \"on\", \"sys_hardware_mem_freq\": \"10\", \"dvpp_freq\": 5,"
                  " \"sys_interconnection_freq\": 7}}",
                  OPTIONS("--sys-hardware-mem=on", "--sys-hardware-mem-freq=10", "--dvpp-profiling=on",
                          "--dvpp-freq=5", "--sys-interconnection-profiling=on",
                          "--sys-interconnection-freq=7"));
    /* A value is one argument, whatever is in it. */
    check_options("{\"profiler\": {\"switch\": \"on\", \"output\": \"a_b; rm -r / $(x)\"}}",
                  OPTIONS("--output=a_b; rm -r / $(x)"));
    assert_int_equal(read_back("{\"profiler\": {\"switch\": \"on\", \"l2\": [], \"nice\": 1}}"), 0);
    assert_int_equal(json.n_options, 0);
    assert_non_null(strstr(warnings, "\"l2\" is neither text nor a number"));
    assert_non_null(strstr(warnings, "\"nice\" of the profiler section"));
    assert_int_equal(read_back("{\"profiler\": {\"output\": \"p\"}}"), 0);
    assert_false(json.has_profiler);
    assert_non_null(strstr(warnings, "\"switch\""));
}

/* A copy that says where to dump to, and is the same in all else. */
static void test_redirected(void **state)
{
    (void)state;
    char path[PATH_MAX], from[PATH_MAX], place[PATH_MAX];
    const char *text =
        "{\"profiler\": {\"switch\": \"on\", \"dvpp_freq\": 50}, \"dump\": {\"dump_path\": \"x\", "
        "\"dump_list\": [{\"model_name\": \"a\", \"layer\": [\"l\"]}]}, \"more\": [1.5, null]}";
    temp_write(&dir, "from.json", text, strlen(text));
    temp_subdir(&dir, "to");
    (void)snprintf(from, sizeof from, "%s", temp_path(&dir, "from.json"));
    (void)snprintf(place, sizeof place, "%s", temp_path(&dir, "to"));
    (void)umask(022);
    assert_int_equal(aispipe_acl_json_redirect_dump(from, place, path, sizeof path, &error), 0);
    assert_string_equal(path, temp_path(&dir, "to/acl.json"));
    check_file(
        path,
        "{\"profiler\":{\"switch\":\"on\",\"dvpp_freq\":50},\"dump\":{\"dump_list\":[{\"model_name\":\"a\","
        "\"layer\":[\"l\"]}],\"dump_path\":\"%s\"},\"more\":[1.5,null]}",
        place);
    temp_write(&dir, "from.json", "{}", 2);
    assert_int_equal(aispipe_acl_json_redirect_dump(from, place, path, sizeof path, &error), AISPIPE_FORMAT);
    assert_non_null(strstr(error.message, "from.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dump_section, setup, teardown),
        cmocka_unit_test_setup_teardown(test_profiler_section, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirected, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
