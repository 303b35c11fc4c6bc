/* SPDX-License-Identifier: MIT */
/**
 * @file stream.h
 * The pipeline as a stream: push arrays as they come, pop their results; and a source of arrays that are all
 * there.
 *
 *     push ─> [capacity] ─> load ─> h2d ─> compute × N ─> d2h ─> save ─> [done] ─> pop ─> use ─> give back
 *
 * An item is one execution of the model: all its inputs, whole. It waits in a queue of `capacity` places
 * until a load thread copies it into one of the `inflight` slots, which carries it through the five stages.
 * The result is the slot's own memory: nothing is copied between the engine and you, and the slot is free
 * again when you give the result back. Memory is therefore bounded, and who pushes faster than the model
 * computes, or keeps results, waits in push: that is the back-pressure. A thread that pushes and pops must
 * not push for ever without popping: push with a timeout of 0, and pop when it says AISPIPE_TIMEOUT.
 *
 *     while (there is more) {
 *         while (aispipe_stream_push(stream, &item, 0, &error) == AISPIPE_TIMEOUT)
 *             pop one, use it, give it back;
 *     }
 *     aispipe_stream_finish(stream);
 *     while (aispipe_stream_pop(stream, &result, UINT64_MAX, &error) == 0)
 *         use it, give it back;
 *     aispipe_stream_close(stream);
 *
 * Threads: every call but open and close may be made from any thread at the same time as any other. One
 * stream at a time in a session, and no pipeline beside it. A failure in any stage ends the stream: push and
 * pop return the run's first error, pop after the results that were complete before it. Everything that
 * waits, wakes.
 */
#ifndef AISPIPE_STREAM_H
#define AISPIPE_STREAM_H

#include "aispipe/aispipe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct aispipe_stream;

/** Zero-initialise, then set what differs. */
struct aispipe_stream_options {
    /** Threads, slots (`inflight`), ring depths, `loop`, `serial` as for any pipeline. `warmup`: executions
     * of zeros before the first item, in aispipe_stream_open. `full`, `split_loop` and `count_flow` need to
     * know how much will come: AISPIPE_INVALID. */
    struct aispipe_pipeline_options pipeline;
    /** Places for pushed items that no load thread has taken yet; 0: as many as there are slots. */
    size_t capacity;
    /** Results come as they are completed; otherwise in the order in which the items were pushed. */
    bool as_completed;
};

/** What is pushed: pointers and sizes, read during aispipe_stream_push only. */
struct aispipe_stream_item {
    /** As many as the model has inputs: host memory, any alignment, C order. */
    const void *const *inputs;
    /** Bytes of each. They must be those of the model's inputs or, with `shapes`, of the item's. */
    const size_t *sizes;
    /**
     * Optional, for sessions whose shape has `each`, and needed there: rank, dims and dtype of every input.
     * AISPIPE_INVALID where the model cannot take them. (name and size are not looked at.)
     */
    const struct aispipe_tensor_desc *shapes;
    void *tag; /**< yours; comes back with the result */
    /**
     * NULL: the data is copied during the call. Otherwise it is borrowed until this is called, once, with
     * `tag`: by a load thread, or in close where the item was given up. Short, and without calls to the
     * stream. Not called when push does not return 0: the data is yours then.
     */
    void (*release)(void *tag);
};

/** What is popped. Valid until it is given back. */
struct aispipe_stream_result {
    uint64_t number; /**< of the item, in order of pushing, from 0 */
    void *tag;       /**< the item's */
    size_t n_outputs;
    void *const *outputs; /**< host memory of each, 64-byte aligned unless the engine has its own */
    /** Shape, type and bytes of each, as they turned out. */
    const struct aispipe_tensor_desc *descs;
};

/**
 * Makes the pipeline, runs the warm-up and starts the threads. AISPIPE_NO_MEMORY, saying how much, where the
 * slots cannot fit. On failure `*stream` is NULL and nothing is left behind.
 */
AISPIPE_API int aispipe_stream_open(struct aispipe_session *session,
                                    const struct aispipe_stream_options *options,
                                    struct aispipe_stream **stream, struct aispipe_error *error);
