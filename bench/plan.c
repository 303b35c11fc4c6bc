/* SPDX-License-Identifier: MIT */
/*
 * What a run does with a large directory before its first batch: list it, keep what can be read, sort it, see
 * that no two results would have the same name, look at the first file. Beside it the bare getdents64 of the
 * same directory, which nothing can be faster than.
 *
 *     plan [--files N] [--names count|padded|hash] [--dir DIR] [--rounds N] [--json]
 *
 * Every second file is a .npy, the others are .bin: equal stems would then be possible, so that the check for
 * equal names cannot be skipped. Files are made in an order that is not the sorted one.
 */
#include "bench.h"

#include "aispipe/files.h"
#include "io/dir_scan.h"
#include "io/file_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE = 64, HEADER = 128, LISTING = 256 * 1024 };

enum step { STEP_BARE, STEP_SCAN, STEP_SORT, STEP_OPEN, STEP_NAMES, STEP_SOURCE, STEP_TOTAL, STEPS };

static const char *const step_names[STEPS] = {
    "getdents64 alone",         "scan: list and filter",     "sort in natural order",  "dataset: all of that",
    "check the results' names", "look at the first file(s)", "before the first batch",
};

struct names {
    const char *kind;
    unsigned files;
};

/* ---------------------------------------------------------------- the directory */

/* The i-th file that is made: numbers in an order that jumps about, or what a hash would give. */
static void name_file(const struct names *names, unsigned i, char name[64])
{
    /* A prime that does not divide the number of files visits all of them. */
    unsigned number = (unsigned)((uint64_t)i * 7368787 % names->files);
    const char *ending = number % 2 ? "npy" : "bin";
    if (strcmp(names->kind, "padded") == 0)
        (void)snprintf(name, 64, "ILSVRC2012_val_%08u.%s", number, ending);
    else if (strcmp(names->kind, "hash") == 0)
        (void)snprintf(name, 64, "%016" PRIx64 ".%s", (number + 1) * UINT64_C(0x9e3779b97f4a7c15), ending);
    else
        (void)snprintf(name, 64, "img%u.%s", number, ending);
}

/* Only the first file is ever looked at, and which one that is depends on the order: that one gets contents.
 */
static void fill_first(const struct aispipe_dataset *dataset)
{
    static const char dictionary[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 16), }";
    char data[HEADER + SAMPLE];
    char name[BENCH_PATH];
    if (aispipe_dataset_path(dataset, 0, 0, name, sizeof name) >= sizeof name)
        bench_die(name, "the path is too long");
    memset(data, ' ', sizeof data);
    memcpy(data, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(data + 10, dictionary, sizeof dictionary - 1);
    data[HEADER - 1] = '\n';
    if (strcmp(name + strlen(name) - 4, ".npy") == 0)
        bench_write_file(name, data, sizeof data);
    else
        bench_write_file(name, data, SAMPLE);
}

static int open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        bench_die(path, strerror(errno));
    return fd;
}

static void make_files(const char *path, const struct names *names)
{
    if (mkdir(path, 0750) != 0)
        bench_die(path, strerror(errno));
    int fd = open_directory(path);
    for (unsigned i = 0; i < names->files; i++) {
        char name[64];
        name_file(names, i, name);
        if (mknodat(fd, name, S_IFREG | 0640, 0) != 0)
            bench_die(name, strerror(errno));
    }
    (void)close(fd);
}

/* ---------------------------------------------------------------- what is timed */

static double bare(const char *path)
{
    char *buffer = malloc(LISTING);
    int fd = open_directory(path);
    if (!buffer)
        bench_die(path, "no memory");
    double start = bench_now();
    ssize_t bytes;
    do
        bytes = getdents64(fd, buffer, LISTING);
    while (bytes > 0);
    double seconds = bench_now() - start;
    if (bytes < 0)
        bench_die(path, strerror(errno));
    (void)close(fd);
    free(buffer);
    return seconds;
}

static void scan_and_sort(const char *path, const struct names *names, double seconds[STEPS])
{
    struct aispipe_error error;
    struct file_list files = {0};
    int fd = open_directory(path);
    double start = bench_now();
    int rc = dir_scan(fd, path, &files, &error);
    seconds[STEP_SCAN] = bench_now() - start;
    start = bench_now();
    if (!rc)
        rc = file_list_sort(&files, 0, &error);
    seconds[STEP_SORT] = bench_now() - start;
    if (rc)
        bench_die(path, error.message);
    if (files.count != names->files)
        bench_die(path, "not every file was found");
    file_list_free(&files);
    (void)close(fd);
}

