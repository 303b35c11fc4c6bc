/* SPDX-License-Identifier: MIT */
/**
 * @file aipp_file.h
 * The file of atc's --insert_op_conf: `aipp_op { key : value … }`, once or several times, for static or
 * dynamic AIPP. Text format of protocol buffers: comments begin with '#', commas and semicolons between
 * members may stand or not.
 */
#ifndef AISPIPE_SIMULATOR_AIPP_FILE_H
#define AISPIPE_SIMULATOR_AIPP_FILE_H

#include "om_file.h"

#define AIPP_FILE_OPS 16

struct aipp_op {
    size_t input; /**< related_input_rank */
    enum om_aipp mode;
    struct aipp_source source; /**< sizes 0: the model's own, to be filled in */
    struct aipp_image image;   /**< likewise crop_size */
    uint64_t bytes_most;       /**< dynamic: max_src_image_size */
};

struct aipp_file {
    size_t count;
    struct aipp_op ops[AIPP_FILE_OPS];
};

/** The error names file, line, key and value. */
int aipp_file_read(const char *path, struct aipp_file *file, struct aispipe_error *error);
/** The same from memory, which need not be terminated. */
int aipp_file_parse(const char *text, size_t bytes, const char *path, struct aipp_file *file,
                    struct aispipe_error *error);

#endif
