/* SPDX-License-Identifier: MIT */
/* The summary as a file, streamed: neither the list of samples nor that of executions is ever in memory. */
#include "aispipe/summary.h"

#include "json_writer.h"
#include "layout.h"
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_latency(struct json_writer *json, const char *name, const struct aispipe_latency *latency)
{
    json_member_open(json, name, '{');
    json_member_double(json, "min", latency->min);
    json_member_double(json, "max", latency->max);
    json_member_double(json, "mean", latency->mean);
    json_member_double(json, "median", latency->median);
    json_member_double(json, "percentile(99%)", latency->p99);
    json_member_uint(json, "count", latency->count);
    json_close(json, '}');
}

/* ------------------------------------------------------------------ list of executions */

static void write_interval(struct json_writer *json, const struct interval *interval, bool pair,
                           uint64_t start)
{
    if (!pair) {
        json_double(json, (double)(interval->end - interval->start) / 1e6);
        return;
    }
    json_open(json, '[');
    json_double(json, (double)(interval->start - start) / 1e6);
    json_double(json, (double)(interval->end - start) / 1e6);
    json_close(json, ']');
}

/* One thread's list, as it is read. */
struct source_list {
    struct spool_reader reader;
    struct interval next;
    int more; /* 1: `next` holds an interval */
};

/* Writes the lists in the order in which the executions began. */
static int merge_lists(struct json_writer *json, struct source_list *lists, size_t n, uint64_t start,
                       struct aispipe_error *error)
{
    for (;;) {
        struct source_list *first = NULL;
        for (size_t i = 0; i < n; i++) {
            if (lists[i].more < 0)
                return lists[i].more;
            if (lists[i].more && (!first || lists[i].next.start < first->next.start))
                first = &lists[i];
        }
        if (!first)
            return 0;
        write_interval(json, &first->next, n > 1, start);
        first->more = spool_next(&first->reader, &first->next, error);
    }
}

static int write_executions(struct json_writer *json, const struct aispipe_pipeline *pipeline,
                            struct aispipe_error *error)
{
    const struct spool *spools[LAYOUT_MAX_THREADS];
    size_t n = pipeline_execution_lists(pipeline, spools, LAYOUT_MAX_THREADS);
    struct source_list *lists = calloc(n, sizeof *lists);
    if (!lists)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to write the summary file");
    int rc = 0;
    size_t opened = 0;
    for (; !rc && opened < n; opened++) {
        rc = spool_reader_open(&lists[opened].reader, spools[opened], error);
        if (!rc)
            lists[opened].more = spool_next(&lists[opened].reader, &lists[opened].next, error);
    }
    if (!rc)
        rc = merge_lists(json, lists, n, pipeline_start_ns(pipeline), error);
    for (size_t i = 0; i < opened; i++)
        spool_reader_close(&lists[i].reader);
    free(lists);
    return rc;
}

/* ------------------------------------------------------------------ files and arguments */

/* Where the caller gives no paths of its own. */
static size_t dataset_path(void *context, uint64_t sample, size_t index, char *path, size_t capacity)
{
    const struct aispipe_summary_files *files = context;
    return aispipe_dataset_path(files->dataset, index, sample, path, capacity);
}

static size_t sink_path(void *context, uint64_t sample, size_t index, char *path, size_t capacity)
{
    const struct aispipe_summary_files *files = context;
    return aispipe_file_sink_path(files->sink, sample, index, path, capacity);
}

static void write_paths(struct json_writer *json, const char *key, size_t n, uint64_t sample, void *context,
                        size_t (*name)(void *, uint64_t, size_t, char *, size_t))
{
    char path[PATH_MAX * 2];
    json_member_open(json, key, '[');
    for (size_t i = 0; i < n; i++) {
        (void)name(context, sample, i, path, sizeof path);
        json_string(json, path);
    }
    json_close(json, ']');
}

