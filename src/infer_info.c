/* SPDX-License-Identifier: MIT */
/* What a session says of its model and of its executions. */
#include "infer.h"

#include "shape.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- the model */

/* The number of AscendCL's "any" format. */
#define FORMAT_ND 2

void infer_model_info(const struct aispipe_session *session, struct aispipe_model_info *info)
{
    *info = (struct aispipe_model_info){.mode = AISPIPE_SHAPE_STATIC};
    if (session->backend->model_info)
        session->backend->model_info(session->model, info);
}

int aispipe_session_model_info(struct aispipe_session *session, struct aispipe_model_info *info,
                               struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    infer_model_info(session, info);
    infer_leave(session->infer);
    return 0;
}

void session_tensor_info(const struct aispipe_session *session, bool output, size_t index,
                         struct aispipe_tensor_info *info)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    const struct aispipe_tensor_desc *tensor = output ? &desc->outputs[index] : &desc->inputs[index];
    *info = (struct aispipe_tensor_info){.name = tensor->name,
                                         .dtype = tensor->dtype,
                                         .format = FORMAT_ND,
                                         .rank = tensor->rank,
                                         .size = tensor->size};
    memcpy(info->dims, tensor->dims, sizeof info->dims);
    if (session->backend->tensor_info)
        session->backend->tensor_info(session->model, output, index, info);
    info->real_size = tensor->size;
}

static int tensor_info(struct aispipe_session *session, bool output, size_t index,
                       struct aispipe_tensor_info *info, struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    size_t n = output ? desc->n_outputs : desc->n_inputs;
    if (index < n)
        session_tensor_info(session, output, index, info);
    else
        rc = aispipe_fail(error, AISPIPE_INVALID,
                          "the model has %zu %sputs, so none is number %zu, counted from 0", n,
                          output ? "out" : "in", index);
    infer_leave(session->infer);
    return rc;
}

int aispipe_session_input_info(struct aispipe_session *session, size_t index,
                               struct aispipe_tensor_info *info, struct aispipe_error *error)
{
    return tensor_info(session, false, index, info, error);
}

int aispipe_session_output_info(struct aispipe_session *session, size_t index,
                                struct aispipe_tensor_info *info, struct aispipe_error *error)
{
    return tensor_info(session, true, index, info, error);
}

static int find_tensor(const struct aispipe_tensor_desc *tensors, size_t n, const char *what,
                       const char *name, size_t *index, struct aispipe_error *error)
{
    char names[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(tensors[i].name, name) == 0) {
            *index = i;
            return 0;
        }
        if (used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "", tensors[i].name);
    }
    return aispipe_fail(error, AISPIPE_INVALID, "the model has no %s '%s'; it has %s", what, name, names);
}

int aispipe_session_find_output(struct aispipe_session *session, const char *name, size_t *index,
                                struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    rc = find_tensor(desc->outputs, desc->n_outputs, "output", name, index, error);
    infer_leave(session->infer);
    return rc;
}

int aispipe_session_find_input(struct aispipe_session *session, const char *name, size_t *index,
                               struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    rc = find_tensor(desc->inputs, desc->n_inputs, "input", name, index, error);
    infer_leave(session->infer);
    return rc;
}

/* ---------------------------------------------------------------- executions */

int aispipe_session_set_loop(struct aispipe_session *session, unsigned loop, struct aispipe_error *error)
{
    if (!loop)
        return aispipe_fail(error, AISPIPE_INVALID, "a loop of 0 executions; 1 or more is wanted");
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    session->infer->loop = loop;
    infer_leave(session->infer);
    return 0;
}

static bool keep_interval(struct infer *infer, struct aispipe_interval interval)
{
    /* Threads note their executions as these end, so that a start may come before the one noted last. */
    if (!number_log_add(&infer->intervals, number_fold((int64_t)(interval.start - infer->last_start))))
        return false;
    infer->last_start = interval.start;
    return number_log_add(&infer->intervals, interval.end - interval.start);
}

int infer_note(struct infer *infer, struct aispipe_interval interval, struct aispipe_error *error)
{
    struct aispipe_infer_stats *stats = &infer->stats;
    uint64_t ns = interval.end - interval.start;
    bool kept = true;
    pthread_mutex_lock(&infer->mutex);
    if (!stats->executions++ || ns < stats->least_ns)
        stats->least_ns = ns;
    if (ns > stats->most_ns)
        stats->most_ns = ns;
    if (stats->executions == 1 || interval.start < stats->first_start)
        stats->first_start = interval.start;
    if (interval.end > stats->last_end)
        stats->last_end = interval.end;
    stats->compute_ns += ns;
    if (infer->record)
        kept = keep_interval(infer, interval);
    if (!kept)
        infer->record = false;
    pthread_mutex_unlock(&infer->mutex);
    return kept
               ? 0
               : aispipe_fail(error, AISPIPE_NO_MEMORY,
                              "no memory to keep the times of executions; reset them now and then, or do not "
                              "record them");
}

void aispipe_session_infer_stats(struct aispipe_session *session, struct aispipe_infer_stats *stats)
{
    *stats = (struct aispipe_infer_stats){.executions = 0};
    if (!infer_is_ours(session->infer))
        return;
    pthread_mutex_lock(&session->infer->mutex);
    *stats = session->infer->stats;
    pthread_mutex_unlock(&session->infer->mutex);
}

void aispipe_session_record(struct aispipe_session *session, bool record)
{
    if (!infer_is_ours(session->infer))
        return;
    pthread_mutex_lock(&session->infer->mutex);
    session->infer->record = record;
    pthread_mutex_unlock(&session->infer->mutex);
}

size_t aispipe_session_intervals_count(struct aispipe_session *session)
{
    if (!infer_is_ours(session->infer))
        return 0;
    pthread_mutex_lock(&session->infer->mutex);
    size_t count = session->infer->intervals.count / 2;
    pthread_mutex_unlock(&session->infer->mutex);
    return count;
}

size_t aispipe_session_intervals(struct aispipe_session *session, struct aispipe_interval *intervals,
                                 size_t most)
{
    struct infer *infer = session->infer;
    uint64_t start = 0;
    if (!infer_is_ours(infer))
        return 0;
    pthread_mutex_lock(&infer->mutex);
    struct number_reader reader = {.log = &infer->intervals};
    size_t n = infer->intervals.count / 2 < most ? infer->intervals.count / 2 : most;
    for (size_t i = 0; i < n; i++) {
        start += (uint64_t)number_unfold(number_log_next(&reader));
        intervals[i].start = start;
        intervals[i].end = start + number_log_next(&reader);
    }
    pthread_mutex_unlock(&infer->mutex);
    return n;
}

void aispipe_session_reset_stats(struct aispipe_session *session)
{
    struct infer *infer = session->infer;
    if (!infer_is_ours(infer))
        return;
    pthread_mutex_lock(&infer->mutex);
    infer->stats = (struct aispipe_infer_stats){.executions = 0};
    number_log_clear(&infer->intervals);
    infer->last_start = 0;
    pthread_mutex_unlock(&infer->mutex);
}
