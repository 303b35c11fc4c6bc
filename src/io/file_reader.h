/* SPDX-License-Identifier: MIT */
/**
 * @file file_reader.h
 * Reads one file of a dataset into its place in a batch. What one load thread needs for it, kept for the run.
 */
#ifndef AISPIPE_IO_FILE_READER_H
#define AISPIPE_IO_FILE_READER_H

#include "aispipe/aispipe.h"
#include "aispipe/files.h"
#include "io/dataset.h"
#include "io/file_text.h"

#include <stdatomic.h>

/** What is read, for all threads. Fixed once the files per batch are known. */
struct file_plan {
    const struct aispipe_dataset *dataset;
    const struct aispipe_tensor_desc *inputs; /**< as many as the dataset has */
    size_t n_inputs;
    unsigned files_per_batch; /**< ≥ 1; each file holds this part of its input's bytes */
    const struct aispipe_shape_plan
        *shapes; /**< NULL, or every sample's own shape; one sample is a batch then */
    struct aispipe_log log;
    atomic_flag *warned;        /**< that a file's dtype is not the model's */
    const atomic_uint *threads; /**< that read batches in turn; NULL: one */
};

/** The payload bytes that the plan allots to one file. */
static inline size_t file_plan_bytes(const struct file_plan *plan, size_t input, uint64_t sample)
{
    if (plan->shapes)
        return aispipe_shape_plan_inputs(plan->shapes, sample)[input].size;
    return plan->inputs[input].size / plan->files_per_batch;
}

struct file_reader;

/** `plan` is borrowed. One thread uses a reader at a time. */
int file_reader_open(const struct file_plan *plan, struct file_reader **reader, struct aispipe_error *error);
void file_reader_close(struct file_reader *reader);

/** Finds out what a file holds without reading all of it, where that can be done. */
int file_reader_look(struct file_reader *reader, size_t input, uint64_t sample,
                     struct file_contents *contents, struct aispipe_error *error);
/** Reads a file's payload into `place`, which takes exactly the bytes that the plan allots to one file. */
int file_reader_read(struct file_reader *reader, size_t input, uint64_t sample, void *place,
                     struct aispipe_error *error);

#endif
