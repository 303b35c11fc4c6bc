/* SPDX-License-Identifier: MIT */
/* save: hands the results of a batch to the sink and notes which samples are done. */
#include "log.h"
#include "stage.h"

#include <inttypes.h>

static int save_open(struct stage_thread *thread, struct aispipe_error *error)
{
    const struct aispipe_sink *sink = &thread->run->sink;
    return sink->thread_open ? sink->thread_open(sink->context, &thread->files, error) : 0;
}

static void save_close(struct stage_thread *thread)
{
    const struct aispipe_sink *sink = &thread->run->sink;
    if (sink->thread_close && thread->files)
        sink->thread_close(sink->context, thread->files);
    thread->files = NULL;
}

static void mark_stored(struct run *run, uint64_t first, unsigned samples)
{
    for (uint64_t s = first; run->stored && s < first + samples; s++)
        /* relaxed: read after the threads are joined. Atomic because neighbours share a byte. */
        atomic_fetch_or_explicit(&run->stored[s / 8], (uint8_t)(1u << s % 8), memory_order_relaxed);
    atomic_fetch_add_explicit(&run->samples_stored, samples, memory_order_relaxed);
    atomic_fetch_add_explicit(&run->batches_stored, 1, memory_order_relaxed);
}

static int save_run(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error)
{
    struct run *run = thread->run;
    /* A slot that the sink keeps may be on its way again before store() has returned. */
    uint64_t batch = slot->io.batch;
    uint64_t first = slot->first_sample;
    unsigned samples = slot->samples;
    int rc = 0;
    if (run->sink.store && samples) {
        rc = run->sink.store(run->sink.context, thread->files, first, samples, slot->io.outputs,
                             slot->io.actual, error);
        if (rc < 0)
            return rc;
        if (run->log.debug)
            log_line(&run->log, AISPIPE_LOG_DEBUG, "save batch %" PRIu64 ": samples %" PRIu64 " to %" PRIu64,
                     batch, first, first + samples - 1);
    }
    mark_stored(run, first, samples);
    return rc == AISPIPE_SINK_KEEPS && run->sink.keeps ? STAGE_KEPT : 0;
}

const struct stage stage_save = {"save", true, save_open, save_close, save_run};
