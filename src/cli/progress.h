/* SPDX-License-Identifier: MIT */
/**
 * @file progress.h
 * Progress of a run on stderr.
 *
 * On a terminal: one line, redrawn at most ten times a second and cut to the terminal's width, with samples
 * done and in all, samples/s, time left and the fill of the ring in front of each stage. Elsewhere: one whole
 * line every 10 s, the first one 10 s after the run began. `never`: nothing. `auto` and `always` differ at
 * one point: when the run ends and fd is no terminal, `always` writes a last line, so that short runs leave
 * one too.
 *
 * One thread updates, any thread may clear: a log callback that is about to print on the same terminal calls
 * progress_clear first, and the line comes back with the next update. Every line is one write(2).
 */
#ifndef AISPIPE_CLI_PROGRESS_H
#define AISPIPE_CLI_PROGRESS_H

#include "cli/options.h"

#include <stdatomic.h>

struct progress {
    int fd;
    bool on;
    bool terminal;
    bool last_line;      /**< wanted at the end where fd is no terminal */
    bool begun;          /**< next_ns is set */
    uint64_t next_ns;    /**< when the next line is due */
    atomic_uint columns; /**< of the line that stands on the terminal; 0: none */
};

/** Looks at fd once: a terminal or not. */
void progress_init(struct progress *progress, enum progress_mode mode, int fd);
/** How often the waiting loop should update; UINT64_MAX: never. */
uint64_t progress_interval_ns(const struct progress *progress);
/** Whether progress_update would do anything now, so that statistics need not be gathered in vain. */
bool progress_due(const struct progress *progress, uint64_t now_ns);
/** Draws when a line is due, else returns at once. The first call begins the time of the first plain line. */
void progress_update(struct progress *progress, const struct aispipe_run_stats *stats, uint64_t now_ns);
/** Removes the line from the terminal until the next update. Any thread. */
void progress_clear(struct progress *progress);
/**
 * Ends progress. With `stats`, the final state stays on the terminal as a whole line (elsewhere only with
 * `always`); with NULL the line is cleared. Nothing is written after it.
 */
void progress_end(struct progress *progress, const struct aispipe_run_stats *stats);

#endif
