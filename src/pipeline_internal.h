/* SPDX-License-Identifier: MIT */
/** @file pipeline_internal.h What a pipeline consists of: for pipeline.c, which runs it, and pipeline_live.c,
 * which reads and changes it meanwhile. */
#ifndef AISPIPE_PIPELINE_INTERNAL_H
#define AISPIPE_PIPELINE_INTERNAL_H

#include "auto_tune.h"
#include "layout.h"
#include "pipeline.h"
#include "worker.h"

struct aispipe_pipeline {
    struct run run;
    struct aispipe_session *session; /* that knows of us; NULL: not yet */
    struct slot_pool pool;
    struct layout layout;
    uint64_t warmup;
    bool full;
    struct ring *rings[AISPIPE_STAGES]; /* ring k stands in front of stage k */
    struct latch gates[AISPIPE_STAGES]; /* gate k opens when stage k has ended */
    _Atomic unsigned alive[AISPIPE_STAGES];
    struct worker *workers; /* all stages, in order */
    unsigned n_workers;
    struct tuning *tuning;        /* RCU-protected */
    bool wait_given;              /* with tuning_mutex: how to wait is what the user has said */
    pthread_mutex_t tuning_mutex; /* one replacement at a time */
    _Atomic bool tuning_live;     /* stage threads may be reading `tuning` */

    struct live *live;           /* NULL: the numbers of threads and slots never change */
    struct auto_tune *auto_tune; /* changes them; NULL: nobody does */

    pthread_mutex_t mutex; /* protects the fields below */
    pthread_cond_t all_ended;
    unsigned running;
    bool joined;
    struct aispipe_error first_error;
    _Atomic uint64_t start_ns;
    _Atomic uint64_t end_ns; /* 0 while it runs */
};

/** The workers of a stage lie together, stages in order. */
static inline struct worker *stage_workers(const struct aispipe_pipeline *p, enum aispipe_stage stage)
{
    struct worker *worker = p->workers;
    for (int i = 0; i < (int)stage; i++)
        worker += p->layout.threads[i];
    return worker;
}

#endif
