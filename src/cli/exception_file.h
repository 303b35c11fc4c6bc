/* SPDX-License-Identifier: MIT */
/**
 * @file exception_file.h
 * The files that a device's exception callback writes: one tensor of the operator that failed, raw, with type
 * and shape in the file's name.
 */
#ifndef AISPIPE_CLI_EXCEPTION_FILE_H
#define AISPIPE_CLI_EXCEPTION_FILE_H

#include "aispipe/aispipe.h"

struct exception_file {
    enum aispipe_dtype dtype;
    int rank;
    int64_t dims[AISPIPE_MAX_RANK];
    size_t bytes; /**< that the file must hold */
};

/** Whether a file's name begins and ends as one of these; nothing is said about what lies between. */
bool exception_file_named(const char *name);
/** Takes type and shape from a name without directory. The error says which part is wrong, not the name. */
int exception_file_parse(const char *name, struct exception_file *file, struct aispipe_error *error);
/**
 * Writes what the file `name` in directory `from` holds as the .npy of the same stem in directory `to` (both
 * open; 0640), whole or not at all. `path` names the file in errors. Thread-safe.
 */
int exception_file_convert(int from, const char *name, int to, const char *path, struct aispipe_error *error);

#endif
