/* SPDX-License-Identifier: MIT */
#include "io/dir_scan.h"

#include "io/file_text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Eight times what readdir() asks for at once: a directory of a million files takes a few hundred calls. */
enum { BUFFER_BYTES = 256 * 1024 };

/* 1: a regular file; 0: something else; negative: a failure. */
static int is_regular(int fd, const char *path, const struct dirent64 *entry, struct aispipe_error *error)
{
    if (entry->d_type == DT_REG)
        return 1;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return 0;
    struct stat status;
    if (fstatat(fd, entry->d_name, &status, 0) == 0)
        return S_ISREG(status.st_mode);
    int error_number = errno;
    char name[sizeof entry->d_name];
    memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
    file_one_line(name);
    return aispipe_fail(error, AISPIPE_IO,
                        "cannot look at input file '%s/%s': %s; remove it or mend the link", path, name,
                        strerror(error_number));
}

static int add_entries(int fd, const char *path, const char *buffer, size_t bytes, struct file_list *files,
                       struct aispipe_error *error)
{
    for (size_t at = 0; at < bytes;) {
        /* The kernel aligns each entry. NOLINTNEXTLINE(bugprone-casting-through-void) */
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
        at += entry->d_reclen;
        size_t length = strlen(entry->d_name);
        int ending = file_ending_of(entry->d_name, length);
        if (ending < 0)
            continue;
        int regular = is_regular(fd, path, entry, error);
        if (regular < 0)
            return regular;
        int rc = regular ? file_list_add(files, entry->d_name, length, ending, error) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

int dir_scan(int fd, const char *path, struct file_list *files, struct aispipe_error *error)
{
    char *buffer = malloc(BUFFER_BYTES);
    if (!buffer)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read directory '%s'", path);
    int rc = 0;
    for (;;) {
        ssize_t bytes = getdents64(fd, buffer, BUFFER_BYTES);
        if (bytes < 0)
            rc = aispipe_fail(error, AISPIPE_IO, "cannot read input directory '%s': %s", path,
                              strerror(errno));
        if (bytes <= 0)
            break;
        rc = add_entries(fd, path, buffer, (size_t)bytes, files, error);
        if (rc)
            break;
    }
    free(buffer);
    return rc;
}
