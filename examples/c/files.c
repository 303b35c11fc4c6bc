/* SPDX-License-Identifier: MIT */
/*
 * Files in, files out, and a summary: what the program `aispipe` does, in a few calls.
 *
 *     files MODEL INPUT DIRECTORY
 *
 * INPUT is a directory for each input of the model (or files), joined by ','. DIRECTORY exists; it receives
 * an .npy file for each sample and output, and summary.json.
 */
#include <aispipe/files.h>
#include <aispipe/summary.h>

#include <stdio.h>

struct job {
    struct aispipe_session *session;
    struct aispipe_dataset *dataset;
    struct aispipe_file_source *source;
    struct aispipe_file_sink *sink;
    struct aispipe_pipeline *pipeline;
};

static void print_line(void *context, enum aispipe_log_level level, const char *line)
{
    (void)context;
    fprintf(level >= AISPIPE_LOG_WARNING ? stderr : stdout, "%s\n", line);
}

static const struct aispipe_log console = {.write = print_line};

static int prepare(struct job *job, char **argv, struct aispipe_error *error)
{
    const struct aispipe_session_options options = {.compute_threads = 2, .log = console};
    int rc = aispipe_session_open(argv[1], &options, &job->session, error);
    if (rc)
        return rc;
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    rc = aispipe_dataset_open(argv[2], model->n_inputs, 0, &job->dataset, error);
    if (!rc)
        rc = aispipe_file_source_open(job->dataset, model, false, &console, &job->source, error);
    if (rc)
        return rc;
    const struct aispipe_source source = aispipe_file_source_view(job->source);
    const struct aispipe_file_sink_options sink_options = {.directory = argv[3],
                                                           .format = AISPIPE_RESULT_NPY,
                                                           .samples_per_batch = source.samples_per_batch,
                                                           .dataset = job->dataset};
    rc = aispipe_file_sink_open(&sink_options, model, &job->sink, error);
    if (rc)
        return rc;
    const struct aispipe_sink sink = aispipe_file_sink_view(job->sink);
    const struct aispipe_pipeline_options pipeline = {
        .threads = {[AISPIPE_STAGE_COMPUTE] = 2}, .warmup = 1, .count_flow = true};
    return aispipe_pipeline_create(job->session, &pipeline, &source, &sink, &job->pipeline, error);
}

static int run(const struct job *job, struct aispipe_error *error)
{
    int rc = aispipe_pipeline_warmup(job->pipeline, error);
    if (!rc)
        rc = aispipe_pipeline_start(job->pipeline, error);
    return rc ? rc : aispipe_pipeline_wait(job->pipeline, UINT64_MAX, error);
}

static int summarise(const struct job *job, int argc, char **argv, struct aispipe_error *error)
{
    const struct aispipe_model_desc *model = aispipe_session_model(job->session);
    const struct aispipe_tensor_desc *first = &model->inputs[0];
    const struct aispipe_summary_files files = {
        .inputs = model->n_inputs, .outputs = model->n_outputs, .dataset = job->dataset, .sink = job->sink};
    struct aispipe_summary summary;
    char path[4096];
    int rc =
        aispipe_summary_collect(job->pipeline, first->rank ? (double)first->dims[0] : 1, &summary, error);
    if (rc)
        return rc;
    aispipe_summary_print(&summary, false, &console);
    if (snprintf(path, sizeof path, "%s/summary.json", argv[3]) >= (int)sizeof path)
        return aispipe_fail(error, AISPIPE_INVALID, "the path of the summary is too long");
    return aispipe_summary_write(&summary, job->pipeline, &files, argc, argv, path, NULL, error);
}

int main(int argc, char **argv)
{
    struct job job = {0};
    struct aispipe_error error = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL INPUT DIRECTORY\n", argv[0]);
        return 2;
    }
    int rc = prepare(&job, argv, &error);
    if (!rc)
        rc = run(&job, &error);
    if (!rc)
        rc = summarise(&job, argc, argv, &error);
    if (rc)
        fprintf(stderr, "%s\n", error.message);
    aispipe_pipeline_free(job.pipeline);
    aispipe_file_sink_close(job.sink);
    aispipe_file_source_close(job.source);
    aispipe_dataset_close(job.dataset);
    aispipe_session_close(job.session);
    return rc ? 1 : 0;
}
