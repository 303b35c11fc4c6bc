/* SPDX-License-Identifier: MIT */
/** @file read_file.h A regular file, whole, in memory. */
#ifndef AISPIPE_SIMULATOR_READ_FILE_H
#define AISPIPE_SIMULATOR_READ_FILE_H

#include "aispipe/aispipe.h"

/**
 * `*data`, to be freed, holds the `*bytes` of the file, at most `most`. `what` is its name in errors
 * ("model"). AISPIPE_IO, AISPIPE_FORMAT when it is larger, AISPIPE_NO_MEMORY.
 */
int read_whole_file(const char *path, const char *what, size_t most, void **data, size_t *bytes,
                    struct aispipe_error *error);

#endif
