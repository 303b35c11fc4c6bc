/* SPDX-License-Identifier: MIT */
/**
 * @file tune_machine.h
 * A machine made of numbers, to try auto_tune's policy on: five stages with threads, times and queues, on so
 * many cores, in steps of a tenth of a millisecond. Everything that looks random comes from a seed.
 */
#ifndef TUNE_MACHINE_H
#define TUNE_MACHINE_H

#include "tune_policy.h"

#define MACHINE_MOST_THREADS 8

struct machine_stage {
    double ms;      /**< a batch takes */
    double jitter;  /**< ± this share of it, uniformly */
    bool on_a_core; /**< it computes; otherwise it sleeps */
};

struct machine {
    struct machine_stage stage[AISPIPE_STAGES];
    unsigned compute_threads;
    unsigned cores;
    double burst_ms;               /**< length of a phase; 0: none */
    double burst_times;            /**< in every other phase, load takes so many times as long */
    double stop_every_ms, stop_ms; /**< another program takes all cores now and then */
    unsigned crowd_at;             /**< more slots than this make what is on a core slower */
    uint64_t seed;
};

struct machine_run {
    double rate; /**< batches a second */
    struct tune_setting end;
    struct aispipe_tune_decision decisions[TUNE_MOST_DECISIONS];
    unsigned n;
    bool tuned; /**< the policy was asked */
    char nothing[384];
};

/** Runs `frame->batches` batches from frame->start; with `tuned`, the policy decides. */
void machine_run(const struct machine *machine, const struct tune_frame *frame, bool tuned,
                 struct machine_run *run);

#endif
