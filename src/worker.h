/* SPDX-License-Identifier: MIT */
/**
 * @file worker.h
 * The generic body of a stage thread: pop a slot, time the stage's work on it, push it on, count.
 * Everything a stage does not know — rings, waiting, statistics, how a run ends and fails — is here.
 */
#ifndef AISPIPE_WORKER_H
#define AISPIPE_WORKER_H

#include "live.h"
#include "ring.h"
#include "stage.h"
#include "stats.h"

#include <pthread.h>

/** A door that opens once and stays open. */
struct latch {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool open;
};

struct worker {
    struct stage_thread thread; /**< what the stage sees */
    const struct stage *stage;
    enum aispipe_stage number; /**< which stage that is */
    struct ring *in;
    struct ring *out;
    struct latch *start_gate; /**< wait for this before the first slot; NULL: start at once (full mode) */
    struct latch *end_gate;   /**< opened by the stage's last thread; NULL: none */
    _Atomic unsigned *alive;  /**< threads of this stage that have not ended yet */
    struct slot *slots;
    struct tuning *const *tuning; /**< RCU-protected pointer, see live.h */
    struct live *live;            /**< NULL: the numbers of threads and slots never change */
    /** Called once by a thread whose stage failed, with a message that is complete but for the stage's name.
     */
    void (*fail)(void *context, const struct aispipe_error *error);
    /** Called by every thread as its last action. */
    void (*ended)(void *context);
    void *context;
    pthread_t id;
    bool started;
    uint64_t strayed;     /**< executions that an engine has made on other cores than the chosen ones */
    uint64_t overtime_ns; /**< spent on results after a stopped run's grace was over */
    struct thread_stats stats;
};

void latch_init(struct latch *latch);
void latch_destroy(struct latch *latch);
void latch_open(struct latch *latch);

/** pthread start routine; `argument` is a struct worker. */
void *worker_main(void *argument);

#endif
