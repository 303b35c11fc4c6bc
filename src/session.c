/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "aispipe/devices.h"
#include "infer.h"
#include "log.h"
#include "open_sessions.h"
#include "place.h"
#include "shape.h"

#include <stdlib.h>
#include <string.h>

static int open_device(struct aispipe_session *session, const struct aispipe_session_options *options,
                       struct aispipe_error *error)
{
    struct aispipe_backend_config config = {
        .device_id = options->device_id,
        .engine_device = options->engine_device,
        .engine_options = options->engine_options,
        .n_engine_options = options->n_engine_options,
        .compute_threads = session->compute_threads,
        .profile = options->profile,
        .dump = options->dump,
        .aipp_config = options->aipp_config,
        .aipp_later = options->aipp_later,
        .acl_json = options->acl_json,
        .log = options->log,
    };
    if (options->acl_json && !(session->backend->caps & AISPIPE_CAP_ACL_JSON))
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "backend '%s' takes no acl.json ('%s'); only Ascend devices do",
                            session->backend->name, options->acl_json);
    if ((options->profile && !session->backend->save_profile) || (options->dump && !session->backend->dump))
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "backend '%s' cannot %s the layers of a model",
                            session->backend->name, options->profile ? "profile" : "dump");
    /* As a model without dynamic AIPP on Ascend: the file is ignored, and that is said. */
    if (options->aipp_config && !(session->backend->caps & AISPIPE_CAP_AIPP)) {
        config.aipp_config = NULL;
        log_line(&session->log, AISPIPE_LOG_WARNING,
                 "backend %s has no AIPP, which is of Ascend NPUs, so AIPP configuration '%s' has no effect",
                 session->backend->name, options->aipp_config);
    }
    int rc = session->backend->open(&config, &session->device, error);
    if (rc)
        return rc;
    log_line(&session->log, AISPIPE_LOG_INFO, "%s init success", session->backend->name);
    log_line(&session->log, AISPIPE_LOG_INFO, "open device %d success", options->device_id);
    return 0;
}

static int check_output_sizes(const struct aispipe_session *session, const struct aispipe_shape *shape,
                              struct aispipe_error *error)
{
    size_t outputs = session->backend->describe(session->model)->n_outputs;
    size_t given = shape->n_output_sizes;
    if (!given || given == outputs)
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "--outputSize gives %zu size%s, but the model has %zu output%s; give one for each",
                        given, given == 1 ? "" : "s", outputs, outputs == 1 ? "" : "s");
}

int aispipe_session_check_shape(const struct aispipe_session *session, const struct aispipe_shape *shape,
                                struct aispipe_error *error)
{
    const struct aispipe_backend *backend = session->backend;
    if (!backend->set_shape)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "backend %s has only models with fixed dimensions; leave it out", backend->name);
    int rc = check_output_sizes(session, shape, error);
    if (rc)
        return rc;
    if (backend->check_shape)
        return backend->check_shape(session->model, shape, error);
    if (shape_model_is_open(backend->describe(session->model)))
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID, "all dimensions of model '%s' are fixed; leave it out",
                        session->path);
}

int session_apply_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                        struct aispipe_error *error)
{
    const struct aispipe_backend *backend = session->backend;
    if (!backend->set_shape)
        return aispipe_fail(
            error, AISPIPE_UNSUPPORTED, "%s: backend %s has only models with fixed dimensions; leave it out",
            shape->n_each ? shape_option_each(shape->mode) : shape_option(shape->mode), backend->name);
    struct affinity_visit visit = {.changed = false};
    int rc = check_output_sizes(session, shape, error);
    if (!rc)
        rc = affinity_enter(&session->affinity, &visit, error); /* engines compile anew */
    if (!rc)
        rc = backend->set_shape(session->model, shape, error);
    affinity_leave(&visit);
    return rc ? rc : shape_check_known(session->path, backend->describe(session->model), error);
}

int session_check_ready(struct aispipe_session *session, struct aispipe_error *error)
{
    int rc = session->backend->check_ready ? session->backend->check_ready(session->model, error) : 0;
    return rc ? rc : shape_check_known(session->path, session->backend->describe(session->model), error);
}

/* The shape that the session was opened with, if it is wanted now. */
static int give_shape(struct aispipe_session *session, const struct aispipe_session_options *options,
                      struct aispipe_error *error)
{
    if (options->shape_later)
        return 0;
    if (options->shape.mode != AISPIPE_SHAPE_STATIC || options->shape.n_output_sizes)
        return aispipe_session_set_shape(session, &options->shape, error);
    return session_check_ready(session, error);
}

/* What single executions need beside the model. */
static int prepare_infer(struct aispipe_session *session, const struct aispipe_session_options *options,
                         struct aispipe_error *error)
{
    struct place *place;
    int rc = infer_open(session, error);
    if (!rc && options->hold && session->backend->memory_alloc)
        rc = place_get(session->backend, session->device_id, &place, error);
    if (!rc && options->hold)
        open_sessions_close_at_exit(session->backend);
    return rc;
}

