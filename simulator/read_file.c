/* SPDX-License-Identifier: MIT */
#include "read_file.h"

#include "io/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct whole_file {
    const char *path, *what;
    size_t most;
};

static int cannot(const struct whole_file *file, const char *verb, int reason, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_IO, "cannot %s %s '%s': %s", verb, file->what, file->path,
                        strerror(reason));
}

static int read_open(const struct whole_file *file, int fd, void **data, size_t *bytes,
                     struct aispipe_error *error)
{
    struct stat status;
    if (fstat(fd, &status))
        return cannot(file, "read", errno, error);
    if (!S_ISREG(status.st_mode))
        return aispipe_fail(error, AISPIPE_IO, "%s '%s' is %s; a file is wanted", file->what, file->path,
                            S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
    if ((uint64_t)status.st_size > file->most)
        return aispipe_fail(error, AISPIPE_FORMAT, "%s '%s' has %" PRIu64 " bytes; at most %zu are read",
                            file->what, file->path, (uint64_t)status.st_size, file->most);
    *data = malloc((size_t)status.st_size + 1);
    if (!*data)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the %" PRIu64 " bytes of %s '%s'",
                            (uint64_t)status.st_size, file->what, file->path);
    int reason = fd_read_at(fd, *data, (size_t)status.st_size, 0, bytes);
    return reason ? cannot(file, "read", reason, error) : 0;
}

int read_whole_file(const char *path, const char *what, size_t most, void **data, size_t *bytes,
                    struct aispipe_error *error)
{
    const struct whole_file file = {path, what, most < SIZE_MAX ? most : SIZE_MAX - 1};
    *data = NULL;
    *bytes = 0;
    /* O_NONBLOCK: a pipe without a writer would hold open() for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot(&file, "open", errno, error);
    int rc = read_open(&file, fd, data, bytes, error);
    (void)close(fd);
    if (rc) {
        free(*data);
        *data = NULL;
    }
    return rc;
}
