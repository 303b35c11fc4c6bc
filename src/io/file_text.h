/* SPDX-License-Identifier: MIT */
/** @file file_text.h How input files and tensors are named in messages: on one line, whatever they hold. */
#ifndef AISPIPE_IO_FILE_TEXT_H
#define AISPIPE_IO_FILE_TEXT_H

#include "aispipe/aispipe.h"
#include "io/npy.h"

/** What a file holds, as far as it is known. */
struct file_contents {
    bool has_header; /**< `header` is set: an npy */
    bool more;       /**< there are more than `bytes` bytes; how many was not counted */
    struct npy_header header;
    size_t bytes; /**< of payload */
};

struct file_label {
    char text[640];
};
/** A path of `length` bytes, or the end of it where it is long. */
const char *file_label(struct file_label *label, const char *path, size_t length);

struct file_text {
    char text[640];
};
/** "float32 (3, 4), 48 bytes", "48 bytes" or "more than 48 bytes". */
const char *file_describe(struct file_text *text, const struct file_contents *contents);
/** The same for a tensor of the model. */
const char *file_describe_tensor(struct file_text *text, const struct aispipe_tensor_desc *desc);

/** Puts '?' for control characters, which file names may hold. */
void file_one_line(char *text);

#endif
