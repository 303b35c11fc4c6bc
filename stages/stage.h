/* SPDX-License-Identifier: MIT */
/**
 * @file stage.h
 * The door that every room of the pipeline has. A stage is one function that takes a slot and does its work
 * on it; the generic thread body (src/worker.c) pops the slot, times the call, pushes it on and counts.
 * A stage never knows which ring it reads, how many threads it has, or what comes after it.
 */
#ifndef AISPIPE_STAGE_H
#define AISPIPE_STAGE_H

#include "affinity.h"
#include "slot.h"
#include "spool.h"

#include <stdatomic.h>

/** What all stage threads of one run share. Plain fields are set before the threads start. */
struct run {
    const struct aispipe_backend *backend;
    void *model;
    struct aispipe_source source;
    struct aispipe_sink sink;
    struct aispipe_log log;
    const struct affinity *affinity; /**< the session's: where threads run */
    uint64_t loop;                   /**< executions per batch, or of the whole run with split_loop */
    bool split_loop;                 /**< deal `loop` out over the batches */
    _Atomic uint8_t *stored;         /**< a bit per sample, or NULL */

    _Atomic uint64_t next_batch; /**< the next one to load */
    _Atomic uint64_t samples_stored;
    _Atomic uint64_t batches_stored;
    _Atomic bool failed;         /**< slots are only handed on from now on */
    _Atomic bool stopping;       /**< nothing more is loaded */
    _Atomic uint64_t grace_ns;   /**< with `stopping`: how long the caller is ready to wait */
    _Atomic uint64_t give_up_at; /**< with `stopping`: executions that have not begun by then are dropped */
};

/** Whether the run was stopped and its grace is over: what has not begun is given up. */
bool run_gives_up(const struct run *run);

/** One thread of a stage. */
struct stage_thread {
    struct run *run;
    unsigned index;     /**< among the threads of its stage */
    void *lane;         /**< the backend's state for this thread (h2d, compute, d2h) */
    void *files;        /**< the source's or sink's state for this thread (load, save) */
    struct spool times; /**< of each transfer or execution (h2d, compute, d2h) */
    uint64_t waited_ns; /**< of the current call, not at work: for a source that has nothing yet (load) */
};

/** `run` returns this when the source has no more batches: nothing was done with the slot. */
#define STAGE_END 1
/** `run` returns this when it has just taken the source's last batch: the slot is handed on, then all is
 * over. (Finding out with the next slot would be too late where there are only as many slots as batches.) */
#define STAGE_LAST 2
/** `run` returns this when the sink keeps the slot: it is not handed on, and must not be looked at any more.
 */
#define STAGE_KEPT 3

struct stage {
    const char *name;
    /** Works on results. Of a stopped run, they are worth more than batches that are yet to be executed: when
     * the grace is over, each thread may still spend half as long on finishing them. */
    bool has_results;
    /** Makes lane, files and times. May fail half-way: close is called in any case. */
    int (*open)(struct stage_thread *thread, struct aispipe_error *error);
    void (*close)(struct stage_thread *thread);
    /** 0, STAGE_END, STAGE_LAST, STAGE_KEPT, or a negative status with the reason (stage, batch and file are
     * added by the caller). */
    int (*run)(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error);
};

/** By enum aispipe_stage. */
extern const struct stage *const stage_table[AISPIPE_STAGES];
extern const struct stage stage_load, stage_h2d, stage_compute, stage_d2h, stage_save;

/** Around what may sleep for long in `run`: whoever replaces the run's parameters need not wait for this
 * thread. */
void stage_wait_begin(const struct stage_thread *thread);
void stage_wait_end(const struct stage_thread *thread);

/** What h2d and d2h share: a lane of the backend and a list of transfer times. */
int stage_lane_open(struct stage_thread *thread, enum aispipe_lane_kind kind, struct aispipe_error *error);
void stage_lane_close(struct stage_thread *thread);
typedef int (*stage_work_fn)(void *lane, struct aispipe_io *io, struct aispipe_error *error);
/** Calls `work` on the slot and notes how long it took, also in `took_ns`. Warm-up batches are not noted. */
int stage_timed(struct stage_thread *thread, struct slot *slot, stage_work_fn work, uint64_t *took_ns,
                struct aispipe_error *error);

#endif
