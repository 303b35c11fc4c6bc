/* SPDX-License-Identifier: MIT */
/**
 * @file tune_run.h
 * One measured run of `aispipe tune`: the user's model on the user's files, with the parameters of a point.
 *
 * The dataset is repeated without an end. A run is measured after the first batches have come out, over a
 * window of time and of batches, and then stopped: what is measured is the steady state, neither start nor
 * end. The samples of the window are counted between two that came out, so that slow models are not measured
 * in whole batches per window. Results are written below the user's directory, and removed after each run.
 *
 * A session is opened for each number of threads, batch size and choice of streams; the last two stay open,
 * so that two points that take turns do not load the model each time.
 */
#ifndef AISPIPE_CLI_TUNE_RUN_H
#define AISPIPE_CLI_TUNE_RUN_H

#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/tune_search.h"

#define TUNE_SESSIONS 2
#define TUNE_MOST_BATCHES 64
/** A run goes on until every sample has been seen once, because they may differ, but for no more than so many
 * windows. */
#define TUNE_LONGEST_WINDOWS 2

/** A session, and the options it was opened with. */
struct tune_session {
    struct job job;
    struct options options;
    const char **engine_options; /**< the user's, and one of ours; owned */
    char streams[32];            /**< "NUM_STREAMS=4" */
    uint64_t key[3];             /**< threads, batch, streams */
    uint64_t used;               /**< when; 0: not open */
};

struct tune_bench {
    /* Set by the caller. */
    const struct options *options;
    struct console *console;
    struct interrupt *interrupt;
    uint64_t window_ns; /**< the least that is measured */

    /* Made here. */
    struct aispipe_dataset *dataset;
    struct output_dir scratch; /**< path "": nothing is saved */
    struct tune_session sessions[TUNE_SESSIONS];
    uint64_t clock;                      /**< of session uses */
    bool opened;                         /**< warnings have been said */
    bool batch_is_open;                  /**< the model leaves it to the user, who does not say */
    uint64_t batches[TUNE_MOST_BATCHES]; /**< what it may be, ascending */
    size_t n_batches;
};

/** Opens the model as the options say, plans the dataset, makes the scratch directory. Where the model's
 * batch is open, `start` gets the smallest. */
int tune_bench_open(struct tune_bench *bench, struct tune_point *start, struct aispipe_error *error);
/** Runs once. AISPIPE_CLOSED: a signal has come. */
int tune_bench_measure(struct tune_bench *bench, const struct tune_point *point, struct tune_run *result,
                       struct aispipe_error *error);
/** Whether the engine is OpenVINO's CPU device and nobody has said how it shares the cores. */
bool tune_bench_has_streams(const struct tune_bench *bench);
uint64_t tune_bench_samples(const struct tune_bench *bench);
/** Removes what is in the scratch directory, and the directory. For a sudden end, too; any thread. */
void tune_bench_clean(const struct tune_bench *bench);
void tune_bench_close(struct tune_bench *bench);

#endif
