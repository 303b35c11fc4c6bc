/* SPDX-License-Identifier: MIT */
/* The streaming JSON writer, read back by a parser that is not ours. */
#include "unit.h"

#include "json_writer.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void doubles_are_spelled_as_python_does(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0.0"},
                 {1, "1.0"},
                 {0.1, "0.1"},
                 {-2.5, "-2.5"},
                 {1.0 / 3, "0.3333333333333333"},
                 {1e-7, "1e-07"},
                 {1e22, "1e+22"},
                 {0.1 + 0.2, "0.30000000000000004"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        format_double(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void doubles_read_back(void **state)
{
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < 100000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        char text[32];
        format_double(value, text);
        assert_true(strtod(text, NULL) == value);
    }
}

static char *written(int fd)
{
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = calloc((size_t)length + 1, 1);
    assert_int_equal(pread(fd, text, (size_t)length, 0), length);
    return text;
}

static void a_document_is_read_back(void **state)
{
    (void)state;
    int fd = memfd_create("json", 0);
    struct json_writer *json = malloc(sizeof *json);
    json_begin(json, fd);
    json_open(json, '{');
    json_member_string(json, "text \"quoted\" \\ \n\x01 \xc3\xa9", "a\tb \xff\xfe \xe2\x82\xac");
    json_member_open(json, "empty", '[');
    json_close(json, ']');
    json_member_open(json, "list", '[');
    for (int i = 0; i < 20000; i++) /* more than the buffer holds */
        json_uint(json, (uint64_t)i);
    json_double(json, NAN);
    json_open(json, '{');
    json_member_double(json, "x", 0.25);
    json_close(json, '}');
    json_close(json, ']');
    json_close(json, '}');
    assert_int_equal(json_end(json), 0);
    char *text = written(fd);
    assert_non_null(
        strstr(text, "\\udcff\\udcfe")); /* bytes that are no UTF-8 are kept, as Python keeps them */
    /* cJSON refuses lone surrogates: take them out before it looks at the rest. */
    char *lone;
    while ((lone = strstr(text, "\\udcf")))
        memmove(lone, lone + 6, strlen(lone + 6) + 1);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    assert_non_null(cJSON_GetObjectItem(root, "text \"quoted\" \\ \n\x01 \xc3\xa9"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "empty")), 0);
    const cJSON *list = cJSON_GetObjectItem(root, "list");
    assert_int_equal(cJSON_GetArraySize(list), 20002);
    assert_true(cJSON_GetArrayItem(list, 19999)->valuedouble == 19999);
    assert_true(cJSON_GetArrayItem(list, 20000)->valuedouble == 0);
    cJSON_Delete(root);
    free(text);
    free(json);
    close(fd);
}

static void a_failed_write_is_told(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct json_writer *json = malloc(sizeof *json);
    json_begin(json, fd);
    json_string(json, "x");
    assert_int_equal(json_end(json), ENOSPC);
    free(json);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_spelled_as_python_does),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(a_document_is_read_back),
        cmocka_unit_test(a_failed_write_is_told),
    };
    return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
