/* SPDX-License-Identifier: MIT */
/**
 * @file interrupt.h
 * SIGINT and SIGTERM, received by a thread of their own with sigwait, so that no code runs inside a signal
 * handler. Before the run the program ends at once; during it the first signal stops the pipeline (what is
 * in flight is finished and saved) and the second ends the program.
 */
#ifndef AISPIPE_CLI_INTERRUPT_H
#define AISPIPE_CLI_INTERRUPT_H

#include "aispipe/aispipe.h"

#include <pthread.h>

/** How long after the first signal executions may still begin. With the half of it that d2h and save each may
 * take on top, a run ends within a second and what the execution under way takes. */
#define INTERRUPT_GRACE_NS 400000000u

struct interrupt {
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;       /* protects all below */
    void (*stop)(void *context); /* stops the run; NULL: it has not begun */
    void *stop_context;
    void (*clean)(void *context); /* removes half-written files before a sudden end */
    void *context;
    int signal;  /* the first one received, or 0 */
    bool ran;    /* a pipeline was guarded before, so something may have been saved */
    bool ending; /* the program is about to end inside the signal thread */
    bool quit;
};

/** Blocks the signals in this thread and all that it starts, and starts the receiving thread. `clean` is what
 * a sudden end has to clean up from the first moment on, as interrupt_on_end says later. */
int interrupt_open(struct interrupt *interrupt, void (*clean)(void *context), void *context,
                   struct aispipe_error *error);
/** Ends the receiving thread. Does not return when a sudden end is under way. */
void interrupt_close(struct interrupt *interrupt);
/** What a sudden end has to clean up; NULL: nothing. */
void interrupt_on_end(struct interrupt *interrupt, void (*clean)(void *context), void *context);
/** From now on the run has begun: the first signal calls `stop`, in the receiving thread. NULL: it ends the
 * program at once. */
void interrupt_guard(struct interrupt *interrupt, void (*stop)(void *context), void *context);
/** Number of the first signal received, or 0. */
int interrupt_received(struct interrupt *interrupt);

#endif
