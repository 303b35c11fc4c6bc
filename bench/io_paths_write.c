/* SPDX-License-Identifier: MIT */
/* Ways of writing files whole or not at all, for io_paths.c. */
#include "io_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MODE = 0640, PAGE = 4096 };

static void temporary_name(const struct work *work, char name[IO_NAME])
{
    (void)snprintf(name, IO_NAME, ".bench-%u.tmp", work->first);
}

static int create(const struct work *work, unsigned file, const char *name, int flags)
{
    int fd =
        openat(work->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags, MODE);
    if (fd < 0)
        io_die(file, "create", errno);
    return fd;
}

static void write_all(const struct work *work, unsigned file, int fd, size_t bytes)
{
    const unsigned char *data = io_buffer(work, file);
    size_t done = 0;
    while (done < bytes) {
        ssize_t part = write(fd, data + done, bytes - done);
        if (part <= 0)
            io_die(file, "write", part ? errno : EIO);
        done += (size_t)part;
    }
}

static void finish(const struct work *work, unsigned file, int fd, const char *temporary)
{
    char name[IO_NAME];
    io_result_name(file, name);
    if (close(fd) || renameat(work->directory, temporary, work->directory, name))
        io_die(file, "finish", errno);
}

static void write_plain(const struct work *work)
{
    char temporary[IO_NAME];
    temporary_name(work, temporary);
    for (unsigned file = work->first; file < work->files; file += work->step) {
        io_fill(io_buffer(work, file), file, work->bytes);
        int fd = create(work, file, temporary, 0);
        write_all(work, file, fd, work->bytes);
        finish(work, file, fd, temporary);
    }
}

static void write_allocated(const struct work *work)
{
    char temporary[IO_NAME];
    temporary_name(work, temporary);
    for (unsigned file = work->first; file < work->files; file += work->step) {
        io_fill(io_buffer(work, file), file, work->bytes);
        int fd = create(work, file, temporary, 0);
        if (fallocate(fd, 0, 0, (off_t)work->bytes) && errno != EOPNOTSUPP)
            io_die(file, "allocate", errno);
        write_all(work, file, fd, work->bytes);
        finish(work, file, fd, temporary);
    }
}

/* Whole pages; the surplus of the last one is cut off. */
static void write_direct(const struct work *work)
{
    char temporary[IO_NAME];
    temporary_name(work, temporary);
    size_t bytes = (work->bytes + PAGE - 1) / PAGE * PAGE;
    for (unsigned file = work->first; file < work->files; file += work->step) {
        io_fill(io_buffer(work, file), file, work->bytes);
        int fd = create(work, file, temporary, O_DIRECT);
        write_all(work, file, fd, bytes);
        if (bytes != work->bytes && ftruncate(fd, (off_t)work->bytes))
            io_die(file, "cut", errno);
        finish(work, file, fd, temporary);
    }
}

/* A file without a name, which gets one when it is whole. It cannot replace one that exists. */
static void write_nameless(const struct work *work)
{
    for (unsigned file = work->first; file < work->files; file += work->step) {
        char name[IO_NAME];
        char path[IO_NAME];
        io_fill(io_buffer(work, file), file, work->bytes);
        int fd = openat(work->directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, MODE);
        if (fd < 0)
            io_die(file, "create without a name", errno);
        write_all(work, file, fd, work->bytes);
        io_result_name(file, name);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (linkat(AT_FDCWD, path, work->directory, name, AT_SYMLINK_FOLLOW))
            io_die(file, "link", errno);
        if (close(fd))
            io_die(file, "close", errno);
    }
}

/* In place: what writing whole or not at all costs is the difference. */
static void write_in_place(const struct work *work)
{
    for (unsigned file = work->first; file < work->files; file += work->step) {
        char name[IO_NAME];
        io_fill(io_buffer(work, file), file, work->bytes);
        io_result_name(file, name);
        int fd = create(work, file, name, 0);
        write_all(work, file, fd, work->bytes);
        if (close(fd))
            io_die(file, "close", errno);
    }
}

const struct way io_writes[] = {
    {"create, write, close, rename", write_plain, 1, 0, false},
    {"the same, 2 threads", write_plain, 2, 0, false},
    {"fallocate first", write_allocated, 1, 0, false},
    {"O_TMPFILE, linkat", write_nameless, 1, 0, false},
    {"O_DIRECT, rename", write_direct, 1, PAGE, true},
    {"without a rename", write_in_place, 1, 0, false},
#ifdef BENCH_HAVE_URING
    {"io_uring: linked, batched", io_uring_write, 1, 0, false},
#endif
};
const size_t io_n_writes = sizeof io_writes / sizeof *io_writes;
