/* SPDX-License-Identifier: MIT */
/** @file io_paths.h What the ways of reading and writing files share; see io_paths.c. */
#ifndef AISPIPE_BENCH_IO_PATHS_H
#define AISPIPE_BENCH_IO_PATHS_H

#include "bench.h"

/** So many files of so many bytes, which are read or written once. */
struct work {
    int directory;
    unsigned files;
    size_t bytes;
    unsigned char *memory; /**< `buffers` of them, each aligned to a page and `stride` bytes long */
    size_t stride;
    unsigned buffers;
    bool all_bytes; /**< compare every byte, not only the first and last ones */
    /** One thread's part: files `first`, `first` + `step`, … */
    unsigned first, step;
};

/** A way of doing it. */
struct way {
    const char *name;
    /** All files of the part. Ends the program where something is wrong. */
    void (*run)(const struct work *work);
    unsigned threads;
    size_t least; /**< bytes; does not make sense for smaller files */
    bool direct;  /**< goes past the page cache */
};

enum { IO_NAME = 32 };

void io_name(unsigned file, char name[IO_NAME]);
void io_result_name(unsigned file, char name[IO_NAME]);
/** The buffer that a file is read into or written from, as a pipeline's slots would take turns. */
unsigned char *io_buffer(const struct work *work, unsigned file);
/** Fills a buffer with what the file holds. */
void io_fill(unsigned char *data, unsigned file, size_t bytes);
/** Ends the program unless `data` is the file's contents. */
void io_check(const struct work *work, unsigned file, const unsigned char *data);
/** Ends the program with the reason for the file. */
__attribute__((noreturn)) void io_die(unsigned file, const char *what, int reason);

extern const struct way io_reads[];
extern const size_t io_n_reads;
extern const struct way io_writes[];
extern const size_t io_n_writes;

#ifdef BENCH_HAVE_URING
void io_uring_read(const struct work *work);
void io_uring_write(const struct work *work);
#endif

#endif
