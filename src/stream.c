/* SPDX-License-Identifier: MIT */
/*
 * A pipeline whose source is fed by push and whose sink is emptied by pop.
 *
 *     push ─> entries ─> [queue] ─> next, fill ═> slot ═> store ─> [done] ─> pop ═> give back ─> slot is free
 *       └──── [room] <───────────────┘
 *
 * An entry is what push leaves behind: pointers, or a copy, and the item's number. Load threads take entries
 * in order while they hold a slot, copy the data into it and put the entry back into the ring of free ones
 * (room), where push waits. What store() gets stays in the slot; its index goes through the ring `done` to
 * pop.
 *
 * In order: an item that is not popped yet holds a slot, or is older than all that wait for one. So the
 * numbers of those that are complete but not popped lie within `slots` after the next one that pop wants, and
 * a table of that many places, indexed by number modulo slots, keeps those that came too early.
 *
 * End: finish closes the queue. The load thread that takes the last entry says so (AISPIPE_SOURCE_LAST);
 * where the queue is empty already, finish also closes the ring of free slots, because a load thread may be
 * waiting there for memory that the user keeps. The run then ends as every run does, and the last save thread
 * closes `done`.
 */
#include "aispipe/stream.h"

#include "clock.h"
#include "pipeline.h"
#include "ring.h"
#include "session.h"
#include "shape.h"
#include "slot.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

/* One pushed item, until it is in a slot. */
struct entry {
    uint64_t number;
    void *tag;
    void (*release)(void *tag);
    const void **inputs;
    size_t *sizes;
    struct aispipe_tensor_desc *shapes; /* where the model's are open */
    char *copy;                         /* room for all inputs; made when it is first needed */
    bool borrowed;                      /* `release` is still to be called */
};

/* What a slot carries beside the batch. Written by the thread that has the slot. */
struct cargo {
    uint64_t number;
    void *tag;
    void *const *outputs;
    const struct aispipe_tensor_desc *actual;
};

struct aispipe_stream {
    const struct aispipe_model_desc *model;
    struct aispipe_pipeline *pipeline;
    bool in_order;
    bool shaped;       /* every item brings its own shapes */
    size_t copy_bytes; /* of an entry's copy */

    struct entry *entries;
    unsigned n_entries;
    struct ring *queue; /* entries that load threads shall take */
    struct ring *room;  /* free entries */
    struct cargo *cargo;
    unsigned slots;
    struct ring *done; /* slots with results */
    struct aispipe_tuning tuning;
    _Atomic bool interrupted; /* no entry is taken any more */
    _Atomic bool cancelled;

    pthread_mutex_t push_mutex; /* numbers and `queue`'s only producer */
    bool finished;
    _Atomic uint64_t pushed; /* written under push_mutex */

    pthread_mutex_t pop_mutex;
    pthread_cond_t pop_turn;
    bool popping;    /* in order: somebody waits at `done`, and will look at `early` next */
    uint32_t *early; /* in order: slots by number modulo slots; NO_SLOT: not there yet */
    uint64_t wanted; /* in order: number of the next result */
    _Atomic uint64_t popped;
};

/* ------------------------------------------------------------------ waiting */

static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t now = clock_ns();
    return timeout_ns > UINT64_MAX / 2 - now ? 0 : now + timeout_ns;
}

/* How to wait at a ring outside of the pipeline: the same rule as for its stages (run_wake_batch in
 * worker.c). */
static struct ring_wait wait_of(const struct aispipe_stream *stream, uint64_t deadline_ns)
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

/* Why nothing goes on: the run's error, or the end. */
static int end_reason(struct aispipe_stream *stream, struct aispipe_error *error)
{
    int rc = 0;
    if (!atomic_load_explicit(&stream->cancelled, memory_order_acquire))
        rc = aispipe_pipeline_error(stream->pipeline, error);
    return rc ? rc : aispipe_fail(error, AISPIPE_CLOSED, "the stream is closed");
}

/* ------------------------------------------------------------------ source */

/* State of one load thread: the entry between next and fill. */
struct loader {
    struct entry *entry;
};

static int loader_open(void *context, void **thread, struct aispipe_error *error)
{
    (void)context;
    *thread = calloc(1, sizeof(struct loader));
    return *thread ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a load thread");
}

static void loader_close(void *context, void *thread)
{
    (void)context;
    free(thread);
}

static int stream_next(void *context, void *thread, uint64_t *batch, struct aispipe_error *error)
{
    struct aispipe_stream *stream = context;
    struct loader *loader = thread;
    (void)error;
    uint32_t index;
    if (!ring_try_pop(stream->queue, &index)) {
        struct ring_wait wait = wait_of(stream, 0);
        if (ring_pop(stream->queue, &index, &wait))
            return AISPIPE_CLOSED;
    }
    /* seq_cst fence: pairs with the one in ring_close, which finish calls before it looks at the level.
     * Either the queue is seen to be closed here, or finish sees that it is empty. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&stream->interrupted, memory_order_acquire))
        return AISPIPE_CLOSED; /* the entry's data is released in close */
    loader->entry = &stream->entries[index];
    *batch = loader->entry->number;
    return ring_is_closed(stream->queue) && !ring_level(stream->queue) ? AISPIPE_SOURCE_LAST : 0;
}

