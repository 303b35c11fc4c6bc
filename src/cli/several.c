/* SPDX-License-Identifier: MIT */
/*
 * Every device has a thread that makes all calls to its engine. Between its steps it waits until all devices
 * have come as far; the main thread then does what concerns them together, or prints, in the order in which
 * the devices were given, and lets them go on. The wait before the step `run` is the start barrier: all are
 * warm, and all start at once.
 */
#include "cli/several.h"

#include "cli/crew.h"
#include "cli/dump_npy.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct device {
    struct job job;
    struct crew *crew;
    pthread_t thread;
    bool has_thread;
    int rc; /* of its first step that failed; the thread's while it works, the main thread's while it waits */
    struct aispipe_error error;
    double throughput;
};

struct several {
    const struct options *options;
    struct console *console;
    struct aispipe_log log;
    int argc;
    char *const *argv;
    struct interrupt interrupt;
    struct crew crew;
    struct device *devices;
    size_t count;
    struct aispipe_dataset *dataset;
    struct output_dir directory; /* the devices' directories are in it */
    struct progress progress;
    bool began;                 /* errors from here on are those of a run, not of what it was asked to do */
    int rc;                     /* what concerns no device alone */
    struct aispipe_error error; /* its reason */
};

/* ------------------------------------------------------------------ a device's thread */

/* The auto modes: on Ascend the shapes are told to the model by calls of its thread. */
static int plan_shapes(struct job *job, struct aispipe_error *error)
{
    return job_plan_shapes(job, job->dataset, error);
}

static int open_pipeline(struct job *job, struct aispipe_error *error)
{
    int rc = job_dump(job, error);
    return rc ? rc : job_open_pipeline(job, error);
}

static int run_job(struct job *job, struct aispipe_error *error)
{
    int rc = job_start(job, error);
    return rc ? rc : job_wait(job, UINT64_MAX, error);
}

static void *drive(void *argument)
{
    static int (*const steps[])(struct job *, struct aispipe_error *) = {job_open_session, plan_shapes,
                                                                         open_pipeline, job_warmup, run_job};
    struct device *device = argument;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!device->rc)
            device->rc = steps[i](&device->job, &device->error);
        crew_wait(device->crew);
    }
    job_free_pipeline(&device->job);
    if (!device->rc)
        device->rc = job_save_profile(&device->job, &device->error);
    crew_wait(device->crew);
    job_close_session(&device->job);
    return NULL;
}

static void start_threads(struct several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        struct device *device = &several->devices[i];
        crew_join(&several->crew);
        int reason = pthread_create(&device->thread, NULL, drive, device);
        device->has_thread = reason == 0;
        if (!reason)
            continue;
        crew_leave(&several->crew);
        device->rc =
            aispipe_fail(&device->error, AISPIPE_SYSTEM,
                         "cannot create its thread: %s; raise the limit on processes", strerror(reason));
    }
}

/* Ends the step that the devices are in. */
static void gather(struct several *several)
{
    (void)crew_gather(&several->crew, UINT64_MAX);
}

static size_t healthy(const struct several *several)
{
    size_t n = 0;
    for (size_t i = 0; i < several->count; i++)
        n += several->devices[i].rc == 0;
    return n;
}

/* ------------------------------------------------------------------ input and output */

static void clean_output(void *context)
{
    const struct several *several = context;
    for (size_t i = 0; i < several->count; i++)
        job_clean(&several->devices[i].job);
    output_dir_remove_if_empty(&several->directory);
}

static int open_dataset(struct several *several, struct aispipe_error *error)
{
    const struct options *o = several->options;
    const struct device *device = several->devices;
    while (device->rc)
        device++;
    size_t inputs = aispipe_session_model(device->job.session)->n_inputs;
    int rc = aispipe_dataset_open(o->input, inputs, o->limit, &several->dataset, error);
    return rc || !o->output ? rc : aispipe_dataset_check_names(several->dataset, error);
}

static int open_output(struct several *several, struct device *device, struct aispipe_error *error)
{
    char name[64];
    (void)snprintf(name, sizeof name, "device%" PRIu64 "_%td", device->job.device, device - several->devices);
    int rc = output_dir_make(&device->job.directory, several->directory.path, name, error);
    return rc ? rc : job_open_sink(&device->job, error);
}

static int open_files(struct several *several, struct device *device, struct aispipe_error *error)
{
    int rc = job_open_input(&device->job, error);
    if (!rc && several->options->output)
        rc = open_output(several, device, error);
    if (!rc)
        job_log_batching(&device->job);
    return rc;
}

static int open_directory(struct several *several, struct aispipe_error *error)
{
    const struct options *o = several->options;
    int rc = output_dir_make(&several->directory, o->output, o->output_dirname, error);
    if (!rc)
        interrupt_on_end(&several->interrupt, clean_output, several);
    return rc;
}

