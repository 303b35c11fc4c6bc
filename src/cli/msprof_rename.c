/* SPDX-License-Identifier: MIT */
#include "cli/msprof.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deeper than any profile; a loop of mounts ends here. */
#define MAX_DEPTH 16

struct renaming {
    char suffix[2 * NAME_MAX]; /* "_<name>_<hash>" */
    size_t renamed;
    struct aispipe_error *error;
};

/* The place of the ending, where the file is a table that has not been renamed yet; NULL otherwise. */
static const char *ending_of(const struct renaming *renaming, const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t suffix = strlen(renaming->suffix);
    if (!dot || dot == name || (strcmp(dot, ".csv") != 0 && strcmp(dot, ".json") != 0))
        return NULL;
    size_t stem = (size_t)(dot - name);
    bool done = stem > suffix && memcmp(dot - suffix, renaming->suffix, suffix) == 0;
    return done ? NULL : dot;
}

static int rename_one(struct renaming *renaming, int directory, const char *name, const char *dot)
{
    char wanted[NAME_MAX + 1];
    int n = snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(dot - name), name, renaming->suffix, dot);
    struct stat info;
    int reason = 0;
    if (n < 0 || (size_t)n >= sizeof wanted)
        reason = ENAMETOOLONG;
    else if (fstatat(directory, wanted, &info, AT_SYMLINK_NOFOLLOW) == 0)
        reason = EEXIST;
    else if (renameat(directory, name, directory, wanted))
        reason = errno;
    if (reason)
        return aispipe_fail(renaming->error, AISPIPE_IO, "--profiler_rename: '%s' cannot be renamed: %s",
                            name, strerror(reason));
    renaming->renamed++;
    return 0;
}

static int rename_below(struct renaming *renaming, int parent, const char *name, int depth);

static int look_at(struct renaming *renaming, int directory, const char *name, int depth)
{
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW))
        return 0;
    if (S_ISDIR(info.st_mode))
        return depth < MAX_DEPTH ? rename_below(renaming, directory, name, depth + 1) : 0;
    const char *dot = S_ISREG(info.st_mode) ? ending_of(renaming, name) : NULL;
    return dot ? rename_one(renaming, directory, name, dot) : 0;
}

static int rename_below(struct renaming *renaming, int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int reason = errno;
        if (fd >= 0)
            (void)close(fd);
        return aispipe_fail(renaming->error, AISPIPE_IO, "--profiler_rename: '%s' cannot be opened: %s", name,
                            strerror(reason));
    }
    int rc = 0;
    /* A file that readdir gives once more under its new name is known by its suffix. */
    for (struct dirent *entry; !rc && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = look_at(renaming, fd, entry->d_name, depth);
    (void)closedir(dir);
    return rc;
}

int msprof_rename(const char *results, const char *model, size_t *renamed, struct aispipe_error *error)
{
    const char *slash = strrchr(model, '/');
    const char *name = slash ? slash + 1 : model;
    slash = strrchr(results, '/');
    const char *hash = strrchr(slash ? slash : results, '_');
    struct renaming renaming = {.error = error};
    *renamed = 0;
    if (!hash || !hash[1])
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "--profiler_rename: '%s' is no directory of msprof's (PROF_…_…)", results);
    (void)snprintf(renaming.suffix, sizeof renaming.suffix, "_%.*s%.255s", (int)strcspn(name, "."), name,
                   hash);
    int rc = rename_below(&renaming, AT_FDCWD, results, 0);
    *renamed = renaming.renamed;
    return rc;
}
