/* SPDX-License-Identifier: MIT */
/** @file sink.h What the tests of the file sink share: a directory, a model with one output, reading back. */
#ifndef AISPIPE_TESTS_SINK_H
#define AISPIPE_TESTS_SINK_H

#include "unit.h"

#include "aispipe/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A fresh directory for each test, with everything below it removed at its end. */
struct place {
    char directory[PATH_MAX];
};

static inline int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *base = getenv("TMPDIR");
    assert_non_null(place);
    (void)snprintf(place->directory, sizeof place->directory, "%s/test_file_sink.XXXXXX",
                   base ? base : "/tmp");
    assert_non_null(mkdtemp(place->directory));
    (void)umask(0);
    *state = place;
    return 0;
}

static inline int tear_down(void **state)
{
    struct place *place = *state;
    (void)chmod(place->directory, 0700);
    DIR *directory = opendir(place->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            assert_int_equal(unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR), 0);
    }
    (void)closedir(directory);
    assert_int_equal(rmdir(place->directory), 0);
    free(place);
    return 0;
}

static inline size_t stem_of(void *context, uint64_t sample, char *stem, size_t capacity)
{
    const char *word = context ? context : "s";
    return (size_t)snprintf(stem, capacity, "%s%d", word, (int)sample);
}

static inline struct aispipe_file_sink_options options_in(const struct place *place,
                                                          enum aispipe_result_format format)
{
    return (struct aispipe_file_sink_options){.tag = "unit",
                                              .directory = place->directory,
                                              .format = format,
                                              .samples_per_batch = 1,
                                              .stem = stem_of};
}

static inline struct aispipe_tensor_desc tensor(enum aispipe_dtype dtype, int rank, const int64_t *dims)
{
    struct aispipe_tensor_desc desc = {.name = "y", .dtype = dtype, .rank = rank};
    desc.size = aispipe_dtype_size(dtype);
    for (int i = 0; i < rank; i++) {
        desc.dims[i] = dims[i];
        desc.size *= (size_t)dims[i];
    }
    return desc;
}

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

/* Opens a sink, stores one batch and closes it. */
static inline int store(const struct aispipe_file_sink_options *options,
                        const struct aispipe_tensor_desc *output, unsigned count, const void *data,
                        struct aispipe_error *error)
{
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = output};
    struct aispipe_file_sink *sink;
    void *thread;
    void *outputs[] = {(void *)(uintptr_t)data};
    int rc = aispipe_file_sink_open(options, &model, &sink, error);
    if (rc)
        return rc;
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    assert_int_equal(view.thread_open(view.context, &thread, error), 0);
    rc = view.store(view.context, thread, 0, count, outputs, NULL, error);
    view.thread_close(view.context, thread);
    aispipe_file_sink_close(sink);
    return rc;
}

static inline int open_in(const struct place *place, const char *name, int flags)
{
    char path[PATH_MAX + 300];
    (void)snprintf(path, sizeof path, "%s/%s", place->directory, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static inline size_t read_file(const struct place *place, const char *name, void *data, size_t capacity)
{
    int fd = open_in(place, name, O_RDONLY);
    if (fd < 0)
        fail_msg("%s is missing", name);
    ssize_t got = read(fd, data, capacity);
    assert_true(got >= 0);
    assert_int_equal(close(fd), 0);
    return (size_t)got;
}

static inline void check_file(const struct place *place, const char *name, const void *wanted, size_t bytes)
{
    char data[4096];
    assert_int_equal(read_file(place, name, data, sizeof data), bytes);
    if (bytes)
        assert_memory_equal(data, wanted, bytes);
}

/* Files in the directory, whatever their names. */
static inline int count_files(const struct place *place)
{
    int n = 0;
    DIR *directory = opendir(place->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(directory);
    return n;
}

#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
