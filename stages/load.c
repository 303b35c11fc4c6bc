/* SPDX-License-Identifier: MIT */
/* load: takes the next batch of the dataset and fills a free slot with it. */
#include "clock.h"
#include "log.h"
#include "stage.h"

#include <inttypes.h>

static int load_open(struct stage_thread *thread, struct aispipe_error *error)
{
    const struct aispipe_source *source = &thread->run->source;
    return source->thread_open ? source->thread_open(source->context, &thread->files, error) : 0;
}

static void load_close(struct stage_thread *thread)
{
    const struct aispipe_source *source = &thread->run->source;
    if (source->thread_close && thread->files)
        source->thread_close(source->context, thread->files);
    thread->files = NULL;
}

/* Deals the next batch out: 0, STAGE_LAST with the last one, STAGE_END where there are no more. */
static int take(struct stage_thread *thread, uint64_t *batch, struct aispipe_error *error)
{
    struct run *run = thread->run;
    if (!run->source.next) {
        /* relaxed: the counter only deals batches out; the slot travels through the ring. */
        *batch = atomic_fetch_add_explicit(&run->next_batch, 1, memory_order_relaxed);
        if (*batch >= run->source.batches)
            return STAGE_END;
        return *batch + 1 == run->source.batches ? STAGE_LAST : 0;
    }
    uint64_t begin = clock_ns();
    stage_wait_begin(thread);
    int rc = run->source.next(run->source.context, thread->files, batch, error);
    stage_wait_end(thread);
    thread->waited_ns = clock_ns() - begin;
    if (rc < 0)
        return rc == AISPIPE_CLOSED ? STAGE_END : rc;
    atomic_fetch_add_explicit(&run->next_batch, 1, memory_order_relaxed); /* counts them, for statistics */
    return rc == AISPIPE_SOURCE_LAST ? STAGE_LAST : 0;
}

static void assign(struct slot *slot, const struct aispipe_source *source, uint64_t batch)
{
    uint64_t first = batch * source->samples_per_batch;
    uint64_t left = first < source->samples ? source->samples - first : 0;
    slot->io.batch = batch;
    slot->io.warmup = false;
    slot->io.actual = NULL;
    slot->first_sample = first;
    slot->samples = left < source->samples_per_batch ? (uint32_t)left : source->samples_per_batch;
    slot->dropped = false;
}

static int load_run(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error)
{
    struct run *run = thread->run;
    if (atomic_load_explicit(&run->stopping, memory_order_relaxed))
        return STAGE_END;
    uint64_t batch;
    int taken = take(thread, &batch, error);
    if (taken && taken != STAGE_LAST)
        return taken;
    assign(slot, &run->source, batch);
    int rc = 0;
    if (run->source.shape) {
        rc = run->source.shape(run->source.context, thread->files, batch, slot->shapes, error);
        if (rc)
            return rc;
        slot->io.shaped = slot->shapes;
    }
    rc = run->source.fill(run->source.context, thread->files, batch, slot->io.inputs, error);
    if (!rc && run->log.debug)
        log_line(&run->log, AISPIPE_LOG_DEBUG, "load batch %" PRIu64 ": samples %" PRIu64 " to %" PRIu64,
                 batch, slot->first_sample, slot->first_sample + slot->samples - (slot->samples > 0));
    return rc ? rc : taken;
}

const struct stage stage_load = {"load", false, load_open, load_close, load_run};
