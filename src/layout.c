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

static unsigned choose_spin(const struct layout *layout)
{
    unsigned threads = 0;
    for (int i = 0; i < AISPIPE_STAGES; i++)
        threads += layout->threads[i];
    if (layout->inflight == 1)
        return 0;
    return threads <= cores_available() ? SPIN_TURNS : SPIN_TURNS_CROWDED;
}

int layout_choose(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                  struct layout *layout, struct aispipe_error *error)
{
    *layout = (struct layout){0};
    int rc = choose_threads(options, layout, error);
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
    layout->inflight = (unsigned)inflight;
    for (int i = 0; i < AISPIPE_STAGES; i++)
        layout->depth[i] = options->depth[i] && !options->full ? options->depth[i] : layout->inflight;
    if (layout->depth[AISPIPE_STAGE_LOAD] < layout->inflight)
        layout->depth[AISPIPE_STAGE_LOAD] = layout->inflight; /* all slots are free at the start */
    layout->tuning = (struct aispipe_tuning){.spin = choose_spin(layout),
                                             .wake_batch = clamp(layout->inflight / 8, 1, RING_MAX_ITEMS),
                                             .nap_ns = NAP_NS};
    return check_memory(layout, options->full, slot_bytes, error);
}
