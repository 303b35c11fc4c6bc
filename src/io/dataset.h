/* SPDX-License-Identifier: MIT */
/**
 * @file dataset.h
 * The plan of a run: which files feed which input of which sample, and what each sample's results are called.
 * Made once, before anything runs; read-only and thread-safe afterwards. About 30 bytes a file beside its
 * name.
 */
#ifndef AISPIPE_IO_DATASET_H
#define AISPIPE_IO_DATASET_H

#include "aispipe/aispipe.h"
#include "io/file_text.h"

struct dataset;

/** How a file's bytes are to be read. */
enum dataset_format {
    DATASET_NPY,
    DATASET_BIN,
    DATASET_NPY_ZST,
    DATASET_BIN_ZST,
};

/**
 * Plans `input`: files or directories joined by ','. All paths are files, or all are directories; see
 * docs: directories must be as many as the model has inputs, files are cut into that many equal runs.
 * Directory entries are regular files (links to regular files count) ending in .npy .NPY .bin .BIN or the
 * same with .zst; sorted by name, natural order ("img2" before "img10"), case-insensitive, ties by bytes.
 * Files given one by one keep the order given. `limit` > 0 keeps the first `limit` samples.
 * Fails, naming what was found and what is wanted, on: a missing path, a mix of files and directories,
 * a wrong number of directories, no usable file, unequal counts, a number of files that the inputs do not
 * divide, an unknown ending.
 */
int dataset_open(const char *input, size_t n_inputs, uint64_t limit, struct dataset **dataset,
                 struct aispipe_error *error);
void dataset_close(struct dataset *dataset);

/** Where results are saved: refuses two samples whose results would have the same name; both files are named.
 */
int dataset_check_names(const struct dataset *dataset, struct aispipe_error *error);

uint64_t dataset_samples(const struct dataset *dataset);
size_t dataset_inputs(const struct dataset *dataset);
enum dataset_format dataset_format_of(const struct dataset *dataset, size_t input, uint64_t sample);

/**
 * Where to open the file: a directory descriptor (AT_FDCWD for files given one by one) and a name relative
 * to it. The name is valid as long as the dataset.
 */
const char *dataset_file(const struct dataset *dataset, size_t input, uint64_t sample, int *directory_fd);

/** The path as the user gave it, joined ("val/img1.npy"). Returns its length as snprintf does. */
size_t dataset_path(const struct dataset *dataset, size_t input, uint64_t sample, char *path,
                    size_t capacity);

/** The same for a message: on one line and not too long. Returns the text in `label`. */
const char *dataset_label(struct file_label *label, const struct dataset *dataset, size_t input,
                          uint64_t sample);

/** The sample's name: its input-0 file without directory, ".zst" and the last extension. `a.b.npy` → `a.b`.
 */
size_t dataset_stem(const struct dataset *dataset, uint64_t sample, char *stem, size_t capacity);

#endif