static int stream_shape(void *context, void *thread, uint64_t batch, struct aispipe_tensor_desc *inputs,
                        struct aispipe_error *error)
{
    const struct aispipe_stream *stream = context;
    const struct loader *loader = thread;
    (void)batch;
    (void)error;
    memcpy(inputs, loader->entry->shapes, stream->model->n_inputs * sizeof *inputs);
    return 0;
}

static int stream_fill(void *context, void *thread, uint64_t batch, void *const *inputs,
                       struct aispipe_error *error)
{
    struct aispipe_stream *stream = context;
    struct loader *loader = thread;
    struct entry *entry = loader->entry;
    (void)error;
    for (size_t i = 0; i < stream->model->n_inputs; i++)
        if (entry->sizes[i])
            memcpy(inputs[i], entry->inputs[i], entry->sizes[i]);
    struct cargo *cargo = &stream->cargo[pipeline_slot(stream->pipeline, inputs)];
    cargo->number = batch;
    cargo->tag = entry->tag;
    if (entry->borrowed)
        entry->release(entry->tag);
    entry->borrowed = false;
    (void)ring_try_push(stream->room, (uint32_t)(entry - stream->entries)); /* there is room for all */
    return 0;
}

/* Any thread: nothing more is taken, and who waits to push or to take wakes. */
static void stream_interrupt(void *context)
{
    struct aispipe_stream *stream = context;
    /* release: who sees it after the queue was closed sees what the interrupting thread did. */
    atomic_store_explicit(&stream->interrupted, true, memory_order_release);
    ring_close(stream->queue);
    ring_close(stream->room);
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
    size_t each = n * (sizeof(void *) + sizeof(size_t));
    if (stream->shaped)
        each += n * sizeof(struct aispipe_tensor_desc);
    stream->entries = calloc(stream->n_entries, sizeof *stream->entries);
    stream->cargo = calloc(stream->slots, sizeof *stream->cargo);
    stream->early = malloc(stream->slots * sizeof *stream->early);
    if (!stream->entries || !stream->cargo || !stream->early)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a stream");
    memset(stream->early, 0xff, stream->slots * sizeof *stream->early); /* NO_SLOT */
    for (unsigned i = 0; i < stream->n_entries; i++) {
        struct entry *entry = &stream->entries[i];
        char *table = calloc(1, each);
        if (!table)
            return aispipe_fail(error, AISPIPE_NO_MEMORY,
                                "no memory for the %u places of a stream; lower `capacity`",
                                stream->n_entries);
        entry->inputs = (const void **)(void *)table;
        entry->sizes = (size_t *)(void *)(table + n * sizeof(void *));
        if (stream->shaped)
            entry->shapes =
                (struct aispipe_tensor_desc *)(void *)(table + n * (sizeof(void *) + sizeof(size_t)));
    }
    return 0;
}

static int open_pipeline(struct aispipe_stream *stream, struct aispipe_session *session,
                         const struct aispipe_pipeline_options *options, struct aispipe_error *error)
{
    const struct aispipe_source source = {
        .context = stream,
        .samples_per_batch = 1,
        .thread_open = loader_open,
        .thread_close = loader_close,
        .fill = stream_fill,
        .shape = stream->shaped ? stream_shape : NULL,
        .next = stream_next,
        .interrupt = stream_interrupt,
    };
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

/* ------------------------------------------------------------------ push */

/* Checks the item, and copies its shapes and sizes into the entry. */
static int check_item(const struct aispipe_stream *stream, const struct aispipe_stream_item *item,
                      struct aispipe_tensor_desc *shapes, struct aispipe_error *error)
{
    const struct aispipe_model_desc *model = stream->model;
    if (stream->shaped && !item->shapes)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "the session's shape comes with each item, and this one has none; set `shapes`");
    if (!stream->shaped && item->shapes)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "the item has shapes, but the session's are fixed; set `each` in its shape, or "
                            "leave `shapes` NULL");
    if (stream->shaped) {
        memcpy(shapes, item->shapes, model->n_inputs * sizeof *shapes);
        int rc = shape_check_each(AISPIPE_SHAPE_SHAPE, model, shapes, error);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < model->n_inputs; i++) {
        size_t wanted = stream->shaped ? shapes[i].size : model->inputs[i].size;
        if (wanted > model->inputs[i].size)
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "input '%s' takes at most %zu bytes, as the session's shapes say, but the item's "
                "shape has %zu",
                model->inputs[i].name, model->inputs[i].size, wanted);
        if (item->sizes[i] != wanted)
            return aispipe_fail(error, AISPIPE_INVALID, "input '%s' takes %zu bytes, but the item has %zu",
                                model->inputs[i].name, wanted, item->sizes[i]);
    }
    return 0;
}