/* Nothing more is done on any device; the reason is said once, for all. */
static void fail_all(struct several *several, int rc)
{
    several->rc = rc;
    for (size_t i = 0; i < several->count; i++)
        if (!several->devices[i].rc)
            several->devices[i].rc = rc;
}

/* Once all models are loaded: the plan of the dataset. */
static void open_plan(struct several *several)
{
    for (size_t i = 0; i < several->count; i++)
        if (!several->devices[i].rc)
            job_describe(&several->devices[i].job);
    int rc = several->options->input && healthy(several) ? open_dataset(several, &several->error) : 0;
    if (rc)
        fail_all(several, rc);
    for (size_t i = 0; i < several->count; i++)
        several->devices[i].job.dataset = several->dataset;
}

static void open_all_files(struct several *several)
{
    int rc = several->options->output && healthy(several) ? open_directory(several, &several->error) : 0;
    if (rc)
        fail_all(several, rc);
    for (size_t i = 0; i < several->count; i++) {
        struct device *device = &several->devices[i];
        if (!device->rc)
            device->rc = open_files(several, device, &device->error);
    }
}

/* ------------------------------------------------------------------ run */

static void stop_all(void *context)
{
    const struct several *several = context;
    for (size_t i = 0; i < several->count; i++)
        if (several->devices[i].job.pipeline)
            aispipe_pipeline_stop(several->devices[i].job.pipeline, INTERRUPT_GRACE_NS);
}

/* Before any stage thread may log: the pipelines are there and have not begun. */
static void begin(struct several *several)
{
    if (!healthy(several))
        return;
    interrupt_guard(&several->interrupt, stop_all, several);
    several->began = true;
    progress_init(&several->progress, (enum progress_mode)several->options->progress, STDERR_FILENO);
    several->console->progress = &several->progress;
}

/* What progress shows: the samples of all devices, the fill of all rings of a stage together. */
static void sum_stats(const struct several *several, struct aispipe_run_stats *sum)
{
    *sum = (struct aispipe_run_stats){0};
    for (size_t i = 0; i < several->count; i++) {
        const struct job *job = &several->devices[i].job;
        struct aispipe_run_stats one;
        if (!job->pipeline)
            continue;
        aispipe_pipeline_stats(job->pipeline, &one);
        sum->samples += one.samples;
        sum->samples_total += one.samples_total;
        sum->wall_ms = one.wall_ms > sum->wall_ms ? one.wall_ms : sum->wall_ms;
        for (int k = 0; k < AISPIPE_STAGES; k++) {
            sum->stage[k].depth += one.stage[k].depth;
            sum->stage[k].queue_now += one.stage[k].queue_now;
        }
    }
    sum->samples_per_second = sum->wall_ms > 0 ? (double)sum->samples * 1e3 / sum->wall_ms : 0;
}

static void wait_with_progress(struct several *several)
{
    struct progress *progress = &several->progress;
    struct aispipe_run_stats stats;
    bool ended = false;
    while (!ended) {
        sum_stats(several, &stats);
        progress_update(progress, &stats, clock_ns());
        ended = crew_gather(&several->crew, progress_interval_ns(progress));
    }
    sum_stats(several, &stats);
    progress_end(progress, healthy(several) == several->count ? &stats : NULL);
}

/* ------------------------------------------------------------------ results */

static void log_what_was_saved(const struct several *several, const struct job *job)
{
    struct aispipe_run_stats stats;
    if (!job->sink || !job->pipeline)
        return;
    aispipe_pipeline_stats(job->pipeline, &stats);
    log_line(&several->log, AISPIPE_LOG_INFO,
             "the run on device %" PRIu64 " failed: %" PRIu64 " of %" PRIu64 " samples were saved",
             job->device, stats.samples, stats.samples_total);
}

static void summarise(struct several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        struct device *device = &several->devices[i];
        struct aispipe_summary summary;
        if (device->rc) {
            log_what_was_saved(several, &device->job);
            continue;
        }
        log_line(&several->log, AISPIPE_LOG_INFO,
                 "results of device %" PRIu64 " (number %zu in --device):", device->job.device, i);
        device->rc = job_summarise(&device->job, several->argc, several->argv, &summary, &device->error);
        device->throughput = summary.throughput;
    }
}

static void log_totals(const struct several *several)
{
    double total = 0;
    if (!healthy(several))
        return;
    for (size_t i = 0; i < several->count; i++) {
        const struct device *device = &several->devices[i];
        if (device->rc)
            continue;
        log_line(&several->log, AISPIPE_LOG_INFO,
                 "i:%zu device_%" PRIu64 " throughput:%.2f start_time:%.2f end_time:%.2f", i,
                 device->job.device, device->throughput, device->job.start_time, device->job.end_time);
        total += device->throughput;
    }
    log_line(&several->log, AISPIPE_LOG_INFO, "summary throughput:%.2f", total);
}

