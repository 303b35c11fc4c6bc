/* SPDX-License-Identifier: MIT */
/**
 * @file summary.h
 * What a run says of itself when it is over: the older tool's performance summary, the pipeline block, and
 * the summary file. All figures come from the pipeline; nothing is measured here.
 */
#ifndef AISPIPE_SUMMARY_H
#define AISPIPE_SUMMARY_H

#include "aispipe/aispipe.h"

/** Version of the summary file's layout; raised when a key changes its meaning. */
#define SUMMARY_SCHEMA "aispipe-summary-1"

/** Most entries of a measurement of energy: as many as a list on the command line may have. */
#define SUMMARY_MAX_ENERGY 64

/** Joules of a run. */
struct summary_energy {
    const char *source; /**< "npu-smi", "rapl"; static storage */
    double seconds;     /**< what the joules are of */
    size_t n;
    struct {
        unsigned id; /**< of the NPU, as the user gave it */
        double joules;
    } entries[SUMMARY_MAX_ENERGY];
};

struct summary {
    struct aispipe_latency h2d;
    struct aispipe_latency compute;
    struct aispipe_latency d2h;
    struct aispipe_run_stats run;
    double batchsize; /**< samples per execution, for the throughput figure */
    double
        throughput; /**< 1000 × batchsize / compute.mean, samples per second; 0 when nothing was executed */
    char advice[512]; /**< the sentence that says which stage bounds the run, and what to try */
    const struct summary_energy *energy; /**< NULL: not measured; set by the caller after summary_collect */
};

/** Paths for the summary file. A path's length is returned as snprintf does. */
struct summary_files {
    size_t inputs;  /**< input files per sample */
    size_t outputs; /**< result files per sample; 0 when nothing is saved */
    uint64_t first; /**< number, in the whole dataset, of the pipeline's first sample */
    /** Both take the sample's number in the whole dataset. */
    size_t (*input)(void *context, uint64_t sample, size_t index, char *path, size_t capacity);
    size_t (*output)(void *context, uint64_t sample, size_t index, char *path, size_t capacity);
    void *context;
};

/** Collects the figures of a pipeline that has ended. */
int summary_collect(const struct aispipe_pipeline *pipeline, double batchsize, struct summary *summary,
                    struct aispipe_error *error);
/** Whole, but where it is the mean over batches of different shapes. */
void summary_format_batchsize(double batchsize, char text[32]);
/** Prints both blocks as INFO lines. `transfers`: also the H2D and D2H lines. */
void summary_print(const struct summary *summary, bool transfers, const struct aispipe_log *log);

/**
 * Writes the summary file (0640), whole or not at all: to `temporary` first, which must not exist and be in
 * the same directory, then renamed to `path`. Samples that were not stored are left out of "filesinfo".
 * `argv` is what the run was started with.
 */
int summary_write(const struct summary *summary, const struct aispipe_pipeline *pipeline,
                  const struct summary_files *files, int argc, char *const *argv, const char *path,
                  const char *temporary, struct aispipe_error *error);

#endif
