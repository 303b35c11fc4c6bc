/* SPDX-License-Identifier: MIT */
/* load: takes the next batch of the dataset and fills a free slot with it. */
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
    /* relaxed: the counter only deals batches out; the slot travels through the ring. */
    uint64_t batch = atomic_fetch_add_explicit(&run->next_batch, 1, memory_order_relaxed);
    if (batch >= run->source.batches)
        return STAGE_END;
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
    if (rc)
        return rc;
    return batch + 1 == run->source.batches ? STAGE_LAST : 0;
}

const struct stage stage_load = {"load", false, load_open, load_close, load_run};
