/* SPDX-License-Identifier: MIT */
/**
 * @file file_sink.h
 * The sink that writes results: one file per sample and output, whole or not at all.
 */
#ifndef AISPIPE_IO_FILE_SINK_H
#define AISPIPE_IO_FILE_SINK_H

#include "aispipe/aispipe.h"

enum result_format { RESULT_BIN, RESULT_NPY, RESULT_TXT };

struct file_sink_options {
    const char
        *tag; /**< at most 32 characters that no other run in the directory has; part of temporary names */
    const char *directory; /**< exists already; borrowed */
    enum result_format format;
    bool compress;              /**< zstd: ".zst" is added to the name */
    unsigned samples_per_batch; /**< outputs of a batch are cut into this many pieces; 1: saved as they are */
    unsigned batch_axis;        /**< along this axis */
    /** Writes sample's name without extension, returns its length as snprintf does. */
    size_t (*stem)(void *context, uint64_t sample, char *stem, size_t capacity);
    void *stem_context;
};

struct file_sink;

/**
 * Checks that every output can be cut (its axis' length is a multiple of samples_per_batch; otherwise an
 * error with the output's name, shape, the axis and both numbers), opens the directory, precomputes the npy
 * headers.
 *
 * store() writes `<stem>_<output index>.<bin|npy|txt>[.zst]`, mode 0640, beside the final name first
 * (".aispipe-<tag>-<thread>.tmp" in the same directory) and renames when it is complete. On any failure
 * the temporary file is removed and the error names file, reason and, for a full disk, what to do.
 * A piece keeps the cut axis: (4, 10) for 4 samples is saved as four times (1, 10).
 * NPY: what numpy.save writes, byte for byte; bfloat16, which NumPy lacks, as "<V2", which is what the Python
 * packages that add the type make of it.
 * TXT: one row per index of the flattened leading axes (a scalar or vector is one row), each value followed
 * by one blank, each row by a newline; a tensor without elements is an empty file;
 * "%f" for float types, "%d" (or its unsigned or 64-bit form) for the rest.
 * An output whose shape is unknown is checked, and gets its header, when store() is told the actual one.
 * A process has one sink at a time in a directory: the temporary names are numbered from 0 in each.
 */
int file_sink_open(const struct file_sink_options *options, const struct aispipe_model_desc *model,
                   struct file_sink **sink, struct aispipe_error *error);
void file_sink_close(struct file_sink *sink);
struct aispipe_sink file_sink_view(struct file_sink *sink);
/** "<stem>_<output>.<ext>": the file a sample's output is written to, relative to the directory. */
size_t file_sink_name(const struct file_sink *sink, uint64_t sample, size_t output, char *name,
                      size_t capacity);
/**
 * For a sudden end: from now on store() fails before it creates a file, and what is half-written is removed.
 * A thread that was about to create its file at this moment may still do so: call it again a little later.
 */
void file_sink_abandon(struct file_sink *sink);

#endif
