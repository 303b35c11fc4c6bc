/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include <pthread.h>

/* Written only in a child that has one thread yet. */
volatile unsigned fork_count;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void count(void)
{
    fork_count = fork_count + 1;
}

static void watch(void)
{
    (void)pthread_atfork(NULL, NULL, count);
}

void fork_watch(void (*in_child)(void))
{
    (void)pthread_once(&once, watch);
    if (in_child)
        (void)pthread_atfork(NULL, NULL, in_child);
}