/* In natural order the numbers of the files follow one another; hashes only must be all there. */
static void check_order(const struct aispipe_dataset *dataset, const struct names *names)
{
    if (aispipe_dataset_samples(dataset) != names->files)
        bench_die("plan", "not every file was found");
    for (unsigned i = 0; strcmp(names->kind, "hash") != 0 && i < names->files; i += 1 + names->files / 1000) {
        char stem[64];
        (void)aispipe_dataset_stem(dataset, i, stem, sizeof stem);
        const char *digits = strrchr(stem, '_');
        if (strtoul(digits ? digits + 1 : stem + 3, NULL, 10) != i)
            bench_die(stem, "it is not where it belongs");
    }
}

static void plan(const char *path, const struct names *names, double seconds[STEPS])
{
    static const struct aispipe_tensor_desc tensor = {
        .name = "x", .dtype = AISPIPE_FLOAT32, .rank = 2, .dims = {1, 16}, .size = SAMPLE};
    const struct aispipe_model_desc model = {.inputs = &tensor, .n_inputs = 1};
    struct aispipe_dataset *dataset;
    struct aispipe_file_source *source = NULL;
    struct aispipe_error error;
    double start = bench_now();
    int rc = aispipe_dataset_open(path, 1, 0, &dataset, &error);
    double opened = bench_now();
    if (!rc)
        rc = aispipe_dataset_check_names(dataset, &error);
    double checked = bench_now();
    if (!rc)
        rc = aispipe_file_source_open(dataset, &model, false, NULL, &source, &error);
    double end = bench_now();
    if (rc)
        bench_die(path, error.message);
    check_order(dataset, names);
    aispipe_file_source_close(source);
    aispipe_dataset_close(dataset);
    seconds[STEP_OPEN] = opened - start;
    seconds[STEP_NAMES] = checked - opened;
    seconds[STEP_SOURCE] = end - checked;
    seconds[STEP_TOTAL] = end - start;
}

/* The source looks at the first file, which must hold something. */
static void prepare(const char *path)
{
    struct aispipe_dataset *dataset;
    struct aispipe_error error;
    if (aispipe_dataset_open(path, 1, 0, &dataset, &error))
        bench_die(path, error.message);
    fill_first(dataset);
    aispipe_dataset_close(dataset);
}

/* ---------------------------------------------------------------- the table */

static void report(double seconds[STEPS][BENCH_MOST_ROUNDS], const struct names *names, const char *directory,
                   unsigned rounds, bool json)
{
    double floor = bench_median(seconds[STEP_BARE], rounds);
    if (!json)
        printf("%u files (%s) in %s, %u rounds\n%-28s %10s %26s %10s\n", names->files, names->kind, directory,
               rounds, "step", "ms", "least ... most", "x bare");
    for (int step = 0; step < STEPS; step++) {
        double median = bench_median(seconds[step], rounds);
        double least = seconds[step][0];
        double most = seconds[step][rounds - 1];
        if (json)
            printf("{\"bench\": \"plan\", \"files\": %u, \"names\": \"%s\", \"directory\": \"%s\", "
                   "\"rounds\": %u, \"step\": \"%s\", \"seconds\": %.6f, \"least\": %.6f, \"most\": %.6f}\n",
                   names->files, names->kind, directory, rounds, step_names[step], median, least, most);
        else
            printf("%-28s %10.1f %12.1f ... %9.1f %10.2f%s\n", step_names[step], median * 1e3, least * 1e3,
                   most * 1e3, median / floor,
                   step == STEP_TOTAL ? "  (target for 10^6: below 1500 ms)" : "");
    }
}

int main(int argc, char **argv)
{
    const char *directory = bench_fast_directory();
    double files = 1e6;
    double rounds = 5;
    bool json = false;
    struct names names = {.kind = "count"};
    const struct bench_option options[] = {
        {.name = "--files", .help = "N  (default 1000000)", .number = &files, .least = 2, .most = 4e6},
        {.name = "--names",
         .help = "KIND  count: img7.npy (default); padded: ILSVRC2012_val_00000007.npy; hash: 16 digits",
         .text = &names.kind},
        BENCH_FAST_DIR(&directory),
        BENCH_ROUNDS(&rounds, "5"),
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    static double seconds[STEPS][BENCH_MOST_ROUNDS];
    char root[BENCH_PATH];
    char path[BENCH_PATH];
    names.files = (unsigned)files;
    bench_make_directory(directory, root);
    bench_join(path, root, "inputs");
    make_files(path, &names);
    prepare(path);
    for (unsigned round = 0; round < (unsigned)rounds; round++) {
        double one[STEPS] = {0};
        one[STEP_BARE] = bare(path);
        scan_and_sort(path, &names, one);
        plan(path, &names, one);
        for (int step = 0; step < STEPS; step++)
            seconds[step][round] = one[step];
    }
    report(seconds, &names, directory, (unsigned)rounds, json);
    bench_remove_tree(root);
    return 0;
}
