/* SPDX-License-Identifier: MIT */
/**
 * @file executor.h
 * What one execution needs: a batch slot, its lanes, and where inputs and outputs are bound just now. Used by
 * one thread at a time.
 */
#ifndef AISPIPE_EXECUTOR_H
#define AISPIPE_EXECUTOR_H

#include "session.h"
#include "tensor.h"

#include <pthread.h>

/**
 * Where device memory is host memory, the engine works on the caller's arrays and on the outputs that are
 * handed out, in place. Telling it a new address costs about as much as copying this many bytes, so tensors
 * up to that size are copied from and to buffers that it knows.
 */
#define EXECUTOR_SMALL 16384

struct executor {
    struct executor *next; /**< idle ones */
    unsigned index;        /**< of its lanes */
    struct aispipe_io io;
    void *lanes[3]; /**< enum aispipe_lane_kind */
    size_t n_inputs, n_outputs;
    void **host;                  /**< io.inputs, then io.outputs */
    void **bound;                 /**< the same: what io_bind was told last; NULL: nothing */
    bool *resident;               /**< io.resident */
    void **own;                   /**< the same: our buffers; NULL: none */
    void **staging;               /**< of each input: room for a copy that is aligned; NULL: not needed yet */
    struct aispipe_tensor **held; /**< of each output: what it goes to */
    char *memory;                 /**< of `own` */
};

/** Pools of the outputs: made when first needed, behind the mutex. */
struct output_pools {
    pthread_mutex_t mutex;
    struct tensor_pool *_Atomic host[AISPIPE_MAX_TENSORS];
    struct tensor_pool *_Atomic device[AISPIPE_MAX_TENSORS];
};

/** How one call executes. */
struct execution {
    struct aispipe_session *session;
    const struct aispipe_feed *feeds;
    const struct aispipe_infer_options *options;
    unsigned loop;
    uint64_t h2d_ns, d2h_ns; /**< filled in */
};

int executor_create(struct aispipe_session *session, unsigned index, struct executor **executor,
                    struct aispipe_error *error);
void executor_destroy(struct aispipe_session *session, struct executor *executor);
/** Everything between feeds and outputs. */
int executor_run(struct executor *e, struct execution *x, struct aispipe_tensor **outputs,
                 struct aispipe_error *error);

#endif
