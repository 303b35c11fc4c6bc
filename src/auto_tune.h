/* SPDX-License-Identifier: MIT */
/**
 * @file auto_tune.h
 * The thread behind --auto_tune: samples a running pipeline's counters, puts in force what the policy
 * (tune_policy.h) decides, logs each decision and keeps it. It lives as long as the run. Of its functions
 * those that take NULL do nothing then.
 */
#ifndef AISPIPE_AUTO_TUNE_H
#define AISPIPE_AUTO_TUNE_H

#include "layout.h"

struct auto_tune;

/** `pipeline` and `log` are borrowed. `slot_bytes`: of one slot, host and device. */
int auto_tune_create(struct aispipe_pipeline *pipeline, const struct layout *layout, uint64_t batches,
                     unsigned samples_per_batch, size_t slot_bytes, const struct aispipe_log *log,
                     struct auto_tune **tune, struct aispipe_error *error);
/** Returns 0 or an errno. NULL: 0. */
int auto_tune_start(struct auto_tune *tune);
/** After the end of all stage threads. NULL is allowed, and what was not started. */
void auto_tune_join(struct auto_tune *tune);
void auto_tune_free(struct auto_tune *tune);

/** Fills all but `now`. */
void auto_tune_report(struct auto_tune *tune, struct aispipe_tune_report *report);
/** See aispipe_pipeline_tune_decisions. */
size_t auto_tune_decisions(struct auto_tune *tune, struct aispipe_tune_decision *decisions, size_t capacity);
/** After auto_tune_join: the decisions where they lie. */
const struct aispipe_tune_decision *auto_tune_list(const struct auto_tune *tune, size_t *n);

#endif
