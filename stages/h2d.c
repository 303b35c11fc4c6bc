/* SPDX-License-Identifier: MIT */
/* h2d: brings the batch to the device. Where device memory is host memory there is nothing to do. */
#include "stage.h"

static int h2d_open(struct stage_thread *thread, struct aispipe_error *error)
{
    if (!thread->run->backend->h2d)
        return 0;
    return stage_lane_open(thread, AISPIPE_LANE_H2D, error);
}

static int h2d_run(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error)
{
    if (!thread->run->backend->h2d)
        return 0;
    uint64_t took;
    return stage_timed(thread, slot, thread->run->backend->h2d, &took, error);
}

const struct stage stage_h2d = {"h2d", false, h2d_open, stage_lane_close, h2d_run};
