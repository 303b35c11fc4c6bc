/* SPDX-License-Identifier: MIT */
/**
 * @file crew.h
 * Threads that work in steps and wait for each other after each: a step begins for all of them at once, when
 * the last one has ended the step before and the leader has let them go on.
 *
 * The leader may touch what belongs to the members between crew_gather and crew_release, and only then.
 */
#ifndef AISPIPE_CLI_CREW_H
#define AISPIPE_CLI_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct crew {
    pthread_mutex_t mutex;
    pthread_cond_t gathered;
    pthread_cond_t released;
    unsigned members;
    unsigned waiting;
    unsigned step; /* counts releases */
};

void crew_init(struct crew *crew);
void crew_destroy(struct crew *crew);
/** Adds a member. By the leader, before its thread exists. */
void crew_join(struct crew *crew);
/** Takes it out again: its thread could not be created. */
void crew_leave(struct crew *crew);
/** By a member: ends a step and waits for the next. */
void crew_wait(struct crew *crew);
/** By the leader: whether all members wait, after at most `timeout_ns` (UINT64_MAX: for ever). */
bool crew_gather(struct crew *crew, uint64_t timeout_ns);
/** By the leader, when all wait: lets them begin the next step. */
void crew_release(struct crew *crew);

#endif
