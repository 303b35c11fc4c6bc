/* SPDX-License-Identifier: MIT */
/* Sets of cores: which texts are lists, how a set is written, and what the calling thread is restricted to.
 */
#include "unit.h"

#include "cores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reads(const char *text, struct cores *cores)
{
    return cores_parse(text, strlen(text), cores);
}

static void lists_are_read_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count;
        const char *written;
    } lists[] = {{"0", 1, "0"},
                 {"7", 1, "7"},
                 {"0-3", 4, "0-3"},
                 {"3-3", 1, "3"},
                 {"0-3,8,10-11", 7, "0-3,8,10-11"},
                 {"11,10,8,3,2,1,0", 7, "0-3,8,10-11"},
                 {"1,1,1-1,0-2", 3, "0-2"},
                 {"00007", 1, "7"},
                 {"63,64,65", 3, "63-65"},
                 {"1023-1025", 3, "1023-1025"},
                 {"8191", 1, "8191"},
                 {"0-8191", 8192, "0-8191"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct cores cores;
        char text[64];
        assert_true(reads(lists[i].text, &cores));
        assert_int_equal(cores_count(&cores), lists[i].count);
        assert_string_equal(cores_format(&cores, text, sizeof text), lists[i].written);
    }
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        ",",
                                        "-",
                                        "0,",
                                        ",0",
                                        "0,,1",
                                        "0-",
                                        "-1",
                                        "0--1",
                                        "3-0",
                                        " 0",
                                        "0 ",
                                        "0, 1",
                                        "+0",
                                        "0x1",
                                        "1.0",
                                        "a",
                                        "0-3:2",
                                        "8192",
                                        "0-8192",
                                        "1-2-3",
                                        "0;1",
                                        "0\n",
                                        "0\t",
                                        "1e1",
                                        "٣",
                                        "auto",
                                        "none",
                                        "4294967296",
                                        "99999999999999999999999",
                                        "0-18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cores cores;
        if (reads(wrong[i], &cores))
            fail_msg("'%s' was taken for a list", wrong[i]);
    }
}

static void only_so_many_bytes_are_looked_at(void **state)
{
    (void)state;
    struct cores cores;
    assert_true(cores_parse("0-3;junk", 3, &cores));
    assert_int_equal(cores_count(&cores), 4);
    assert_false(cores_parse("0-3", 2, &cores));
    assert_false(cores_parse("0", 0, &cores));
    assert_true(cores_parse("12", SIZE_MAX, &cores));
    assert_true(cores_has(&cores, 12));
}

/* Texts of the characters that lists are made of: whatever is taken says the same when it is written. */
static void random_texts_read_as_they_are_written(void **state)
{
    (void)state;
    static const char letters[] = "0123456789,,--,-1 ;";
    unsigned seed = 1;
    unsigned taken = 0;
    for (int round = 0; round < 200000; round++) {
        char text[12];
        char written[8192 * 6];
        size_t length = (size_t)rand_r(&seed) % sizeof text;
        for (size_t i = 0; i < length; i++)
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
        struct cores cores;
        struct cores again;
        if (!cores_parse(text, length, &cores))
            continue;
        taken++;
        assert_true(cores_count(&cores) > 0);
        if (round % 16)
            continue;
        assert_true(reads(cores_format(&cores, written, sizeof written), &again));
        assert_true(cores_equal(&cores, &again));
    }
    assert_true(taken > 1000);
}

static void a_text_that_does_not_fit_is_cut_between_ranges(void **state)
{
    (void)state;
    struct cores cores;
    char text[16];
    assert_true(reads("0,2,4,6,8,10,12,14,16", &cores));
    for (size_t room = 5; room <= sizeof text; room++) {
        cores_format(&cores, text, room);
        assert_true(strlen(text) < room);
        assert_string_equal(text + strlen(text) - 4, ",...");
    }
    struct cores none = {0};
    assert_string_equal(cores_format(&none, text, sizeof text), "none");
}

static void sets_are_joined_and_met(void **state)
{
    (void)state;
    struct cores a, b;
    char text[32];
    assert_true(reads("0-4,4000", &a) && reads("3-6,4000-4001", &b));
    struct cores both = cores_both(&a, &b);
    struct cores either = cores_either(&a, &b);
    assert_string_equal(cores_format(&both, text, sizeof text), "3-4,4000");
    assert_string_equal(cores_format(&either, text, sizeof text), "0-6,4000-4001");
    assert_false(cores_has(&either, UINT64_MAX) || cores_has(&either, CORES_MOST));
}

static unsigned first_core(const struct cores *cores)
{
    unsigned core = 0;
    while (!cores_has(cores, core))
        core++;
    return core;
}

static void a_list_must_be_of_cores_that_there_are(void **state)
{
    (void)state;
    struct cores allowed, cores;
    struct aispipe_error error;
    char text[32];
    assert_true(cores_current(&allowed));
    (void)snprintf(text, sizeof text, "%u", first_core(&allowed));
    assert_int_equal(cores_read(text, SIZE_MAX, &cores, &error), 0);
    assert_int_equal(cores_read("8191", SIZE_MAX, &cores, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "'8191' names core 8191"));
    assert_int_equal(cores_read("0-x", SIZE_MAX, &cores, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "'0-x' is no list"));
}

/* As in a container, or below taskset: what the thread may not use is refused, and not counted. */
static void a_restricted_thread_knows_its_cores_only(void **state)
{
    (void)state;
    struct cores before, one, cores;
    struct aispipe_error error;
    char text[32];
    assert_true(cores_current(&before));
    (void)snprintf(text, sizeof text, "%u", first_core(&before));
    assert_true(reads(text, &one));
    assert_int_equal(cores_apply(&one), 0);
    assert_int_equal(cores_available(), 1);
    assert_true(cores_current(&cores) && cores_equal(&cores, &one));
    if (cores_count(&before) > 1) {
        char all[CORES_TEXT];
        cores_format(&before, all, sizeof all);
        assert_int_equal(cores_read(all, SIZE_MAX, &cores, &error), AISPIPE_INVALID);
    }
    assert_int_equal(cores_apply(&before), 0);
    assert_int_equal(cores_available(), cores_count(&before));
    assert_int_not_equal(cores_apply(&(struct cores){0}), 0); /* nowhere */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_written_back),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(only_so_many_bytes_are_looked_at),
        cmocka_unit_test(random_texts_read_as_they_are_written),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_between_ranges),
        cmocka_unit_test(sets_are_joined_and_met),
        cmocka_unit_test(a_list_must_be_of_cores_that_there_are),
        cmocka_unit_test(a_restricted_thread_knows_its_cores_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
