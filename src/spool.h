/* SPDX-License-Identifier: MIT */
/**
 * @file spool.h
 * A list of time intervals of any length in a fixed amount of memory: the newest few thousand are kept in a
 * buffer, older ones in a temporary file without a name. This is what lets a run of millions of executions
 * report exact percentiles, and every single time, without growing.
 */
#ifndef AISPIPE_SPOOL_H
#define AISPIPE_SPOOL_H

#include "aispipe/aispipe.h"

/** Start and end in ns. */
struct interval {
    uint64_t start, end;
};

/** Intervals kept in memory before they go to the file (64 KiB). */
#define SPOOL_BUFFER 4096

struct spool {
    struct interval *buffer;
    unsigned fill;    /**< intervals in the buffer */
    uint64_t on_disk; /**< intervals in the file */
    int fd;           /**< −1 until the buffer overflows for the first time */
};

/** `spool` belongs to one thread while it is written; afterwards any thread may read it. */
int spool_open(struct spool *spool, struct aispipe_error *error);
/** A zeroed or closed spool is allowed. */
void spool_close(struct spool *spool);
/** Appends. Starts must not decrease. */
int spool_add(struct spool *spool, struct interval interval, struct aispipe_error *error);
uint64_t spool_count(const struct spool *spool);

/** Reads from the beginning, in the order added. */
struct spool_reader {
    const struct spool *spool;
    struct interval *chunk;
    unsigned at, fill;
    uint64_t next; /**< index of the interval after the chunk */
};
int spool_reader_open(struct spool_reader *reader, const struct spool *spool, struct aispipe_error *error);
void spool_reader_close(struct spool_reader *reader);
/** 1 and the next interval, 0 at the end, or a negative status. */
int spool_next(struct spool_reader *reader, struct interval *interval, struct aispipe_error *error);

/**
 * min, max, median and 99th percentile of the durations of all intervals in `spools[0..n)`, exactly (by
 * counting passes over the lists, not by sorting them), and their mean. `merge`: the mean is instead the
 * length of the union of all intervals divided by their number, which stays true when executions overlap. No
 * interval at all: everything is 0.
 */
int spool_latency(const struct spool *const *spools, size_t n, bool merge, struct aispipe_latency *latency,
                  struct aispipe_error *error);

#endif
