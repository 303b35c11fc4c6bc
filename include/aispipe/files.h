/* SPDX-License-Identifier: MIT */
/**
 * @file files.h
 * Files in, files out: the sources and the sink that the program `aispipe` uses, for a pipeline of your own.
 *
 *     dataset (which files) ─> file source ─> struct aispipe_source ─> pipeline ─> struct aispipe_sink <─
 * file sink
 *
 * Everything here is made in one thread, before the pipeline, and closed after it, in reverse order. What an
 * object is made from is borrowed unless it says "copied". Once made, datasets and plans are read-only and
 * may be used by any number of threads; what a view does is called by the pipeline's own threads. Errors name
 * the file, what was found, what is wanted; they speak of the program's options where one is the remedy.
 */
#ifndef AISPIPE_FILES_H
#define AISPIPE_FILES_H

#include "aispipe/aispipe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- dataset: which files */

/**
 * The plan of a run: which files feed which input of which sample, and what each sample's results are called.
 * About 30 bytes a file beside its name.
 */
struct aispipe_dataset;

/**
 * Plans `input`: files or directories joined by ','. All paths are files, or all are directories: directories
 * must be as many as the model has inputs, files are cut into that many equal runs. Directory entries are
 * regular files (links to regular files count) ending in .npy .NPY .bin .BIN or the same with .zst; sorted by
 * name, natural order ("img2" before "img10"), case-insensitive, ties by bytes. Files given one by one keep
 * the order given. `limit` > 0 keeps the first `limit` samples. Fails, naming what was found and what is
 * wanted, on: a missing path, a mix of files and directories, a wrong number of directories, no usable file,
 * unequal counts, a number of files that the inputs do not divide, an unknown ending.
 */
AISPIPE_API int aispipe_dataset_open(const char *input, size_t n_inputs, uint64_t limit,
                                     struct aispipe_dataset **dataset, struct aispipe_error *error);
/** NULL is allowed. */
AISPIPE_API void aispipe_dataset_close(struct aispipe_dataset *dataset);
/** Where results are saved: refuses two samples whose results would have the same name; both files are named.
 */
AISPIPE_API int aispipe_dataset_check_names(const struct aispipe_dataset *dataset,
                                            struct aispipe_error *error);
AISPIPE_API uint64_t aispipe_dataset_samples(const struct aispipe_dataset *dataset);
AISPIPE_API size_t aispipe_dataset_inputs(const struct aispipe_dataset *dataset);
/** The path as the user gave it, joined ("val/img1.npy"). Returns its length as snprintf does. */
AISPIPE_API size_t aispipe_dataset_path(const struct aispipe_dataset *dataset, size_t input, uint64_t sample,
                                        char *path, size_t capacity);
/** The sample's name: its input-0 file without directory, ".zst" and the last extension. `a.b.npy` → `a.b`.
 */
AISPIPE_API size_t aispipe_dataset_stem(const struct aispipe_dataset *dataset, uint64_t sample, char *stem,
                                        size_t capacity);

/* ---------------------------------------------------------------- shapes: every sample's own */

/**
 * Every sample's own shape, read from the headers of its .npy files before the run. 4 bytes a sample, and a
 * description of the inputs for each different shape.
 */
struct aispipe_shape_plan;

/**
 * Reads the header of every file. Refuses, naming the file: one that is no .npy, and one whose shape or type
 * the model (described as its file says, with its dimensions open) cannot take. `mode`: DIMS or SHAPE, for
 * the messages.
 */
AISPIPE_API int aispipe_shape_plan_open(const struct aispipe_dataset *dataset,
                                        const struct aispipe_model_desc *model, enum aispipe_shape_mode mode,
                                        struct aispipe_shape_plan **plan, struct aispipe_error *error);
/** NULL is allowed. */
AISPIPE_API void aispipe_shape_plan_close(struct aispipe_shape_plan *plan);
/** The inputs of a sample, as many as the model has. */
AISPIPE_API const struct aispipe_tensor_desc *aispipe_shape_plan_inputs(const struct aispipe_shape_plan *plan,
                                                                        uint64_t sample);
/** All different shapes, as aispipe_shape.each wants them; `n` as n_each. Valid as long as the plan. */
AISPIPE_API const struct aispipe_tensor_desc *aispipe_shape_plan_each(const struct aispipe_shape_plan *plan,
                                                                      size_t *n);
