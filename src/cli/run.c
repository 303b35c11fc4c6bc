/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include "cli/check_shape.h"
#include "cli/interrupt.h"
#include "cli/output_dir.h"
#include "cli/range.h"
#include "clock.h"
#include "io/dataset.h"
#include "io/file_sink.h"
#include "io/file_source.h"
#include "io/npy.h"
#include "log.h"
#include "summary.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Everything that a run owns, in the order in which it is made. */
struct job {
    const struct options *options;
    struct console *console;
    struct aispipe_log log;
    struct interrupt interrupt;
    struct aispipe_session *session;
    struct dataset *dataset;
    struct file_source *files;
    struct made_up_source *made_up;
    struct output_dir directory;
    struct file_sink *sink;
    struct aispipe_pipeline *pipeline;
    struct progress progress;
    struct shape_plan *shapes;                /* of the samples, in the auto modes */
    size_t output_sizes[AISPIPE_MAX_TENSORS]; /* what --outputSize says */
    bool range;                               /* one run for each shape of --dymShape_range */
    size_t shape_index;                       /* of the shape that is run, with `range` */
    double throughput;                        /* of the run that has ended */
    int argc;
    char *const *argv;
    bool began; /* errors from here on are those of a run, not of what it was asked to do */
};

/* ------------------------------------------------------------------ model */

static void describe_tensors(const char *title, const struct aispipe_tensor_desc *tensors, size_t n)
{
    (void)printf("%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        char shape[AISPIPE_MAX_RANK * 22 + 3];
        npy_format_shape(tensors[i].rank, tensors[i].dims, shape, sizeof shape);
        (void)printf("  #%zu    %s  %s  %s  %zu  %zu\n", i, tensors[i].name, shape,
                     aispipe_dtype_name(tensors[i].dtype), tensors[i].size, tensors[i].size);
    }
}

static void describe_model(const struct job *job)
{
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    (void)printf("<Model>\ndevice:\t%" PRIu64 "\n", job->options->device);
    describe_tensors("input", model->inputs, model->n_inputs);
    describe_tensors("output", model->outputs, model->n_outputs);
}

static int open_session(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    struct aispipe_session_options session = {
        .backend = o->backend,
        .engine_device = o->engine_device,
        .engine_options = o->engine_options,
        .n_engine_options = o->n_engine_options,
        .device_id = (int)o->device,
        .compute_threads = (unsigned)o->threads,
        .shape = shape_of_options(o, job->output_sizes),
        .shape_later = job->range || o->auto_dims || o->auto_shape,
        .log = job->log,
    };
    int rc = aispipe_session_open(o->model, &session, &job->session, error);
    if (!rc && o->debug && !session.shape_later)
        describe_model(job);
    return rc;
}

/* Samples per execution, for the throughput figure: what the user says, else the first dimension of input 0.
 */
static double batchsize(const struct job *job)
{
    const struct aispipe_tensor_desc *input = &aispipe_session_model(job->session)->inputs[0];
    if (job->options->batchsize)
        return (double)job->options->batchsize;
    if (job->options->dym_batch)
        return (double)job->options->dym_batch;
    if (job->shapes)
        return shape_plan_mean_batch(job->shapes);
    return input->rank && input->dims[0] > 0 ? (double)input->dims[0] : 1;
}

static void log_batchsize(const struct job *job)
{
    char text[32];
    summary_format_batchsize(batchsize(job), text);
    log_line(&job->log, AISPIPE_LOG_INFO, "try get model batchsize:%s", text);
}

/* ------------------------------------------------------------------ input and output */

/* Every sample has a shape of its own: all of them are known before the run, and the model is told. */
static int open_shaped_source(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    struct aispipe_shape shape = shape_of_options(o, job->output_sizes);
    shape.mode = o->auto_dims ? AISPIPE_SHAPE_DIMS : AISPIPE_SHAPE_SHAPE;
    int rc =
        shape_plan_open(job->dataset, aispipe_session_model(job->session), shape.mode, &job->shapes, error);
    if (rc)
        return rc;
    shape.each = shape_plan_each(job->shapes, &shape.n_each);
    rc = aispipe_session_set_shape(job->session, &shape, error);
    if (rc)
        return rc;
    if (o->debug)
        describe_model(job);
    return file_source_open_shaped(job->dataset, aispipe_session_model(job->session), job->shapes, &job->log,
                                   &job->files, error);
}

static int open_source(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    if (!o->input) {
        /* The executions of one made-up sample are dealt out, so that every thread has some. */
        uint64_t batches = o->threads < o->loop ? o->threads : o->loop;
        return made_up_source_open(model, o->pure_data_type == PURE_DATA_RANDOM, o->seed, batches,
                                   &job->made_up, error);
    }
    int rc = dataset_open(o->input, model->n_inputs, o->limit, &job->dataset, error);
    if (rc)
        return rc;
    if (o->auto_dims || o->auto_shape)
        return open_shaped_source(job, error);
    return file_source_open(job->dataset, model, o->run_mode == RUN_MODE_FILES, &job->log, &job->files,
                            error);
}

