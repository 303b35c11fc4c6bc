/* SPDX-License-Identifier: MIT */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void signals_of_interest(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGUSR1); /* our own: asks the thread to look at `quit` */
}

/* Cleaned twice: a writer that was just about to create its file does so within the pause. */
static _Noreturn void end_now(struct interrupt *interrupt, int number)
{
    if (interrupt->clean) {
        interrupt->clean(interrupt->context);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        interrupt->clean(interrupt->context);
    }
    _exit(128 + number);
}

/* Called with the mutex held; it is not released when the program ends here, which is what keeps
 * interrupt_close from returning. */
static void receive(struct interrupt *interrupt, int number)
{
    bool first = interrupt->signal == 0;
    if (first)
        interrupt->signal = number;
    if (first && interrupt->stop) {
        interrupt->stop(interrupt->stop_context);
        return;
    }
    interrupt->ending = true;
    if (!interrupt->stop && first)
        (void)fprintf(stderr, "[ERROR] ended by %s %s\n", number == SIGINT ? "SIGINT" : "SIGTERM",
                      interrupt->ran ? "between two runs; what those before it saved is whole"
                                     : "before the run began; nothing was saved");
    end_now(interrupt, number);
}

static void *receiver(void *argument)
{
    struct interrupt *interrupt = argument;
    sigset_t set;
    signals_of_interest(&set);
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number))
            continue;
        pthread_mutex_lock(&interrupt->mutex);
        bool quit = interrupt->quit;
        if (!quit && number != SIGUSR1)
            receive(interrupt, number);
        pthread_mutex_unlock(&interrupt->mutex);
        if (quit)
            return NULL;
    }
}

int interrupt_open(struct interrupt *interrupt, void (*clean)(void *context), void *context,
                   struct aispipe_error *error)
{
    *interrupt = (struct interrupt){.clean = clean, .context = context};
    pthread_mutex_init(&interrupt->mutex, NULL);
    sigset_t set;
    signals_of_interest(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int reason = pthread_create(&interrupt->thread, NULL, receiver, interrupt);
    if (reason)
        return aispipe_fail(error, AISPIPE_SYSTEM, "cannot create the thread that receives signals: %s",
                            strerror(reason));
    interrupt->started = true;
    return 0;
}

void interrupt_close(struct interrupt *interrupt)
{
    if (interrupt->started) {
        pthread_mutex_lock(&interrupt->mutex);
        interrupt->quit = true;
        pthread_mutex_unlock(&interrupt->mutex);
        pthread_kill(interrupt->thread, SIGUSR1);
        pthread_join(interrupt->thread, NULL);
    }
    pthread_mutex_destroy(&interrupt->mutex);
}

void interrupt_on_end(struct interrupt *interrupt, void (*clean)(void *context), void *context)
{
    pthread_mutex_lock(&interrupt->mutex);
    interrupt->clean = clean;
    interrupt->context = context;
    pthread_mutex_unlock(&interrupt->mutex);
}

void interrupt_guard(struct interrupt *interrupt, void (*stop)(void *context), void *context)
{
    pthread_mutex_lock(&interrupt->mutex);
    interrupt->stop = stop;
    interrupt->stop_context = context;
    interrupt->ran = interrupt->ran || stop;
    pthread_mutex_unlock(&interrupt->mutex);
}

int interrupt_received(struct interrupt *interrupt)
{
    pthread_mutex_lock(&interrupt->mutex);
    int number = interrupt->signal;
    pthread_mutex_unlock(&interrupt->mutex);
    return number;
}
