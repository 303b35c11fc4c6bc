/* SPDX-License-Identifier: MIT */
/*
 * Reads samples from standard input as they come, runs each through a model, and writes the results in the
 * same order.
 *
 *     stream MODEL < samples > results
 *
 * A sample is the raw data of all inputs, one after the other; a result that of all outputs. While the model
 * computes, the next samples are already on their way.
 */
#include <aispipe/stream.h>

#include <stdio.h>
#include <stdlib.h>

struct program {
    struct aispipe_stream *stream;
    const struct aispipe_model_desc *model;
    char *sample;
    const void **inputs; /* where each begins in `sample` */
    size_t *sizes;
};

/* Takes one result, in order, and writes it. Returns what pop says: AISPIPE_CLOSED when there are no more. */
static int write_result(struct program *p, struct aispipe_error *error)
{
    struct aispipe_stream_result result;
    int rc = aispipe_stream_pop(p->stream, &result, UINT64_MAX, error);
    if (rc)
        return rc;
    for (size_t i = 0; i < result.n_outputs; i++)
        fwrite(result.outputs[i], 1, result.descs[i].size, stdout);
    aispipe_stream_give_back(p->stream, &result);
    return ferror(stdout) ? aispipe_fail(error, AISPIPE_IO, "cannot write to standard output") : 0;
}

/* Hands one sample over. Where there is no room, a result has to go first. */
static int push_sample(struct program *p, struct aispipe_error *error)
{
    const struct aispipe_stream_item item = {.inputs = p->inputs, .sizes = p->sizes};
    int rc;
    while ((rc = aispipe_stream_push(p->stream, &item, 0, error)) == AISPIPE_TIMEOUT)
        if ((rc = write_result(p, error)) != 0)
            break;
    return rc;
}

static int run(struct program *p, struct aispipe_error *error)
{
    size_t bytes = 0;
    for (size_t i = 0; i < p->model->n_inputs; i++)
        bytes += p->model->inputs[i].size;
    p->sample = malloc(bytes + 1);
    p->inputs = calloc(p->model->n_inputs, sizeof *p->inputs);
    p->sizes = calloc(p->model->n_inputs, sizeof *p->sizes);
    if (!p->sample || !p->inputs || !p->sizes)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a sample of %zu bytes", bytes);
    for (size_t i = 0, at = 0; i < p->model->n_inputs; at += p->sizes[i++]) {
        p->inputs[i] = p->sample + at;
        p->sizes[i] = p->model->inputs[i].size;
    }
    int rc = 0;
    size_t got;
    while (!rc && (got = fread(p->sample, 1, bytes, stdin)) == bytes && bytes)
        rc = push_sample(p, error);
    if (!rc && got)
        return aispipe_fail(error, AISPIPE_FORMAT, "the last sample has %zu bytes, but the model takes %zu",
                            got, bytes);
    aispipe_stream_finish(p->stream);
    while (!rc)
        rc = write_result(p, error);
    return rc == AISPIPE_CLOSED ? 0 : rc;
}

int main(int argc, char **argv)
{
    const struct aispipe_session_options session_options = {.compute_threads = 2};
    const struct aispipe_stream_options options = {.pipeline = {.threads = {[AISPIPE_STAGE_COMPUTE] = 2}}};
    struct aispipe_session *session = NULL;
    struct aispipe_error error = {0};
    struct program p = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < samples > results\n", argv[0]);
        return 2;
    }
    int rc = aispipe_session_open(argv[1], &session_options, &session, &error);
    if (!rc)
        rc = aispipe_stream_open(session, &options, &p.stream, &error);
    if (!rc) {
        struct aispipe_run_stats stats;
        p.model = aispipe_session_model(session);
        rc = run(&p, &error);
        aispipe_stream_stats(p.stream, &stats);
        fprintf(stderr, "%llu results, %.0f a second\n", (unsigned long long)stats.samples,
                stats.samples_per_second);
    }
    if (rc)
        fprintf(stderr, "%s\n", error.message);
    aispipe_stream_close(p.stream);
    aispipe_session_close(session);
    free(p.sample);
    free(p.inputs);
    free(p.sizes);
    return rc ? 1 : 0;
}
