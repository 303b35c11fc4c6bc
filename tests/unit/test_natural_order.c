/* SPDX-License-Identifier: MIT */
/* The order of file names, its keys, and that sorting with keys is sorting by names. */
#include "unit.h"

#include "io/file_list.h"
#include "io/natural_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* In order, each before the next. */
static const char *const ordered[] = {
    "",
    "0",
    "00",
    "01",
    "1",
    "2",
    "9",
    "10",
    "99",
    "100",
    "00100a",
    "100b",
    "101",
    "999999999",
    "1000000000",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
    "100000000000000000000000000000000000000",
    "A",
    "a",
    "a1b2",
    "a1b10",
    "a2b1",
    "a_1",
    "b",
    "IMG1.npy",
    "img1.npy",
    "img1_1.npy",
    "img2.npy",
    "Img9.npy",
    "img10.npy",
    "IMG11.npy",
    "img011.npy",
    "img100.npy",
    "z",
    "~",
    "\xc3\xa4",
};

enum { ORDERED = sizeof ordered / sizeof *ordered };

static void names_are_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < ORDERED; i++) {
        for (int k = 0; k < ORDERED; k++) {
            int found = sign(natural_compare(ordered[i], ordered[k]));
            if (found != sign(i - k))
                fail_msg("'%s' against '%s': %d", ordered[i], ordered[k], found);
        }
    }
}

static void check_key(const char *left, const char *right)
{
    struct natural_key a = natural_key(left);
    struct natural_key b = natural_key(right);
    if (a.high == b.high && a.low == b.low)
        return;
    int by_key = a.high != b.high ? (a.high < b.high ? -1 : 1) : (a.low < b.low ? -1 : 1);
    if (by_key != sign(natural_compare(left, right)))
        fail_msg("keys of '%s' and '%s' are in another order than the names", left, right);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void random_name(uint32_t *seed, char *name, size_t most)
{
    static const char alphabet[] = "00112233456789aAbBzZ._-/:~\x7f\xff";
    size_t length = 1 + next_random(seed) % most;
    for (size_t i = 0; i < length; i++)
        name[i] = alphabet[next_random(seed) % (next_random(seed) % 2 ? 4 : sizeof alphabet - 1)];
    name[length] = '\0';
}

static void keys_agree_with_names(void **state)
{
    (void)state;
    for (int i = 0; i < ORDERED; i++)
        for (int k = 0; k < ORDERED; k++)
            check_key(ordered[i], ordered[k]);
    uint32_t seed = 3;
    for (int turn = 0; turn < 300000; turn++) {
        char left[32];
        char right[32];
        random_name(&seed, left, 24);
        random_name(&seed, right, 24);
        check_key(left, right);
        /* Names that share a start, as they do in directories. */
        size_t same = strlen(left) / 2;
        memcpy(right, left, same);
        check_key(left, right);
        size_t common = natural_common(left, right, strlen(left));
        size_t cut = natural_cut(left, common);
        assert_true(cut <= common);
        assert_int_equal(sign(natural_compare(left + cut, right + cut)) == 0,
                         strcmp(left + cut, right + cut) == 0);
        check_key(left + cut, right + cut);
    }
}

static void long_runs_of_digits_are_ordered(void **state)
{
    (void)state;
    char left[600];
    char right[600];
    static const size_t lengths[] = {8, 9, 10, 254, 255, 256, 300, 599};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            memset(left, '7', sizeof left);
            memset(right, '7', sizeof right);
            left[lengths[i]] = '\0';
            right[lengths[k]] = '\0';
            check_key(left, right);
            assert_int_equal(sign(natural_compare(left, right)), sign((int)lengths[i] - (int)lengths[k]));
            right[lengths[k] - 1] = '8';
            check_key(left, right);
        }
    }
}

static int compare_pointers(const void *left, const void *right)
{
    return natural_compare(*(const char *const *)left, *(const char *const *)right);
}

/* The list's sort, with its keys and its cut-off common start, against a plain sort by name. */
static void lists_are_sorted(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    uint32_t seed = 11;
    static const char *const starts[] = {"", "img_", "Img_0", "a/1", "val1999"};
    for (size_t start = 0; start < sizeof starts / sizeof *starts; start++) {
        char **names = calloc(COUNT, sizeof *names);
        assert_non_null(names);
        struct file_list list = {0};
        for (size_t i = 0; i < COUNT; i++) {
            char name[48];
            size_t used = strlen(starts[start]);
            memcpy(name, starts[start], used);
            random_name(&seed, name + used, 12);
            strcat(name, ".npy");
            names[i] = strdup(name);
            assert_non_null(names[i]);
            assert_int_equal(file_list_add(&list, name, strlen(name), DATASET_NPY, NULL), 0);
        }
        qsort(names, COUNT, sizeof *names, compare_pointers);
        assert_int_equal(file_list_sort(&list, 0, NULL), 0);
        for (size_t i = 0; i < COUNT; i++) {
            assert_string_equal(file_list_name(&list, list.refs[i]), names[i]);
            free(names[i]);
        }
        free(names);
        file_list_free(&list);
    }
}

static void add_name(struct file_list *list, const char *name)
{
    assert_int_equal(file_list_add(list, name, strlen(name), DATASET_BIN, NULL), 0);
}

/* More names than are sorted by comparing, and no key tells them apart: one other name keeps what they share
 * in it. */
static void names_with_equal_keys_are_sorted(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct file_list list = {0};
    char name[64];
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "a-name-that-is-longer-than-a-key-%u.bin", i * 7919 % COUNT);
        add_name(&list, name);
    }
    add_name(&list, "zebra.bin");
    add_name(&list, "Aardvark.bin");
    assert_int_equal(file_list_sort(&list, 0, NULL), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "a-name-that-is-longer-than-a-key-%u.bin", i);
        assert_string_equal(file_list_name(&list, list.refs[i]), name);
    }
    assert_string_equal(file_list_name(&list, list.refs[COUNT]), "Aardvark.bin");
    assert_string_equal(file_list_name(&list, list.refs[COUNT + 1]), "zebra.bin");
    file_list_free(&list);
}

/* Wherever two of them are. */
static void equal_stems_are_found(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static const size_t places[][2] = {{0, 1}, {0, 31}, {31, 32}, {0, 199}, {100, 163}, {198, 199}};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        struct file_list list = {0};
        size_t left;
        size_t right;
        for (size_t i = 0; i < COUNT; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "%zu.bin", i == places[k][1] ? places[k][0] : i);
            add_name(&list, name);
        }
        assert_int_equal(file_list_same_stem(&list, COUNT, &left, &right, NULL), 1);
        assert_int_equal(left, places[k][0]);
        assert_int_equal(right, places[k][1]);
        assert_int_equal(file_list_same_stem(&list, places[k][1], &left, &right, NULL), 0);
        file_list_free(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_order),
        cmocka_unit_test(names_with_equal_keys_are_sorted),
        cmocka_unit_test(equal_stems_are_found),
        cmocka_unit_test(keys_agree_with_names),
        cmocka_unit_test(long_runs_of_digits_are_ordered),
        cmocka_unit_test(lists_are_sorted),
    };
    return cmocka_run_group_tests_name("natural_order", tests, NULL, NULL);
}