static int fill_entry(const struct aispipe_stream *stream, struct entry *entry,
                      const struct aispipe_stream_item *item, struct aispipe_error *error)
{
    size_t n = stream->model->n_inputs;
    entry->tag = item->tag;
    entry->release = item->release;
    memcpy(entry->sizes, item->sizes, n * sizeof *entry->sizes);
    if (item->release) {
        memcpy(entry->inputs, item->inputs, n * sizeof *entry->inputs);
        return 0;
    }
    if (!entry->copy)
        entry->copy = aligned_alloc(SLOT_ALIGNMENT, stream->copy_bytes);
    if (!entry->copy)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a copy of %zu bytes of an item",
                            stream->copy_bytes);
    char *at = entry->copy;
    for (size_t i = 0; i < n; i++) {
        if (item->sizes[i])
            memcpy(at, item->inputs[i], item->sizes[i]);
        entry->inputs[i] = at;
        at += slot_room(&stream->model->inputs[i]);
    }
    return 0;
}

/* An entry to fill; waits for one that long. */
static int take_room(struct aispipe_stream *stream, uint64_t timeout_ns, uint32_t *index,
                     struct aispipe_error *error)
{
    if (atomic_load_explicit(&stream->interrupted, memory_order_acquire))
        return end_reason(stream, error);
    if (ring_try_pop(stream->room, index))
        return 0;
    struct ring_wait wait = wait_of(stream, deadline_of(timeout_ns));
    int rc = timeout_ns ? ring_pop(stream->room, index, &wait) : AISPIPE_TIMEOUT;
    if (rc == AISPIPE_TIMEOUT)
        return aispipe_fail(error, rc, "no room: %u items wait; pop results and give them back",
                            stream->n_entries);
    return rc ? end_reason(stream, error) : 0;
}

/* Hands the entry to the load threads; false after finish. */
static bool enqueue(struct aispipe_stream *stream, uint32_t index)
{
    struct entry *entry = &stream->entries[index];
    pthread_mutex_lock(&stream->push_mutex);
    bool open = !stream->finished;
    if (open) {
        entry->number = atomic_load_explicit(&stream->pushed, memory_order_relaxed);
        entry->borrowed = entry->release != NULL;
        atomic_store_explicit(&stream->pushed, entry->number + 1, memory_order_relaxed);
        (void)ring_try_push(stream->queue, index); /* there is room for all */
    }
    pthread_mutex_unlock(&stream->push_mutex);
    return open;
}

int aispipe_stream_push(struct aispipe_stream *stream, const struct aispipe_stream_item *item,
                        uint64_t timeout_ns, struct aispipe_error *error)
{
    uint32_t index;
    int rc = take_room(stream, timeout_ns, &index, error);
    if (rc)
        return rc;
    struct entry *entry = &stream->entries[index];
    rc = check_item(stream, item, entry->shapes, error);
    if (!rc)
        rc = fill_entry(stream, entry, item, error);
    if (!rc && !enqueue(stream, index))
        rc = aispipe_fail(error, AISPIPE_CLOSED, "the stream's input is finished");
    if (rc)
        (void)ring_try_push(stream->room, index);
    return rc;
}

void aispipe_stream_finish(struct aispipe_stream *stream)
{
    pthread_mutex_lock(&stream->push_mutex);
    stream->finished = true;
    ring_close(stream->queue);
    pthread_mutex_unlock(&stream->push_mutex);
    ring_close(stream->room); /* who waits there need not */
    if (!ring_level(stream->queue))
        pipeline_close_source(stream->pipeline);
}

void aispipe_stream_cancel(struct aispipe_stream *stream)
{
    /* release: pairs with the acquire of those who see the closed rings and ask why. */
    atomic_store_explicit(&stream->cancelled, true, memory_order_release);
    aispipe_pipeline_stop(stream->pipeline, 0);
    ring_close(stream->done);
}

/* ------------------------------------------------------------------ pop */

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
            struct ring_wait wait = wait_of(stream, deadline_ns);
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
    struct ring_wait wait = wait_of(stream, deadline_ns);
    return ring_pop(stream->done, slot, &wait);
}

int aispipe_stream_pop(struct aispipe_stream *stream, struct aispipe_stream_result *result,
                       uint64_t timeout_ns, struct aispipe_error *error)
{
    uint32_t slot;
    if (atomic_load_explicit(&stream->cancelled, memory_order_acquire))
        return end_reason(stream, error);
    int rc = take_result(stream, &slot, deadline_of(timeout_ns));
    if (rc == AISPIPE_TIMEOUT)
        return aispipe_fail(error, rc, "no result is complete yet");
    if (rc)
        return end_reason(stream, error);
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
