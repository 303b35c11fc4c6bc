/* SPDX-License-Identifier: MIT */
#include "stats.h"

unsigned histogram_bucket(uint64_t value)
{
    if (value < 1u << HISTOGRAM_SUB_BITS)
        return (unsigned)value;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = exponent - HISTOGRAM_SUB_BITS;
    unsigned sub = (unsigned)(value >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + sub;
}

double histogram_value(unsigned bucket)
{
    unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t sub = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);
    if (shift == 0)
        return (double)sub;
    uint64_t low = (sub + (1u << HISTOGRAM_SUB_BITS)) << (shift - 1);
    uint64_t width = 1ull << (shift - 1);
    return (double)low + (double)(width - 1) / 2;
}

void stats_batch(struct thread_stats *stats, uint64_t service_ns, unsigned level)
{
    stat_add(&stats->batches, 1);
    stat_add(&stats->busy_ns, service_ns);
    stat_add(&stats->level_sum, level);
    if (level > atomic_load_explicit(&stats->level_peak, memory_order_relaxed))
        atomic_store_explicit(&stats->level_peak, level, memory_order_relaxed);
    stat_add(&stats->service[histogram_bucket(service_ns)], 1);
}

static uint64_t total(const struct thread_stats *const *threads, unsigned n, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        const _Atomic uint64_t *counter = (const void *)((const char *)threads[i] + offset);
        sum += atomic_load_explicit(counter, memory_order_relaxed);
    }
    return sum;
}

static double service_p99_ns(const struct thread_stats *const *threads, unsigned n, uint64_t batches)
{
    uint64_t rank = batches - batches / 100; /* the smallest value that 99 % do not exceed */
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += total(threads, n, offsetof(struct thread_stats, service) + bucket * sizeof(uint64_t));
        if (seen >= rank)
            return histogram_value(bucket);
    }
    return 0;
}

uint64_t stats_capacity(const struct thread_stats *const *threads, unsigned n, uint64_t wall_ns,
                        uint64_t end_ns)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t parked = atomic_load_explicit(&threads[i]->parked_ns, memory_order_relaxed);
        uint64_t since = atomic_load_explicit(&threads[i]->parked_since_ns, memory_order_relaxed);
        if (since && since < end_ns)
            parked += end_ns - since;
        sum += parked < wall_ns ? wall_ns - parked : 0;
    }
    return sum;
}

void stats_work(const struct thread_stats *const *threads, unsigned n, uint64_t *batches, uint64_t *busy_ns)
{
    *batches = total(threads, n, offsetof(struct thread_stats, batches));
    *busy_ns = total(threads, n, offsetof(struct thread_stats, busy_ns));
}

void stats_merge(const struct thread_stats *const *threads, unsigned n, uint64_t capacity_ns,
                 struct aispipe_stage_stats *stage)
{
    uint64_t batches = total(threads, n, offsetof(struct thread_stats, batches));
    double busy = (double)total(threads, n, offsetof(struct thread_stats, busy_ns));
    double capacity = (double)capacity_ns;
    stage->threads = n;
    stage->batches = batches;
    for (unsigned i = 0; i < n; i++) {
        uint64_t peak = atomic_load_explicit(&threads[i]->level_peak, memory_order_relaxed);
        if (peak > stage->queue_peak)
            stage->queue_peak = peak;
    }
    if (capacity > 0) {
        stage->busy = busy / capacity;
        stage->wait_input =
            (double)total(threads, n, offsetof(struct thread_stats, wait_input_ns)) / capacity;
        stage->wait_output =
            (double)total(threads, n, offsetof(struct thread_stats, wait_output_ns)) / capacity;
    }
    if (!batches)
        return;
    stage->service_mean = busy / (double)batches / 1e6;
    stage->service_p99 = service_p99_ns(threads, n, batches) / 1e6;
    stage->queue_mean = (double)total(threads, n, offsetof(struct thread_stats, level_sum)) / (double)batches;
}
