/* SPDX-License-Identifier: MIT */
/* The shape that a session executes in, and AIPP settings: changed while nobody executes. */
#include "infer.h"

#include "io/npy.h"
#include "shape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- the one that is kept */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool infer_shape_is_set(const struct infer *infer, const struct aispipe_shape *shape)
{
    const struct aispipe_shape *kept = &infer->kept.shape;
    if (!infer->kept.known || !infer->shaped || shape->n_each || shape->mode != kept->mode)
        return false;
    return shape->batch == kept->batch && shape->height == kept->height && shape->width == kept->width &&
           same_text(shape->dims, kept->dims) && shape->n_output_sizes == kept->n_output_sizes &&
           (!shape->n_output_sizes ||
            memcmp(shape->output_sizes, kept->output_sizes, shape->n_output_sizes * sizeof(size_t)) == 0);
}

void infer_forget_shape(struct infer *infer)
{
    free((char *)infer->kept.shape.dims);
    free((size_t *)infer->kept.shape.output_sizes);
    infer->kept = (struct kept_shape){.known = false};
}

/* Nothing is kept where there is no memory for it: the shape is then set once more than needed. */
static void keep(struct infer *infer, const struct aispipe_shape *shape)
{
    size_t bytes = shape->n_output_sizes * sizeof(size_t);
    char *dims = shape->dims ? strdup(shape->dims) : NULL;
    size_t *sizes = bytes ? malloc(bytes) : NULL;
    infer_forget_shape(infer);
    if ((shape->dims && !dims) || (bytes && !sizes) || shape->n_each) {
        free(dims);
        free(sizes);
        return;
    }
    if (bytes)
        memcpy(sizes, shape->output_sizes, bytes);
    infer->kept.known = true;
    infer->kept.shape = *shape;
    infer->kept.shape.dims = dims;
    infer->kept.shape.output_sizes = sizes;
}

/* ---------------------------------------------------------------- setting one */

int infer_check_ready(struct aispipe_session *session, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    struct aispipe_model_info info;
    if (infer->ready)
        return 0;
    infer_model_info(session, &info);
    if (info.n_aipp_inputs && !info.aipp_set)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "model '%s' has dynamic AIPP and no settings for it; load an AIPP configuration or set "
            "them one by one",
            session->path);
    if (infer->refused)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "the shape that was set last for model '%s' was refused; set one that it can have",
            session->path);
    int rc = infer->shaped ? 0 : session_check_ready(session, error);
    infer->ready = rc == 0;
    return rc;
}

/* The model's own dimensions, where it has them all. */
static int set_static(struct aispipe_session *session, struct aispipe_error *error)
{
    struct aispipe_model_info info;
    infer_model_info(session, &info);
    int rc = session->backend->check_ready ? session->backend->check_ready(session->model, error) : 0;
    if (!rc && info.mode != AISPIPE_SHAPE_STATIC)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "model '%s' leaves dimensions open, so static is no shape for it; give their sizes",
            session->path);
    return rc ? rc : session_check_ready(session, error);
}

static int apply(struct aispipe_session *session, struct aispipe_shape *shape, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    bool own = shape->mode == AISPIPE_SHAPE_STATIC && !shape->n_each && !shape->n_output_sizes;
    if (!shape->n_output_sizes && infer->n_sizes) {
        shape->output_sizes = infer->sizes;
        shape->n_output_sizes = infer->n_sizes;
        shape->sizes_if_open = true;
    }
    if (own && (!shape->n_output_sizes || !shape_model_is_open(session->backend->describe(session->model))))
        return set_static(session, error);
    return session_apply_shape(session, shape, error);
}

int infer_change_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                       struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    struct aispipe_shape wanted = *shape;
    infer_forget_outputs(infer);
    infer->ready = false;
    int rc = apply(session, &wanted, error);
    keep(infer, shape);
    infer->refused = rc != 0;
    infer->each = rc == 0 && shape->n_each;
    infer->shaped = rc == 0 && !infer->each;
    return rc;
}

/* Waits, changes, and lets the others go on. */
static int change(struct aispipe_session *session, const struct aispipe_shape *shape,
                  struct aispipe_error *error)
{
    int rc = infer_quiesce(session, error);
    if (!rc)
        rc = infer_refuse_pipeline(session->infer, "a change of shape", error);
    return rc ? rc : infer_change_shape(session, shape, error);
}

int aispipe_session_set_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                              struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    if (!infer_shape_is_set(session->infer, shape))
        rc = change(session, shape, error);
    infer_leave(session->infer);
    return rc;
}

