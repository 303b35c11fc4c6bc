/* SPDX-License-Identifier: MIT */
/**
 * @file pipeline.h
 * The whole run, in words.
 *
 * A pipeline owns S batch slots and five rings. Ring k stands in front of stage k; the ring in front of load
 * holds the free slots and is fed by save, so the slots travel in a circle:
 *
 *      ┌─> [free] ─> load ─> [h2d] ─> h2d ─> [compute] ─> compute × N ─> [d2h] ─> d2h ─> [save] ─> save ─┐
 *      └──────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Start: all slots are put into the free ring, then one thread per place is created, from save back to load,
 * so that nothing is loaded before everybody who has to work on it is there.
 *
 * End: a load thread that finds the dataset exhausted (or a stop asked for) closes the free ring and leaves;
 * the last load thread closes the ring behind it; h2d drains that ring, sees its end, leaves and closes the
 * next; and so on to save.
 *
 * Failure: the first error is kept, `failed` is set and every ring is closed. Sleepers wake; a stage that
 * still finds a slot hands it on untouched or, where the ring is closed, drops it; every thread leaves
 * through the same door as at the end.
 *
 * A run that adapts itself (auto_tune) creates more threads and slots than work and circulate at first;
 * live.h says how they come and go.
 *
 * Stalls: a stage that waits may ask to be woken only when `wake_batch` slots have gathered (ring.h). With
 * five rings, at most 5 × (wake_batch − 1) slots can lie in front of stages that nap. wake_batch ≤ S / 8
 * leaves more than S / 4 slots with the stages that work, so naps never starve the stage that bounds the run.
 */
#ifndef AISPIPE_PIPELINE_H
#define AISPIPE_PIPELINE_H

#include "affinity.h"
#include "aispipe/aispipe.h"
#include "spool.h"
#include "tune_policy.h"

/** Which list of times (an enum aispipe_stage: H2D, COMPUTE or D2H), merged over the stage's threads. */
int pipeline_latency(const struct aispipe_pipeline *pipeline, enum aispipe_stage stage,
                     struct aispipe_latency *latency, struct aispipe_error *error);
/** The lists themselves, one per compute thread; valid until the pipeline is freed. After the run only. */
size_t pipeline_execution_lists(const struct aispipe_pipeline *pipeline, const struct spool **lists,
                                size_t capacity);
/** Which slot a table of inputs or outputs belongs to. */
unsigned pipeline_slot(const struct aispipe_pipeline *pipeline, void *const *table);
/** Batches in flight at most. */
unsigned pipeline_inflight(const struct aispipe_pipeline *pipeline);
/** The parameters with which it was made, for those who wait for it outside of its threads. */
struct aispipe_tuning pipeline_first_tuning(const struct aispipe_pipeline *pipeline);
/** The source will give no more: load threads that wait for a free slot need not. */
void pipeline_close_source(struct aispipe_pipeline *pipeline);
/** Where its threads run. */
const struct affinity *pipeline_affinity(const struct aispipe_pipeline *pipeline);
/** With auto_tune: puts other numbers of threads and slots in force. AISPIPE_NO_MEMORY: nothing is changed.
 */
int pipeline_set_live(struct aispipe_pipeline *pipeline, const struct tune_setting *setting);
/** Waits for so long, or until all stage threads have ended: then it returns false. */
bool pipeline_wait_interval(struct aispipe_pipeline *pipeline, uint64_t ns);
/** The counters as they are now. */
void pipeline_sample(const struct aispipe_pipeline *pipeline, struct tune_sample *sample);
/** What auto_tune has decided, after the run; valid until the pipeline is freed. NULL without auto_tune. */
const struct aispipe_tune_decision *pipeline_decisions(const struct aispipe_pipeline *pipeline, size_t *n);
/** When the run started, ns. */
uint64_t pipeline_start_ns(const struct aispipe_pipeline *pipeline);

#endif