/** Mean of the first dimensions of input 0 over `count` samples (≥ 1) from `first` on; a scalar counts as 1.
 */
AISPIPE_API double aispipe_shape_plan_mean_batch(const struct aispipe_shape_plan *plan, uint64_t first,
                                                 uint64_t count);
AISPIPE_API uint64_t aispipe_shape_plan_samples(const struct aispipe_shape_plan *plan);

/* ---------------------------------------------------------------- sources */

/** Fills batches from the files of a dataset. */
struct aispipe_file_source;

/** What the log line `get filesperbatch files0 size:S tensor0size:T filesperbatch:N runcount:R` says. */
struct aispipe_file_source_layout {
    size_t file_bytes;   /**< S: payload bytes of input 0's first file */
    size_t tensor_bytes; /**< T: bytes of input 0 in the model */
    unsigned files_per_batch;
    uint64_t batches;
};

/**
 * Prepares to read `dataset` for `model`. Looks at the first file of every input: its payload must divide the
 * input's bytes, and by the same number for every input (input 0 decides). `bin_only`: a .npy is an error
 * (--run_mode files). `log` (NULL: none; copied) receives the once-only warning about
 * an npy whose dtype is not the model's though its size fits.
 *
 * fill() then reads each file straight into its place in the batch; checks every npy header and size; and
 * names file, both dtypes, both shapes and both sizes when they do not fit. A file that is shorter or longer
 * than it should be (shrunk since planning, truncated) is an error with both numbers. Fortran order and
 * big-endian are converted. .zst is decompressed into place and checked the same way.
 */
AISPIPE_API int aispipe_file_source_open(const struct aispipe_dataset *dataset,
                                         const struct aispipe_model_desc *model, bool bin_only,
                                         const struct aispipe_log *log, struct aispipe_file_source **source,
                                         struct aispipe_error *error);
/** The same for samples that have shapes of their own: each is a batch, and the source tells its shape. */
AISPIPE_API int
aispipe_file_source_open_shaped(const struct aispipe_dataset *dataset, const struct aispipe_model_desc *model,
                                const struct aispipe_shape_plan *shapes, const struct aispipe_log *log,
                                struct aispipe_file_source **source, struct aispipe_error *error);
/** NULL is allowed. */
AISPIPE_API void aispipe_file_source_close(struct aispipe_file_source *source);
AISPIPE_API struct aispipe_file_source_layout
aispipe_file_source_layout(const struct aispipe_file_source *source);
/** The pipeline's view; valid as long as the source. */
AISPIPE_API struct aispipe_source aispipe_file_source_view(struct aispipe_file_source *source);

/** One sample of no file. */
struct aispipe_made_up_source;

/**
 * One made-up sample called "pure_infer_data": zeros, or random values that are valid for each dtype (floats
 * uniform in [0, 1), 8- and 16-bit integers over their whole range, wider ones in [0, 2^31), bool 0 or 1) and
 * the same for the same seed. `batches` ≥ 1 repeats it: batch 0 holds the sample, the others hold the same
 * data and count no sample.
 */
AISPIPE_API int aispipe_made_up_source_open(const struct aispipe_model_desc *model, bool random,
                                            uint64_t seed, uint64_t batches,
                                            struct aispipe_made_up_source **source,
                                            struct aispipe_error *error);
/** NULL is allowed. */
AISPIPE_API void aispipe_made_up_source_close(struct aispipe_made_up_source *source);
AISPIPE_API struct aispipe_source aispipe_made_up_source_view(struct aispipe_made_up_source *source);
/** Name of the only sample. */
#define AISPIPE_MADE_UP_SAMPLE_NAME "pure_infer_data"

/* ---------------------------------------------------------------- sink */

enum aispipe_result_format { AISPIPE_RESULT_BIN, AISPIPE_RESULT_NPY, AISPIPE_RESULT_TXT };

/** Zero-initialise, then set what differs. */
struct aispipe_file_sink_options {
    /** At most 32 characters that no other run in the directory has; part of temporary names. NULL: the
     * number of this process. */
    const char *tag;
    const char *directory; /**< exists already; borrowed */
    enum aispipe_result_format format;
    bool compress;              /**< zstd: ".zst" is added to the name */
    unsigned samples_per_batch; /**< outputs of a batch are cut into this many pieces; 1: saved as they are */
    unsigned batch_axis;        /**< along this axis */
    /** Writes sample's name without extension, returns its length as snprintf does. NULL: the name that
     * `dataset` gives it. */
    size_t (*stem)(void *context, uint64_t sample, char *stem, size_t capacity);
    void *stem_context;
    const struct aispipe_dataset *dataset; /**< borrowed; needed where `stem` is NULL */
};