static void write_filesinfo(struct json_writer *json, const struct aispipe_summary *summary,
                            const struct aispipe_pipeline *pipeline,
                            const struct aispipe_summary_files *files)
{
    json_member_open(json, "filesinfo", '{');
    for (uint64_t sample = 0; sample < summary->run.samples_total; sample++) {
        if (!aispipe_pipeline_stored(pipeline, sample))
            continue;
        char number[24];
        uint64_t whole = files->first + sample;
        snprintf(number, sizeof number, "%" PRIu64, whole);
        json_member_open(json, number, '{');
        write_paths(json, "infiles", files->inputs, whole, files->input ? files->context : (void *)files,
                    files->input ? files->input : dataset_path);
        write_paths(json, "outfiles", files->outputs, whole, files->output ? files->context : (void *)files,
                    files->output ? files->output : sink_path);
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void write_args(struct json_writer *json, int argc, char *const *argv)
{
    json_member_open(json, "args", '[');
    for (int i = 0; i < argc; i++)
        json_string(json, argv[i]);
    json_close(json, ']');
}

/* ------------------------------------------------------------------ the pipeline block */

static void write_stage(struct json_writer *json, const struct aispipe_stage_stats *stage)
{
    json_open(json, '{');
    json_member_uint(json, "threads", stage->threads);
    json_member_uint(json, "queue_depth", stage->depth);
    json_member_uint(json, "batches", stage->batches);
    json_member_double(json, "busy", stage->busy);
    json_member_double(json, "wait_input", stage->wait_input);
    json_member_double(json, "wait_output", stage->wait_output);
    json_member_double(json, "service_mean_ms", stage->service_mean);
    json_member_double(json, "service_p99_ms", stage->service_p99);
    json_member_double(json, "queue_mean", stage->queue_mean);
    json_member_uint(json, "queue_peak", stage->queue_peak);
    json_close(json, '}');
}

static void write_setting(struct json_writer *json, const char *key,
                          const unsigned setting[AISPIPE_TUNE_PARAMETERS])
{
    json_member_open(json, key, '{');
    for (int i = 0; i < AISPIPE_TUNE_PARAMETERS; i++)
        json_member_uint(json, aispipe_tune_parameter_name((enum aispipe_tune_parameter)i), setting[i]);
    json_close(json, '}');
}

static void write_decision(struct json_writer *json, const struct aispipe_tune_decision *decision)
{
    json_open(json, '{');
    json_member_double(json, "time_ms", decision->time_ms);
    json_member_string(json, "parameter", aispipe_tune_parameter_name(decision->parameter));
    json_member_uint(json, "from", decision->from);
    json_member_uint(json, "to", decision->to);
    json_member_string(json, "verdict", aispipe_tune_verdict_name(decision->verdict));
    json_member_double(json, "samples_per_second_before", decision->before);
    json_member_double(json, "samples_per_second_after", decision->after);
    json_member_double(json, "gain_low", decision->gain_low);
    json_member_double(json, "gain_high", decision->gain_high);
    json_member_string(json, "reason", decision->reason);
    json_close(json, '}');
}

static void write_tuning(struct json_writer *json, const struct aispipe_summary *summary)
{
    if (!summary->tune.on)
        return;
    json_member_open(json, "auto_tune", '{');
    json_member_string(json, "text", summary->tune.text);
    write_setting(json, "start", summary->tune.start);
    write_setting(json, "end", summary->tune.now);
    write_setting(json, "most", summary->tune.most);
    json_member_open(json, "decisions", '[');
    for (size_t i = 0; i < summary->tune.decisions; i++)
        write_decision(json, &summary->decisions[i]);
    json_close(json, ']');
    json_close(json, '}');
}

/* Where the threads ran, and why. */
static void write_affinity(struct json_writer *json, const struct affinity *affinity)
{
    char cores[CORES_MOST * 4];
    json_member_open(json, "affinity", '{');
    json_member_string(json, "mode", affinity_mode_name(affinity->mode));
    json_member_string(json, "cores", cores_format(&affinity->cores, cores, sizeof cores));
    json_member_string(json, "reason", affinity->reason);
    json_close(json, '}');
}

static void write_pipeline(struct json_writer *json, const struct aispipe_summary *summary,
                           const struct aispipe_pipeline *pipeline)
{
    const struct aispipe_run_stats *run = &summary->run;
    json_member_open(json, "pipeline", '{');
    json_member_uint(json, "samples", run->samples);
    json_member_uint(json, "samples_total", run->samples_total);
    json_member_uint(json, "batches", run->batches);
    json_member_double(json, "wall_ms", run->wall_ms);
    json_member_double(json, "samples_per_second", run->samples_per_second);
    json_member_uint(json, "inflight", run->inflight);
    json_member_uint(json, "slot_bytes", run->slot_bytes);
    write_affinity(json, pipeline_affinity(pipeline));
    json_member_open(json, "stages", '{');
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        json_key(json, aispipe_stage_name((enum aispipe_stage)k));
        write_stage(json, &run->stage[k]);
    }
    json_close(json, '}');
    json_member_string(json, "bottleneck", aispipe_stage_name(run->bottleneck));
    json_member_string(json, "advice", summary->advice);
    write_tuning(json, summary);
    json_close(json, '}');
}

static void write_energy(struct json_writer *json, const struct aispipe_summary_energy *energy)
{
    json_member_open(json, "energy_consumption", '{');
    json_member_string(json, "source", energy->source);
    json_member_double(json, "seconds", energy->seconds);
    json_member_open(json, "npus", '[');
    for (size_t i = 0; i < energy->n; i++) {
        json_open(json, '{');
        json_member_uint(json, "npu_id", energy->entries[i].id);
        json_member_double(json, "joules", energy->entries[i].joules);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

/* ------------------------------------------------------------------ the file */

static int write_members(struct json_writer *json, const struct aispipe_summary *summary,
                         const struct aispipe_pipeline *pipeline, const struct aispipe_summary_files *files,
                         int argc, char *const *argv, struct aispipe_error *error)
{
    json_open(json, '{');
    json_member_string(json, "schema", AISPIPE_SUMMARY_SCHEMA);
    json_member_uint(json, "pid", (uint64_t)getpid());
    write_args(json, argc, argv);
    if (summary->config)
        json_member_string(json, "config", summary->config);
    json_member_double(json, "throughput", summary->throughput);
    write_latency(json, "NPU_compute_time", &summary->compute);
    write_latency(json, "H2D_latency", &summary->h2d);
    write_latency(json, "D2H_latency", &summary->d2h);
    write_pipeline(json, summary, pipeline);
    if (summary->energy)
        write_energy(json, summary->energy);
    json_member_open(json, "npu_compute_time_list", '[');
    int rc = write_executions(json, pipeline, error);
    if (rc)
        return rc;
    json_close(json, ']');
    write_filesinfo(json, summary, pipeline, files);
    json_close(json, '}');
    return 0;
}

static int cannot(const char *what, const char *path, int reason, struct aispipe_error *error)
{
    const char *remedy =
        reason == ENOSPC || reason == EDQUOT ? "; free space there or choose another --output" : "";
    return aispipe_fail(error, AISPIPE_IO, "cannot %s the summary file '%s': %s%s", what, path,
                        strerror(reason), remedy);
}

int aispipe_summary_write(const struct aispipe_summary *summary, const struct aispipe_pipeline *pipeline,
                          const struct aispipe_summary_files *files, int argc, char *const *argv,
                          const char *path, const char *temporary, struct aispipe_error *error)
{
    char beside[PATH_MAX + 8];
    if (!temporary && snprintf(beside, sizeof beside, "%s.tmp", path) >= (int)sizeof beside)
        return cannot("create", path, ENAMETOOLONG, error);
    if (!temporary)
        temporary = beside;
    int fd;
    do
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return cannot("create", path, errno, error);
    struct json_writer json;
    json_begin(&json, fd);
    int rc = write_members(&json, summary, pipeline, files, argc, argv, error);
    int reason = json_end(&json);
    if (close(fd) && !reason)
        reason = errno;
    if (!rc && reason)
        rc = cannot("write", path, reason, error);
    if (!rc && rename(temporary, path))
        rc = cannot("rename a complete file to", path, errno, error);
    if (rc)
        (void)unlink(temporary);
    return rc;
}