/* ---------------------------------------------------------------- sizes of outputs */

static int keep_sizes(struct infer *infer, const size_t *sizes, size_t n_sizes, size_t n_outputs,
                      struct aispipe_error *error)
{
    size_t *copy = n_sizes ? calloc(n_outputs, sizeof *copy) : NULL;
    if (n_sizes && !copy)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the sizes of the outputs");
    for (size_t i = 0; n_sizes && i < n_outputs; i++)
        copy[i] = sizes[n_sizes == 1 ? 0 : i];
    free(infer->sizes);
    infer->sizes = copy;
    infer->n_sizes = n_sizes ? n_outputs : 0;
    return 0;
}

/* Whether other sizes are other sizes for the shape that is set: it brought none, and an output is open. */
static bool concerns_shape(const struct aispipe_session *session)
{
    const struct kept_shape *kept = &session->infer->kept;
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    bool open = false;
    for (size_t i = 0; i < desc->n_inputs; i++)
        if (shape_is_open(&desc->inputs[i]))
            return false; /* no shape is set */
    for (size_t i = 0; i < desc->n_outputs; i++)
        open |= shape_is_open(&desc->outputs[i]);
    return open && (!kept->known || !kept->shape.n_output_sizes);
}

static int set_sizes(struct aispipe_session *session, const size_t *sizes, size_t n_sizes,
                     struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    size_t n = session->backend->describe(session->model)->n_outputs;
    if (n_sizes > 1 && n_sizes != n)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "%zu output sizes, but the model has %zu output%s; give one for each, or one for all", n_sizes, n,
            n == 1 ? "" : "s");
    bool same = infer->n_sizes == (n_sizes ? n : 0);
    for (size_t i = 0; same && n_sizes && i < n; i++)
        same = infer->sizes[i] == sizes[n_sizes == 1 ? 0 : i];
    int rc = same ? 0 : keep_sizes(infer, sizes, n_sizes, n, error);
    if (rc || same || !n_sizes || !concerns_shape(session))
        return rc;
    struct kept_shape kept = infer->kept;
    infer->kept = (struct kept_shape){.known = false}; /* `change` makes a copy */
    struct aispipe_shape own = {.mode = AISPIPE_SHAPE_STATIC};
    rc = change(session, kept.known ? &kept.shape : &own, error);
    free((char *)kept.shape.dims);
    return rc;
}

int aispipe_session_set_output_sizes(struct aispipe_session *session, const size_t *sizes, size_t n_sizes,
                                     struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    rc = set_sizes(session, sizes, n_sizes, error);
    infer_leave(session->infer);
    return rc;
}

/* ---------------------------------------------------------------- the shape of what is fed */

static int feed_rank(const struct aispipe_feed *feed)
{
    return feed->tensor ? aispipe_tensor_describe(feed->tensor)->rank : feed->rank;
}

static const int64_t *feed_dims(const struct aispipe_feed *feed)
{
    return feed->tensor ? aispipe_tensor_describe(feed->tensor)->dims : feed->dims;
}

static bool fits(const struct aispipe_tensor_desc *input, const struct aispipe_feed *feed)
{
    int rank = feed_rank(feed);
    return rank == input->rank &&
           (!rank || memcmp(input->dims, feed_dims(feed), (size_t)rank * sizeof(int64_t)) == 0);
}

bool infer_feeds_fit(const struct aispipe_session *session, const struct aispipe_feed *feeds)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    for (size_t i = 0; i < desc->n_inputs; i++)
        if (!fits(&desc->inputs[i], &feeds[i]))
            return false;
    return true;
}

/* The first feed that has not the shape of its input. */
static int refuse_feed(const struct aispipe_session *session, const struct aispipe_feed *feeds,
                       struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    char has[AISPIPE_MAX_RANK * 22 + 3];
    char wants[AISPIPE_MAX_RANK * 22 + 3];
    size_t i = 0;
    while (i < desc->n_inputs && fits(&desc->inputs[i], &feeds[i]))
        i++;
    if (i == desc->n_inputs)
        return 0;
    npy_format_shape(feed_rank(&feeds[i]), feed_dims(&feeds[i]), has, sizeof has);
    npy_format_shape(desc->inputs[i].rank, desc->inputs[i].dims, wants, sizeof wants);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "input %zu, '%s', has shape %s in the model, but %s was given", i,
                        desc->inputs[i].name, wants, has);
}

