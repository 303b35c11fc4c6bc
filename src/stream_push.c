/* SPDX-License-Identifier: MIT */
/* What goes into a stream: push, and the source that load threads take it from. */
#include "stream.h"

#include "pipeline.h"
#include "shape.h"
#include "slot.h"

#include <stdlib.h>
#include <string.h>

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
        struct ring_wait wait = stream_wait(stream, 0);
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

struct aispipe_source stream_source(struct aispipe_stream *stream)
{
    return (struct aispipe_source){
        .context = stream,
        .samples_per_batch = 1,
        .thread_open = loader_open,
        .thread_close = loader_close,
        .fill = stream_fill,
        .shape = stream->shaped ? stream_shape : NULL,
        .next = stream_next,
        .interrupt = stream_interrupt,
    };
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
        return stream_end_reason(stream, error);
    if (ring_try_pop(stream->room, index))
        return 0;
    struct ring_wait wait = stream_wait(stream, stream_deadline(timeout_ns));
    int rc = timeout_ns ? ring_pop(stream->room, index, &wait) : AISPIPE_TIMEOUT;
    if (rc == AISPIPE_TIMEOUT)
        return aispipe_fail(error, rc, "no room: %u items wait; pop results and give them back",
                            stream->n_entries);
    return rc ? stream_end_reason(stream, error) : 0;
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
    uint32_t index = 0;
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
