/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include "cores.h"
#include "ring.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of batches in flight that are worth having: enough to bridge the wake-ups of small batches, few
 * enough to stay near the cache for large ones (docs/decisions/0002-batches-in-flight.md has the figures). */
#define INFLIGHT_BYTES ((size_t)16 << 20)
#define INFLIGHT_MOST 512u

/* A hand-over between running threads takes less than this many turns. Where threads outnumber cores, the one
 * that is waited for is often not running, and spinning only keeps it from it; with one batch in flight it
 * has all of a stage's work to do first. */
#define SPIN_TURNS 200u
#define SPIN_TURNS_CROWDED 50u
#define NAP_NS 1000000u

/* What a run that adapts itself may use at most, where the user did not say: threads that load or save, slots
 * as a multiple of those it begins with, and the bytes of them. */
#define TUNE_MOST_THREADS 8u
#define TUNE_MOST_TIMES 4u
#define TUNE_MOST_BYTES ((size_t)256 << 20)

/* One thread loads and one saves for every four cores: reading and writing are mostly the kernel's work, and
 * the cores belong to the model. */
static unsigned file_threads(void)
{
    unsigned n = cores_available() / 4;
    return n < 1 ? 1 : n > 8 ? 8 : n;
}

#define MEM_AVAILABLE "MemAvailable:"

/* What the kernel says can be had without swapping; SIZE_MAX where it does not say. */
static size_t available_memory(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return SIZE_MAX;
    char line[128];
    unsigned long long kib = ULLONG_MAX;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, MEM_AVAILABLE, strlen(MEM_AVAILABLE)) == 0)
            kib = strtoull(line + strlen(MEM_AVAILABLE), NULL, 10);
    fclose(file);
    return kib > SIZE_MAX / 1024 ? SIZE_MAX : (size_t)kib * 1024;
}

static unsigned clamp(uint64_t value, unsigned least, unsigned most)
{
    return value < least ? least : value > most ? most : (unsigned)value;
}

static unsigned choose_inflight(const struct layout *layout, const struct aispipe_pipeline_options *options,
                                size_t slot_bytes)
{
    unsigned threads = 0;
    unsigned depths = 0;
    for (int i = 0; i < AISPIPE_STAGES; i++) {
        threads += layout->threads[i];
        depths += options->depth[i];
    }
    /* Where the user gave all depths, that many and one in every thread's hands. */
    bool all_given = true;
    for (int i = 0; i < AISPIPE_STAGES; i++)
        all_given = all_given && options->depth[i];
    if (all_given)
        return clamp((uint64_t)depths - options->depth[AISPIPE_STAGE_LOAD] + threads, 1, RING_MAX_ITEMS - 1);
    unsigned least = threads + layout->threads[AISPIPE_STAGE_COMPUTE] + 2;
    return clamp(INFLIGHT_BYTES / (slot_bytes ? slot_bytes : 1), least,
                 least > INFLIGHT_MOST ? least : INFLIGHT_MOST);
}

static int check_memory(const struct layout *layout, bool full, size_t slot_bytes,
                        struct aispipe_error *error)
{
    size_t total;
    if (__builtin_mul_overflow(slot_bytes, (size_t)layout->inflight, &total))
        total = SIZE_MAX;
    size_t available = available_memory();
    if (total <= available)
        return 0;
    return aispipe_fail(error, AISPIPE_NO_MEMORY,
                        "%u batch%s in flight of %zu bytes each need %zu MiB, but %zu MiB of memory are "
                        "available; %s",
                        layout->inflight, layout->inflight == 1 ? "" : "es", slot_bytes, total >> 20,
                        available >> 20,
                        full                   ? "use another --run_mode than full, or --limit"
                        : layout->inflight > 1 ? "lower --inflight"
                                               : "a model with smaller inputs and outputs is needed");
}

static int choose_threads(const struct aispipe_pipeline_options *options, struct layout *layout,
                          struct aispipe_error *error)
{
    for (int i = 0; i < AISPIPE_STAGES; i++) {
        if (options->threads[i] > LAYOUT_MAX_THREADS)
            return aispipe_fail(error, AISPIPE_INVALID, "%u threads for stage %s; at most %d are possible",
                                options->threads[i], aispipe_stage_name((enum aispipe_stage)i),
                                LAYOUT_MAX_THREADS);
        layout->threads[i] = options->threads[i] ? options->threads[i] : 1;
    }
    if (!options->threads[AISPIPE_STAGE_LOAD])
        layout->threads[AISPIPE_STAGE_LOAD] = file_threads();
    if (!options->threads[AISPIPE_STAGE_SAVE])
        layout->threads[AISPIPE_STAGE_SAVE] = file_threads();
    layout->threads[AISPIPE_STAGE_H2D] = 1;
    layout->threads[AISPIPE_STAGE_D2H] = 1;
    return 0;
}