static int check_ranks(const struct aispipe_feed *feeds, size_t n, struct aispipe_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (feed_rank(&feeds[i]) < 0 || feed_rank(&feeds[i]) > AISPIPE_MAX_RANK ||
            (feed_rank(&feeds[i]) && !feed_dims(&feeds[i])))
            return aispipe_fail(error, AISPIPE_INVALID, "input %zu has %d dimensions; 0 to %d are possible",
                                i, feed_rank(&feeds[i]), AISPIPE_MAX_RANK);
    return 0;
}

/* Writes "in1:1,600;in2:1,600", of the inputs that the model leaves open, to be freed. */
static char *write_dims(const struct aispipe_session *session, const struct aispipe_feed *feeds)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return NULL;
    const char *separator = "";
    for (size_t i = 0; i < desc->n_inputs; i++) {
        struct aispipe_tensor_info info;
        session_tensor_info(session, false, i, &info);
        bool open = info.rank < 0;
        for (int k = 0; k < info.rank; k++)
            open |= info.dims[k] < 0;
        if (!open)
            continue;
        (void)fprintf(file, "%s%s:", separator, info.name);
        for (int k = 0; k < feed_rank(&feeds[i]); k++)
            (void)fprintf(file, "%s%" PRIi64, k ? "," : "", feed_dims(&feeds[i])[k]);
        separator = ";";
    }
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}

/* The first open dimensions of the first input that has so many: one is a batch, two are an image's. */
static int find_open(const struct aispipe_session *session, const struct aispipe_feed *feeds, int n,
                     uint64_t values[2], struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    for (size_t i = 0; i < desc->n_inputs; i++) {
        struct aispipe_tensor_info info;
        int found = 0;
        session_tensor_info(session, false, i, &info);
        for (int k = 0; k < info.rank && found < n && k < feed_rank(&feeds[i]); k++)
            if (info.dims[k] < 0)
                values[found++] = (uint64_t)feed_dims(&feeds[i])[k];
        if (found == n)
            return 0;
    }
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "the arrays do not have the dimensions that the model leaves open; give as many as it has");
}

int infer_shape_of_feeds(struct aispipe_session *session, const struct aispipe_feed *feeds,
                         struct aispipe_error *error)
{
    struct aispipe_model_info info;
    struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_STATIC};
    uint64_t values[2] = {0};
    char *dims = NULL;
    infer_model_info(session, &info);
    int rc = check_ranks(feeds, session->backend->describe(session->model)->n_inputs, error);
    shape.mode = info.mode;
    if (!rc && (info.mode == AISPIPE_SHAPE_BATCH || info.mode == AISPIPE_SHAPE_HW))
        rc = find_open(session, feeds, info.mode == AISPIPE_SHAPE_HW ? 2 : 1, values, error);
    else if (!rc && info.mode != AISPIPE_SHAPE_STATIC)
        rc = (dims = write_dims(session, feeds))
                 ? 0
                 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a shape");
    shape.dims = dims;
    if (info.mode == AISPIPE_SHAPE_BATCH)
        shape.batch = values[0];
    shape.height = info.mode == AISPIPE_SHAPE_HW ? values[0] : 0;
    shape.width = info.mode == AISPIPE_SHAPE_HW ? values[1] : 0;
    if (!rc && info.mode != AISPIPE_SHAPE_STATIC)
        rc = infer_change_shape(session, &shape, error);
    free(dims);
    return rc ? rc : refuse_feed(session, feeds, error);
}

/* ---------------------------------------------------------------- AIPP */

static int set_aipp(struct aispipe_session *session, const struct aispipe_aipp *aipp,
                    struct aispipe_error *error)
{
    int rc = infer_quiesce(session, error);
    if (!rc)
        rc = infer_refuse_pipeline(session->infer, "a change of AIPP", error);
    if (rc)
        return rc;
    infer_forget_outputs(session->infer);
    session->infer->ready = false;
    return session->backend->set_aipp(session->model, aipp, error);
}

int aispipe_session_set_aipp(struct aispipe_session *session, const struct aispipe_aipp *aipp,
                             struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    if (session->backend->set_aipp)
        rc = aispipe_aipp_check(aipp, error);
    else
        rc = aispipe_fail(error, AISPIPE_UNSUPPORTED, "backend %s has no AIPP, which is of Ascend NPUs",
                          session->backend->name);
    if (!rc)
        rc = set_aipp(session, aipp, error);
    infer_leave(session->infer);
    return rc;
}
