/* SPDX-License-Identifier: MIT */
/* A stream as a whole, and what comes out of it. stream.h explains how it works. */
#include "stream.h"

#include "clock.h"
#include "pipeline.h"
#include "shape.h"
#include "slot.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ waiting */

uint64_t stream_deadline(uint64_t timeout_ns)
{
    uint64_t now = clock_ns();
    return timeout_ns > UINT64_MAX / 2 - now ? 0 : now + timeout_ns;
}

struct ring_wait stream_wait(const struct aispipe_stream *stream, uint64_t deadline_ns)
{
    uint64_t popped = atomic_load_explicit(&stream->popped, memory_order_relaxed);
    uint64_t pushed = atomic_load_explicit(&stream->pushed, memory_order_relaxed);
    uint64_t most = pushed > popped ? (pushed - popped) / 8 : 0;
    struct ring_wait wait = {stream->tuning.spin, stream->tuning.wake_batch, stream->tuning.nap_ns,
                             deadline_ns};
    if (most < wait.wake_batch)
        wait.wake_batch = (unsigned)most;
    return wait;
}

int stream_end_reason(struct aispipe_stream *stream, struct aispipe_error *error)
{
    int rc = 0;
    if (!atomic_load_explicit(&stream->cancelled, memory_order_acquire))
        rc = aispipe_pipeline_error(stream->pipeline, error);
    return rc ? rc : aispipe_fail(error, AISPIPE_CLOSED, "the stream is closed");
}

/* ------------------------------------------------------------------ sink */

static int stream_store(void *context, void *thread, uint64_t first_sample, unsigned count,
                        void *const *outputs, const struct aispipe_tensor_desc *actual,
                        struct aispipe_error *error)
{
    struct aispipe_stream *stream = context;
    (void)thread;
    (void)first_sample;
    (void)count;
    (void)error;
    unsigned slot = pipeline_slot(stream->pipeline, outputs);
    stream->cargo[slot].outputs = outputs;
    stream->cargo[slot].actual = actual;
    (void)ring_try_push(stream->done, slot); /* there is room for all */
    return AISPIPE_SINK_KEEPS;
}

static void stream_end(void *context)
{
    struct aispipe_stream *stream = context;
    ring_close(stream->done);
}

/* ------------------------------------------------------------------ open */

static int open_rings(struct aispipe_stream *stream, struct aispipe_error *error)
{
    stream->queue = ring_create(stream->n_entries, RING_ONE_PRODUCER | RING_NEVER_FULL);
    stream->room = ring_create(stream->n_entries, RING_NEVER_FULL);
    stream->done = ring_create(stream->slots, RING_NEVER_FULL);
    if (!stream->queue || !stream->room || !stream->done)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a stream of %u places; lower `capacity`",
                            stream->n_entries);
    for (unsigned i = 0; i < stream->n_entries; i++)
        (void)ring_try_push(stream->room, i);
    return 0;
}

static int open_entries(struct aispipe_stream *stream, struct aispipe_error *error)
{
    size_t n = stream->model->n_inputs;
    stream->entries = calloc(stream->n_entries, sizeof *stream->entries);
    stream->cargo = calloc(stream->slots, sizeof *stream->cargo);
    stream->early = malloc(stream->slots * sizeof *stream->early);
    if (!stream->entries || !stream->cargo || !stream->early)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a stream");
    memset(stream->early, 0xff, stream->slots * sizeof *stream->early); /* NO_SLOT */
    for (unsigned i = 0; i < stream->n_entries; i++) {
        struct entry *entry = &stream->entries[i];
        entry->inputs = calloc(n, sizeof *entry->inputs);
        entry->sizes = calloc(n, sizeof *entry->sizes);
        entry->shapes = stream->shaped ? calloc(n, sizeof *entry->shapes) : NULL;
        if (!entry->inputs || !entry->sizes || (stream->shaped && !entry->shapes))
            return aispipe_fail(error, AISPIPE_NO_MEMORY,
                                "no memory for the %u places of a stream; lower `capacity`",
                                stream->n_entries);
    }
    return 0;
}

