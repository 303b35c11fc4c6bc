/* SPDX-License-Identifier: MIT */
#include "open_sessions.h"

#include "aispipe/devices.h"
#include "fork.h"
#include "place.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* More than there are. */
#define MOST_BACKENDS 16

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    struct aispipe_session *first;                        /* the one opened last */
    const struct aispipe_backend *at_exit[MOST_BACKENDS]; /* whose first session has registered the handler */
} sessions = {.once = PTHREAD_ONCE_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* The parent's sessions are not the child's to close. */
static void forget_in_child(void)
{
    pthread_mutex_init(&sessions.mutex, NULL);
    sessions.first = NULL;
}

static void watch(void)
{
    fork_watch(forget_in_child);
}

void open_sessions_add(struct aispipe_session *session)
{
    (void)pthread_once(&sessions.once, watch);
    pthread_mutex_lock(&sessions.mutex);
    session->next = sessions.first;
    sessions.first = session;
    pthread_mutex_unlock(&sessions.mutex);
}

void open_sessions_remove(struct aispipe_session *session)
{
    pthread_mutex_lock(&sessions.mutex);
    for (struct aispipe_session **at = &sessions.first; *at; at = &(*at)->next)
        if (*at == session) {
            *at = session->next;
            break;
        }
    pthread_mutex_unlock(&sessions.mutex);
}

int open_sessions_backend(const char *name, int device_id, const struct aispipe_backend **backend,
                          struct aispipe_error *error)
{
    *backend = NULL;
    if (name && strcmp(name, "auto") != 0)
        return aispipe_backend_find(name, "", backend, error);
    pthread_mutex_lock(&sessions.mutex);
    for (struct aispipe_session *at = sessions.first; at && !*backend; at = at->next)
        if (at->device_id == device_id)
            *backend = at->backend;
    pthread_mutex_unlock(&sessions.mutex);
    return 0;
}

void open_sessions_release(struct aispipe_session *session)
{
    pthread_mutex_lock(&sessions.mutex);
    bool last = --session->refs == 0;
    pthread_mutex_unlock(&sessions.mutex);
    if (last)
        session_free(session);
}

/* The next held session, with a reference: somebody may close it meanwhile. */
static struct aispipe_session *next_held(void)
{
    pthread_mutex_lock(&sessions.mutex);
    struct aispipe_session *found = sessions.first;
    while (found && !found->hold)
        found = found->next;
    if (found)
        found->refs++;
    pthread_mutex_unlock(&sessions.mutex);
    return found;
}

static int finish_engines(struct aispipe_error *error)
{
    struct aispipe_error later;
    int rc = 0;
    const struct aispipe_backend *backend;
    for (size_t i = 0; (backend = aispipe_backend_at(i)); i++)
        if (backend->finish) {
            int failed = backend->finish(rc ? &later : error);
            rc = rc ? rc : failed;
        }
    return rc;
}

int aispipe_finalize(struct aispipe_error *error)
{
    struct aispipe_session *session;
    while ((session = next_held())) {
        aispipe_session_shutdown(session); /* which takes it off the list */
        open_sessions_release(session);
    }
    places_close();
    return finish_engines(error);
}

static void finalize_at_exit(void)
{
    pthread_mutex_lock(&sessions.mutex);
    for (struct aispipe_session *at = sessions.first; at; at = at->next)
        at->log.write = NULL; /* who would print may have ended already */
    pthread_mutex_unlock(&sessions.mutex);
    (void)aispipe_finalize(NULL);
}

/* The handlers run backwards, and a second time does no harm: once for each backend, so that ours comes
 * before those of the libraries that its first session has loaded. */
void open_sessions_close_at_exit(const struct aispipe_backend *backend)
{
    unsigned i = 0;
    pthread_mutex_lock(&sessions.mutex);
    while (i < MOST_BACKENDS && sessions.at_exit[i] && sessions.at_exit[i] != backend)
        i++;
    if (i < MOST_BACKENDS && !sessions.at_exit[i] && atexit(finalize_at_exit) == 0)
        sessions.at_exit[i] = backend;
    pthread_mutex_unlock(&sessions.mutex);
}
