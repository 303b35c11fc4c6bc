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

#endif