static int open_pipeline(struct aispipe_stream *stream, struct aispipe_session *session,
                         const struct aispipe_pipeline_options *options, struct aispipe_error *error)
{
    const struct aispipe_source source = stream_source(stream);
    const struct aispipe_sink sink = {
        .context = stream, .store = stream_store, .end = stream_end, .keeps = true};
    return aispipe_pipeline_create(session, options, &source, &sink, &stream->pipeline, error);
}

static struct aispipe_stream *make_stream(struct aispipe_session *session, bool in_order)
{
    struct aispipe_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->model = aispipe_session_model(session);
    stream->in_order = in_order;
    for (size_t i = 0; i < stream->model->n_inputs; i++) {
        const struct aispipe_tensor_desc *input = &stream->model->inputs[i];
        stream->shaped = stream->shaped || shape_is_open(input);
        stream->copy_bytes += slot_room(input); /* their sum is known to fit: a slot has them too */
    }
    pthread_mutex_init(&stream->push_mutex, NULL);
    pthread_mutex_init(&stream->pop_mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->pop_turn, &attributes);
    pthread_condattr_destroy(&attributes);
    return stream;
}

int aispipe_stream_open(struct aispipe_session *session, const struct aispipe_stream_options *options,
                        struct aispipe_stream **opened, struct aispipe_error *error)
{
    *opened = NULL;
    if (options->capacity >= RING_MAX_ITEMS)
        return aispipe_fail(error, AISPIPE_INVALID, "a capacity of %zu is more than the %u that are possible",
                            options->capacity, RING_MAX_ITEMS - 1);
    struct aispipe_stream *stream = make_stream(session, !options->as_completed);
    if (!stream)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a stream");
    int rc = open_pipeline(stream, session, &options->pipeline, error);
    if (!rc) {
        stream->slots = pipeline_inflight(stream->pipeline);
        stream->tuning = pipeline_first_tuning(stream->pipeline);
        stream->n_entries = options->capacity ? (unsigned)options->capacity : stream->slots;
        rc = open_rings(stream, error);
    }
    if (!rc)
        rc = open_entries(stream, error);
    if (!rc)
        rc = aispipe_pipeline_warmup(stream->pipeline, error);
    if (!rc)
        rc = aispipe_pipeline_start(stream->pipeline, error);
    if (rc) {
        aispipe_stream_close(stream);
        return rc;
    }
    *opened = stream;
    return 0;
}

/* ------------------------------------------------------------------ pop */

void aispipe_stream_cancel(struct aispipe_stream *stream)
{
    /* release: pairs with the acquire of those who see the closed rings and ask why. */
    atomic_store_explicit(&stream->cancelled, true, memory_order_release);
    aispipe_pipeline_stop(stream->pipeline, 0);
    ring_close(stream->done);
}

/* In order, with pop_mutex: the slot that is wanted, if it is there. */
static bool take_early(struct aispipe_stream *stream, uint32_t *slot)
{
    uint32_t *place = &stream->early[stream->wanted % stream->slots];
    if (*place == NO_SLOT)
        return false;
    *slot = *place;
    *place = NO_SLOT;
    stream->wanted++;
    return true;
}

static void put_early(struct aispipe_stream *stream, uint32_t slot)
{
    stream->early[stream->cargo[slot].number % stream->slots] = slot;
}

/* Waits until no other thread waits at `done`. Only one does: what it takes may be what another one wants. */
static int wait_turn(struct aispipe_stream *stream, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    int rc = 0;
    while (stream->popping && !rc)
        rc = deadline_ns ? pthread_cond_timedwait(&stream->pop_turn, &stream->pop_mutex, &until)
                         : pthread_cond_wait(&stream->pop_turn, &stream->pop_mutex);
    return stream->popping ? AISPIPE_TIMEOUT : 0;
}

/* With pop_mutex, which is let go while it waits. */
static int pop_in_order(struct aispipe_stream *stream, uint32_t *slot, uint64_t deadline_ns)
{
    int rc = stream->popping ? wait_turn(stream, deadline_ns) : 0;
    while (!rc && !take_early(stream, slot)) {
        uint32_t index;
        if (!ring_try_pop(stream->done, &index)) {
            struct ring_wait wait = stream_wait(stream, deadline_ns);
            stream->popping = true;
            pthread_mutex_unlock(&stream->pop_mutex);
            rc = ring_pop(stream->done, &index, &wait);
            pthread_mutex_lock(&stream->pop_mutex);
            stream->popping = false;
            pthread_cond_signal(&stream->pop_turn);
        }
        if (!rc)
            put_early(stream, index);
    }
    return rc;
}

