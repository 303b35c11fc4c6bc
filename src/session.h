/* SPDX-License-Identifier: MIT */
/** @file session.h Inside of a session, for the pipeline that runs on it. */
#ifndef AISPIPE_SESSION_H
#define AISPIPE_SESSION_H

#include "affinity.h"
#include "aispipe/backend.h"

struct infer;

struct aispipe_session {
    const struct aispipe_backend *backend;
    void *device;
    void *model;
    char *path; /**< of the model's file, for messages */
    struct aispipe_log log;
    struct affinity affinity;
    int device_id;
    unsigned compute_threads;
    bool profile;
    bool dump;
    bool hold;
    struct infer *infer;          /**< single executions (infer.h), and who may use the model now */
    struct aispipe_session *next; /**< in open_sessions.c, as `refs` */
    unsigned refs;
};

/** With the last reference. */
void session_free(struct aispipe_session *session);
/** Gives the model a shape; for infer_shape.c, which sees to it that nobody uses it. */
int session_apply_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                        struct aispipe_error *error);
/** Refuses a model that cannot execute in its own shape. */
int session_check_ready(struct aispipe_session *session, struct aispipe_error *error);
/** infer_info.c: of an input or output that there is. */
void session_tensor_info(const struct aispipe_session *session, bool output, size_t index,
                         struct aispipe_tensor_info *info);

#endif
