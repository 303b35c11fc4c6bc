/* SPDX-License-Identifier: MIT */
#include "aispipe/summary.h"

#include "json_writer.h"
#include "log.h"
#include "pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INFO AISPIPE_LOG_INFO

/* Below this share of the run, not even the busiest stage can be called the limit. */
#define BOUND_FRACTION 0.5

/* ------------------------------------------------------------------ collect */

static const char *const remedies[AISPIPE_STAGES] = {
    [AISPIPE_STAGE_LOAD] = "more --load_threads, faster storage, or files without .zst",
    [AISPIPE_STAGE_H2D] = "a smaller input type, or a model with a larger batch",
    [AISPIPE_STAGE_COMPUTE] =
        "more --threads while cores are free, a model with a larger batch, or a faster device",
    [AISPIPE_STAGE_D2H] = "fewer or smaller outputs, or a model with a larger batch",
    [AISPIPE_STAGE_SAVE] = "more --save_threads, faster storage, --outfmt BIN, or no --compress",
};

static void advise(struct aispipe_summary *summary)
{
    const struct aispipe_run_stats *run = &summary->run;
    const struct aispipe_stage_stats *bound = &run->stage[run->bottleneck];
    const char *name = aispipe_stage_name(run->bottleneck);
    if (!run->batches)
        snprintf(summary->advice, sizeof summary->advice, "no batch has gone through the whole pipeline");
    else if (run->inflight == 1 && run->samples_total > 1)
        snprintf(summary->advice, sizeof summary->advice,
                 "one batch in flight: no two stages overlap; %s takes the largest part (%.1f %%); try more "
                 "--inflight "
                 "and no --pipeline 0",
                 name, 100 * bound->busy);
    else if (bound->busy < BOUND_FRACTION)
        snprintf(summary->advice, sizeof summary->advice,
                 "no stage bounds the run: the busiest, %s, works %.1f %% of the time; try more --inflight, "
                 "or a longer "
                 "run, in which starting up counts less",
                 name, 100 * bound->busy);
    else
        snprintf(summary->advice, sizeof summary->advice,
                 "%s bounds the run: its %u thread%s worked %.1f %% of the time; try %s", name,
                 bound->threads, bound->threads == 1 ? "" : "s", 100 * bound->busy,
                 remedies[run->bottleneck]);
}

int aispipe_summary_collect(const struct aispipe_pipeline *pipeline, double batchsize,
                            struct aispipe_summary *summary, struct aispipe_error *error)
{
    *summary = (struct aispipe_summary){.batchsize = batchsize};
    aispipe_pipeline_stats(pipeline, &summary->run);
    int rc = pipeline_latency(pipeline, AISPIPE_STAGE_H2D, &summary->h2d, error);
    if (!rc)
        rc = pipeline_latency(pipeline, AISPIPE_STAGE_COMPUTE, &summary->compute, error);
    if (!rc)
        rc = pipeline_latency(pipeline, AISPIPE_STAGE_D2H, &summary->d2h, error);
    if (rc)
        return rc;
    if (summary->compute.mean > 0)
        summary->throughput = 1000.0 * batchsize / summary->compute.mean;
    advise(summary);
    size_t n;
    aispipe_pipeline_tune_report(pipeline, &summary->tune);
    summary->decisions = pipeline_decisions(pipeline, &n);
    return 0;
}

/* ------------------------------------------------------------------ print */

static void print_latency(const char *name, const struct aispipe_latency *latency,
                          const struct aispipe_log *log)
{
    char min[32], max[32], mean[32], median[32], p99[32];
    format_double(latency->min, min);
    format_double(latency->max, max);
    format_double(latency->mean, mean);
    format_double(latency->median, median);
    format_double(latency->p99, p99);
    log_line(log, INFO, "%s (ms): min = %s, max = %s, mean = %s, median = %s, percentile(99%%) = %s", name,
             min, max, mean, median, p99);
}

static void print_stages(const struct aispipe_run_stats *run, const struct aispipe_log *log)
{
    log_line(log, INFO, "%-7s %7s %6s %7s %8s %12s %10s %14s", "stage", "threads", "busy", "wait in",
             "wait out", "service mean", "p99", "queue mean/peak");
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        const struct aispipe_stage_stats *s = &run->stage[k];
        log_line(log, INFO, "%-7s %7u %5.1f%% %6.1f%% %7.1f%% %9.4f ms %7.4f ms %7.1f/%" PRIu64,
                 aispipe_stage_name((enum aispipe_stage)k), s->threads, 100 * s->busy, 100 * s->wait_input,
                 100 * s->wait_output, s->service_mean, s->service_p99, s->queue_mean, s->queue_peak);
    }
}

static void print_tuning(const struct aispipe_summary *summary, const struct aispipe_log *log)
{
    if (!summary->tune.on)
        return;
    log_line(log, INFO, "auto_tune: %s", summary->tune.text);
    for (size_t i = 0; i < summary->tune.decisions; i++) {
        const struct aispipe_tune_decision *d = &summary->decisions[i];
        char after[32] = "not measured";
        if (d->verdict != AISPIPE_TUNE_CUT_OFF)
            (void)snprintf(after, sizeof after, "%.1f samples/s", d->after);
        log_line(log, INFO, "auto_tune: %8.2f s  %-12s %4u to %-4u %-10s  %.1f samples/s before, %s after",
                 d->time_ms / 1e3, aispipe_tune_parameter_name(d->parameter), d->from, d->to,
                 aispipe_tune_verdict_name(d->verdict), d->before, after);
    }
}

void aispipe_summary_format_batchsize(double batchsize, char text[32])
{
    if (batchsize == (double)(uint64_t)batchsize)
        (void)snprintf(text, 32, "%" PRIu64, (uint64_t)batchsize);
    else
        format_double(batchsize, text);
}

void aispipe_summary_print(const struct aispipe_summary *summary, bool transfers,
                           const struct aispipe_log *log)
{
    const struct aispipe_run_stats *run = &summary->run;
    char mean[32], throughput[32], batchsize[32];
    aispipe_summary_format_batchsize(summary->batchsize, batchsize);
    format_double(summary->compute.mean, mean);
    format_double(summary->throughput, throughput);
    log_line(log, INFO, "-----------------Performance Summary------------------");
    if (transfers)
        print_latency("H2D_latency", &summary->h2d, log);
    print_latency("NPU_compute_time", &summary->compute, log);
    if (transfers)
        print_latency("D2H_latency", &summary->d2h, log);
    log_line(log, INFO, "throughput 1000*batchsize.mean(%s)/NPU_compute_time.mean(%s): %s", batchsize, mean,
             throughput);
    log_line(log, INFO, "------------------------------------------------------");
    for (size_t i = 0; summary->energy && i < summary->energy->n; i++) {
        char joules[32];
        format_double(summary->energy->entries[i].joules, joules);
        log_line(log, INFO, "NPU ID:%u energy consumption(J):%s", summary->energy->entries[i].id, joules);
    }
    log_line(log, INFO, "-------------------Pipeline Summary-------------------");
    log_line(log, INFO,
             "samples: %" PRIu64 " of %" PRIu64 ", batches: %" PRIu64
             ", wall time: %.3f s, end to end: %.1f samples/s",
             run->samples, run->samples_total, run->batches, run->wall_ms / 1e3, run->samples_per_second);
    print_stages(run, log);
    print_tuning(summary, log);
    log_line(log, INFO, "%s", summary->advice);
    log_line(log, INFO, "------------------------------------------------------");
}
