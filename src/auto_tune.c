/* SPDX-License-Identifier: MIT */
#include "auto_tune.h"

#include "cores.h"
#include "log.h"
#include "pipeline.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct auto_tune {
    struct aispipe_pipeline *pipeline;
    const struct aispipe_log *log;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* protects what follows */
    struct tune_policy policy;
    size_t n;
    bool ended;
    struct aispipe_tune_decision decisions[TUNE_MOST_DECISIONS];
};

const char *aispipe_tune_parameter_name(enum aispipe_tune_parameter parameter)
{
    static const char *const names[AISPIPE_TUNE_PARAMETERS] = {"load_threads", "save_threads", "inflight"};
    return (unsigned)parameter < AISPIPE_TUNE_PARAMETERS ? names[parameter] : "unknown";
}

const char *aispipe_tune_verdict_name(enum aispipe_tune_verdict verdict)
{
    static const char *const names[] = {"kept", "taken back", "cut off"};
    return (unsigned)verdict < sizeof names / sizeof *names ? names[verdict] : "unknown";
}

/* ------------------------------------------------------------------ the thread */

static void log_decision(const struct auto_tune *tune, const struct aispipe_tune_decision *d)
{
    char effect[160] = "the run ended before the effect was known";
    if (d->verdict != AISPIPE_TUNE_CUT_OFF)
        (void)snprintf(effect, sizeof effect, "%.1f samples/s became %.1f (%+.1f %% to %+.1f %%)", d->before,
                       d->after, 100 * d->gain_low, 100 * d->gain_high);
    log_line(tune->log, AISPIPE_LOG_INFO, "auto_tune: after %.2f s %s from %u to %u %s: %s; %s",
             d->time_ms / 1e3, aispipe_tune_parameter_name(d->parameter), d->from, d->to,
             aispipe_tune_verdict_name(d->verdict), d->reason, effect);
}

static void note(struct auto_tune *tune, const struct tune_step *step)
{
    if (!step->decided)
        return;
    pthread_mutex_lock(&tune->mutex);
    if (tune->n < TUNE_MOST_DECISIONS)
        tune->decisions[tune->n++] = step->decision;
    pthread_mutex_unlock(&tune->mutex);
    log_decision(tune, &step->decision);
}

/* Whoever asks for a report sees the policy between two samples. */
static struct tune_setting feed(struct auto_tune *tune, bool running, struct tune_step *step)
{
    struct tune_sample sample;
    pipeline_sample(tune->pipeline, &sample);
    pthread_mutex_lock(&tune->mutex);
    if (running)
        tune_policy_feed(&tune->policy, &sample, step);
    else
        tune_policy_end(&tune->policy, &sample, step);
    tune->ended = !running;
    struct tune_setting setting = tune->policy.now;
    pthread_mutex_unlock(&tune->mutex);
    return setting;
}

static void *auto_tune_main(void *argument)
{
    struct auto_tune *tune = argument;
    struct tune_step step;
    while (pipeline_wait_interval(tune->pipeline, tune_policy_interval_ns(&tune->policy))) {
        struct tune_setting setting = feed(tune, true, &step);
        if (step.apply && pipeline_set_live(tune->pipeline, &setting)) {
            log_line(tune->log, AISPIPE_LOG_WARNING,
                     "auto_tune: no memory for another setting; the run goes on with the one it has");
            break;
        }
        note(tune, &step);
    }
    feed(tune, false, &step);
    note(tune, &step);
    return NULL;
}

/* ------------------------------------------------------------------ make and end */

static void fill_frame(const struct layout *layout, struct tune_frame *frame)
{
    frame->start = frame->least = layout_setting(layout);
    frame->most.value[AISPIPE_TUNE_LOAD_THREADS] = layout->threads[AISPIPE_STAGE_LOAD];
    frame->most.value[AISPIPE_TUNE_SAVE_THREADS] = layout->threads[AISPIPE_STAGE_SAVE];
    frame->most.value[AISPIPE_TUNE_INFLIGHT] = layout->inflight;
    /* One for each compute thread and one on its way. */
    unsigned least = layout->threads[AISPIPE_STAGE_COMPUTE] + 1;
    if (frame->least.value[AISPIPE_TUNE_INFLIGHT] > least)
        frame->least.value[AISPIPE_TUNE_INFLIGHT] = least;
    frame->cores = cores_available();
}

