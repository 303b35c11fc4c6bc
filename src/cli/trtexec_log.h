/* SPDX-License-Identifier: MIT */
/** @file trtexec_log.h Reads the figures of trtexec's performance summary from its log, line by line. */
#ifndef AISPIPE_CLI_TRTEXEC_LOG_H
#define AISPIPE_CLI_TRTEXEC_LOG_H

#include <stdbool.h>

/** One line of figures, ms. trtexec lets its user choose which percentiles it prints. */
struct trtexec_latency {
    bool found;
    double min, max, mean, median;
    double percentile;
    char percentile_name[24]; /**< "percentile(99%)": that one where there is one, else the last */
};

/** What has been read so far; zero-initialise. */
struct trtexec_figures {
    bool has_throughput;
    double throughput; /**< executions per second, as trtexec counts them */
    struct trtexec_latency h2d;
    struct trtexec_latency compute;
    struct trtexec_latency d2h;
};

/** Takes what a line says; most say nothing. A figure printed twice counts with its last value. */
void trtexec_read_line(struct trtexec_figures *figures, const char *line);
/** Name of the first figure that is missing ("GPU Compute Time"); NULL when all are there. */
const char *trtexec_missing(const struct trtexec_figures *figures);

#endif
