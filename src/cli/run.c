/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/several.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <unistd.h>

/* What a run on one device owns. */
struct run_one {
    struct console *console;
    struct interrupt interrupt;
    struct dataset *dataset;
    struct job job;
    struct progress progress;
    bool began; /* errors from here on are those of a run, not of what it was asked to do */
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
    return dataset_open(o->input, inputs, o->limit, &run->dataset, error);
}

static int open_output(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    if (!job->options->output)
        return 0;
    int rc = output_dir_make(&job->directory, job->options->output, job->options->output_dirname, error);
    if (rc)
        return rc;
    interrupt_on_end(&run->interrupt, clean_output, job);
    return job_open_sink(job, error);
}

/* Everything up to the pipeline. */
static int prepare(struct run_one *run, struct aispipe_error *error)
{
    struct job *job = &run->job;
    int rc = job_open_session(job, error);
    if (rc)
        return rc;
    job_describe(job);
    rc = open_dataset(run, error);
    if (!rc)
        rc = job_open_input(job, run->dataset, error);
    if (!rc)
        rc = open_output(run, error);
    if (rc)
        return rc;
    job_log_batching(job);
    return job_open_pipeline(job, error);
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

static int run_one(struct run_one *run, int argc, char *const *argv, struct aispipe_error *error)
{
    struct job *job = &run->job;
    struct summary summary;
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
        return job_summarise(job, argc, argv, &summary, error);
    log_what_was_saved(job);
    return rc;
}

int run_command(const struct options *options, struct console *console, int argc, char *const *argv)
{
    if (options->device.count > 1)
        return run_several(options, console, argc, argv);
    struct run_one run = {
        .console = console,
        .job = {.options = options,
                .log = console_log(console, options->debug),
                .device = options->device.values[0]},
    };
    struct aispipe_error error = {0};
    int rc = interrupt_open(&run.interrupt, &error);
    if (!rc)
        rc = run_one(&run, argc, argv, &error);
    int signal = interrupt_received(&run.interrupt);
    interrupt_close(&run.interrupt);
    console->progress = NULL;
    job_free_pipeline(&run.job);
    job_close_files(&run.job, rc != 0);
    dataset_close(run.dataset);
    job_close_session(&run.job);
    if (rc) {
        console_error(console, error.message);
        return run.began ? EXIT_FAILED : EXIT_REFUSED;
    }
    return signal ? 128 + signal : EXIT_DONE;
}
