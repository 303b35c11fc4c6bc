/* SPDX-License-Identifier: MIT */
#include "cli/energy.h"

#include "cli/energy_meter.h"
#include "clock.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Counters of large machines start again after a minute at full power; 10 reads a second cost nothing. */
#define RAPL_PAUSE_NS 100000000u
/* npu-smi is a program that must start and ask the driver: the run should not feel it. */
#define NPU_SMI_PAUSE_NS 200000000u

struct energy {
    struct aispipe_log log;
    bool uses_npu_smi;
    struct rapl rapl;
    size_t n;
    struct power_integral integrals[AISPIPE_SUMMARY_MAX_ENERGY];
    struct aispipe_summary_energy result;
    uint64_t start_ns;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* protects `over` */
    pthread_cond_t wake;
    bool over;
    struct aispipe_error failure; /* the sampling thread's; read when it has ended */
};

/* ------------------------------------------------------------------ samples */

static int ask_all(struct energy *energy, struct aispipe_error *error)
{
    for (size_t i = 0; i < energy->n; i++) {
        double watts;
        uint64_t before = clock_ns();
        int rc = npu_smi_ask(energy->result.entries[i].id, &watts, error);
        if (rc)
            return rc;
        /* The driver was asked somewhere between start and end of the program. */
        power_sample(&energy->integrals[i], before + (clock_ns() - before) / 2, watts);
    }
    return 0;
}

static int sample(struct energy *energy, struct aispipe_error *error)
{
    if (energy->uses_npu_smi)
        return ask_all(energy, error);
    int reason = rapl_read(&energy->rapl);
    return reason ? aispipe_fail(error, AISPIPE_IO, "the energy counters cannot be read any more: %s",
                                 strerror(reason))
                  : 0;
}

/* Sleeps until the next sample is due; false when the run is over. */
static bool pause_until_due(struct energy *energy)
{
    uint64_t due = clock_ns() + (energy->uses_npu_smi ? NPU_SMI_PAUSE_NS : RAPL_PAUSE_NS);
    const struct timespec at = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    pthread_mutex_lock(&energy->mutex);
    int reason = 0;
    while (!energy->over && reason != ETIMEDOUT)
        reason = pthread_cond_timedwait(&energy->wake, &energy->mutex, &at);
    bool over = energy->over;
    pthread_mutex_unlock(&energy->mutex);
    return !over;
}

static void *sampler(void *argument)
{
    struct energy *energy = argument;
    while (pause_until_due(energy))
        if (sample(energy, &energy->failure))
            break;
    return NULL;
}

/* ------------------------------------------------------------------ open */

static bool find_meter(struct energy *energy)
{
    char reason[512];
    if (process_find("npu-smi", NULL, 0)) {
        energy->uses_npu_smi = true;
        energy->result.source = "npu-smi";
        return true;
    }
    const char *named = getenv(ENERGY_DIRECTORY_VARIABLE);
    energy->result.source = "rapl";
    if (rapl_open(&energy->rapl, named && *named ? named : "/sys/class/powercap", reason, sizeof reason)) {
        energy->n = 1; /* the counters are the machine's, whatever the ids */
        return true;
    }
    log_line(&energy->log, AISPIPE_LOG_WARNING,
             "--energy_consumption: nothing here measures energy, so no joules are given: there is no "
             "program npu-smi "
             "on PATH, and %s",
             reason);
    return false;
}

static void init_waiting(struct energy *energy)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&energy->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&energy->mutex, NULL);
}

int energy_open(const uint64_t *ids, size_t n, const struct aispipe_log *log, struct energy **energy,
                struct aispipe_error *error)
{
    *energy = NULL;
    struct energy *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to measure energy");
    made->log = *log;
    for (; made->n < n && made->n < AISPIPE_SUMMARY_MAX_ENERGY; made->n++)
        made->result.entries[made->n].id = (unsigned)ids[made->n];
    if (!find_meter(made)) {
        free(made);
        return 0;
    }
    init_waiting(made);
    *energy = made;
    return 0;
}

/* ------------------------------------------------------------------ run */

int energy_start(struct energy *energy, struct aispipe_error *error)
{
    if (!energy)
        return 0;
    /* An NPU that cannot be asked is no reason not to run on it. */
    if (sample(energy, &energy->failure))
        return 0;
    energy->rapl.microjoules = 0; /* what was counted before the run is not its own */
    energy->start_ns = clock_ns();
    for (size_t i = 0; i < energy->n && energy->uses_npu_smi; i++)
        energy->integrals[i].last_ns = energy->start_ns;
    int reason = pthread_create(&energy->thread, NULL, sampler, energy);
    if (reason)
        return aispipe_fail(error, AISPIPE_SYSTEM, "cannot create the thread that measures energy: %s",
                            strerror(reason));
    energy->started = true;
    return 0;
}

/* An answer that was under way when the run ended is of a time after it: the mean power counts for the run.
 */
static double joules_of_run(const struct energy *energy, const struct power_integral *integral)
{
    double span = (double)(integral->last_ns - energy->start_ns) / 1e9;
    return span > 0 ? integral->joules / span * energy->result.seconds : 0;
}

static void finish(struct energy *energy, uint64_t end_ns)
{
    struct aispipe_summary_energy *result = &energy->result;
    result->n = energy->n;
    result->seconds = (double)(end_ns - energy->start_ns) / 1e9;
    for (size_t i = 0; i < energy->n; i++)
        result->entries[i].joules = energy->uses_npu_smi ? joules_of_run(energy, &energy->integrals[i])
                                                         : (double)energy->rapl.microjoules / 1e6;
}

/* The line of the last watts is continued, or cut, at the end of the run. */
static int sample_end(struct energy *energy, uint64_t end_ns, struct aispipe_error *error)
{
    if (!energy->uses_npu_smi)
        return sample(energy, error);
    for (size_t i = 0; i < energy->n; i++) {
        double watts;
        int rc = npu_smi_ask(energy->result.entries[i].id, &watts, error);
        if (rc)
            return rc;
        power_sample(&energy->integrals[i], end_ns, watts);
    }
    return 0;
}

const struct aispipe_summary_energy *energy_stop(struct energy *energy)
{
    if (!energy)
        return NULL;
    uint64_t end_ns = clock_ns();
    if (energy->started) {
        pthread_mutex_lock(&energy->mutex);
        energy->over = true;
        pthread_cond_signal(&energy->wake);
        pthread_mutex_unlock(&energy->mutex);
        pthread_join(energy->thread, NULL);
        energy->started = false;
        if (!energy->failure.code && !sample_end(energy, end_ns, &energy->failure)) {
            finish(energy, end_ns);
            return &energy->result;
        }
    }
    if (energy->failure.code)
        log_line(&energy->log, AISPIPE_LOG_WARNING, "--energy_consumption: no joules are given, because %s",
                 energy->failure.message);
    energy->failure.code = 0; /* said once */
    return NULL;
}

void energy_close(struct energy *energy)
{
    if (!energy)
        return;
    (void)energy_stop(energy);
    rapl_close(&energy->rapl);
    pthread_cond_destroy(&energy->wake);
    pthread_mutex_destroy(&energy->mutex);
    free(energy);
}
