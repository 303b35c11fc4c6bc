/* SPDX-License-Identifier: MIT */
/*
 * Executes a model once: the inputs are files of raw data, the outputs go to
 * standard output.
 *
 *     infer MODEL INPUT... > results
 */
#include <aispipe/infer.h>

#include <stdio.h>
#include <stdlib.h>

/* A whole file, which must have `size` bytes. */
static int read_input(const char *path, size_t size, struct aispipe_feed *feed, struct aispipe_error *error)
{
    FILE *file = fopen(path, "rb");
    char *data = malloc(size + 1);
    size_t got = file && data ? fread(data, 1, size + 1, file) : 0;
    if (file)
        fclose(file);
    *feed = (struct aispipe_feed){.data = data, .size = got};
    if (!file || !data)
        return aispipe_fail(error, AISPIPE_IO, "cannot read '%s'", path);
    return 0; /* whether the size is right is checked by the execution */
}

static int run(struct aispipe_session *session, char **paths, size_t n, struct aispipe_error *error)
{
    const struct aispipe_model_desc *model = aispipe_session_model(session);
    size_t n_outputs = model->n_outputs;
    if (n != model->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID, "the model takes %zu inputs, not %zu", model->n_inputs,
                            n);
    struct aispipe_feed *feeds = calloc(n, sizeof *feeds);
    struct aispipe_tensor **outputs = calloc(n_outputs, sizeof(struct aispipe_tensor *));
    int rc = feeds && outputs ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory");
    for (size_t i = 0; !rc && i < n; i++)
        rc = read_input(paths[i], model->inputs[i].size, &feeds[i], error);
    if (!rc)
        rc = aispipe_session_infer(session, feeds, n, NULL, outputs, error);
    for (size_t i = 0; !rc && i < n_outputs; i++)
        fwrite(aispipe_tensor_data(outputs[i]), 1, aispipe_tensor_describe(outputs[i])->size, stdout);
    for (size_t i = 0; outputs && i < n_outputs; i++)
        aispipe_tensor_release(outputs[i]);
    for (size_t i = 0; feeds && i < n; i++)
        free((void *)feeds[i].data);
    free(outputs);
    free(feeds);
    return rc;
}

int main(int argc, char **argv)
{
    const struct aispipe_session_options options = {.compute_threads = 1};
    struct aispipe_session *session;
    struct aispipe_error error = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL INPUT... > results\n", argv[0]);
        return 2;
    }
    int rc = aispipe_session_open(argv[1], &options, &session, &error);
    if (!rc)
        rc = run(session, argv + 2, (size_t)argc - 2, &error);
    if (rc)
        fprintf(stderr, "%s\n", error.message);
    aispipe_session_close(session);
    return rc ? 1 : 0;
}
