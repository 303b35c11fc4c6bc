/* SPDX-License-Identifier: MIT */
#include "cli/tune_file.h"

#include "cli/check.h"
#include "cli/config_file.h"
#include "io/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- text */

static void add(char text[TUNE_FILE_MOST], const char *key, const char *before, uint64_t value,
                const char *behind)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, TUNE_FILE_MOST - used, "%s\n    \"%s\": %s%" PRIu64 "%s", used > 1 ? "," : "",
                   key, before, value, behind);
}

void tune_file_text(const struct tune_point *point, const struct tune_point *start,
                    const struct tune_run *run, char text[TUNE_FILE_MOST])
{
    static const char *const keys[TUNE_KNOBS] = {
        [TUNE_THREADS] = "threads",   [TUNE_LOAD] = "load_threads", [TUNE_SAVE] = "save_threads",
        [TUNE_INFLIGHT] = "inflight", [TUNE_DEPTH] = "queue_depth", [TUNE_BATCH] = "dymBatch",
    };
    (void)snprintf(text, TUNE_FILE_MOST, "{");
    for (int knob = 0; knob < TUNE_KNOBS; knob++)
        if (keys[knob] && point->value[knob] &&
            (knob == TUNE_BATCH || point->value[knob] != start->value[knob]))
            add(text, keys[knob], "", point->value[knob], "");
    if (point->value[TUNE_STREAMS])
        add(text, "engine_option", "[\"NUM_STREAMS=", run->actual[TUNE_THREADS], "\"]");
    size_t used = strlen(text);
    (void)snprintf(text + used, TUNE_FILE_MOST - used, "%s}\n", used > 1 ? "\n" : "");
}

/* ---------------------------------------------------------------- file */

static int cannot(const char *path, const char *why, struct aispipe_error *error)
{
    struct shown shown;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "option --config_out: cannot write '%s': %s; name a file in a directory that you may "
                        "write to",
                        show(&shown, path), why);
}

/* The directory of a path, "." where it names none. */
static int directory_of(const char *path, char directory[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0;
    const char *head = !slash ? "." : length ? path : "/";
    int n = snprintf(directory, PATH_MAX, "%.*s", slash && length ? length : 1, head);
    return n >= PATH_MAX || strlen(path) >= PATH_MAX - 64 ? -1 : 0;
}

/* Anything that is no file of options is somebody's, and not to be lost by a slip of the hand. */
static int check_existing(const char *path, const struct stat *info, struct aispipe_error *error)
{
    struct options options = {0};
    const char *in_file[OPTION_SET_MAX] = {NULL};
    struct aispipe_error why = {0};
    struct shown shown;
    if (S_ISDIR(info->st_mode))
        return cannot(path, "it is a directory", error);
    if (!S_ISREG(info->st_mode))
        return cannot(path, "it is not a regular file", error);
    int rc = info->st_size ? config_file_read(path, &options, in_file, &why) : 0;
    options_free(&options);
    if (!rc)
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "option --config_out: '%s' exists and is not a file of options, and would be lost; "
                        "name another one, or remove it",
                        show(&shown, path));
}

int tune_file_check(const char *path, struct aispipe_error *error)
{
    char directory[PATH_MAX];
    struct stat info;
    if (directory_of(path, directory))
        return cannot("…", "the path is too long", error);
    if (path[strlen(path) - 1] == '/')
        return cannot(path, "it is a directory", error);
    if (access(directory, W_OK | X_OK))
        return cannot(path, strerror(errno), error);
    if (stat(path, &info))
        return errno == ENOENT ? 0 : cannot(path, strerror(errno), error);
    return check_existing(path, &info, error);
}

int tune_file_write(const char *path, const char *text, struct aispipe_error *error)
{
    char directory[PATH_MAX], temporary[PATH_MAX + 64];
    if (directory_of(path, directory))
        return cannot("…", "the path is too long", error);
    (void)snprintf(temporary, sizeof temporary, "%s/.aispipe-%ld-config.tmp", directory, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return cannot(path, strerror(errno), error);
    int reason = fd_publish(fd, temporary, path, fd_write(fd, text, strlen(text)));
    return reason ? cannot(path, strerror(reason), error) : 0;
}
