/* SPDX-License-Identifier: MIT */
/**
 * @file summary.h
 * What a run says of itself when it is over: the older tool's performance summary, the pipeline block, and
 * the summary file. All figures come from the pipeline; nothing is measured here. Call these after
 * aispipe_pipeline_wait and before aispipe_pipeline_free, from one thread at a time.
 */
#ifndef AISPIPE_SUMMARY_H
#define AISPIPE_SUMMARY_H

#include "aispipe/aispipe.h"
#include "aispipe/files.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the summary file's layout; raised when a key changes its meaning. */
#define AISPIPE_SUMMARY_SCHEMA "aispipe-summary-1"

/** Most entries of a measurement of energy: as many as a list on the command line may have. */
#define AISPIPE_SUMMARY_MAX_ENERGY 64

/** Joules of a run. */
struct aispipe_summary_energy {
    const char *source; /**< "npu-smi", "rapl"; static storage */
    double seconds;     /**< what the joules are of */
    size_t n;
    struct {
        unsigned id; /**< of the NPU, as the user gave it */
        double joules;
    } entries[AISPIPE_SUMMARY_MAX_ENERGY];
};

struct aispipe_summary {
    struct aispipe_latency h2d;
    struct aispipe_latency compute;
    struct aispipe_latency d2h;
    struct aispipe_run_stats run;
    double batchsize; /**< samples per execution, for the throughput figure */
    double
        throughput; /**< 1000 × batchsize / compute.mean, samples per second; 0 when nothing was executed */
    char advice[512]; /**< the sentence that says which stage bounds the run, and what to try */
    struct aispipe_tune_report tune; /**< all zero without auto_tune */
    const struct aispipe_tune_decision
        *decisions; /**< tune.decisions of them; valid as long as the pipeline */
    /** NULL: not measured; set by the caller after aispipe_summary_collect. */
    const struct aispipe_summary_energy *energy;
    /** The file that options were taken from, as the user gave it; borrowed. NULL: none; set as `energy`. */
    const char *config;
};

/** Paths for the summary file. A path's length is returned as snprintf does. */
struct aispipe_summary_files {
    size_t inputs;  /**< input files per sample */
    size_t outputs; /**< result files per sample; 0 when nothing is saved */
    uint64_t first; /**< number, in the whole dataset, of the pipeline's first sample */
    /** Both take the sample's number in the whole dataset. NULL: the paths that `dataset` and `sink` have. */
    size_t (*input)(void *context, uint64_t sample, size_t index, char *path, size_t capacity);
    size_t (*output)(void *context, uint64_t sample, size_t index, char *path, size_t capacity);
    void *context;
    const struct aispipe_dataset *dataset; /**< borrowed; needed where inputs > 0 and `input` is NULL */
    const struct aispipe_file_sink *sink;  /**< borrowed; needed where outputs > 0 and `output` is NULL */
};

/** Collects the figures of a pipeline that has ended. `batchsize`: samples per execution. */
AISPIPE_API int aispipe_summary_collect(const struct aispipe_pipeline *pipeline, double batchsize,
                                        struct aispipe_summary *summary, struct aispipe_error *error);
/** Whole, but where it is the mean over batches of different shapes. */
AISPIPE_API void aispipe_summary_format_batchsize(double batchsize, char text[32]);
/** Prints both blocks as INFO lines. `transfers`: also the H2D and D2H lines. */
AISPIPE_API void aispipe_summary_print(const struct aispipe_summary *summary, bool transfers,
                                       const struct aispipe_log *log);

/**
 * Writes the summary file (0640), whole or not at all: to `temporary` first, which must not exist and be in
 * the same directory, then renamed to `path`. NULL: `path` with ".tmp" behind it.
 * Samples that were not stored are left out of "filesinfo", all of them where the pipeline did not keep
 * account (aispipe_pipeline_options.count_flow). `argv` is what the run was started with; 0 and NULL: nothing
 * to tell.
 */
AISPIPE_API int aispipe_summary_write(const struct aispipe_summary *summary,
                                      const struct aispipe_pipeline *pipeline,
                                      const struct aispipe_summary_files *files, int argc, char *const *argv,
                                      const char *path, const char *temporary, struct aispipe_error *error);

#ifdef __cplusplus
}
#endif

#endif
