/* SPDX-License-Identifier: MIT */
/* What the three stages that talk to the backend have in common. */
#include "clock.h"
#include "stage.h"

int stage_lane_open(struct stage_thread *thread, enum aispipe_lane_kind kind, struct aispipe_error *error)
{
    struct run *run = thread->run;
    int rc = spool_open(&thread->times, error);
    if (rc)
        return rc;
    if (!run->backend->lane_create)
        return 0;
    return run->backend->lane_create(run->model, kind, thread->index, &thread->lane, error);
}

void stage_lane_close(struct stage_thread *thread)
{
    struct run *run = thread->run;
    if (thread->lane && run->backend->lane_destroy)
        run->backend->lane_destroy(run->model, thread->lane);
    thread->lane = NULL;
    spool_close(&thread->times);
}

int stage_timed(struct stage_thread *thread, struct slot *slot, stage_work_fn work, uint64_t *took_ns,
                struct aispipe_error *error)
{
    struct interval interval = {.start = clock_ns()};
    int rc = work(thread->lane, &slot->io, error);
    interval.end = clock_ns();
    *took_ns = interval.end - interval.start;
    if (rc || slot->io.warmup)
        return rc;
    return spool_add(&thread->times, interval, error);
}
