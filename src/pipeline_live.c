/* SPDX-License-Identifier: MIT */
/* What is read of a pipeline, and changed in it, while it runs. */
#include "clock.h"
#include "pipeline_internal.h"
#include "rcu.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* ------------------------------------------------------------------ parameters */

struct aispipe_tuning pipeline_first_tuning(const struct aispipe_pipeline *p)
{
    return p->layout.tuning.wait;
}

/* With tuning_mutex. Returns the set that was in force, which nobody reads any more. */
static struct tuning *replace_tuning(struct aispipe_pipeline *p, struct tuning *fresh)
{
    struct tuning *old = p->tuning;
    RCU_PUBLISH(p->tuning, fresh);
    live_changed(p->live);
    /* Blocks until every stage thread is between two batches or waiting. call_rcu would not block, but it
     * starts a thread in the user's process that never ends. */
    if (atomic_load(&p->tuning_live))
        urcu_qsbr_synchronize_rcu();
    RCU_ACQUIRE(&p->run); /* pairs with the readers' RCU_RELEASE */
    return old;
}

int aispipe_pipeline_tune(struct aispipe_pipeline *p, const struct aispipe_tuning *tuning,
                          struct aispipe_error *error)
{
    if (!tuning->wake_batch)
        return aispipe_fail(error, AISPIPE_INVALID, "wake_batch is 0; at least 1 is wanted");
    struct tuning *fresh = malloc(sizeof *fresh);
    if (!fresh)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for new tuning parameters");
    pthread_mutex_lock(&p->tuning_mutex);
    *fresh = *p->tuning;
    fresh->wait = *tuning;
    p->wait_given = true;
    struct tuning *old = replace_tuning(p, fresh);
    pthread_mutex_unlock(&p->tuning_mutex);
    free(old);
    return 0;
}

int pipeline_set_live(struct aispipe_pipeline *p, const struct tune_setting *setting)
{
    struct tuning *fresh = malloc(sizeof *fresh);
    if (!fresh)
        return AISPIPE_NO_MEMORY;
    unsigned inflight = setting->value[AISPIPE_TUNE_INFLIGHT];
    pthread_mutex_lock(&p->tuning_mutex);
    *fresh = *p->tuning;
    fresh->active[AISPIPE_STAGE_LOAD] = setting->value[AISPIPE_TUNE_LOAD_THREADS];
    fresh->active[AISPIPE_STAGE_SAVE] = setting->value[AISPIPE_TUNE_SAVE_THREADS];
    fresh->inflight = inflight;
    if (!p->wait_given)
        fresh->wait = layout_wait(fresh->active, inflight);
    struct tuning *old = replace_tuning(p, fresh);
    live_release(p->live, p->rings[AISPIPE_STAGE_LOAD], inflight);
    for (int i = 0; i < AISPIPE_TUNE_PARAMETERS; i++)
        atomic_store_explicit(&p->live->in_force[i], setting->value[i], memory_order_relaxed);
    pthread_mutex_unlock(&p->tuning_mutex);
    free(old);
    return 0;
}

bool pipeline_wait_interval(struct aispipe_pipeline *p, uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u),
                             .tv_nsec = (long)(deadline % 1000000000u)};
    int rc = 0;
    pthread_mutex_lock(&p->mutex);
    while (p->running && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->all_ended, &p->mutex, &until);
    bool running = p->running > 0;
    pthread_mutex_unlock(&p->mutex);
    return running;
}

void aispipe_pipeline_tune_report(const struct aispipe_pipeline *p, struct aispipe_tune_report *report)
{
    *report = (struct aispipe_tune_report){0};
    if (!p->auto_tune)
        return;
    auto_tune_report(p->auto_tune, report);
    for (int i = 0; i < AISPIPE_TUNE_PARAMETERS; i++)
        report->now[i] = atomic_load_explicit(&p->live->in_force[i], memory_order_relaxed);
}

size_t aispipe_pipeline_tune_decisions(const struct aispipe_pipeline *p,
                                       struct aispipe_tune_decision *decisions, size_t capacity)
{
    return p->auto_tune ? auto_tune_decisions(p->auto_tune, decisions, capacity) : 0;
}

const struct aispipe_tune_decision *pipeline_decisions(const struct aispipe_pipeline *p, size_t *n)
{
    *n = 0;
    return p->auto_tune ? auto_tune_list(p->auto_tune, n) : NULL;
}

/* ------------------------------------------------------------------ figures */

bool aispipe_pipeline_stored(const struct aispipe_pipeline *p, uint64_t sample)
{
    if (!p->run.stored || sample >= p->run.source.samples)
        return false;
    return atomic_load_explicit(&p->run.stored[sample / 8], memory_order_relaxed) >> sample % 8 & 1;
}

uint64_t pipeline_start_ns(const struct aispipe_pipeline *p)
{
    return atomic_load_explicit(&p->start_ns, memory_order_relaxed);
}

