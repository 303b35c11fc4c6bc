/* SPDX-License-Identifier: MIT */
#include "cli/output_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* More runs than this do not begin in one second. */
#define MOST_IN_ONE_SECOND 10000

#define MODE 0750

static int cannot_make(const char *path, int reason, struct aispipe_error *error)
{
    return aispipe_fail(
        error, AISPIPE_IO,
        "--output: cannot make the directory '%s': %s; name a directory that you may write to", path,
        strerror(reason));
}

/* Returns 0, or an errno. A umask that takes more away is the user's wish. */
static int make_one(const char *path)
{
    return mkdir(path, MODE) ? errno : 0;
}

/* 0 for a directory, or an errno. */
static int look_for_directory(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return errno;
    return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

/* Makes every directory on the way to the last part of path, which it leaves alone. */
static int make_parents(struct output_dir *directory, struct aispipe_error *error)
{
    char *path = directory->path;
    directory->kept = 0;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int reason = look_for_directory(path);
        bool existed = reason != ENOENT;
        if (!existed)
            reason = make_one(path);
        if (reason == EEXIST) /* somebody else was faster */
            reason = look_for_directory(path);
        int rc = reason ? cannot_make(path, reason, error) : 0;
        *slash = '/';
        if (rc)
            return rc;
        if (existed)
            directory->kept = (size_t)(slash - path);
    }
    return 0;
}

static int check_writable(const char *path, struct aispipe_error *error)
{
    if (access(path, W_OK | X_OK) == 0)
        return 0;
    return aispipe_fail(
        error, AISPIPE_IO,
        "--output: no files can be made in the directory '%s': %s; name one that you may write to", path,
        strerror(errno));
}

static int too_long(const char *output, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_INVALID,
                        "--output: the path that begins with '%.200s' is longer than %d bytes", output,
                        PATH_MAX - 64);
}

static int compose(char path[PATH_MAX], const char *output, const char *name, const char *suffix)
{
    size_t length = strlen(output);
    while (length > 1 && output[length - 1] == '/')
        length--;
    const char *slash = length == 1 && *output == '/' ? "" : "/";
    int n = snprintf(path, PATH_MAX, "%.*s%s%s%s", (int)length, output, slash, name, suffix);
    return n < 0 || n >= PATH_MAX - 64 ? -1 : 0;
}

static int make_named(struct output_dir *directory, const char *output, const char *dirname,
                      struct aispipe_error *error)
{
    if (compose(directory->path, output, dirname, ""))
        return too_long(output, error);
    size_t length = strlen(directory->path);
    while (directory->path[length - 1] == '/')
        directory->path[--length] = '\0';
    int rc = make_parents(directory, error);
    if (rc)
        return rc;
    int reason = make_one(directory->path);
    if (reason == EEXIST) {
        directory->kept = length;
        reason = look_for_directory(directory->path);
    }
    return reason ? cannot_make(directory->path, reason, error) : 0;
}

static int make_stamped(struct output_dir *directory, const char *output, struct aispipe_error *error)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local) || !strftime(stamp, sizeof stamp, "%Y_%m_%d-%H_%M_%S", &local))
        return aispipe_fail(error, AISPIPE_SYSTEM, "the local time is not known; use --output_dirname");
    for (int i = 0; i < MOST_IN_ONE_SECOND; i++) {
        char suffix[16] = "";
        if (i)
            snprintf(suffix, sizeof suffix, "_%d", i);
        if (compose(directory->path, output, stamp, suffix))
            return too_long(output, error);
        int rc = i ? 0 : make_parents(directory, error);
        if (rc)
            return rc;
        int reason = make_one(directory->path);
        if (!reason)
            return 0;
        if (reason != EEXIST)
            return cannot_make(directory->path, reason, error);
    }
    return cannot_make(directory->path, EEXIST, error);
}

/* A process number alone would not do: containers that share a directory often have the same ones. */
static void make_tag(struct output_dir *directory)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = (uint32_t)time(NULL);
    (void)snprintf(directory->tag, sizeof directory->tag, "%ld-%08" PRIx32, (long)getpid(), number);
}

static void name_summary(struct output_dir *directory)
{
    const char *slash = strrchr(directory->path, '/');
    int parent = slash ? (int)(slash + 1 - directory->path) : 0;
    (void)snprintf(directory->summary, sizeof directory->summary, "%.*s_summary.json", PATH_MAX - 16,
                   directory->path);
    (void)snprintf(directory->summary_temporary, sizeof directory->summary_temporary,
                   "%.*s.aispipe-%s-summary.tmp", parent, directory->path, directory->tag);
}

int output_dir_make(struct output_dir *directory, const char *output, const char *dirname,
                    struct aispipe_error *error)
{
    *directory = (struct output_dir){0};
    int rc = dirname ? make_named(directory, output, dirname, error) : make_stamped(directory, output, error);
    if (!rc)
        rc = check_writable(directory->path, error);
    if (rc)
        return rc;
    make_tag(directory);
    name_summary(directory);
    return 0;
}

void output_dir_remove_if_empty(const struct output_dir *directory)
{
    char path[PATH_MAX];
    size_t length = strlen(directory->path);
    memcpy(path, directory->path, length + 1);
    while (length > directory->kept && rmdir(path) == 0) {
        while (length > directory->kept && path[length - 1] != '/')
            length--;
        path[length ? --length : 0] = '\0';
    }
}

/* 0 or an errno. */
static int make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        int reason = make_one(path);
        /* What exists may also be refused for other reasons first: a read-only file system. */
        if (reason && reason != EEXIST && look_for_directory(path))
            return reason;
        if (!slash)
            return look_for_directory(path);
        *slash = '/';
    }
}

int output_dir_make_all(const char *path, struct aispipe_error *error)
{
    char copy[PATH_MAX];
    int n = snprintf(copy, sizeof copy, "%s", path);
    if (n < 0 || (size_t)n >= sizeof copy)
        return too_long(path, error);
    int reason = make_directories(copy);
    return reason
               ? aispipe_fail(error, AISPIPE_IO, "cannot make the directory '%s': %s", path, strerror(reason))
               : 0;
}
