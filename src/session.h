/* SPDX-License-Identifier: MIT */
/** @file session.h Inside of a session, for the pipeline that runs on it. */
#ifndef AISPIPE_SESSION_H
#define AISPIPE_SESSION_H

#include "aispipe/backend.h"

struct aispipe_session {
    const struct aispipe_backend *backend;
    void *device;
    void *model;
    char *path; /**< of the model's file, for messages */
    struct aispipe_log log;
    int device_id;
    unsigned compute_threads;
    bool profile;
    bool dump;
};

/**
 * Whether the model takes shapes as `shape` says: of its mode, with its number of output sizes. `shape->dims`
 * are not looked at, so that a model that can take none of many shapes is refused once.
 * @return 0; otherwise AISPIPE_INVALID or AISPIPE_UNSUPPORTED, and a sentence that names no option of the
 * shape.
 */
int session_check_shape(const struct aispipe_session *session, const struct aispipe_shape *shape,
                        struct aispipe_error *error);

#endif
