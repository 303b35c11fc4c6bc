/* SPDX-License-Identifier: MIT */
/* Many shapes in few words: which they are, in which order, and what is refused. */
#include "unit.h"

#include "cli/shape_range.h"
#include "files.h"

#include <string.h>

TEMP_DIR(dir)
static struct aispipe_error error;

static void shapes_are(const char *value, const char *const *wanted)
{
    struct shape_range *range;
    if (shape_range_read(value, &range, &error))
        fail_msg("'%s' was refused: %s", value, error.message);
    size_t n = 0;
    for (; wanted[n]; n++) {
        char text[256];
        assert_true(n < shape_range_count(range));
        size_t length = shape_range_text(range, n, text, sizeof text);
        assert_string_equal(text, wanted[n]);
        assert_int_equal(length, strlen(wanted[n]));
        char shorter[4];
        assert_int_equal(shape_range_text(range, n, shorter, sizeof shorter), length);
        assert_memory_equal(shorter, text, 3);
    }
    assert_int_equal(shape_range_count(range), n);
    shape_range_free(range);
}

#define SHAPES(value, ...) shapes_are(value, (const char *const[]){__VA_ARGS__, NULL})

static void all_combinations_are_meant(void **state)
{
    (void)state;
    SHAPES("x:1", "x:1");
    SHAPES("x:1~3", "x:1", "x:2", "x:3");
    SHAPES("x:200~224~8", "x:200", "x:208", "x:216", "x:224");
    SHAPES("x:1~4~2", "x:1", "x:3");
    SHAPES("x:7~7", "x:7");
    SHAPES("x:5-3-9", "x:5", "x:3", "x:9");
    SHAPES("a:1,3,20~21,4-6;b:1,300", "a:1,3,20,4;b:1,300", "a:1,3,20,6;b:1,300", "a:1,3,21,4;b:1,300",
           "a:1,3,21,6;b:1,300");
    SHAPES("a-b:c:1-2;b:3~4", "a-b:c:1;b:3", "a-b:c:1;b:4", "a-b:c:2;b:3", "a-b:c:2;b:4");
}

static void a_file_holds_lines(void **state)
{
    (void)state;
    const char text[] = "x:1,2\r\n\n  \nx:3~4,5\nx:9,9";
    temp_write(&dir, "range", text, sizeof text - 1);
    SHAPES(temp_path(&dir, "range"), "x:1,2", "x:3,5", "x:4,5", "x:9,9");
}

static void refused(const char *value, const char *word, const char *other)
{
    struct shape_range *range;
    assert_int_equal(shape_range_read(value, &range, &error), AISPIPE_INVALID);
    assert_null(range);
    if (!strstr(error.message, word) || !strstr(error.message, other))
        fail_msg("'%s' does not say '%s' and '%s'", error.message, word, other);
}

static void what_is_no_range_is_refused(void **state)
{
    (void)state;
    refused("", "''", "NAME:N");
    refused("x", "'x'", "NAME:N");
    refused(":1", "':1'", "NAME:N");
    refused("x:", "''", "no size");
    refused("x:1;", "''", "NAME:N");
    refused("x:1;x:2", "'x'", "twice");
    refused("x:0", "'0'", "no size");
    refused("x:1,,2", "''", "no size");
    refused("x:1-", "'1-'", "no size");
    refused("x:-1", "'-1'", "no size");
    refused("x:3~1", "'3~1'", "ends before");
    refused("x:1~", "'1~'", "FIRST~LAST");
    refused("x:~3", "'~3'", "FIRST~LAST");
    refused("x:1~9~0", "'1~9~0'", "FIRST~LAST");
    refused("x:1~9~2~2", "'1~9~2~2'", "too many");
    refused("x:1~3-5", "'1~3-5'", "FIRST~LAST");
    refused("x:1~100001", "'1~100001'", "more than 100000");
    refused("x:1~1000,1~1000", "1~1000,1~1000", "more than 100000");
    refused("x:99999999999999999999", "'99999999999999999999'", "no size");
    refused("x:1 2", "'x:1 2'", "not allowed");
    refused("x:1$", "'x:1$'", "not allowed");
    refused("x:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "1,1", "more dimensions");
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    temp_write(&dir, "line", "x:1\n\nx:z\n", 9);
    refused(temp_path(&dir, "line"), "line 3: ", "'z'");
    temp_write(&dir, "blank", "\n \n", 3);
    refused(temp_path(&dir, "blank"), "blank'", "no shape");
    temp_write(&dir, "zero", "x:1\0", 4);
    refused(temp_path(&dir, "zero"), "zero'", "text");
    static char large[(1 << 20) + 1];
    memset(large, '\n', sizeof large);
    temp_write(&dir, "large", large, sizeof large);
    refused(temp_path(&dir, "large"), "large'", "larger");
    static char many[16 * 8];
    size_t used = 0;
    for (int i = 0; i < 3; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "x:1~%d\n", 40000);
    temp_write(&dir, "many", many, used);
    refused(temp_path(&dir, "many"), "line 3: ", "more than 100000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_combinations_are_meant),
        cmocka_unit_test(a_file_holds_lines),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
