/* SPDX-License-Identifier: MIT */
/**
 * @file result_file.h
 * Reads a whole result, as save writes it, back into memory: .npy, .bin or .txt, and the .zst form of each.
 */
#ifndef AISPIPE_IO_RESULT_FILE_H
#define AISPIPE_IO_RESULT_FILE_H

#include "aispipe/aispipe.h"

/** What was read. `data` is the caller's, to be released with result_file_free. */
struct result_file {
    enum aispipe_dtype dtype; /**< .txt: float64; AISPIPE_DTYPE_UNDEFINED: raw, a .bin does not say */
    bool has_shape;           /**< `rank` and `dims` are set: an .npy */
    int rank;
    int64_t dims[AISPIPE_MAX_RANK];
    void *data;   /**< native byte order, C order; never NULL */
    size_t bytes; /**< of data */
};

/** Length of a name without the ending of a result; 0 for a name that is no result's. */
size_t result_file_stem(const char *name);
/** Reads the file, which must be called as one; the error names it. On failure there is nothing to free. */
int result_file_read(const char *path, struct result_file *file, struct aispipe_error *error);
void result_file_free(struct result_file *file);

#endif
