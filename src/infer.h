/* SPDX-License-Identifier: MIT */
/**
 * @file infer.h
 * Single executions on a session, inside. The parts: infer.c (who may execute when, and the shape in which),
 * executor.c (what one execution needs and does), infer_shape.c (the shape that is set), infer_info.c
 * (questions and statistics).
 *
 * One mutex guards the state of all of them. It is held for some instructions before and after an execution,
 * never during one; and while an executor is made or the shape changes, when nobody could execute anyway.
 */
#ifndef AISPIPE_INFER_INSIDE_H
#define AISPIPE_INFER_INSIDE_H

#include "executor.h"
#include "number_log.h"
#include "session.h"

#include <pthread.h>

/** The shape that was asked for last. */
struct kept_shape {
    bool known;                 /**< something was asked for */
    struct aispipe_shape shape; /**< `dims` and `output_sizes` are ours */
};

struct infer {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /**< an executor came back, or one of the flags below changed */
    unsigned waiting;       /**< for it */
    struct executor *idle;
    unsigned made;      /**< executors that exist */
    unsigned busy;      /**< those that execute */
    unsigned changing;  /**< threads that wait for all to be idle; others then hold back */
    unsigned pipelines; /**< that are alive */
    bool closed;
    bool gone;     /**< and the model is unloaded */
    unsigned fork; /**< fork_count of the process that opened it */

    bool ready;   /**< infer_check_ready has found nothing missing since the last change */
    bool shaped;  /**< the shape that was set last is in force */
    bool each;    /**< the shapes that were set are those of a pipeline's batches */
    bool refused; /**< or it was refused, and there is none */
    struct kept_shape kept;
    size_t *sizes; /**< aispipe_session_set_output_sizes */
    size_t n_sizes;
    struct output_pools pools;

    uint64_t calls; /**< numbers the executions */
    unsigned loop;
    struct aispipe_infer_stats stats;
    bool record;
    struct number_log intervals; /**< start, folded, as difference to the one before; then the duration */
    uint64_t last_start;
};

/** Makes the part of the session that this is about. Its backend, device and model are there. */
int infer_open(struct aispipe_session *session, struct aispipe_error *error);
/** Lets nobody in any more, waits for those that execute, and destroys all executors. Returns whether it was
 * the first to do so; who is not waits until the first one has called infer_gone. */
bool infer_shut(struct aispipe_session *session);
/** The model is unloaded. */
void infer_gone(struct infer *infer);
/** Frees it, after infer_gone or before anybody has used it. NULL is allowed. */
void infer_free(struct infer *infer);

/** Whether this process is the one that opened the session; locks. Nothing is locked on failure. */
int infer_enter(struct aispipe_session *session, struct aispipe_error *error);
void infer_leave(struct infer *infer);
/** With the lock held: waits until nobody executes, and destroys all executors. The caller may then change
 * the model before it leaves. */
int infer_quiesce(struct aispipe_session *session, struct aispipe_error *error);
/** With the lock held, after the model has changed. */
void infer_forget_outputs(struct infer *infer);

/** A pipeline of the session begins, or has ended. */
int infer_begin_pipeline(struct aispipe_session *session, struct aispipe_error *error);
void infer_end_pipeline(struct aispipe_session *session);
/** With the lock held: refuses `what` while one is alive. */
int infer_refuse_pipeline(const struct infer *infer, const char *what, struct aispipe_error *error);

/** infer_shape.c; with the lock held. Whether `shape` is set; whether the feeds have the shapes that are set.
 */
bool infer_shape_is_set(const struct infer *infer, const struct aispipe_shape *shape);
bool infer_feeds_fit(const struct aispipe_session *session, const struct aispipe_feed *feeds);
/** Sets a shape; nobody executes. */
int infer_change_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                       struct aispipe_error *error);
int infer_shape_of_feeds(struct aispipe_session *session, const struct aispipe_feed *feeds,
                         struct aispipe_error *error);
/** Whether the model can execute; says what is missing. */
int infer_check_ready(struct aispipe_session *session, struct aispipe_error *error);
void infer_forget_shape(struct infer *infer);

/** Whether it is this process', and not its parent's: only then it may be locked. */
bool infer_is_ours(const struct infer *infer);
/** infer_info.c. Notes one execution; takes the lock. */
int infer_note(struct infer *infer, struct aispipe_interval interval, struct aispipe_error *error);
void infer_model_info(const struct aispipe_session *session, struct aispipe_model_info *info);

#endif
