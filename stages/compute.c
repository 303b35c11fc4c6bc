/* SPDX-License-Identifier: MIT */
/* compute: runs the model on the batch, as often as --loop says, and times every execution. */
#include "log.h"
#include "stage.h"

static int compute_open(struct stage_thread *thread, struct aispipe_error *error)
{
    return stage_lane_open(thread, AISPIPE_LANE_COMPUTE, error);
}

static uint64_t executions(const struct run *run, uint64_t batch)
{
    if (!run->split_loop)
        return run->loop;
    uint64_t batches = run->source.batches;
    return run->loop / batches + (batch < run->loop % batches);
}

static int compute_run(struct stage_thread *thread, struct slot *slot, struct aispipe_error *error)
{
    struct run *run = thread->run;
    uint64_t count = slot->io.warmup ? 1 : executions(run, slot->io.batch);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0 && run_gives_up(run))
            return 0; /* one execution is enough for a result */
        uint64_t took;
        int rc = stage_timed(thread, slot, run->backend->compute, &took, error);
        if (rc)
            return rc;
        if (run->log.debug)
            log_line(&run->log, AISPIPE_LOG_DEBUG, "model aclExec cost : %f", (double)took / 1e6);
    }
    return 0;
}

const struct stage stage_compute = {"compute", false, compute_open, stage_lane_close, compute_run};
