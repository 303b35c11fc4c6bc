/* SPDX-License-Identifier: MIT */
/**
 * @file zstd_file.h
 * Reading and writing zstd files piece by piece. Contexts and buffers belong to one thread, are made on first
 * use and used again for every file.
 */
#ifndef AISPIPE_IO_ZSTD_FILE_H
#define AISPIPE_IO_ZSTD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <zstd.h>

/** Zero-initialise before the first use. */
struct zstd_reader {
    ZSTD_DCtx *context;
    char *buffer;
    ZSTD_inBuffer input;
    int fd;
    bool in_frame; /**< the file must not end here */
    bool pending;  /**< the context may hold more output than there was room for */
};

/** Begins to read the file open at `fd`. Returns 0 or an errno. */
int zstd_reader_begin(struct zstd_reader *reader, int fd);
/**
 * Decompresses the next `bytes` bytes; fewer (`*got`) only where the contents end. Returns 0, or an errno
 * with
 * `*problem` NULL, or −1 with `*problem` saying what is wrong with the contents. Memory is bounded
 * whatever the file claims.
 */
int zstd_reader_read(struct zstd_reader *reader, void *to, size_t bytes, size_t *got, const char **problem);
void zstd_reader_free(struct zstd_reader *reader);

/** Zero-initialise before the first use. */
struct zstd_writer {
    ZSTD_CCtx *context;
    char *buffer;
    int fd;
};

/** Begins one frame of `bytes` bytes of contents into the file open at `fd`. Returns 0 or an errno. */
int zstd_writer_begin(struct zstd_writer *writer, int fd, unsigned long long bytes);
/** Compresses the next piece; the last one ends the frame. Returns 0 or an errno. */
int zstd_writer_write(struct zstd_writer *writer, const void *data, size_t bytes, bool last);
void zstd_writer_free(struct zstd_writer *writer);

#endif
