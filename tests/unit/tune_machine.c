/* SPDX-License-Identifier: MIT */
#include "tune_machine.h"

#include <math.h>
#include <string.h>

#define STEP_NS UINT64_C(100000)

struct thread {
    bool works;
    double left_ns;
};

/* The machine in the middle of a run. */
struct state {
    const struct machine *machine;
    const struct tune_frame *frame;
    struct tune_setting setting;
    struct thread threads[AISPIPE_STAGES][MACHINE_MOST_THREADS];
    unsigned queue[AISPIPE_STAGES]; /* in front of the stage; load's is not used */
    uint64_t loaded;                /* batches that load has begun with */
    unsigned flying;
    struct tune_sample sample;
    uint64_t random;
};

static double uniform(struct state *s)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(s->random >> 11) / (double)(UINT64_C(1) << 53);
}

static unsigned threads_of(const struct state *s, int stage)
{
    if (stage == AISPIPE_STAGE_LOAD)
        return s->setting.value[AISPIPE_TUNE_LOAD_THREADS];
    if (stage == AISPIPE_STAGE_SAVE)
        return s->setting.value[AISPIPE_TUNE_SAVE_THREADS];
    return stage == AISPIPE_STAGE_COMPUTE ? s->machine->compute_threads : 1;
}

static unsigned most_threads(const struct state *s, int stage)
{
    bool files = stage == AISPIPE_STAGE_LOAD || stage == AISPIPE_STAGE_SAVE;
    return files ? MACHINE_MOST_THREADS : threads_of(s, stage);
}

static double time_of(struct state *s, int stage)
{
    const struct machine *m = s->machine;
    double ns = m->stage[stage].ms * 1e6 * (1 + m->stage[stage].jitter * (2 * uniform(s) - 1));
    bool slow = m->burst_ms > 0 && (uint64_t)((double)s->sample.now_ns / 1e6 / m->burst_ms) % 2;
    if (stage == AISPIPE_STAGE_LOAD && slow)
        ns *= m->burst_times;
    if (m->crowd_at && s->setting.value[AISPIPE_TUNE_INFLIGHT] > m->crowd_at && m->stage[stage].on_a_core)
        ns *= 1.5;
    return ns;
}

static bool take(struct state *s, int stage)
{
    if (stage != AISPIPE_STAGE_LOAD) {
        if (!s->queue[stage])
            return false;
        s->queue[stage]--;
        return true;
    }
    if (s->loaded >= s->frame->batches || s->flying >= s->setting.value[AISPIPE_TUNE_INFLIGHT])
        return false;
    s->loaded++;
    s->flying++;
    return true;
}

/* What a thread that works gets done in a step: those on cores share them. */
static double pace(const struct state *s)
{
    unsigned computing = 0;
    const struct machine *m = s->machine;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        for (unsigned i = 0; m->stage[k].on_a_core && i < most_threads(s, k); i++)
            computing += s->threads[k][i].works;
    double now = (double)s->sample.now_ns / 1e6;
    if (m->stop_every_ms > 0 && fmod(now, m->stop_every_ms) < m->stop_ms)
        return 0;
    return computing > m->cores ? (double)m->cores / computing : 1;
}

static void finish(struct state *s, int stage)
{
    s->sample.stage[stage].batches++;
    if (stage == AISPIPE_STAGE_SAVE)
        s->flying--;
    else
        s->queue[stage + 1]++;
}

static void step_stage(struct state *s, int stage, double shared)
{
    double pace_here = s->machine->stage[stage].on_a_core ? shared : 1;
    unsigned n = threads_of(s, stage);
    for (unsigned i = 0; i < most_threads(s, stage); i++) {
        struct thread *thread = &s->threads[stage][i];
        double left = (double)STEP_NS * pace_here;
        if (i < n || thread->works)
            s->sample.stage[stage].capacity_ns += STEP_NS;
        while (left > 0) {
            if (!thread->works) {
                if (i >= n || !take(s, stage))
                    break;
                thread->works = true;
                thread->left_ns = time_of(s, stage);
            }
            double done = thread->left_ns < left ? thread->left_ns : left;
            thread->left_ns -= done;
            left -= done;
            s->sample.stage[stage].busy_ns += (uint64_t)(pace_here > 0 ? done / pace_here : 0);
            if (s->machine->stage[stage].on_a_core)
                s->sample.cpu_ns += (uint64_t)done;
            if (thread->left_ns <= 0) {
                thread->works = false;
                finish(s, stage);
            }
        }
        if (pace_here <= 0 && thread->works)
            s->sample.stage[stage].busy_ns += STEP_NS;
    }
}

static void note(struct machine_run *run, const struct tune_step *step)
{
    if (step->decided && run->n < TUNE_MOST_DECISIONS)
        run->decisions[run->n++] = step->decision;
}

void machine_run(const struct machine *machine, const struct tune_frame *frame, bool tuned,
                 struct machine_run *run)
{
    struct state s = {
        .machine = machine, .frame = frame, .setting = frame->start, .random = machine->seed + 1};
    struct tune_policy policy;
    struct tune_step step;
    memset(run, 0, sizeof *run);
    tune_policy_init(&policy, frame);
    uint64_t next = tune_policy_interval_ns(&policy);
    while (s.sample.stage[AISPIPE_STAGE_SAVE].batches < frame->batches) {
        double shared = pace(&s);
        for (int k = AISPIPE_STAGES - 1; k >= 0; k--)
            step_stage(&s, k, shared);
        s.sample.now_ns += STEP_NS;
        if (!tuned || s.sample.now_ns < next)
            continue;
        tune_policy_feed(&policy, &s.sample, &step);
        note(run, &step);
        s.setting = policy.now;
        next = s.sample.now_ns + tune_policy_interval_ns(&policy);
    }
    if (tuned) {
        tune_policy_end(&policy, &s.sample, &step);
        note(run, &step);
        (void)tune_policy_why_nothing(&policy, run->nothing, sizeof run->nothing);
    }
    run->end = tuned ? policy.now : s.setting;
    run->rate = (double)frame->batches * 1e9 / (double)s.sample.now_ns;
}
