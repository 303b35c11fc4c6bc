/* SPDX-License-Identifier: MIT */
/**
 * @file read_ahead.h
 * Has the kernel fetch the files that the plan says come next, while the ones before are read: a directory of
 * many files has no order that the kernel could see for itself, so that each cold file would cost a whole
 * trip to the disk.
 *
 * Only as long as it pays: the kernel counts what a thread has had fetched from storage. As long as that does
 * not grow, the files are in memory already, and nothing is announced. Each thread decides for itself.
 */
#ifndef AISPIPE_IO_READ_AHEAD_H
#define AISPIPE_IO_READ_AHEAD_H

#include "io/file_reader.h"

enum {
    READ_AHEAD_FILES = 32,             /**< at most so many, of all inputs together */
    READ_AHEAD_BYTES = 8 << 20,        /**< and so many bytes of them; but always one file, or its start */
    READ_AHEAD_LOOK_FILES = 32,        /**< whether it pays is looked up so often, */
    READ_AHEAD_LOOK_BYTES = 512 * 1024 /**< or so */
};

/** One load thread's; zero-initialised. */
struct read_ahead {
    bool begun, on;
    unsigned files; /**< read since the last look */
    size_t bytes;
    long blocks; /**< fetched for this thread when it last looked */
};

/**
 * Called before a file is read, with the bytes that will be read of it. The file that lies READ_AHEAD_FILES
 * or READ_AHEAD_BYTES ahead (and behind those that the other threads are reading now) is announced. A file
 * that cannot be is passed over: whoever reads it will say why.
 */
void read_ahead(struct read_ahead *ahead, const struct file_plan *plan, size_t input, uint64_t sample,
                size_t bytes);

#endif