static struct aispipe_source source_of(const struct job *job)
{
    return job->files ? file_source_view(job->files) : made_up_source_view(job->made_up);
}

static size_t sample_stem(void *context, uint64_t sample, char *stem, size_t capacity)
{
    const struct job *job = context;
    if (!job->dataset)
        return (size_t)snprintf(stem, capacity, "%s", MADE_UP_SAMPLE_NAME);
    return dataset_stem(job->dataset, sample, stem, capacity);
}

/* What must not be left behind when the program ends in the middle. */
static void clean_output(void *context)
{
    const struct job *job = context;
    if (job->sink)
        file_sink_abandon(job->sink);
    (void)unlink(job->directory.summary_temporary);
    output_dir_remove_if_empty(&job->directory);
}

static int open_output(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    if (!o->output)
        return 0;
    /* With a name of its own each shape gets a directory below it, so that none replaces another's results.
     */
    char below[PATH_MAX];
    const char *name = o->output_dirname;
    if (job->range && name) {
        if (snprintf(below, sizeof below, "%s/%zu", name, job->shape_index) >= (int)sizeof below)
            return aispipe_fail(error, AISPIPE_INVALID, "option --output_dirname: the path is too long");
        name = below;
    }
    int rc = output_dir_make(&job->directory, o->output, name, error);
    if (rc)
        return rc;
    interrupt_on_end(&job->interrupt, clean_output, job);
    log_line(&job->log, AISPIPE_LOG_INFO, "output path:%s", job->directory.path);
    struct file_sink_options sink = {
        .tag = job->directory.tag,
        .directory = job->directory.path,
        .format = (enum result_format)o->outfmt,
        .compress = o->compress,
        .samples_per_batch = source_of(job).samples_per_batch,
        .batch_axis = (unsigned)o->output_batchsize_axis,
        .stem = sample_stem,
        .stem_context = job,
    };
    return file_sink_open(&sink, aispipe_session_model(job->session), &job->sink, error);
}

static void log_batching(const struct job *job)
{
    if (!job->files)
        return;
    struct file_source_layout layout = file_source_layout(job->files);
    log_line(&job->log, AISPIPE_LOG_INFO,
             "get filesperbatch files0 size:%zu tensor0size:%zu filesperbatch:%u runcount:%" PRIu64,
             layout.file_bytes, layout.tensor_bytes, layout.files_per_batch, layout.batches);
}

/* ------------------------------------------------------------------ run */

static int open_pipeline(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    struct aispipe_pipeline_options pipeline = {
        .threads =
            {
                [AISPIPE_STAGE_LOAD] = (unsigned)o->load_threads,
                [AISPIPE_STAGE_COMPUTE] = (unsigned)o->threads,
                [AISPIPE_STAGE_SAVE] = (unsigned)o->save_threads,
            },
        .inflight = (unsigned)o->inflight,
        .loop = (unsigned)o->loop,
        .warmup = (unsigned)o->warmup_count,
        .serial = !o->pipeline,
        .full = o->run_mode == RUN_MODE_FULL,
        .split_loop = !o->input,
        .count_flow = o->output != NULL,
    };
    for (int k = 0; k < AISPIPE_STAGES; k++)
        pipeline.depth[k] = (unsigned)o->depth[k];
    struct aispipe_source source = source_of(job);
    struct aispipe_sink sink = {0};
    if (job->sink)
        sink = file_sink_view(job->sink);
    return aispipe_pipeline_create(job->session, &pipeline, &source, &sink, &job->pipeline, error);
}

static int wait_with_progress(struct job *job, struct aispipe_error *error)
{
    struct progress *progress = &job->progress;
    struct aispipe_run_stats stats;
    aispipe_pipeline_stats(job->pipeline, &stats);
    progress_update(progress, &stats, clock_ns());
    int rc;
    while ((rc = aispipe_pipeline_wait(job->pipeline, progress_interval_ns(progress), error)) ==
           AISPIPE_TIMEOUT) {
        aispipe_pipeline_stats(job->pipeline, &stats);
        progress_update(progress, &stats, clock_ns());
    }
    aispipe_pipeline_stats(job->pipeline, &stats);
    progress_end(progress, rc ? NULL : &stats);
    return rc;
}

static size_t input_path(void *context, uint64_t sample, size_t index, char *path, size_t capacity)
{
    const struct job *job = context;
    return dataset_path(job->dataset, index, sample, path, capacity);
}

static size_t output_path(void *context, uint64_t sample, size_t index, char *path, size_t capacity)
{
    const struct job *job = context;
    size_t length = (size_t)snprintf(path, capacity, "%s/", job->directory.path);
    if (length >= capacity)
        return length;
    return length + file_sink_name(job->sink, sample, index, path + length, capacity - length);
}

