/* SPDX-License-Identifier: MIT */
/* Ways of reading files, for io_paths.c. */
#include "io_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Files announced before they are read: 16, or as many as make 8 MiB. */
enum { AHEAD = 16, AHEAD_BYTES = 8 << 20 };

static int open_file(const struct work *work, unsigned file, int flags)
{
    char name[IO_NAME];
    io_name(file, name);
    int fd = openat(work->directory, name, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0)
        io_die(file, "open", errno);
    return fd;
}

static void read_open(const struct work *work, unsigned file, int fd, size_t ask)
{
    unsigned char *data = io_buffer(work, file);
    size_t got = 0;
    while (got < work->bytes) {
        ssize_t part = read(fd, data + got, ask - got);
        if (part <= 0)
            io_die(file, "read", part ? errno : EIO);
        got += (size_t)part;
    }
    (void)close(fd);
    io_check(work, file, data);
}

static void read_plain(const struct work *work)
{
    for (unsigned file = work->first; file < work->files; file += work->step)
        read_open(work, file, open_file(work, file, 0), work->bytes);
}

/* Past the page cache, in whole pages; the last one may be short. */
static void read_direct(const struct work *work)
{
    size_t ask = (work->bytes + 4095) / 4096 * 4096;
    for (unsigned file = work->first; file < work->files; file += work->step)
        read_open(work, file, open_file(work, file, O_DIRECT), ask);
}

static void announce(const struct work *work, unsigned file)
{
    int fd = open_file(work, file, 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    (void)close(fd);
}

/* The reading thread itself announces what comes next: an open, a fadvise and a close more for each file. */
static void read_announced(const struct work *work)
{
    unsigned ahead = AHEAD_BYTES / work->bytes < AHEAD ? (unsigned)(AHEAD_BYTES / work->bytes) : AHEAD;
    unsigned distance = (ahead ? ahead : 1) * work->step;
    for (unsigned file = work->first; file < work->files && file < work->first + distance; file += work->step)
        announce(work, file);
    for (unsigned file = work->first; file < work->files; file += work->step) {
        if (file + distance < work->files)
            announce(work, file + distance);
        read_open(work, file, open_file(work, file, 0), work->bytes);
    }
}

/* The same, but the descriptor stays open until the file is read: only the fadvise is more. */
static void read_kept_open(const struct work *work)
{
    unsigned ahead = AHEAD_BYTES / work->bytes < AHEAD ? (unsigned)(AHEAD_BYTES / work->bytes) : AHEAD;
    unsigned distance = (ahead ? ahead : 1);
    int open_files[AHEAD];
    unsigned next = work->first;
    unsigned opened = 0;
    unsigned taken = 0;
    for (unsigned file = work->first; file < work->files; file += work->step) {
        for (; next < work->files && opened - taken < distance; next += work->step) {
            int fd = open_file(work, next, 0);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
            open_files[opened++ % AHEAD] = fd;
        }
        read_open(work, file, open_files[taken++ % AHEAD], work->bytes);
    }
}

static unsigned char *map(const struct work *work, unsigned file, int flags)
{
    int fd = open_file(work, file, 0);
    unsigned char *data = mmap(NULL, work->bytes, PROT_READ, MAP_SHARED | flags, fd, 0);
    if (data == MAP_FAILED)
        io_die(file, "map", errno);
    (void)close(fd);
    return data;
}

/* Into the batch's memory, as reading does. */
static void map_and_copy(const struct work *work)
{
    for (unsigned file = work->first; file < work->files; file += work->step) {
        unsigned char *data = map(work, file, 0);
        unsigned char *place = io_buffer(work, file);
        memcpy(place, data, work->bytes);
        (void)munmap(data, work->bytes);
        io_check(work, file, place);
    }
}

/* As if an engine could take the mapping for its input: every page is touched, nothing copied. */
static void map_and_touch(const struct work *work)
{
    for (unsigned file = work->first; file < work->files; file += work->step) {
        unsigned char *data = map(work, file, MAP_POPULATE);
        unsigned char sum = 0;
        for (size_t at = 0; at < work->bytes; at += 4096)
            sum = (unsigned char)(sum + data[at]);
        *io_buffer(work, file) = sum; /* so that it is not left out */
        io_check(work, file, data);
        (void)munmap(data, work->bytes);
    }
}

const struct way io_reads[] = {
    {"open, read, close", read_plain, 1, 0, false},
    {"the same, 2 threads", read_plain, 2, 0, false},
    {"next files announced", read_announced, 1, 0, false},
    {"announced and kept open", read_kept_open, 1, 0, false},
    {"announced, 2 threads", read_announced, 2, 0, false},
    {"mmap, copy", map_and_copy, 1, 0, false},
    {"mmap, touch, no copy", map_and_touch, 1, 0, false},
    {"O_DIRECT", read_direct, 1, 4096, true},
    {"O_DIRECT, 2 threads", read_direct, 2, 4096, true},
#ifdef BENCH_HAVE_URING
    {"io_uring: linked, batched", io_uring_read, 1, 0, false},
#endif
};
const size_t io_n_reads = sizeof io_reads / sizeof *io_reads;
