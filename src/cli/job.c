/* SPDX-License-Identifier: MIT */
#include "cli/job.h"

#include "cli/affinity.h"
#include "cli/check_shape.h"
#include "cli/dump_npy.h"
#include "cli/layers.h"
#include "io/npy.h"
#include "log.h"
#include "shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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
    (void)printf("<Model>\ndevice:\t%" PRIu64 "\n", job->device);
    describe_tensors("input", model->inputs, model->n_inputs);
    describe_tensors("output", model->outputs, model->n_outputs);
}

/* --auto_set_dymdims_mode or --auto_set_dymshape_mode: every sample has a shape of its own. */
static bool each_has_shape(const struct options *options)
{
    return options->auto_dims || options->auto_shape;
}

/* Shapes that come later: a model that can take none of them is refused once, and before any is looked at. */
static int check_later(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    if (!job->shape_later && !each_has_shape(o))
        return 0;
    struct aispipe_shape shape = shape_of_options(o, job->output_sizes);
    struct aispipe_error why = {0};
    shape.mode = o->auto_dims ? AISPIPE_SHAPE_DIMS : AISPIPE_SHAPE_SHAPE;
    int rc = aispipe_session_check_shape(job->session, &shape, &why);
    if (!rc)
        return 0;
    const char *option = job->shape_later ? "--dymShape_range" : shape_option_each(shape.mode);
    return aispipe_fail(error, rc, "%s: %.1900s", option, why.message);
}

int job_open_session(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    char *cores;
    int rc = affinity_of_device(o->affinity, job->number, &cores, error);
    if (rc)
        return rc;
    struct aispipe_session_options session = {
        .backend = o->backend,
        .engine_device = o->engine_device,
        .engine_options = o->engine_options,
        .n_engine_options = o->n_engine_options,
        .device_id = (int)job->device,
        .compute_threads = (unsigned)o->threads,
        .shape = shape_of_options(o, job->output_sizes),
        .shape_later = job->shape_later || each_has_shape(o),
        .profile = o->profiler,
        .dump = o->dump,
        .aipp_config = o->aipp_config,
        .acl_json = o->acl_json,
        .affinity = cores,
        .hold = job->hold,
        .log = job->log,
    };
    rc = aispipe_session_open(o->model, &session, &job->session, error);
    free(cores);
    return rc ? rc : check_later(job, error);
}

int job_set_shape(struct job *job, const char *dims, struct aispipe_error *error)
{
    struct aispipe_shape shape = shape_of_options(job->options, job->output_sizes);
    shape.mode = AISPIPE_SHAPE_SHAPE;
    shape.dims = dims;
    return aispipe_session_set_shape(job->session, &shape, error);
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
    if (job->shapes && job->share.samples)
        return aispipe_shape_plan_mean_batch(job->shapes, job->share.first_sample, job->share.samples);
    if (job->shapes)
        return aispipe_shape_plan_mean_batch(job->shapes, 0, aispipe_shape_plan_samples(job->shapes));
    return input->rank && input->dims[0] > 0 ? (double)input->dims[0] : 1;
}

void job_describe(const struct job *job)
{
    char text[32];
    if (each_has_shape(job->options) && !job->shapes)
        return;
    if (job->options->debug)
        describe_model(job);
    aispipe_summary_format_batchsize(batchsize(job), text);
    log_line(&job->log, AISPIPE_LOG_INFO, "try get model batchsize:%s", text);
}

/* ------------------------------------------------------------------ input and output */

int job_plan_shapes(struct job *job, const struct aispipe_dataset *dataset, struct aispipe_error *error)
{
    const struct options *o = job->options;
    struct aispipe_shape shape = shape_of_options(o, job->output_sizes);
    job->dataset = dataset;
    if (!dataset || !each_has_shape(o))
        return 0;
    shape.mode = o->auto_dims ? AISPIPE_SHAPE_DIMS : AISPIPE_SHAPE_SHAPE;
    int rc = aispipe_shape_plan_open(job->dataset, aispipe_session_model(job->session), shape.mode,
                                     &job->shapes, error);
    if (rc)
        return rc;
    shape.each = aispipe_shape_plan_each(job->shapes, &shape.n_each);
    return aispipe_session_set_shape(job->session, &shape, error);
}

int job_open_input(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    if (!job->dataset) {
        /* The executions of one made-up sample are dealt out, so that every thread has some. */
        uint64_t batches = o->threads < o->loop ? o->threads : o->loop;
        return aispipe_made_up_source_open(model, o->pure_data_type == PURE_DATA_RANDOM, o->seed, batches,
                                           &job->made_up, error);
    }
    if (job->shapes) {
        job_describe(job);
        return aispipe_file_source_open_shaped(job->dataset, model, job->shapes, &job->log, &job->files,
                                               error);
    }
    return aispipe_file_source_open(job->dataset, model, o->run_mode == RUN_MODE_FILES, &job->log,
                                    &job->files, error);
}

struct aispipe_source job_source(const struct job *job)
{
    return job->files ? aispipe_file_source_view(job->files) : aispipe_made_up_source_view(job->made_up);
}

static size_t made_up_stem(void *context, uint64_t sample, char *stem, size_t capacity)
{
    (void)context;
    (void)sample;
    return (size_t)snprintf(stem, capacity, "%s", AISPIPE_MADE_UP_SAMPLE_NAME);
}