static int take_result(struct aispipe_stream *stream, uint32_t *slot, uint64_t deadline_ns)
{
    if (stream->in_order) {
        pthread_mutex_lock(&stream->pop_mutex);
        int rc = pop_in_order(stream, slot, deadline_ns);
        pthread_mutex_unlock(&stream->pop_mutex);
        return rc;
    }
    if (ring_try_pop(stream->done, slot))
        return 0;
    struct ring_wait wait = stream_wait(stream, deadline_ns);
    return ring_pop(stream->done, slot, &wait);
}

int aispipe_stream_pop(struct aispipe_stream *stream, struct aispipe_stream_result *result,
                       uint64_t timeout_ns, struct aispipe_error *error)
{
    uint32_t slot;
    if (atomic_load_explicit(&stream->cancelled, memory_order_acquire))
        return stream_end_reason(stream, error);
    int rc = take_result(stream, &slot, stream_deadline(timeout_ns));
    if (rc == AISPIPE_TIMEOUT)
        return aispipe_fail(error, rc, "no result is complete yet");
    if (rc)
        return stream_end_reason(stream, error);
    const struct cargo *cargo = &stream->cargo[slot];
    *result = (struct aispipe_stream_result){
        .number = cargo->number,
        .tag = cargo->tag,
        .n_outputs = stream->model->n_outputs,
        .outputs = cargo->outputs,
        .descs = cargo->actual ? cargo->actual : stream->model->outputs,
    };
    atomic_fetch_add_explicit(&stream->popped, 1, memory_order_relaxed);
    return 0;
}

void aispipe_stream_give_back(struct aispipe_stream *stream, struct aispipe_stream_result *result)
{
    if (result->outputs)
        aispipe_pipeline_give_back(stream->pipeline, result->outputs);
    *result = (struct aispipe_stream_result){0};
}

int aispipe_stream_keep(struct aispipe_stream *stream, struct aispipe_stream_result *result, void **outputs,
                        void **block, struct aispipe_error *error)
{
    size_t bytes = 0;
    for (size_t i = 0; i < result->n_outputs; i++)
        bytes += slot_room(&result->descs[i]);
    char *at = aligned_alloc(SLOT_ALIGNMENT, bytes);
    *block = at;
    if (!at)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a copy of %zu bytes of a result", bytes);
    for (size_t i = 0; i < result->n_outputs; i++) {
        memcpy(at, result->outputs[i], result->descs[i].size);
        outputs[i] = at;
        at += slot_room(&result->descs[i]);
    }
    aispipe_stream_give_back(stream, result);
    return 0;
}

void aispipe_stream_release(void *block)
{
    free(block);
}

/* ------------------------------------------------------------------ figures and end */

void aispipe_stream_stats(const struct aispipe_stream *stream, struct aispipe_run_stats *stats)
{
    aispipe_pipeline_stats(stream->pipeline, stats);
}

struct aispipe_pipeline *aispipe_stream_pipeline(struct aispipe_stream *stream)
{
    return stream->pipeline;
}

void aispipe_stream_close(struct aispipe_stream *stream)
{
    if (!stream)
        return;
    if (stream->pipeline && stream->queue && stream->room && stream->done)
        aispipe_stream_cancel(stream);
    aispipe_pipeline_free(stream->pipeline);
    for (unsigned i = 0; stream->entries && i < stream->n_entries; i++) {
        struct entry *entry = &stream->entries[i];
        if (entry->borrowed)
            entry->release(entry->tag);
        free(entry->copy);
        free(entry->inputs);
        free(entry->sizes);
        free(entry->shapes);
    }
    free(stream->entries);
    free(stream->cargo);
    free(stream->early);
    ring_free(stream->queue);
    ring_free(stream->room);
    ring_free(stream->done);
    pthread_cond_destroy(&stream->pop_turn);
    pthread_mutex_destroy(&stream->pop_mutex);
    pthread_mutex_destroy(&stream->push_mutex);
    free(stream);
}