static bool all_failed_alike(const struct several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        const struct device *device = &several->devices[i];
        if (!device->rc || strcmp(device->error.message, several->devices[0].error.message) != 0)
            return false;
    }
    return true;
}

/* What is wrong with all of them is said once. */
static void print_errors(const struct several *several)
{
    struct aispipe_error line;
    if (several->rc)
        console_error(several->console, several->error.message);
    if (all_failed_alike(several)) {
        (void)aispipe_fail(&line, AISPIPE_DEVICE, "on every device: %s", several->devices[0].error.message);
        if (!several->rc)
            console_error(several->console, line.message);
        return;
    }
    for (size_t i = 0; i < several->count; i++) {
        const struct device *device = &several->devices[i];
        if (!device->rc || !*device->error.message)
            continue;
        (void)aispipe_fail(&line, AISPIPE_DEVICE, "device %" PRIu64 " (number %zu in --device): %s",
                           device->job.device, i, device->error.message);
        console_error(several->console, line.message);
    }
}

/* ------------------------------------------------------------------ the whole */

/* A call of a device's runtime that failed is a failure of the run, however early it came. */
static void note_faults(struct several *several)
{
    for (size_t i = 0; i < several->count; i++)
        several->began = several->began || several->devices[i].rc == AISPIPE_FAULT;
}

static void run_steps(struct several *several)
{
    start_threads(several);
    gather(several); /* sessions are open */
    open_plan(several);
    crew_release(&several->crew);
    gather(several); /* all sizes are known */
    open_all_files(several);
    crew_release(&several->crew);
    gather(several); /* pipelines are there */
    begin(several);
    crew_release(&several->crew);
    gather(several); /* all are warm */
    crew_release(&several->crew);
    if (several->began)
        wait_with_progress(several);
    gather(several);
    summarise(several);
    several->console->progress = NULL;
    note_faults(several);
}

static void end_steps(struct several *several)
{
    crew_release(&several->crew);
    gather(several); /* pipelines are gone */
    for (size_t i = 0; i < several->count; i++)
        job_close_files(&several->devices[i].job, several->devices[i].rc != 0);
    if (!healthy(several))
        output_dir_remove_if_empty(&several->directory);
    aispipe_dataset_close(several->dataset);
    crew_release(&several->crew);
    for (size_t i = 0; i < several->count; i++)
        if (several->devices[i].has_thread)
            pthread_join(several->devices[i].thread, NULL);
}

static void set_up(struct several *several, size_t i)
{
    const struct options *o = several->options;
    several->devices[i].crew = &several->crew;
    several->devices[i].job = (struct job){
        .options = o,
        .log = several->log,
        .device = o->device.values[i],
        .number = i,
        .npu_ids = &o->npu_id.values[i < o->npu_id.count ? i : 0],
        .n_npu_ids = 1,
        .share_index = (unsigned)i,
        .shares = o->divide_input && o->input ? (unsigned)several->count : 0,
    };
}

static int run_all(struct several *several)
{
    crew_init(&several->crew);
    for (size_t i = 0; i < several->count; i++)
        set_up(several, i);
    run_steps(several);
    /* No sudden end from here on: what it would clean is taken down. */
    int signal = interrupt_received(&several->interrupt);
    interrupt_close(&several->interrupt);
    /* What goes wrong while a failed run is cleaned up is a consequence of it, or a detail. */
    if (several->rc || healthy(several) < several->count)
        atomic_store(&several->console->failed, true);
    end_steps(several);
    crew_destroy(&several->crew);
    log_totals(several);
    print_errors(several);
    if (several->rc || healthy(several) < several->count)
        return several->began ? EXIT_FAILED : EXIT_REFUSED;
    if (signal)
        return 128 + signal;
    return atomic_load(&several->console->failed) ? EXIT_FAILED : EXIT_DONE;
}

int run_several(const struct options *options, struct console *console, int argc, char *const *argv)
{
    struct several several = {
        .options = options,
        .console = console,
        .log = console_log(console, options->debug),
        .argc = argc,
        .argv = argv,
        .count = options->device.count,
    };
    several.devices = calloc(several.count, sizeof *several.devices);
    if (!several.devices) {
        console_error(console, "no memory for a run on several devices");
        return EXIT_REFUSED;
    }
    if (interrupt_open(&several.interrupt, dump_npy_leave, options->dump_place, &several.error)) {
        interrupt_close(&several.interrupt);
        console_error(console, several.error.message);
        free(several.devices);
        return EXIT_REFUSED;
    }
    int status = run_all(&several);
    free(several.devices);
    return status;
}