int auto_tune_create(struct aispipe_pipeline *pipeline, const struct layout *layout, uint64_t batches,
                     unsigned samples_per_batch, size_t slot_bytes, const struct aispipe_log *log,
                     struct auto_tune **tune, struct aispipe_error *error)
{
    struct tune_frame frame = {
        .batches = batches, .samples_per_batch = samples_per_batch, .slot_bytes = slot_bytes};
    fill_frame(layout, &frame);
    *tune = calloc(1, sizeof **tune);
    if (!*tune)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for auto_tune");
    (*tune)->pipeline = pipeline;
    (*tune)->log = log;
    pthread_mutex_init(&(*tune)->mutex, NULL);
    tune_policy_init(&(*tune)->policy, &frame);
    return 0;
}

int auto_tune_start(struct auto_tune *tune)
{
    if (!tune)
        return 0;
    int rc = pthread_create(&tune->thread, NULL, auto_tune_main, tune);
    if (rc)
        return rc;
    tune->started = true;
    (void)pthread_setname_np(tune->thread, "aispipe-tune");
    return 0;
}

void auto_tune_join(struct auto_tune *tune)
{
    if (tune && tune->started)
        pthread_join(tune->thread, NULL);
}

void auto_tune_free(struct auto_tune *tune)
{
    if (!tune)
        return;
    pthread_mutex_destroy(&tune->mutex);
    free(tune);
}

/* ------------------------------------------------------------------ what has become of it */

static void describe(const struct auto_tune *tune, char *text, size_t capacity)
{
    const struct tune_policy *policy = &tune->policy;
    unsigned kept = 0;
    for (size_t i = 0; i < tune->n; i++)
        kept += tune->decisions[i].verdict == AISPIPE_TUNE_KEPT;
    if (!tune->n && !tune->ended)
        (void)snprintf(text, capacity, "nothing was tried so far");
    else if (!tune->n)
        (void)tune_policy_why_nothing(policy, text, capacity);
    else if (!kept)
        (void)snprintf(text, capacity, "%zu change%s tried, none kept: what the run began with is best",
                       tune->n, tune->n == 1 ? "" : "s");
    else
        (void)snprintf(
            text, capacity,
            "%zu change%s tried, %u kept: load_threads %u, save_threads %u, inflight %u; the run began "
            "with %u, %u and %u",
            tune->n, tune->n == 1 ? "" : "s", kept, policy->now.value[AISPIPE_TUNE_LOAD_THREADS],
            policy->now.value[AISPIPE_TUNE_SAVE_THREADS], policy->now.value[AISPIPE_TUNE_INFLIGHT],
            policy->frame.start.value[AISPIPE_TUNE_LOAD_THREADS],
            policy->frame.start.value[AISPIPE_TUNE_SAVE_THREADS],
            policy->frame.start.value[AISPIPE_TUNE_INFLIGHT]);
}

void auto_tune_report(struct auto_tune *tune, struct aispipe_tune_report *report)
{
    pthread_mutex_lock(&tune->mutex);
    report->on = true;
    memcpy(report->start, tune->policy.frame.start.value, sizeof report->start);
    memcpy(report->most, tune->policy.frame.most.value, sizeof report->most);
    report->decisions = tune->n;
    describe(tune, report->text, sizeof report->text);
    pthread_mutex_unlock(&tune->mutex);
}

size_t auto_tune_decisions(struct auto_tune *tune, struct aispipe_tune_decision *decisions, size_t capacity)
{
    pthread_mutex_lock(&tune->mutex);
    size_t n = tune->n;
    for (size_t i = 0; i < n && i < capacity; i++)
        decisions[i] = tune->decisions[i];
    pthread_mutex_unlock(&tune->mutex);
    return n;
}

const struct aispipe_tune_decision *auto_tune_list(const struct auto_tune *tune, size_t *n)
{
    *n = tune->n;
    return tune->decisions;
}
