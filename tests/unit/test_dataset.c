/* SPDX-License-Identifier: MIT */
/* Planning a run: which files are taken, in which order, under which names, and what is refused. */
#include "unit.h"

#include "files.h"
#include "io/dataset.h"

#include <errno.h>

TEMP_DIR(dir)

static void make_file(const char *name)
{
    temp_write(&dir, name, "x", 1);
}

/* The paths below the temporary directory, joined by ','. */
static char *join(const char *const *names)
{
    char *input = calloc(1, 65536);
    assert_non_null(input);
    for (size_t i = 0; names[i]; i++) {
        if (i)
            strcat(input, ",");
        strcat(input, temp_path(&dir, names[i]));
    }
    return input;
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct aispipe_dataset *planned(const char *const *names, size_t inputs, uint64_t limit)
{
    struct aispipe_dataset *dataset;
    struct aispipe_error error = {0};
    char *input = join(names);
    if (aispipe_dataset_open(input, inputs, limit, &dataset, &error) != 0)
        fail_msg("%s", error.message);
    memset(input, '#', strlen(input)); /* it must have been copied */
    free(input);
    return dataset;
}

static void refused_text(const char *input, size_t inputs, int code, const char *one, const char *other)
{
    struct aispipe_dataset *dataset = (struct aispipe_dataset *)(uintptr_t)1;
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_dataset_open(input, inputs, 0, &dataset, &error), code);
    assert_null(dataset);
    assert_int_equal(error.code, code);
    if (!strstr(error.message, one) || !strstr(error.message, other))
        fail_msg("'%s' says neither '%s' nor '%s'", error.message, one, other);
}

static void refused(const char *const *names, size_t inputs, int code, const char *one, const char *other)
{
    char *input = join(names);
    refused_text(input, inputs, code, one, other);
    free(input);
}

/* A plan stands; only where results are saved its names count. */
static void collides(const char *const *names, size_t inputs, const char *one, const char *other)
{
    struct aispipe_error error = {0};
    struct aispipe_dataset *dataset = planned(names, inputs, 0);
    assert_int_equal(aispipe_dataset_check_names(dataset, &error), AISPIPE_INVALID);
    if (!strstr(error.message, one) || !strstr(error.message, other))
        fail_msg("'%s' says neither '%s' nor '%s'", error.message, one, other);
    aispipe_dataset_close(dataset);
}

static void close_without_collision(struct aispipe_dataset *dataset)
{
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_dataset_check_names(dataset, &error), 0);
    aispipe_dataset_close(dataset);
}

static void check_names(const struct aispipe_dataset *dataset, size_t input, const char *const *names)
{
    uint64_t sample = 0;
    for (; names[sample]; sample++) {
        char path[PATH_MAX + 256];
        assert_true(sample < aispipe_dataset_samples(dataset));
        size_t length = aispipe_dataset_path(dataset, input, sample, path, sizeof path);
        assert_int_equal(length, strlen(path));
        assert_string_equal(path, temp_path(&dir, names[sample]));
        int fd;
        const char *name = dataset_file(dataset, input, sample, &fd);
        assert_int_equal(faccessat(fd, name, R_OK, 0), 0);
    }
    assert_int_equal(aispipe_dataset_samples(dataset), sample);
}

static void check_stem(const struct aispipe_dataset *dataset, uint64_t sample, const char *wanted)
{
    char stem[64];
    assert_int_equal(aispipe_dataset_stem(dataset, sample, stem, sizeof stem), strlen(wanted));
    assert_string_equal(stem, wanted);
}

/* ---------------------------------------------------------------- directories */

static void a_directory_is_taken_in_natural_order(void **state)
{
    (void)state;
    static const char *const made[] = {
        "d/img10.npy", "d/img9.npy",      "d/IMG2.bin",      "d/img1.BIN",      "d/a.b.npy",
        "d/z.NPY",     "d/img11.npy.zst", "d/img12.bin.zst", "d/img13.NPY.zst", "d/notes.txt",
        "d/x.npy.bak", "d/y.Npy",         "d/.npy",          "d/bin",           "d/img14.npy.zst.x"};
    temp_subdir(&dir, "d");
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        make_file(made[i]);
    temp_subdir(&dir, "d/inner.npy");
    make_file("elsewhere.npy");
    assert_int_equal(symlink("../elsewhere.npy", temp_path(&dir, "d/link.npy")), 0);
    assert_int_equal(symlink("inner.npy", temp_path(&dir, "d/link2.npy")),
                     0); /* to a directory: passed over */
    struct aispipe_dataset *dataset = planned(PATHS("d"), 1, 0);
    check_names(dataset, 0,
                PATHS("d/.npy", "d/a.b.npy", "d/img1.BIN", "d/IMG2.bin", "d/img9.npy", "d/img10.npy",
                      "d/img11.npy.zst", "d/img12.bin.zst", "d/img13.NPY.zst", "d/link.npy", "d/z.NPY"));
    check_stem(dataset, 0, "");
    check_stem(dataset, 1, "a.b");
    check_stem(dataset, 2, "img1");
    check_stem(dataset, 6, "img11");
    check_stem(dataset, 8, "img13");
    static const enum dataset_format formats[] = {
        DATASET_NPY,     DATASET_NPY,     DATASET_BIN,     DATASET_BIN, DATASET_NPY, DATASET_NPY,
        DATASET_NPY_ZST, DATASET_BIN_ZST, DATASET_NPY_ZST, DATASET_NPY, DATASET_NPY};
    for (uint64_t i = 0; i < 11; i++)
        assert_int_equal(dataset_format_of(dataset, 0, i), formats[i]);
    aispipe_dataset_close(dataset);
}