/** Writes results: one file per sample and output, whole or not at all. */
struct aispipe_file_sink;

/**
 * Checks that every output can be cut (its axis' length is a multiple of samples_per_batch; otherwise an
 * error with the output's name, shape, the axis and both numbers), opens the directory, precomputes the npy
 * headers.
 *
 * store() writes `<stem>_<output index>.<bin|npy|txt>[.zst]`, mode 0640, beside the final name first
 * (".aispipe-<tag>-<thread>.tmp" in the same directory) and renames when it is complete. On any failure
 * the temporary file is removed and the error names file, reason and, for a full disk, what to do.
 * A piece keeps the cut axis: (4, 10) for 4 samples is saved as four times (1, 10).
 * NPY: what numpy.save writes, byte for byte; bfloat16, which NumPy lacks, as "<V2", which is what the Python
 * packages that add the type make of it.
 * TXT: one row per index of the flattened leading axes (a scalar or vector is one row), each value followed
 * by one blank, each row by a newline; a tensor without elements is an empty file;
 * "%f" for float types, "%d" (or its unsigned or 64-bit form) for the rest.
 * An output whose shape is unknown is checked, and gets its header, when store() is told the actual one.
 * A process has one sink of a tag at a time in a directory: the temporary names are numbered from 0 in each.
 */
AISPIPE_API int aispipe_file_sink_open(const struct aispipe_file_sink_options *options,
                                       const struct aispipe_model_desc *model,
                                       struct aispipe_file_sink **sink, struct aispipe_error *error);
/** NULL is allowed. */
AISPIPE_API void aispipe_file_sink_close(struct aispipe_file_sink *sink);
AISPIPE_API struct aispipe_sink aispipe_file_sink_view(struct aispipe_file_sink *sink);
/** "<stem>_<output>.<ext>": the file a sample's output is written to, relative to the directory. */
AISPIPE_API size_t aispipe_file_sink_name(const struct aispipe_file_sink *sink, uint64_t sample,
                                          size_t output, char *name, size_t capacity);
/** The same with the directory in front. Returns its length as snprintf does. */
AISPIPE_API size_t aispipe_file_sink_path(const struct aispipe_file_sink *sink, uint64_t sample,
                                          size_t output, char *path, size_t capacity);
/**
 * For a sudden end: from now on store() fails before it creates a file, and what is half-written is removed.
 * A thread that was about to create its file at this moment may still do so: call it again a little later.
 */
AISPIPE_API void aispipe_file_sink_abandon(struct aispipe_file_sink *sink);

/* ---------------------------------------------------------------- shares: a dataset for several devices */

/**
 * One device's part of a dataset that several devices run together: a view of the whole, which is not copied.
 *
 * The pipeline of a share counts its batches and samples from 0. Source and sink of the whole see the numbers
 * that batches and samples have there, so that names, and numbers in the summary, are those of the whole.
 */
struct aispipe_share {
    struct aispipe_source whole;
    struct aispipe_sink whole_sink;
    uint64_t first_batch;
    uint64_t batches;
    uint64_t first_sample;
    uint64_t samples;
};

/**
 * Share `index` of `count`: contiguous, in order, whole batches. The first shares have one batch more where
 * they cannot all be the same size; a share is empty where there are fewer batches than shares.
 * `whole` and `whole_sink` are copied, what they point to must live as long as the views. A source of unknown
 * length (aispipe_source.next) cannot be shared.
 */
AISPIPE_API void aispipe_share_init(struct aispipe_share *share, const struct aispipe_source *whole,
                                    const struct aispipe_sink *whole_sink, unsigned index, unsigned count);
/** The views; valid as long as `share`, which must not be moved. */
AISPIPE_API struct aispipe_source aispipe_share_source(struct aispipe_share *share);
AISPIPE_API struct aispipe_sink aispipe_share_sink(struct aispipe_share *share);

#ifdef __cplusplus
}
#endif

#endif
