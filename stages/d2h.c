/* SPDX-License-Identifier: MIT */
/* d2h: brings the results back to the host. Where device memory is host memory there is nothing to do. */
#include "stage.h"

static int d2h_open(struct stage_thread *thread, struct aispipe_error *error)
{
    if (!thread->run->backend->d2h)
        return 0;
    return stage_lane_open(thread, AISPIPE_LANE_D2H, error);
}

static int d2h_run(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error)
{
    if (!thread->run->backend->d2h)
        return 0;
    uint64_t took;
    return stage_timed(thread, slot, thread->run->backend->d2h, &took, error);
}

const struct stage stage_d2h = {"d2h", true, d2h_open, stage_lane_close, d2h_run};