static int summarise(struct job *job, struct aispipe_error *error)
{
    struct summary summary;
    int rc = summary_collect(job->pipeline, batchsize(job), &summary, error);
    if (rc)
        return rc;
    job->throughput = summary.throughput;
    summary_print(&summary, job->options->display_all_summary, &job->log);
    if (!job->sink)
        return 0;
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    struct summary_files files = {
        .inputs = job->dataset ? model->n_inputs : 0,
        .outputs = model->n_outputs,
        .input = input_path,
        .output = output_path,
        .context = job,
    };
    return summary_write(&summary, job->pipeline, &files, job->argc, job->argv, job->directory.summary,
                         job->directory.summary_temporary, error);
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
static int run_once(struct job *job, struct aispipe_error *error)
{
    bool shaped = job->options->auto_dims || job->options->auto_shape;
    if (!shaped)
        log_batchsize(job);
    int rc = open_source(job, error);
    if (!rc && shaped)
        log_batchsize(job);
    if (!rc)
        rc = open_output(job, error);
    if (rc)
        return rc;
    log_batching(job);
    rc = open_pipeline(job, error);
    if (rc)
        return rc;
    interrupt_guard(&job->interrupt, job->pipeline);
    job->began = true;
    /* Before any thread may log. */
    progress_init(&job->progress, (enum progress_mode)job->options->progress, STDERR_FILENO);
    job->console->progress = &job->progress;
    rc = aispipe_pipeline_warmup(job->pipeline, error);
    if (!rc)
        rc = aispipe_pipeline_start(job->pipeline, error);
    if (!rc)
        rc = wait_with_progress(job, error);
    if (!rc)
        return summarise(job, error);
    log_what_was_saved(job);
    return rc;
}

/* What run_once has made. */
static void close_run(struct job *job, bool failed)
{
    job->console->progress = NULL;
    aispipe_pipeline_free(job->pipeline);
    file_sink_close(job->sink);
    if (failed)
        output_dir_remove_if_empty(&job->directory);
    file_source_close(job->files);
    made_up_source_close(job->made_up);
    dataset_close(job->dataset);
    job->pipeline = NULL;
    job->sink = NULL;
    job->files = NULL;
    job->made_up = NULL;
    job->dataset = NULL;
    shape_plan_close(job->shapes);
    job->shapes = NULL;
    job->directory = (struct output_dir){0};
}

/* ------------------------------------------------------------------ one run for each shape */

static int run_shape(void *context, size_t index, const char *text, double *throughput,
                     struct aispipe_error *error)
{
    struct job *job = context;
    struct aispipe_shape shape = shape_of_options(job->options, job->output_sizes);
    shape.mode = AISPIPE_SHAPE_SHAPE;
    shape.dims = text;
    job->shape_index = index;
    int rc = aispipe_session_set_shape(job->session, &shape, error);
    if (rc)
        return rc;
    if (job->options->debug)
        describe_model(job);
    rc = run_once(job, error);
    /* The receiver of signals must not look at what goes away now. */
    interrupt_guard(&job->interrupt, NULL);
    interrupt_on_end(&job->interrupt, NULL, NULL);
    close_run(job, rc != 0);
    *throughput = job->throughput;
    return rc;
}

static bool is_stopped(void *context)
{
    struct job *job = context;
    return interrupt_received(&job->interrupt) != 0;
}

static int run_job(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    job->range = o->dym_shape_range && !o->dym_shape;
    if (o->dym_shape_range && o->dym_shape)
        log_line(&job->log, AISPIPE_LOG_WARNING,
                 "--dymShape_range is not looked at, because --dymShape is given");
    int rc = open_session(job, error);
    if (rc)
        return rc;
    if (!job->range)
        return run_once(job, error);
    const struct range_runner runner = {run_shape, is_stopped, job, &job->log};
    job->began = true;
    return range_run(o->dym_shape_range, &runner, error);
}

int run_command(const struct options *options, struct console *console, int argc, char *const *argv)
{
    struct job job = {.options = options,
                      .console = console,
                      .log = console_log(console, options->debug),
                      .argc = argc,
                      .argv = argv};
    struct aispipe_error error = {0};
    int rc = interrupt_open(&job.interrupt, &error);
    if (!rc)
        rc = run_job(&job, &error);
    int signal = interrupt_received(&job.interrupt);
    interrupt_close(&job.interrupt);
    /* One error line: what goes wrong while a failed run is cleaned up is a consequence of it, or a detail.
     */
    if (rc)
        atomic_store(&console->failed, true);
    close_run(&job, rc != 0);
    aispipe_session_close(job.session);
    if (rc) {
        console_error(console, error.message);
        return job.began || rc == AISPIPE_FAULT ? EXIT_FAILED : EXIT_REFUSED;
    }
    if (signal)
        return 128 + signal;
    return atomic_load(&console->failed) ? EXIT_FAILED : EXIT_DONE;
}