int job_open_sink(struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    struct aispipe_file_sink_options sink = {
        .tag = job->directory.tag,
        .directory = job->directory.path,
        .format = (enum aispipe_result_format)o->outfmt,
        .compress = o->compress,
        .samples_per_batch = job_source(job).samples_per_batch,
        .batch_axis = (unsigned)o->output_batchsize_axis,
        .stem = job->dataset ? NULL : made_up_stem,
        .dataset = job->dataset,
    };
    log_line(&job->log, AISPIPE_LOG_INFO, "output path:%s", job->directory.path);
    return aispipe_file_sink_open(&sink, aispipe_session_model(job->session), &job->sink, error);
}

void job_log_batching(const struct job *job)
{
    if (!job->files)
        return;
    struct aispipe_file_source_layout layout = aispipe_file_source_layout(job->files);
    uint64_t batches = layout.batches;
    if (job->shares) {
        struct aispipe_share share;
        struct aispipe_source source = job_source(job);
        aispipe_share_init(&share, &source, &(struct aispipe_sink){0}, job->share_index, job->shares);
        batches = share.batches;
    }
    log_line(&job->log, AISPIPE_LOG_INFO,
             "get filesperbatch files0 size:%zu tensor0size:%zu filesperbatch:%u runcount:%" PRIu64,
             layout.file_bytes, layout.tensor_bytes, layout.files_per_batch, batches);
}

/* ------------------------------------------------------------------ run */

int job_dump(struct job *job, struct aispipe_error *error)
{
    struct aispipe_source source = job_source(job);
    if (!job->options->dump)
        return 0;
    if (job->options->dump_npy)
        log_line(&job->log, AISPIPE_LOG_INFO,
                 "--dump_npy: there is nothing to convert, the dump consists of .npy files");
    return layers_dump(job->options, &job->directory, job->session, &source, error);
}

int job_open_pipeline(struct job *job, struct aispipe_error *error)
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
        .auto_tune = o->auto_tune,
    };
    for (int k = 0; k < AISPIPE_STAGES; k++)
        pipeline.depth[k] = (unsigned)o->depth[k];
    struct aispipe_source source = job_source(job);
    struct aispipe_sink sink = {0};
    if (job->sink)
        sink = aispipe_file_sink_view(job->sink);
    if (job->shares) {
        aispipe_share_init(&job->share, &source, &sink, job->share_index, job->shares);
        source = aispipe_share_source(&job->share);
        sink = aispipe_share_sink(&job->share);
    }
    int rc = aispipe_pipeline_create(job->session, &pipeline, &source, &sink, &job->pipeline, error);
    if (rc || !o->energy_consumption)
        return rc;
    return energy_open(job->npu_ids, job->n_npu_ids, &job->log, &job->energy, error);
}

int job_warmup(struct job *job, struct aispipe_error *error)
{
    return aispipe_pipeline_warmup(job->pipeline, error);
}

static double seconds_since_epoch(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int job_start(struct job *job, struct aispipe_error *error)
{
    int rc = energy_start(job->energy, error);
    if (rc)
        return rc;
    job->start_time = seconds_since_epoch();
    return aispipe_pipeline_start(job->pipeline, error);
}

int job_wait(struct job *job, uint64_t timeout_ns, struct aispipe_error *error)
{
    int rc = aispipe_pipeline_wait(job->pipeline, timeout_ns, error);
    if (rc == AISPIPE_TIMEOUT)
        return rc;
    job->end_time = seconds_since_epoch();
    job->energy_result = energy_stop(job->energy);
    return rc;
}

/* ------------------------------------------------------------------ summary */

int job_summarise(struct job *job, int argc, char *const *argv, struct aispipe_summary *summary,
                  struct aispipe_error *error)
{
    int rc = aispipe_summary_collect(job->pipeline, batchsize(job), summary, error);
    if (rc)
        return rc;
    summary->energy = job->energy_result;
    summary->config = job->options->config;
    aispipe_summary_print(summary, job->options->display_all_summary, &job->log);
    if (!job->sink)
        return 0;
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    struct aispipe_summary_files files = {
        .inputs = job->dataset ? model->n_inputs : 0,
        .outputs = model->n_outputs,
        .first = job->share.first_sample,
        .dataset = job->dataset,
        .sink = job->sink,
    };
    return aispipe_summary_write(summary, job->pipeline, &files, argc, argv, job->directory.summary,
                                 job->directory.summary_temporary, error);
}

/* ------------------------------------------------------------------ end */

void job_clean(const struct job *job)
{
    dump_npy_leave(job->options->dump_place);
    if (job->sink)
        aispipe_file_sink_abandon(job->sink);
    (void)unlink(job->directory.summary_temporary);
    output_dir_remove_if_empty(&job->directory);
}

void job_free_pipeline(struct job *job)
{
    aispipe_pipeline_free(job->pipeline);
    energy_close(job->energy);
    job->pipeline = NULL;
    job->energy = NULL;
    job->energy_result = NULL;
}

int job_save_profile(struct job *job, struct aispipe_error *error)
{
    if (!job->options->profiler)
        return 0;
    return layers_save_profile(job->options, &job->directory, job->session, &job->log, error);
}

void job_close_files(struct job *job, bool failed)
{
    aispipe_file_sink_close(job->sink);
    if (failed)
        output_dir_remove_if_empty(&job->directory);
    aispipe_file_source_close(job->files);
    aispipe_made_up_source_close(job->made_up);
    aispipe_shape_plan_close(job->shapes);
    job->shapes = NULL;
    job->sink = NULL;
    job->files = NULL;
    job->made_up = NULL;
    job->directory = (struct output_dir){0};
}

void job_close_session(struct job *job)
{
    aispipe_session_close(job->session);
    job->session = NULL;
}
