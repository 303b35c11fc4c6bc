/* SPDX-License-Identifier: MIT */
/** @file energy_meter.h The arithmetic of energy, and reading the two kinds of meters. */
#ifndef AISPIPE_CLI_ENERGY_METER_H
#define AISPIPE_CLI_ENERGY_METER_H

#include "aispipe/aispipe.h"

/* ------------------------------------------------------------------ counters */

#define RAPL_MAX_ZONES 64

/** One counter that counts microjoules, up to its range and from 0 again. */
struct rapl_zone {
    int fd;
    uint64_t range; /**< largest value; the next one is 0 */
    uint64_t last;
};

struct rapl {
    struct rapl_zone zones[RAPL_MAX_ZONES];
    size_t n;
    uint64_t microjoules; /**< since rapl_open, as of the last rapl_read */
};

/**
 * Opens the counters below `directory` that count a whole package, or memory outside of one. False when there
 * are none that can be read; `reason` then says why. The zones "core" and "uncore" are parts of a package,
 * "psys" and intel-rapl-mmio count packages once more: they are left out.
 */
bool rapl_open(struct rapl *rapl, const char *directory, char *reason, size_t capacity);
/** Adds what was counted since the last call, over at most one wrap of each counter. 0 or an errno. */
int rapl_read(struct rapl *rapl);
void rapl_close(struct rapl *rapl);
/** Counts from `last` to `now`, where the counter may have started again after `range`. */
uint64_t rapl_difference(uint64_t last, uint64_t now, uint64_t range);

/* ------------------------------------------------------------------ watts */

/** Watts over time: the area below a line through the samples. Zero-initialise. */
struct power_integral {
    uint64_t n;
    uint64_t last_ns;
    double last_watts;
    double joules;
};

/** Adds a sample; earlier than the last one it counts as at the same time. */
void power_sample(struct power_integral *integral, uint64_t now_ns, double watts);

/** Reads watts from a line of npu-smi's ("Power Dissipation(W) : 69.0"). */
bool npu_smi_watts(const char *line, double *watts);
/** Asks npu-smi for one id's watts. 0, or a negative status with a message. */
int npu_smi_ask(unsigned id, double *watts, struct aispipe_error *error);

#endif
