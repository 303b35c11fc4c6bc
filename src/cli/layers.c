/* SPDX-License-Identifier: MIT */
#include "cli/layers.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The run's directory is `<output>/<name>`: `<output>/<kind>/<name>` is made beside it. */
static int make_place(const struct options *options, const struct output_dir *run, const char *kind,
                      char place[PATH_MAX], struct aispipe_error *error)
{
    size_t length = strlen(options->output);
    while (length > 1 && options->output[length - 1] == '/')
        length--;
    const char *name = run->path + length;
    name += strspn(name, "/");
    int n = snprintf(place, PATH_MAX, "%.*s/%s/%s", (int)length, options->output, kind, name);
    if (n < 0 || n >= PATH_MAX)
        return aispipe_fail(error, AISPIPE_INVALID, "--output: the path of '%s' in it is too long", kind);
    return output_dir_make_all(place, error);
}

/* Removes `<output>/<kind>/<name>`, and `<kind>` if nothing else is in it. */
static void remove_if_empty(char place[PATH_MAX])
{
    if (rmdir(place) == 0) {
        *strrchr(place, '/') = '\0';
        (void)rmdir(place);
    }
}

/* ------------------------------------------------------------------ dump */

static void free_inputs(void **inputs, size_t n)
{
    for (size_t i = 0; inputs && i < n; i++)
        free(inputs[i]);
    free((void *)inputs);
}

static void **make_inputs(const struct aispipe_model_desc *model, struct aispipe_error *error)
{
    void **inputs = calloc(model->n_inputs, sizeof *inputs);
    bool made = inputs != NULL;
    for (size_t i = 0; made && i < model->n_inputs; i++)
        made = posix_memalign(&inputs[i], 64, model->inputs[i].size ? model->inputs[i].size : 1) == 0;
    if (made)
        return inputs;
    free_inputs(inputs, model->n_inputs);
    (void)aispipe_fail(error, AISPIPE_NO_MEMORY, "--dump: no memory for a batch of inputs");
    return NULL;
}

static int fill_inputs(const struct aispipe_source *source, void **inputs, struct aispipe_error *error)
{
    void *thread = NULL;
    int rc = source->thread_open ? source->thread_open(source->context, &thread, error) : 0;
    if (rc)
        return rc;
    rc = source->fill(source->context, thread, 0, inputs, error);
    if (source->thread_close)
        source->thread_close(source->context, thread);
    return rc;
}

int layers_dump(const struct options *options, const struct output_dir *run, struct aispipe_session *session,
                const struct aispipe_source *source, struct aispipe_error *error)
{
    const struct aispipe_model_desc *model = aispipe_session_model(session);
    char place[PATH_MAX];
    int rc = make_place(options, run, "dump", place, error);
    void **inputs = rc ? NULL : make_inputs(model, error);
    if (!inputs)
        return rc ? rc : AISPIPE_NO_MEMORY;
    rc = fill_inputs(source, inputs, error);
    if (!rc)
        rc = aispipe_session_dump(session, inputs, place, error);
    if (rc)
        remove_if_empty(place);
    free_inputs(inputs, model->n_inputs);
    return rc;
}

/* ------------------------------------------------------------------ profile */

int layers_save_profile(const struct options *options, const struct output_dir *run,
                        struct aispipe_session *session, const struct aispipe_log *log,
                        struct aispipe_error *error)
{
    char place[PATH_MAX];
    int rc = make_place(options, run, "profiler", place, error);
    if (!rc)
        rc = aispipe_session_save_profile(session, place, error);
    if (!rc)
        log_line(log, AISPIPE_LOG_INFO, "profiler: the times of layers are in %s", place);
    return rc;
}
