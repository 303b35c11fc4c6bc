/* SPDX-License-Identifier: MIT */
/**
 * @file tune_search.h
 * The search of `aispipe tune`, apart from what is measured: coordinate descent, one parameter at a time,
 * with the stage that bounds the run saying which one comes first.
 *
 * A candidate differs from the best point so far in one parameter, which is doubled or halved (or, where two
 * stages are as busy as each other, in the threads of both: one alone would gain nothing). Candidate and
 * best are run in pairs, in alternating order. Once the interval of the ratio (tune_stats.h) lies above 1,
 * the candidate takes the best one's place and the same step is tried again; once it lies below, or holds
 * nothing that would be worth having, the candidate is dropped. At the end the winner is run against the
 * start in the same way, on new runs: what was found among many trials may be luck, and only what wins again
 * counts. No more parameters are searched than time allows.
 */
#ifndef AISPIPE_CLI_TUNE_SEARCH_H
#define AISPIPE_CLI_TUNE_SEARCH_H

#include "aispipe/aispipe.h"
#include "cli/tune_stats.h"

enum tune_knob {
    TUNE_THREADS,
    TUNE_LOAD,
    TUNE_SAVE,
    TUNE_INFLIGHT,
    TUNE_DEPTH,
    TUNE_BATCH,
    TUNE_STREAMS, /**< 0 or 1: one engine model with a stream for each thread */
    TUNE_KNOBS,
};

/** A setting of all parameters; 0 is the program's default. */
struct tune_point {
    uint64_t value[TUNE_KNOBS];
};

/** What one run showed. */
struct tune_run {
    double rate; /**< samples a second */
    struct aispipe_run_stats stats;
    uint64_t actual[TUNE_KNOBS]; /**< what the values were, where they are 0 what was chosen */
};

enum tune_verdict {
    TUNE_BETTER,    /**< the interval lies above 1, and the gain is worth having */
    TUNE_WORSE,     /**< it lies below */
    TUNE_SAME,      /**< it holds nothing worth having */
    TUNE_UNDECIDED, /**< time or pairs ran out; the best stays */
    TUNE_FAILED,    /**< the candidate cannot be run */
};

/** One candidate, or at the end the winner, and what came of it. */
struct tune_trial {
    const struct tune_point *point;
    double rate;  /**< of the candidate, median of its runs */
    double other; /**< of what it ran against */
    struct tune_interval interval;
    enum tune_verdict verdict;
    const char *reason; /**< TUNE_FAILED: why */
    bool final;
};

/** What is searched, and how it is measured. */
struct tune_problem {
    void *context;
    struct tune_point start;
    bool searched[TUNE_KNOBS];
    uint64_t most[TUNE_KNOBS];
    const uint64_t *batches; /**< what TUNE_BATCH may be, ascending; NULL: 1 to most */
    size_t n_batches;
    unsigned most_pairs; /**< for a candidate that stays undecided; 2 to TUNE_PAIRS_MOST */
    /** Runs once. AISPIPE_CLOSED: stopped by the user, which ends the search. */
    int (*measure)(void *context, const struct tune_point *point, struct tune_run *run,
                   struct aispipe_error *error);
    /** Whether to stop searching: `final`: also the last comparison. */
    bool (*is_over)(void *context, bool final);
    void (*report)(void *context, const struct tune_trial *trial);
};

struct tune_result {
    struct tune_point best;
    struct tune_run run;           /**< of the best, its last */
    struct tune_interval interval; /**< against the start; pairs 0: not compared */
    bool improved;                 /**< the best is not the start */
    bool settled;                  /**< nothing is left to try; otherwise time ran out */
    bool stopped;                  /**< by the user: the winner was not run against the start again */
};

/** A failure of `measure` at the best point, or at the start, ends the search with that error. */
int tune_search(const struct tune_problem *problem, struct tune_result *result, struct aispipe_error *error);

#endif
