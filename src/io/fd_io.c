/* SPDX-License-Identifier: MIT */
#include "io/fd_io.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Takes `bytes` off the front of the parts; returns how many parts are used up. */
static int advance(struct iovec *parts, int n_parts, size_t bytes)
{
    int done = 0;
    while (done < n_parts && bytes >= parts[done].iov_len)
        bytes -= parts[done++].iov_len;
    if (done < n_parts) {
        parts[done].iov_base = (char *)parts[done].iov_base + bytes;
        parts[done].iov_len -= bytes;
    }
    return done;
}

int fd_read_parts(int fd, struct iovec *parts, int n_parts, size_t enough, size_t *got)
{
    *got = 0;
    do {
        ssize_t part = readv(fd, parts, n_parts);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return errno;
        if (part == 0)
            return 0;
        *got += (size_t)part;
        int used = advance(parts, n_parts, (size_t)part);
        parts += used;
        n_parts -= used;
    } while (*got < enough);
    return 0;
}

int fd_read_at(int fd, void *buffer, size_t bytes, uint64_t offset, size_t *got)
{
    *got = 0;
    while (*got < bytes) {
        ssize_t part = pread(fd, (char *)buffer + *got, bytes - *got, (off_t)(offset + *got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return errno;
        if (part == 0)
            return 0;
        *got += (size_t)part;
    }
    return 0;
}

static size_t total(const struct iovec *parts, int n_parts)
{
    size_t bytes = 0;
    for (int i = 0; i < n_parts; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

int fd_write_parts(int fd, struct iovec *parts, int n_parts)
{
    size_t left = total(parts, n_parts);
    while (left > 0) {
        ssize_t part = writev(fd, parts, n_parts);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return errno;
        if (part == 0)
            return EIO;
        left -= (size_t)part;
        int used = advance(parts, n_parts, (size_t)part);
        parts += used;
        n_parts -= used;
    }
    return 0;
}

int fd_write(int fd, const void *data, size_t bytes)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};
    return fd_write_parts(fd, &part, 1);
}

int fd_publish(int fd, const char *temporary, const char *path, int reason)
{
    if (close(fd) && !reason)
        reason = errno;
    if (!reason && rename(temporary, path))
        reason = errno;
    if (reason)
        (void)unlink(temporary);
    return reason;
}