static uint64_t wall_ns(const struct aispipe_pipeline *p)
{
    uint64_t start = pipeline_start_ns(p);
    uint64_t end = atomic_load_explicit(&p->end_ns, memory_order_relaxed);
    if (!start)
        return 0;
    return (end ? end : clock_ns()) - start;
}

static unsigned stage_threads(const struct aispipe_pipeline *p, enum aispipe_stage stage,
                              const struct thread_stats *threads[LAYOUT_MAX_THREADS])
{
    const struct worker *workers = stage_workers(p, stage);
    unsigned n = p->layout.threads[stage];
    for (unsigned i = 0; i < n; i++)
        threads[i] = &workers[i].stats;
    return n;
}

static unsigned in_force(const struct aispipe_pipeline *p, enum aispipe_tune_parameter parameter)
{
    return atomic_load_explicit(&p->live->in_force[parameter], memory_order_relaxed);
}

/* What a run that adapts itself has made, and does not use now, is not told. */
static void correct_live(const struct aispipe_pipeline *p, struct aispipe_run_stats *stats)
{
    stats->stage[AISPIPE_STAGE_LOAD].threads = in_force(p, AISPIPE_TUNE_LOAD_THREADS);
    stats->stage[AISPIPE_STAGE_SAVE].threads = in_force(p, AISPIPE_TUNE_SAVE_THREADS);
    stats->inflight = in_force(p, AISPIPE_TUNE_INFLIGHT);
}

void pipeline_sample(const struct aispipe_pipeline *p, struct tune_sample *sample)
{
    const struct thread_stats *threads[LAYOUT_MAX_THREADS];
    struct timespec cpu;
    uint64_t wall = wall_ns(p);
    sample->now_ns = wall;
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        unsigned n = stage_threads(p, (enum aispipe_stage)k, threads);
        sample->stage[k].capacity_ns = stats_capacity(threads, n, wall, pipeline_start_ns(p) + wall);
        stats_work(threads, n, &sample->stage[k].batches, &sample->stage[k].busy_ns);
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    sample->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

void aispipe_pipeline_stats(const struct aispipe_pipeline *p, struct aispipe_run_stats *stats)
{
    *stats = (struct aispipe_run_stats){0};
    uint64_t wall = wall_ns(p);
    stats->samples = atomic_load_explicit(&p->run.samples_stored, memory_order_relaxed);
    stats->batches = atomic_load_explicit(&p->run.batches_stored, memory_order_relaxed);
    stats->samples_total = p->run.source.samples;
    if (p->run.source.next)
        stats->samples_total =
            p->run.source.samples_per_batch * atomic_load_explicit(&p->run.next_batch, memory_order_relaxed);
    stats->wall_ms = (double)wall / 1e6;
    stats->samples_per_second = wall ? (double)stats->samples * 1e9 / (double)wall : 0;
    stats->inflight = p->layout.inflight;
    stats->slot_bytes = p->pool.host_bytes + p->pool.device_bytes;
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        const struct thread_stats *threads[LAYOUT_MAX_THREADS];
        unsigned n = stage_threads(p, (enum aispipe_stage)k, threads);
        struct aispipe_stage_stats *stage = &stats->stage[k];
        stats_merge(threads, n, stats_capacity(threads, n, wall, pipeline_start_ns(p) + wall), stage);
        stage->depth = ring_capacity(p->rings[k]);
        stage->queue_now = ring_level(p->rings[k]);
        if (stage->busy > stats->stage[stats->bottleneck].busy)
            stats->bottleneck = (enum aispipe_stage)k;
    }
    if (p->live)
        correct_live(p, stats);
}

size_t pipeline_execution_lists(const struct aispipe_pipeline *p, const struct spool **lists, size_t capacity)
{
    const struct worker *workers = stage_workers(p, AISPIPE_STAGE_COMPUTE);
    size_t n = p->layout.threads[AISPIPE_STAGE_COMPUTE];
    for (size_t i = 0; i < n && i < capacity; i++)
        lists[i] = &workers[i].thread.times;
    return n;
}

int pipeline_latency(const struct aispipe_pipeline *p, enum aispipe_stage stage,
                     struct aispipe_latency *latency, struct aispipe_error *error)
{
    const struct worker *workers = stage_workers(p, stage);
    unsigned n = p->layout.threads[stage];
    const struct spool *lists[LAYOUT_MAX_THREADS];
    for (unsigned i = 0; i < n; i++)
        lists[i] = &workers[i].thread.times;
    int rc = spool_latency(lists, n, n > 1, latency, error);
    /* Where nothing is transferred there is no list: every batch took no time. */
    if (!rc && !latency->count && stage != AISPIPE_STAGE_COMPUTE)
        latency->count = atomic_load_explicit(&p->run.batches_stored, memory_order_relaxed);
    return rc;
}