static int load_model(struct aispipe_session *session, const char *path,
                      const struct aispipe_session_options *options, struct aispipe_error *error)
{
    session->path = strdup(path);
    if (!session->path)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a session");
    int rc = session->backend->load(session->device, path, &session->model, error);
    if (rc)
        return rc;
    log_line(&session->log, AISPIPE_LOG_INFO, "load model %s success", path);
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    if (!desc->n_inputs || !desc->n_outputs || desc->n_inputs > AISPIPE_MAX_TENSORS ||
        desc->n_outputs > AISPIPE_MAX_TENSORS)
        return aispipe_fail(
            error, AISPIPE_MODEL,
            "model '%s' has %zu inputs and %zu outputs; between 1 and %d of each are supported", path,
            desc->n_inputs, desc->n_outputs, AISPIPE_MAX_TENSORS);
    rc = prepare_infer(session, options, error);
    if (!rc)
        rc = give_shape(session, options, error);
    if (rc)
        return rc;
    log_line(&session->log, AISPIPE_LOG_INFO, "create model description success");
    return 0;
}

/* Engine and model, on the cores that are chosen for their threads. */
static int open_on_cores(struct aispipe_session *session, const char *path,
                         const struct aispipe_session_options *options, struct affinity_visit *visit,
                         struct aispipe_error *error)
{
    int rc = aispipe_backend_find(options->backend, path, &session->backend, error);
    if (!rc)
        rc = affinity_read(options->affinity, &session->affinity, error);
    if (!rc)
        rc = affinity_enter(&session->affinity, visit, error);
    if (!rc)
        rc = open_device(session, options, error);
    if (rc)
        return rc;
    affinity_settle(&session->affinity, session->backend, session->device, AFFINITY_SYSFS);
    rc = affinity_enter(&session->affinity, visit, error);
    return rc ? rc : load_model(session, path, options, error);
}

int aispipe_session_open(const char *model_path, const struct aispipe_session_options *options,
                         struct aispipe_session **session, struct aispipe_error *error)
{
    *session = NULL;
    struct aispipe_session *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a session");
    made->log = options->log;
    made->profile = options->profile;
    made->dump = options->dump;
    made->hold = options->hold;
    made->refs = 1;
    made->device_id = options->device_id;
    made->compute_threads = options->compute_threads ? options->compute_threads : 1;
    struct affinity_visit visit = {.changed = false};
    int rc = open_on_cores(made, model_path, options, &visit, error);
    affinity_leave(&visit);
    if (rc) {
        aispipe_session_close(made);
        return rc;
    }
    open_sessions_add(made);
    *session = made;
    return 0;
}

static void release_engine(struct aispipe_session *session)
{
    if (session->model) {
        session->backend->unload(session->model);
        log_line(&session->log, AISPIPE_LOG_INFO, "unload model success, model Id is 0");
    }
    if (session->device) {
        session->backend->close(session->device);
        log_line(&session->log, AISPIPE_LOG_INFO, "end to reset device %d", session->device_id);
        log_line(&session->log, AISPIPE_LOG_INFO, "end to finalize %s", session->backend->name);
    }
    session->model = NULL;
    session->device = NULL;
}

void aispipe_session_shutdown(struct aispipe_session *session)
{
    /* A child of fork leaves what is its parent's alone. */
    if (!session->infer || !infer_is_ours(session->infer) || !infer_shut(session))
        return;
    open_sessions_remove(session);
    release_engine(session);
    infer_gone(session->infer);
}

void session_free(struct aispipe_session *session)
{
    infer_free(session->infer);
    free(session->path);
    free(session);
}

void aispipe_session_close(struct aispipe_session *session)
{
    if (!session || (session->infer && !infer_is_ours(session->infer)))
        return;
    aispipe_session_shutdown(session);
    release_engine(session); /* of one that was not opened as far as that */
    open_sessions_release(session);
}

const struct aispipe_model_desc *aispipe_session_model(const struct aispipe_session *session)
{
    return session->model ? session->backend->describe(session->model) : NULL;
}

/* With nobody executing; infer_leave ends it. */
static int begin_alone(struct aispipe_session *session, struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    rc = infer_quiesce(session, error);
    if (rc)
        infer_leave(session->infer);
    return rc;
}

int aispipe_session_save_profile(struct aispipe_session *session, const char *directory,
                                 struct aispipe_error *error)
{
    if (!session->profile)
        return aispipe_fail(error, AISPIPE_INVALID, "the session was opened without `profile`");
    int rc = begin_alone(session, error);
    if (rc)
        return rc;
    rc = session->backend->save_profile(session->model, directory, error);
    infer_leave(session->infer);
    return rc;
}

int aispipe_session_dump(struct aispipe_session *session, void *const *inputs, const char *directory,
                         struct aispipe_error *error)
{
    if (!session->dump)
        return aispipe_fail(error, AISPIPE_INVALID, "the session was opened without `dump`");
    int rc = begin_alone(session, error);
    if (rc)
        return rc;
    rc = session->backend->dump(session->model, inputs, directory, error);
    infer_leave(session->infer);
    return rc;
}

const char *aispipe_session_backend(const struct aispipe_session *session)
{
    return session->backend->name;
}
