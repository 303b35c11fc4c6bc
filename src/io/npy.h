/* SPDX-License-Identifier: MIT */
/**
 * @file npy.h
 * NumPy's .npy container: reading headers (versions 1.0, 2.0, 3.0) and writing version 1.0 headers that are
 * byte for byte what numpy.save writes. Format: NumPy's documentation, numpy.lib.format.
 * Nothing here allocates; everything is thread-safe.
 */
#ifndef AISPIPE_IO_NPY_H
#define AISPIPE_IO_NPY_H

#include "aispipe/aispipe.h"

/** Bytes that are enough to hold the longest version-1.0 header (10 + 65535), and to read any header we
 * accept. */
#define NPY_MAX_HEADER 65545
/** Size of the header that numpy writes for every array of ordinary rank; a good first guess when reading. */
#define NPY_COMMON_HEADER 128

struct npy_header {
    enum aispipe_dtype dtype; /**< AISPIPE_DTYPE_UNDEFINED for a type that no model has (complex, str, …) */
    char descr[32];           /**< the type as the file spells it, for messages */
    size_t item_bytes;        /**< of the file's type */
    bool big_endian;          /**< the payload must be byte-swapped */
    bool fortran_order;       /**< the payload must be transposed */
    int rank;
    int64_t dims[AISPIPE_MAX_RANK];
    size_t header_bytes;  /**< offset of the payload in the file */
    size_t payload_bytes; /**< product of dims × item_bytes, checked against overflow */
};

/**
 * Parses the header at the start of `data`. Returns 0, or a positive number of bytes when `data` is shorter
 * than the header and that many are needed from the start of the file, or a negative status with a message
 * that says what is wrong (without the file's name: the caller knows it). Object arrays are refused.
 */
long npy_parse(const void *data, size_t length, struct npy_header *header, struct aispipe_error *error);

/** Whether the payload can be used as it is in the file. */
static inline bool npy_is_plain(const struct npy_header *header)
{
    return !header->big_endian && !header->fortran_order;
}

/** Rewrites a big-endian and/or Fortran-ordered payload into native C order. `from` and `to` do not overlap.
 */
void npy_to_native(const struct npy_header *header, const void *from, void *to);

/** Writes the version-1.0 header; returns its length (a multiple of 64), at most NPY_MAX_HEADER. */
size_t npy_format_header(enum aispipe_dtype dtype, int rank, const int64_t *dims, char *header);

/** Writes "(2, 3)", "(3,)" or "()" as Python prints a shape. Always terminates. */
void npy_format_shape(int rank, const int64_t *dims, char *text, size_t capacity);

#endif