static unsigned choose_spin(const unsigned active[AISPIPE_STAGES], unsigned inflight)
{
    unsigned threads = 0;
    for (int i = 0; i < AISPIPE_STAGES; i++)
        threads += active[i];
    if (inflight == 1)
        return 0;
    return threads <= cores_available() ? SPIN_TURNS : SPIN_TURNS_CROWDED;
}

struct aispipe_tuning layout_wait(const unsigned active[AISPIPE_STAGES], unsigned inflight)
{
    return (struct aispipe_tuning){.spin = choose_spin(active, inflight),
                                   .wake_batch = clamp(inflight / 8, 1, RING_MAX_ITEMS),
                                   .nap_ns = NAP_NS};
}

struct tune_setting layout_setting(const struct layout *layout)
{
    return (struct tune_setting){{
        [AISPIPE_TUNE_LOAD_THREADS] = layout->tuning.active[AISPIPE_STAGE_LOAD],
        [AISPIPE_TUNE_SAVE_THREADS] = layout->tuning.active[AISPIPE_STAGE_SAVE],
        [AISPIPE_TUNE_INFLIGHT] = layout->tuning.inflight,
    }};
}

/* What there may ever be, for a run that adapts itself. */
static void raise_to_most(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                          struct layout *layout)
{
    static const enum aispipe_stage files[] = {AISPIPE_STAGE_LOAD, AISPIPE_STAGE_SAVE};
    for (int i = 0; i < 2; i++) {
        unsigned most = batches < TUNE_MOST_THREADS ? (unsigned)batches : TUNE_MOST_THREADS;
        if (layout->threads[files[i]] < most)
            layout->threads[files[i]] = most;
    }
    if (options->inflight)
        return; /* the user's bound of memory */
    uint64_t most = (uint64_t)layout->inflight * TUNE_MOST_TIMES;
    size_t each = slot_bytes ? slot_bytes : 1;
    size_t bytes = available_memory() / 2;
    if (bytes > TUNE_MOST_BYTES)
        bytes = TUNE_MOST_BYTES;
    if (most > bytes / each)
        most = bytes / each;
    if (most > INFLIGHT_MOST)
        most = INFLIGHT_MOST;
    if (most > batches)
        most = batches;
    if (most > layout->inflight)
        layout->inflight = (unsigned)most;
}

static int check_auto_tune(const struct aispipe_pipeline_options *options, struct aispipe_error *error)
{
    if (!options->auto_tune || (!options->serial && !options->full))
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID, "`auto_tune` and `%s` exclude each other: %s; leave one out",
                        options->serial ? "serial" : "full",
                        options->serial ? "with one batch in flight there is nothing to tune"
                                        : "the stages run one after the other");
}

int layout_choose(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                  struct layout *layout, struct aispipe_error *error)
{
    *layout = (struct layout){0};
    int rc = check_auto_tune(options, error);
    if (!rc)
        rc = choose_threads(options, layout, error);
    if (rc)
        return rc;
    uint64_t inflight = options->inflight;
    if (!inflight)
        inflight = clamp(available_memory() / (slot_bytes ? slot_bytes : 1), 1,
                         choose_inflight(layout, options, slot_bytes));
    if (options->serial)
        inflight = 1;
    if (options->full)
        inflight = batches;
    if (inflight > batches)
        inflight = batches; /* more slots than batches would never be used */
    if (!inflight)
        inflight = 1; /* the slot that finds the dataset empty */
    if (inflight >= RING_MAX_ITEMS)
        return aispipe_fail(
            error, AISPIPE_INVALID, "%" PRIu64 " batches in flight are more than the %u that fit a ring; %s",
            inflight, RING_MAX_ITEMS - 1,
            options->full ? "use another --run_mode than full, or --limit" : "lower --inflight");
    layout->inflight = layout->tuning.inflight = (unsigned)inflight;
    memcpy(layout->tuning.active, layout->threads, sizeof layout->threads);
    layout->tuning.wait = layout_wait(layout->tuning.active, layout->inflight);
    if (options->auto_tune)
        raise_to_most(options, batches, slot_bytes, layout);
    for (int i = 0; i < AISPIPE_STAGES; i++)
        layout->depth[i] = options->depth[i] && !options->full ? options->depth[i] : layout->inflight;
    if (layout->depth[AISPIPE_STAGE_LOAD] < layout->inflight)
        layout->depth[AISPIPE_STAGE_LOAD] = layout->inflight; /* all slots are free at the start */
    return check_memory(layout, options->full, slot_bytes, error);
}