static void directories_feed_inputs_in_order(void **state)
{
    (void)state;
    temp_subdir(&dir, "p");
    temp_subdir(&dir, "q");
    make_file("p/a2.npy");
    make_file("p/a10.npy");
    make_file("q/z1.bin");
    make_file("q/b.bin");
    struct aispipe_dataset *dataset = planned(PATHS("p/", "q"), 2, 0);
    assert_int_equal(aispipe_dataset_inputs(dataset), 2);
    check_names(dataset, 0, PATHS("p/a2.npy", "p/a10.npy"));
    check_names(dataset, 1, PATHS("q/b.bin", "q/z1.bin"));
    check_stem(dataset, 1, "a10");
    aispipe_dataset_close(dataset);
    dataset = planned(PATHS("p", "p"), 2, 0); /* the same one twice is fine */
    check_names(dataset, 1, PATHS("p/a2.npy", "p/a10.npy"));
    aispipe_dataset_close(dataset);
}

static void directories_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    temp_subdir(&dir, "p");
    temp_subdir(&dir, "q");
    temp_subdir(&dir, "empty");
    make_file("p/a.npy");
    make_file("p/b.npy");
    make_file("q/a.npy");
    make_file("empty/readme.md");
    refused(PATHS("p", "q"), 2, AISPIPE_INVALID, "2 and 1", "/q'");
    refused(PATHS("p", "p", "p"), 2, AISPIPE_INVALID, "3 input directories", "2 inputs");
    refused(PATHS("p"), 2, AISPIPE_INVALID, "1 input directory is", "2 inputs");
    refused(PATHS("empty"), 1, AISPIPE_INVALID, "no usable file", ".npy .NPY .bin .BIN .npy.zst");
    refused(PATHS("p", "nothing"), 2, AISPIPE_IO, "nothing", "No such file");
    refused(PATHS("p", "q/a.npy"), 2, AISPIPE_INVALID, "mixes files and directories", "a.npy' a file");
    refused(PATHS("q/a.npy", "p"), 2, AISPIPE_INVALID, "mixes files and directories", "p' a directory");
    assert_int_equal(symlink("nowhere", temp_path(&dir, "q/b.npy")), 0);
    refused(PATHS("q"), 1, AISPIPE_IO, "b.npy", "No such file");
}

/* ---------------------------------------------------------------- files */

static void files_are_cut_into_equal_runs(void **state)
{
    (void)state;
    make_file("b.npy");
    make_file("a.npy");
    make_file("y.bin");
    make_file("x.bin.zst");
    struct aispipe_dataset *dataset = planned(PATHS("b.npy", "a.npy", "y.bin", "x.bin.zst"), 2, 0);
    check_names(dataset, 0, PATHS("b.npy", "a.npy")); /* as given, not sorted */
    check_names(dataset, 1, PATHS("y.bin", "x.bin.zst"));
    check_stem(dataset, 0, "b");
    check_stem(dataset, 1, "a");
    aispipe_dataset_close(dataset);
    dataset = planned(PATHS("b.npy", "y.bin"), 2, 0);
    assert_int_equal(aispipe_dataset_samples(dataset), 1);
    aispipe_dataset_close(dataset);
    /* The stem has neither the directory nor its dots. */
    temp_subdir(&dir, "v1.5");
    make_file("v1.5/one.npy");
    dataset = planned(PATHS("v1.5/one.npy"), 1, 0);
    check_stem(dataset, 0, "one");
    aispipe_dataset_close(dataset);
}

