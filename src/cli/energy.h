/* SPDX-License-Identifier: MIT */
/**
 * @file energy.h
 * Joules that a run took, sampled by a thread while it goes on.
 *
 * Where `npu-smi` is on PATH, `npu-smi info -t power -i ID` is asked again and again for each id, and its
 * watts are integrated over time. Elsewhere the processors' own counters (RAPL, below /sys/class/powercap, or
 * AISPIPE_POWERCAP_DIR) are read; they are added up over packages and memory, and are the whole machine's.
 */
#ifndef AISPIPE_CLI_ENERGY_H
#define AISPIPE_CLI_ENERGY_H

#include "aispipe/aispipe.h"
#include "aispipe/summary.h"

/** Other place for the counters, for tests and containers. */
#define ENERGY_DIRECTORY_VARIABLE "AISPIPE_POWERCAP_DIR"

struct energy;

/**
 * Looks for something to measure with, for the NPUs `ids` (n of them, at least one). `*energy` is NULL, with
 * a warning in `log` that says what was looked for and why it cannot be used, where there is nothing; that is
 * no failure.
 */
int energy_open(const uint64_t *ids, size_t n, const struct aispipe_log *log, struct energy **energy,
                struct aispipe_error *error);
/** The run begins: takes the first sample and starts the sampling thread. NULL is allowed. */
int energy_start(struct energy *energy, struct aispipe_error *error);
/**
 * The run is over: ends the thread, takes the last sample. Returns the result, owned by `energy`; NULL with a
 * warning when samples could not be taken, and for a NULL `energy` or one that was never started.
 */
const struct aispipe_summary_energy *energy_stop(struct energy *energy);
void energy_close(struct energy *energy);

#endif
