/* SPDX-License-Identifier: MIT */
/**
 * @file stats.h
 * Counters of one stage thread. Only the owner writes them, with plain loads and relaxed stores; anybody may
 * read them at any time and sees each figure whole, though not all figures at one instant.
 */
#ifndef AISPIPE_STATS_H
#define AISPIPE_STATS_H

#include "aispipe/aispipe.h"

#include <stdatomic.h>

/** 32 buckets to each power of two: the middle of a bucket is within 1.6 % of every value in it. */
#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct thread_stats {
    _Alignas(64) _Atomic uint64_t batches;
    _Atomic uint64_t busy_ns;
    _Atomic uint64_t wait_input_ns;
    _Atomic uint64_t wait_output_ns;
    _Atomic uint64_t level_sum; /**< ring levels met on arrival, the batch itself included */
    _Atomic uint64_t level_peak;
    _Atomic uint64_t parked_ns;       /**< not in use (live.h), up to the last time that it was */
    _Atomic uint64_t parked_since_ns; /**< when it was parked; 0: it is in use */
    _Atomic uint64_t service[HISTOGRAM_BUCKETS];
};

/** Adds to a counter that only this thread writes: no locked instruction is needed. */
static inline void stat_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

unsigned histogram_bucket(uint64_t value);
/** The middle of a bucket. */
double histogram_value(unsigned bucket);

/** Notes one batch: its service time and the ring level it was found at. */
void stats_batch(struct thread_stats *stats, uint64_t service_ns, unsigned level);

/** The time for which the threads were in use, all together, of `wall_ns` that end at `end_ns`. */
uint64_t stats_capacity(const struct thread_stats *const *threads, unsigned n, uint64_t wall_ns,
                        uint64_t end_ns);
/** What they have done, all together. */
void stats_work(const struct thread_stats *const *threads, unsigned n, uint64_t *batches, uint64_t *busy_ns);
/** Merges the threads of a stage. `capacity_ns` is the time the fractions refer to, of all threads. */
void stats_merge(const struct thread_stats *const *threads, unsigned n, uint64_t capacity_ns,
                 struct aispipe_stage_stats *stage);

#endif
