/* SPDX-License-Identifier: MIT */
/*
 * Older programs ask the process, not a session, how long its transfers took. That makes this one of the few
 * things that belong to the process; a mutex guards it.
 */
#include "transfers.h"

#include "fork.h"
#include "number_log.h"

#include <pthread.h>
#include <stdatomic.h>

static struct {
    _Atomic bool on;
    pthread_once_t once;
    pthread_mutex_t mutex;
    struct number_log logs[2];
} transfers = {.once = PTHREAD_ONCE_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* The parent's other threads, which may have held the mutex, are not here. */
static void unlock_in_child(void)
{
    pthread_mutex_init(&transfers.mutex, NULL);
}

static void watch(void)
{
    fork_watch(unlock_in_child);
}

void aispipe_transfers_record(bool record)
{
    (void)pthread_once(&transfers.once, watch);
    /* relaxed: a switch, nothing else becomes visible through it */
    atomic_store_explicit(&transfers.on, record, memory_order_relaxed);
}

void transfers_note(enum aispipe_transfer direction, uint64_t ns)
{
    if (!atomic_load_explicit(&transfers.on, memory_order_relaxed)) /* relaxed: see there */
        return;
    pthread_mutex_lock(&transfers.mutex);
    /* Without memory for a note there is none: the transfer itself has succeeded. */
    (void)number_log_add(&transfers.logs[direction], ns);
    pthread_mutex_unlock(&transfers.mutex);
}

size_t aispipe_transfers_count(enum aispipe_transfer direction)
{
    pthread_mutex_lock(&transfers.mutex);
    size_t count = transfers.logs[direction].count;
    pthread_mutex_unlock(&transfers.mutex);
    return count;
}

size_t aispipe_transfers_read(enum aispipe_transfer direction, uint64_t *ns, size_t most)
{
    pthread_mutex_lock(&transfers.mutex);
    struct number_reader reader = {.log = &transfers.logs[direction]};
    size_t n = reader.log->count < most ? reader.log->count : most;
    for (size_t i = 0; i < n; i++)
        ns[i] = number_log_next(&reader);
    pthread_mutex_unlock(&transfers.mutex);
    return n;
}

void aispipe_transfers_reset(void)
{
    pthread_mutex_lock(&transfers.mutex);
    number_log_clear(&transfers.logs[AISPIPE_H2D]);
    number_log_clear(&transfers.logs[AISPIPE_D2H]);
    pthread_mutex_unlock(&transfers.mutex);
}