static void files_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    make_file("a.npy");
    make_file("b.npy");
    make_file("c.png");
    assert_int_equal(mkfifo(temp_path(&dir, "p.npy"), 0600), 0);
    refused(PATHS("a.npy", "b.npy", "a.npy"), 2, AISPIPE_INVALID, "3 input files", "2 inputs");
    refused(PATHS("a.npy"), 2, AISPIPE_INVALID, "1 input file ", "2 inputs");
    refused(PATHS("a.npy", "c.png"), 1, AISPIPE_INVALID, "c.png", "unknown ending");
    refused(PATHS("a.npy", "missing.npy"), 1, AISPIPE_IO, "missing.npy", "No such file");
    refused(PATHS("a.npy", "p.npy"), 1, AISPIPE_INVALID, "p.npy", "neither a file nor a directory");
    refused(PATHS("a.npy"), 0, AISPIPE_INVALID, "no inputs", "leave them out");
    refused_text("", 1, AISPIPE_INVALID, "empty path", "joined by ','");
    refused_text(",", 1, AISPIPE_INVALID, "empty path", "joined by ','");
    refused_text("a,,b", 1, AISPIPE_INVALID, "empty path", "a,,b");
    refused_text("a,", 1, AISPIPE_INVALID, "empty path", "'a,'");
}

/* ---------------------------------------------------------------- names and limits */

static void colliding_names_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"d/one.bin", "d/one.NPY", "d/one.npy.zst", "d/one.BIN.zst"};
    temp_subdir(&dir, "d");
    temp_subdir(&dir, "e");
    make_file("d/one.npy");
    make_file("e/one.npy");
    collides(PATHS("d/one.npy", "e/one.npy"), 1, "d/one.npy", "e/one.npy");
    collides(PATHS("d/one.npy", "d/one.npy"), 1, "'one_0'", "rename");
    struct aispipe_dataset *dataset =
        planned(PATHS("d/one.npy", "e/one.npy"), 2, 0); /* only input 0 names results */
    close_without_collision(dataset);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        make_file(others[i]);
        collides(PATHS("d"), 1, "d/one.npy", others[i]);
        assert_int_equal(unlink(temp_path(&dir, others[i])), 0);
    }
    make_file("d/One.bin"); /* another name: results are files of their own */
    dataset = planned(PATHS("d"), 1, 0);
    assert_int_equal(aispipe_dataset_samples(dataset), 2);
    close_without_collision(dataset);
}

static void the_limit_keeps_the_first_samples(void **state)
{
    (void)state;
    temp_subdir(&dir, "p");
    temp_subdir(&dir, "q");
    for (int i = 1; i <= 12; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p/s%d.npy", i);
        make_file(name);
        (void)snprintf(name, sizeof name, "q/t%d.bin", i);
        make_file(name);
    }
    struct aispipe_dataset *dataset = planned(PATHS("p", "q"), 2, 2);
    check_names(dataset, 0, PATHS("p/s1.npy", "p/s2.npy"));
    check_names(dataset, 1, PATHS("q/t1.bin", "q/t2.bin"));
    aispipe_dataset_close(dataset);
    dataset = planned(PATHS("p", "q"), 2, 99);
    assert_int_equal(aispipe_dataset_samples(dataset), 12);
    aispipe_dataset_close(dataset);
    make_file("p/s2.bin"); /* collides, but is left out */
    make_file("q/u.bin");
    dataset = planned(PATHS("p", "q"), 2, 2);
    close_without_collision(dataset);
    collides(PATHS("p", "q"), 2, "s2.bin", "s2.npy");
}

static void long_and_short_buffers_are_respected(void **state)
{
    (void)state;
    make_file("sample.npy");
    struct aispipe_dataset *dataset = planned(PATHS("sample.npy"), 1, 0);
    char text[8] = "#######";
    assert_int_equal(aispipe_dataset_stem(dataset, 0, text, 4), 6);
    assert_string_equal(text, "sam");
    assert_string_equal(text + 4, "###");
    assert_int_equal(aispipe_dataset_stem(dataset, 0, NULL, 0), 6);
    assert_true(aispipe_dataset_path(dataset, 0, 0, text, 2) > 6);
    assert_int_equal(strlen(text), 1);
    aispipe_dataset_close(dataset);
    aispipe_dataset_close(NULL);
}

static void many_files_are_planned(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    temp_subdir(&dir, "many");
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "many/ILSVRC2012_val_%d.%s", (i * 7919) % COUNT,
                       i % 2 ? "npy" : "bin");
        make_file(name);
    }
    struct aispipe_dataset *dataset = planned(PATHS("many"), 1, 0);
    assert_int_equal(aispipe_dataset_samples(dataset), COUNT);
    for (int i = 0; i < COUNT; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "ILSVRC2012_val_%d", i);
        check_stem(dataset, (uint64_t)i, wanted);
    }
    aispipe_dataset_close(dataset);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_make, dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_directory_is_taken_in_natural_order),
        TEST(directories_feed_inputs_in_order),
        TEST(directories_that_do_not_fit_are_refused),
        TEST(files_are_cut_into_equal_runs),
        TEST(files_that_do_not_fit_are_refused),
        TEST(colliding_names_are_refused),
        TEST(the_limit_keeps_the_first_samples),
        TEST(long_and_short_buffers_are_respected),
        TEST(many_files_are_planned),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
