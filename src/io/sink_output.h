/* SPDX-License-Identifier: MIT */
/** @file sink_output.h How one output of a batch is cut into the results of its samples. */
#ifndef AISPIPE_IO_SINK_OUTPUT_H
#define AISPIPE_IO_SINK_OUTPUT_H

#include "aispipe/files.h"

/**
 * How an output's piece of one sample lies in the batch: `chunks` runs of `chunk_bytes`, each `stride_bytes`
 * after the one before. Sample s begins at s × chunk_bytes. One chunk: the piece is contiguous.
 */
struct output {
    size_t chunks, chunk_bytes, stride_bytes;
    size_t piece_bytes;
    size_t rows_per_chunk, columns; /**< as TXT */
    enum aispipe_dtype dtype;
    const char *name;
    bool open;    /**< the shape comes with the results: what is above and the header are made then */
    char *header; /**< npy; NULL: none */
    size_t header_bytes;
    char suffix[40]; /**< "_0.npy.zst" */
    size_t suffix_length;
};

/**
 * Fills in all that depends on the shape but the header. `dims` becomes the shape of one sample's piece.
 * Refuses an output whose shape is unknown, or that cannot be cut into the samples of a batch.
 */
int sink_output_plan(const struct aispipe_file_sink_options *options, const struct aispipe_tensor_desc *desc,
                     struct output *output, int64_t dims[AISPIPE_MAX_RANK], struct aispipe_error *error);

#endif
