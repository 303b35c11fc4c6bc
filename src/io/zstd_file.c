/* SPDX-License-Identifier: MIT */
#include "io/zstd_file.h"

#include "io/fd_io.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd_errors.h>

enum {
    LEVEL = 3,
    /* The window, and so the memory, a frame may ask for: 128 MiB, what zstd itself takes by default. */
    WINDOW_LOG_MAX = 27,
};

/* ---------------------------------------------------------------- reading */

int zstd_reader_begin(struct zstd_reader *reader, int fd)
{
    if (!reader->context) {
        reader->context = ZSTD_createDCtx();
        if (!reader->context ||
            ZSTD_isError(ZSTD_DCtx_setParameter(reader->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
            return ENOMEM;
    }
    if (!reader->buffer)
        reader->buffer = malloc(ZSTD_DStreamInSize());
    if (!reader->buffer)
        return ENOMEM;
    (void)ZSTD_DCtx_reset(reader->context, ZSTD_reset_session_only);
    reader->input = (ZSTD_inBuffer){reader->buffer, 0, 0};
    reader->fd = fd;
    reader->in_frame = true; /* a file without any frame is no zstd file */
    reader->pending = false;
    return 0;
}

/* Reads the next compressed bytes; `input.size` is 0 where the file ends. */
static int refill(struct zstd_reader *reader)
{
    struct iovec part = {reader->buffer, ZSTD_DStreamInSize()};
    reader->input.pos = 0;
    return fd_read_parts(reader->fd, &part, 1, 1, &reader->input.size);
}

static int describe(size_t code, const char **problem)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return ENOMEM;
    *problem = ZSTD_getErrorName(code);
    return -1;
}

int zstd_reader_read(struct zstd_reader *reader, void *to, size_t bytes, size_t *got, const char **problem)
{
    ZSTD_outBuffer output = {to, bytes, 0};
    *got = 0;
    *problem = NULL;
    while (output.pos < output.size) {
        if (reader->input.pos == reader->input.size && !reader->pending) {
            int rc = refill(reader);
            if (rc)
                return rc;
            if (reader->input.size == 0 && !reader->in_frame)
                return 0;
            if (reader->input.size == 0) {
                *problem = "the compressed data ends too early";
                return -1;
            }
        }
        size_t left = ZSTD_decompressStream(reader->context, &output, &reader->input);
        *got = output.pos;
        if (ZSTD_isError(left))
            return describe(left, problem);
        reader->in_frame = left != 0;
        /* Only inside a frame: between two, a call without input would begin a frame that may not come. */
        reader->pending = reader->in_frame && output.pos == output.size;
    }
    return 0;
}

void zstd_reader_free(struct zstd_reader *reader)
{
    (void)ZSTD_freeDCtx(reader->context);
    free(reader->buffer);
    *reader = (struct zstd_reader){0};
}

/* ---------------------------------------------------------------- writing */

int zstd_writer_begin(struct zstd_writer *writer, int fd, unsigned long long bytes)
{
    if (!writer->context) {
        writer->context = ZSTD_createCCtx();
        if (!writer->context ||
            ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, LEVEL)))
            return ENOMEM;
    }
    if (!writer->buffer)
        writer->buffer = malloc(ZSTD_CStreamOutSize());
    if (!writer->buffer)
        return ENOMEM;
    writer->fd = fd;
    (void)ZSTD_CCtx_reset(writer->context, ZSTD_reset_session_only);
    return ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(writer->context, bytes)) ? EIO : 0;
}

int zstd_writer_write(struct zstd_writer *writer, const void *data, size_t bytes, bool last)
{
    ZSTD_inBuffer input = {data, bytes, 0};
    for (;;) {
        ZSTD_outBuffer output = {writer->buffer, ZSTD_CStreamOutSize(), 0};
        size_t left =
            ZSTD_compressStream2(writer->context, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? ENOMEM : EIO;
        int rc = fd_write(writer->fd, writer->buffer, output.pos);
        if (rc)
            return rc;
        if (last ? left == 0 : input.pos == input.size)
            return 0;
    }
}

void zstd_writer_free(struct zstd_writer *writer)
{
    (void)ZSTD_freeCCtx(writer->context);
    free(writer->buffer);
    *writer = (struct zstd_writer){0};
}