/**
 * Hands over one item; waits at most `timeout_ns` for room (0: not at all, UINT64_MAX: for ever).
 * 0; AISPIPE_TIMEOUT: no room; AISPIPE_CLOSED: after finish or cancel; AISPIPE_INVALID: sizes or shapes are
 * not the model's, with a message that names the input and both; or the stream's error. Only 0 has taken the
 * item.
 */
AISPIPE_API int aispipe_stream_push(struct aispipe_stream *stream, const struct aispipe_stream_item *item,
                                    uint64_t timeout_ns, struct aispipe_error *error);
/**
 * Takes the next result; waits at most `timeout_ns`. 0; AISPIPE_TIMEOUT: none yet; AISPIPE_CLOSED: finished
 * and nothing more will come, or cancelled; or the stream's error. Only 0 has filled `result`.
 */
AISPIPE_API int aispipe_stream_pop(struct aispipe_stream *stream, struct aispipe_stream_result *result,
                                   uint64_t timeout_ns, struct aispipe_error *error);
/** Ends the use of a result: its memory goes back to the stream. Any thread, any order, once. Results that
 * are held take slots; where all are held, pop waits in vain. */
AISPIPE_API void aispipe_stream_give_back(struct aispipe_stream *stream,
                                          struct aispipe_stream_result *result);
/**
 * The same, but first copies the outputs into memory of the caller's own, one block, each output aligned to
 * 64 bytes: `outputs[i]` (as many as the model has) point into it. The block belongs to the caller, outlives
 * stream and session, and is freed with aispipe_stream_release. AISPIPE_NO_MEMORY: the result is still to be
 * given back.
 */
AISPIPE_API int aispipe_stream_keep(struct aispipe_stream *stream, struct aispipe_stream_result *result,
                                    void **outputs, void **block, struct aispipe_error *error);
/** Frees a block. NULL is allowed. */
AISPIPE_API void aispipe_stream_release(void *block);
/** No more input: what was pushed is finished, then pop says AISPIPE_CLOSED. Any number of times. Does not
 * wait. */
AISPIPE_API void aispipe_stream_finish(struct aispipe_stream *stream);
/** Gives up what has not been popped: push and pop return AISPIPE_CLOSED from now on. Does not wait. */
AISPIPE_API void aispipe_stream_cancel(struct aispipe_stream *stream);
/** Statistics, live; see aispipe_pipeline_stats. samples_total counts what the load threads have taken. */
AISPIPE_API void aispipe_stream_stats(const struct aispipe_stream *stream, struct aispipe_run_stats *stats);
/** The pipeline below, for aispipe_pipeline_tune and, after aispipe_pipeline_wait, aispipe_summary_collect.
 */
AISPIPE_API struct aispipe_pipeline *aispipe_stream_pipeline(struct aispipe_stream *stream);
/**
 * Cancels what still runs, waits for the executions that have begun, frees everything. NULL is allowed. No
 * other call may be in progress or follow: where other threads may be waiting in push or pop, cancel first,
 * which wakes them, and close when they have returned. Results that were not given back become invalid.
 */
AISPIPE_API void aispipe_stream_close(struct aispipe_stream *stream);

/* ---------------------------------------------------------------- arrays that are all there */

/** n samples that lie in memory, as a source for aispipe_pipeline_create. */
struct aispipe_array_source {
    /** inputs[s × n_inputs + i]: input i of sample s, in C order; borrowed while the pipeline lives. */
    const void *const *inputs;
    size_t n_inputs; /**< of the model */
    /** sample_sizes[i]: bytes of input i of one sample; samples_per_batch of them make the model's input. */
    const size_t *sample_sizes;
    uint64_t samples;
    unsigned samples_per_batch; /**< ≥ 1 */
};

/**
 * The pipeline's view of `arrays`, which must stay where it is while the pipeline lives. The last batch is
 * filled up by repeating its first sample. AISPIPE_INVALID where the sizes are not the model's, naming the
 * input and both numbers.
 */
AISPIPE_API int aispipe_array_source_view(const struct aispipe_array_source *arrays,
                                          const struct aispipe_model_desc *model,
                                          struct aispipe_source *source, struct aispipe_error *error);

#ifdef __cplusplus
}
#endif

#endif
