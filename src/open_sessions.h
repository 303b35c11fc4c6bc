/* SPDX-License-Identifier: MIT */
/**
 * @file open_sessions.h
 * The sessions that this process has open: to find the backend of a device, and to close what is held when
 * the process ends. Process state behind a mutex; thread-safe.
 */
#ifndef AISPIPE_OPEN_SESSIONS_H
#define AISPIPE_OPEN_SESSIONS_H

#include "session.h"

void open_sessions_add(struct aispipe_session *session);
/** Allowed for one that is not there. Not in a child of fork for its parent's sessions. */
void open_sessions_remove(struct aispipe_session *session);

/** Gives up one reference; the last one frees the session, which is shut down. */
void open_sessions_release(struct aispipe_session *session);

/** The backend called `name`; NULL: of the session that was opened last on that device, NULL if there is
 * none. */
int open_sessions_backend(const char *name, int device_id, const struct aispipe_backend **backend,
                          struct aispipe_error *error);

/** From now on aispipe_finalize runs when the process ends. Call it after the backend's libraries were
 * loaded: their own handlers then run later. */
void open_sessions_close_at_exit(const struct aispipe_backend *backend);

#endif
