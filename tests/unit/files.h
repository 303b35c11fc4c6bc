/* SPDX-License-Identifier: MIT */
/** @file files.h A temporary directory with files in it, for tests. Include unit.h first. */
#ifndef AISPIPE_TESTS_FILES_H
#define AISPIPE_TESTS_FILES_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir {
    char path[PATH_MAX];
};

/** Makes an empty directory below $TMPDIR or /tmp. */
static inline void temp_make(struct temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir->path, sizeof dir->path, "%s/aispipe-unit-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(dir->path));
}

static inline int temp_remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void temp_remove(const struct temp_dir *dir)
{
    assert_int_equal(nftw(dir->path, temp_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/** A directory of a file of tests, with what cmocka calls before and after: NAME, NAME_make, NAME_remove. */
#define TEMP_DIR(name)                     \
    static struct temp_dir name;           \
    static int name##_make(void **state)   \
    {                                      \
        (void)state;                       \
        temp_make(&name);                  \
        return 0;                          \
    }                                      \
    static int name##_remove(void **state) \
    {                                      \
        (void)state;                       \
        temp_remove(&name);                \
        return 0;                          \
    }

/** "directory/name" in memory of its own for each of the last 8 calls. */
static inline const char *temp_path(const struct temp_dir *dir, const char *name)
{
    static char paths[8][PATH_MAX + 1024];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir->path, name);
    return path;
}

static inline void temp_write(const struct temp_dir *dir, const char *name, const void *data, size_t bytes)
{
    int fd = open(temp_path(dir, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
    assert_int_equal(close(fd), 0);
}

static inline void temp_subdir(const struct temp_dir *dir, const char *name)
{
    assert_int_equal(mkdir(temp_path(dir, name), 0750), 0);
}

#endif
