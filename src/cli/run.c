/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include "cli/affinity.h"
#include "cli/dump_npy.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/range.h"
#include "cli/several.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* What a run on one device owns. */
struct run_one {
    struct console *console;
    struct interrupt interrupt;
    struct aispipe_dataset *dataset;
    struct job job;
    struct progress progress;
    int argc;
    char *const *argv;
    size_t shape_index; /* of the shape that is run, with --dymShape_range */
    double throughput;  /* of the run that has ended */
    bool began;         /* errors from here on are those of a run, not of what it was asked to do */
};

/* What must not be left behind when the program ends in the middle. */
static void clean_output(void *context)
{
    job_clean(context);
}

static void stop(void *context)
{
    aispipe_pipeline_stop(context, INTERRUPT_GRACE_NS);
}

static int open_dataset(struct run_one *run, struct aispipe_error *error)
{
    const struct options *o = run->job.options;
    if (!o->input)
        return 0;
    size_t inputs = aispipe_session_model(run->job.session)->n_inputs;
    int rc = aispipe_dataset_open(o->input, inputs, o->limit, &run->dataset, error);
    return rc || !o->output ? rc : aispipe_dataset_check_names(run->dataset, error);
}

static int open_output(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    if (!job->options->output)
        return 0;
    /* With a name of its own each shape gets a directory below it, so that none replaces another's results.
     */
    char below[PATH_MAX];
    const char *name = job->options->output_dirname;
    if (job->shape_later && name) {
        if (snprintf(below, sizeof below, "%s/%zu", name, run->shape_index) >= (int)sizeof below)
            return aispipe_fail(error, AISPIPE_INVALID, "option --output_dirname: the path is too long");
        name = below;
    }
    int rc = output_dir_make(&job->directory, job->options->output, name, error);
    if (rc)
        return rc;
    interrupt_on_end(&run->interrupt, clean_output, job);
    return job_open_sink(job, error);
}

/* Everything between the session and the run. */
static int prepare(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    job_describe(job);
    int rc = open_dataset(run, error);
    if (!rc)
        rc = job_plan_shapes(job, run->dataset, error);
    if (!rc)
        rc = job_open_input(job, error);
    if (!rc)
        rc = open_output(run, error);
    if (rc)
        return rc;
    job_log_batching(job);
    run->began = job->options->dump;
    rc = job_dump(job, error);
    return rc ? rc : job_open_pipeline(job, error);
}

static int wait_with_progress(struct run_one *run, struct aispipe_error *error)
{
    const struct aispipe_pipeline *pipeline = run->job.pipeline;
    struct progress *progress = &run->progress;
    struct aispipe_run_stats stats;
    aispipe_pipeline_stats(pipeline, &stats);
    progress_update(progress, &stats, clock_ns());
    int rc;
    while ((rc = job_wait(&run->job, progress_interval_ns(progress), error)) == AISPIPE_TIMEOUT) {
        aispipe_pipeline_stats(pipeline, &stats);
        progress_update(progress, &stats, clock_ns());
    }
    aispipe_pipeline_stats(pipeline, &stats);
    progress_end(progress, rc ? NULL : &stats);
    return rc;
}

/* A failed run leaves whole results behind; the user should know how many. */
static void log_what_was_saved(const struct job *job)
{
    struct aispipe_run_stats stats;
    aispipe_pipeline_stats(job->pipeline, &stats);
    if (job->sink)
        log_line(&job->log, AISPIPE_LOG_INFO, "the run failed: %" PRIu64 " of %" PRIu64 " samples were saved",
                 stats.samples, stats.samples_total);
}

/* One run, with the shape that the model has now. */
static int run_once(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    struct aispipe_summary summary;
    int rc = prepare(run, error);
    if (rc)
        return rc;
    interrupt_guard(&run->interrupt, stop, job->pipeline);
    run->began = true;
    /* Before any thread may log. */
    progress_init(&run->progress, (enum progress_mode)job->options->progress, STDERR_FILENO);
    run->console->progress = &run->progress;
    rc = job_warmup(job, error);
    if (!rc)
        rc = job_start(job, error);
    if (!rc)
        rc = wait_with_progress(run, error);
    if (!rc)
        rc = job_summarise(job, run->argc, run->argv, &summary, error);
    else
        log_what_was_saved(job);
    if (!rc)
        run->throughput = summary.throughput;
    return rc;
}

/* What run_once has made. The profile is complete when the pipeline is gone. */
static int close_run(struct run_one *run, int rc, struct aispipe_error *error)
{
    struct job *job = &run->job;
    run->console->progress = NULL;
    job_free_pipeline(job);
    if (!rc)
        rc = job_save_profile(job, error);
    job_close_files(job, rc != 0);
    aispipe_dataset_close(run->dataset);
    run->dataset = NULL;
    return rc;
}

/* ------------------------------------------------------------------ one run for each shape */

static int run_shape(void *context, size_t index, const char *dims, double *throughput,
                     struct aispipe_error *error)
{
    struct run_one *run = context;
    run->shape_index = index;
    run->throughput = 0;
    int rc = job_set_shape(&run->job, dims, error);
    if (rc)
        return rc;
    rc = run_once(run, error);
    /* The receiver of signals must not look at what goes away now. */
    interrupt_guard(&run->interrupt, NULL, NULL);
    interrupt_on_end(&run->interrupt, dump_npy_leave, run->job.options->dump_place);
    rc = close_run(run, rc, error);
    *throughput = run->throughput;
    return rc;
}

static bool is_stopped(void *context)
{
    struct run_one *run = context;
    return interrupt_received(&run->interrupt) != 0;
}

static int run_one(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    const struct options *o = job->options;
    job->shape_later = o->dym_shape_range && !o->dym_shape;
    if (o->dym_shape_range && o->dym_shape)
        log_line(&job->log, AISPIPE_LOG_WARNING,
                 "--dymShape_range is not looked at, because --dymShape is given");
    int rc = job_open_session(job, error);
    if (rc)
        return rc;
    if (!job->shape_later)
        return run_once(run, error);
    const struct range_runner runner = {run_shape, is_stopped, run, &job->log};
    run->began = true;
    return range_run(o->dym_shape_range, &runner, error);
}

int run_command(const struct options *options, struct console *console, int argc, char *const *argv)
{
    struct aispipe_error error = {0};
    /* Before any thread exists, so that none is elsewhere. */
    if (affinity_apply(options->affinity, &error)) {
        console_error(console, error.message);
        return EXIT_REFUSED;
    }
    if (options->device.count > 1)
        return run_several(options, console, argc, argv);
    struct run_one run = {
        .console = console,
        .job = {.options = options,
                .log = console_log(console, options->debug),
                .device = options->device.values[0],
                .npu_ids = options->npu_id.values,
                .n_npu_ids = options->npu_id.count},
        .argc = argc,
        .argv = argv,
    };
    int rc = interrupt_open(&run.interrupt, dump_npy_leave, options->dump_place, &error);
    if (!rc)
        rc = run_one(&run, &error);
    int signal = interrupt_received(&run.interrupt);
    interrupt_close(&run.interrupt);
    /* One error line: what goes wrong while a failed run is cleaned up is a consequence of it, or a detail.
     */
    if (rc)
        atomic_store(&console->failed, true);
    rc = close_run(&run, rc, &error);
    job_close_session(&run.job);
    if (rc) {
        console_error(console, error.message);
        return run.began || rc == AISPIPE_FAULT ? EXIT_FAILED : EXIT_REFUSED;
    }
    if (signal)
        return 128 + signal;
    return atomic_load(&console->failed) ? EXIT_FAILED : EXIT_DONE;
}
