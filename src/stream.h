/* SPDX-License-Identifier: MIT */
/**
 * @file stream.h
 * Inside of a stream: a pipeline whose source is fed by push (stream_push.c) and whose sink is emptied by pop
 * (stream.c).
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
#ifndef AISPIPE_STREAM_INSIDE_H
#define AISPIPE_STREAM_INSIDE_H

#include "aispipe/stream.h"
#include "ring.h"

#include <pthread.h>

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

/** No slot is there yet. */
#define NO_SLOT UINT32_MAX

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

/** What the pipeline takes: the items that are pushed. */
struct aispipe_source stream_source(struct aispipe_stream *stream);

/** When a wait of that long ends, as ring_wait wants it. */
uint64_t stream_deadline(uint64_t timeout_ns);
/** How to wait at a ring outside of the pipeline: the same rule as for its stages (run_wake_batch in
 * worker.c). */
struct ring_wait stream_wait(const struct aispipe_stream *stream, uint64_t deadline_ns);
/** Why nothing goes on: the run's error, or the end. */
int stream_end_reason(struct aispipe_stream *stream, struct aispipe_error *error);

#endif
