/* SPDX-License-Identifier: MIT */
#include "cli/crew.h"

#include "clock.h"

#include <errno.h>
#include <time.h>

void crew_init(struct crew *crew)
{
    *crew = (struct crew){.members = 0};
    pthread_mutex_init(&crew->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->gathered, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&crew->released, NULL);
}

void crew_destroy(struct crew *crew)
{
    pthread_cond_destroy(&crew->released);
    pthread_cond_destroy(&crew->gathered);
    pthread_mutex_destroy(&crew->mutex);
}

void crew_join(struct crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    crew->members++;
    pthread_mutex_unlock(&crew->mutex);
}

void crew_leave(struct crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    crew->members--;
    pthread_mutex_unlock(&crew->mutex);
}

void crew_wait(struct crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    unsigned step = crew->step;
    crew->waiting++;
    pthread_cond_signal(&crew->gathered);
    while (crew->step == step)
        pthread_cond_wait(&crew->released, &crew->mutex);
    pthread_mutex_unlock(&crew->mutex);
}

bool crew_gather(struct crew *crew, uint64_t timeout_ns)
{
    uint64_t now = clock_ns();
    uint64_t deadline = timeout_ns > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + timeout_ns;
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u),
                             .tv_nsec = (long)(deadline % 1000000000u)};
    pthread_mutex_lock(&crew->mutex);
    int rc = 0;
    while (crew->waiting < crew->members && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&crew->gathered, &crew->mutex, &until);
    bool all = crew->waiting == crew->members;
    pthread_mutex_unlock(&crew->mutex);
    return all;
}

void crew_release(struct crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    crew->waiting = 0;
    crew->step++;
    pthread_cond_broadcast(&crew->released);
    pthread_mutex_unlock(&crew->mutex);
}
