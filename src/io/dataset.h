/* SPDX-License-Identifier: MIT */
/** @file dataset.h What the readers of files see of a dataset beside include/aispipe/files.h. Thread-safe. */
#ifndef AISPIPE_IO_DATASET_H
#define AISPIPE_IO_DATASET_H

#include "aispipe/files.h"
#include "io/file_text.h"

/** How a file's bytes are to be read. */
enum dataset_format {
    DATASET_NPY,
    DATASET_BIN,
    DATASET_NPY_ZST,
    DATASET_BIN_ZST,
};

enum dataset_format dataset_format_of(const struct aispipe_dataset *dataset, size_t input, uint64_t sample);

/**
 * Where to open the file: a directory descriptor (AT_FDCWD for files given one by one) and a name relative
 * to it. The name is valid as long as the dataset.
 */
const char *dataset_file(const struct aispipe_dataset *dataset, size_t input, uint64_t sample,
                         int *directory_fd);

/** A file's path for a message: on one line and not too long. Returns the text in `label`. */
const char *dataset_label(struct file_label *label, const struct aispipe_dataset *dataset, size_t input,
                          uint64_t sample);

#endif
