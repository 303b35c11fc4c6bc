/* SPDX-License-Identifier: MIT */
/*
 * io_uring's ways for io_paths.c. Each file is a chain of linked requests (open, read, close; or open, write,
 * close, rename) on a descriptor of the ring's own table; a batch of chains goes to the kernel with one
 * system call.
 */
#include "io_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 16, STEPS = 4, MODE = 0640 };

/* A batch on its way: the names must stay where they are until the kernel has read them. */
struct batch {
    struct io_uring ring;
    char names[BATCH][IO_NAME];
    char temporary[BATCH][IO_NAME];
};

static void open_ring(struct batch *batch)
{
    int rc = io_uring_queue_init(BATCH * STEPS, &batch->ring, 0);
    if (!rc)
        rc = io_uring_register_files_sparse(&batch->ring, BATCH);
    if (rc)
        bench_die("io_uring", strerror(-rc));
}

static struct io_uring_sqe *next_step(struct batch *batch)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&batch->ring);
    if (!sqe)
        bench_die("io_uring", "no room for a request");
    return sqe;
}

/* What a step must return, beside a failure: 0, or the bytes of a file. */
static void mark(struct io_uring_sqe *sqe, size_t wanted, unsigned flags)
{
    io_uring_sqe_set_flags(sqe, flags);
    io_uring_sqe_set_data64(sqe, wanted);
}

static void chain_read(struct batch *batch, const struct work *work, unsigned slot, unsigned file)
{
    io_name(file, batch->names[slot]);
    struct io_uring_sqe *sqe = next_step(batch);
    io_uring_prep_openat_direct(sqe, work->directory, batch->names[slot], O_RDONLY, 0, slot);
    mark(sqe, 0, IOSQE_IO_LINK);
    sqe = next_step(batch);
    io_uring_prep_read(sqe, (int)slot, io_buffer(work, file), (unsigned)work->bytes, 0);
    mark(sqe, work->bytes, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
    sqe = next_step(batch);
    io_uring_prep_close_direct(sqe, slot);
    mark(sqe, 0, 0);
}

static void chain_write(struct batch *batch, const struct work *work, unsigned slot, unsigned file)
{
    io_result_name(file, batch->names[slot]);
    (void)snprintf(batch->temporary[slot], IO_NAME, ".bench-%u.tmp", slot);
    io_fill(io_buffer(work, file), file, work->bytes);
    struct io_uring_sqe *sqe = next_step(batch);
    io_uring_prep_openat_direct(sqe, work->directory, batch->temporary[slot], O_WRONLY | O_CREAT | O_EXCL,
                                MODE, slot);
    mark(sqe, 0, IOSQE_IO_LINK);
    sqe = next_step(batch);
    io_uring_prep_write(sqe, (int)slot, io_buffer(work, file), (unsigned)work->bytes, 0);
    mark(sqe, work->bytes, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
    sqe = next_step(batch);
    io_uring_prep_close_direct(sqe, slot);
    mark(sqe, 0, IOSQE_IO_LINK);
    sqe = next_step(batch);
    io_uring_prep_renameat(sqe, work->directory, batch->temporary[slot], work->directory, batch->names[slot],
                           0);
    mark(sqe, 0, 0);
}

static void finish(struct batch *batch, unsigned requests)
{
    int rc = io_uring_submit_and_wait(&batch->ring, requests);
    if (rc < 0)
        bench_die("io_uring", strerror(-rc));
    for (unsigned i = 0; i < requests; i++) {
        struct io_uring_cqe *cqe;
        rc = io_uring_wait_cqe(&batch->ring, &cqe);
        if (!rc && cqe->res < 0)
            rc = cqe->res;
        if (!rc && (uint64_t)cqe->res != io_uring_cqe_get_data64(cqe))
            rc = -EIO;
        if (rc)
            bench_die("io_uring", strerror(-rc));
        io_uring_cqe_seen(&batch->ring, cqe);
    }
}

/* Fewer in a batch than there are buffers, or files would overwrite one another. */
static unsigned batch_of(const struct work *work, unsigned file)
{
    unsigned most = work->buffers < BATCH ? work->buffers : BATCH;
    return work->files - file < most ? work->files - file : most;
}

typedef void (*chain)(struct batch *batch, const struct work *work, unsigned i, unsigned file);

/* Every file by a chain of so many calls, a batch of files at a time; `check` looks at what was read, or is
 * NULL. */
static void chain_files(const struct work *work, chain chain_one, unsigned calls,
                        void (*check)(const struct work *work, unsigned file, const unsigned char *data))
{
    struct batch batch;
    open_ring(&batch);
    for (unsigned file = 0; file < work->files;) {
        unsigned n = batch_of(work, file);
        for (unsigned i = 0; i < n; i++)
            chain_one(&batch, work, i, file + i);
        finish(&batch, n * calls);
        for (unsigned i = 0; check && i < n; i++)
            check(work, file + i, io_buffer(work, file + i));
        file += n;
    }
    io_uring_queue_exit(&batch.ring);
}

void io_uring_read(const struct work *work)
{
    chain_files(work, chain_read, 3, io_check);
}

void io_uring_write(const struct work *work)
{
    chain_files(work, chain_write, 4, NULL);
}
