/* SPDX-License-Identifier: MIT */
/**
 * @file file_source.h
 * Sources for the pipeline: files of a dataset, or made-up data. Both are `struct aispipe_source`.
 */
#ifndef AISPIPE_IO_FILE_SOURCE_H
#define AISPIPE_IO_FILE_SOURCE_H

#include "aispipe/aispipe.h"
#include "io/dataset.h"
#include "io/shape_plan.h"

struct file_source;

/** What the log line `get filesperbatch files0 size:S tensor0size:T filesperbatch:N runcount:R` says. */
struct file_source_layout {
    size_t file_bytes;   /**< S: payload bytes of input 0's first file */
    size_t tensor_bytes; /**< T: bytes of input 0 in the model */
    unsigned files_per_batch;
    uint64_t batches;
};

/**
 * Prepares to read `dataset` for `model`. Looks at the first file of every input: its payload must divide the
 * input's bytes, and by the same number for every input (input 0 decides). `bin_only`: a .npy is an error
 * (--run_mode files). Both `dataset` and `model` are borrowed. `log` receives the once-only warning about
 * an npy whose dtype is not the model's though its size fits.
 *
 * fill() then reads each file straight into its place in the batch; checks every npy header and size; and
 * names file, both dtypes, both shapes and both sizes when they do not fit. A file that is shorter or longer
 * than it should be (shrunk since planning, truncated) is an error with both numbers. Fortran order and
 * big-endian are converted. .zst is decompressed into place and checked the same way.
 */
int file_source_open(const struct dataset *dataset, const struct aispipe_model_desc *model, bool bin_only,
                     const struct aispipe_log *log, struct file_source **source, struct aispipe_error *error);
/**
 * The same for samples that have shapes of their own (shape_plan.h, borrowed): each is a batch, and the
 * source tells its shape.
 */
int file_source_open_shaped(const struct dataset *dataset, const struct aispipe_model_desc *model,
                            const struct shape_plan *shapes, const struct aispipe_log *log,
                            struct file_source **source, struct aispipe_error *error);
void file_source_close(struct file_source *source);
struct file_source_layout file_source_layout(const struct file_source *source);
/** The pipeline's view; valid as long as the source. */
struct aispipe_source file_source_view(struct file_source *source);

struct made_up_source;

/**
 * One made-up sample called "pure_infer_data": zeros, or random values that are valid for each dtype (floats
 * uniform in [0, 1), 8- and 16-bit integers over their whole range, wider ones in [0, 2^31), bool 0 or 1) and
 * the same for the same seed. `batches` ≥ 1 repeats it: batch 0 holds the sample, the others hold the same
 * data and count no sample.
 */
int made_up_source_open(const struct aispipe_model_desc *model, bool random, uint64_t seed, uint64_t batches,
                        struct made_up_source **source, struct aispipe_error *error);
void made_up_source_close(struct made_up_source *source);
struct aispipe_source made_up_source_view(struct made_up_source *source);
/** Name of the only sample. */
#define MADE_UP_SAMPLE_NAME "pure_infer_data"

#endif
