/* SPDX-License-Identifier: MIT */
/*
 * Lines that matter, behind a time and a level in brackets:
 *     Throughput: 1234.5 qps
 *     H2D Latency: min = 0.1 ms, max = 0.2 ms, mean = 0.15 ms, median = 0.14 ms, percentile(99%) = 0.19 ms
 * and the same for "GPU Compute Time" and "D2H Latency". Texts that explain the figures have the same names
 * in front but no "min =". Versions differ in what stands between and behind.
 */
#include "cli/trtexec_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "key = ", taken only where `key` begins a part of the list. */
static bool read_value(const char *list, const char *key, double *value)
{
    size_t length = strlen(key);
    for (const char *at = list; (at = strstr(at, key)) != NULL; at += length) {
        const char *number = at + length;
        number += strspn(number, " ");
        if ((at != list && at[-1] != ' ' && at[-1] != ',') || *number != '=')
            continue;
        char *end;
        *value = strtod(number + 1, &end);
        return end != number + 1;
    }
    return false;
}

/* Takes percentile(99%) where it is, else the last of them; none is no mistake of the line's. */
static void read_percentile(const char *list, struct trtexec_latency *latency)
{
    static const char word[] = "percentile(";
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += sizeof word - 1) {
        char name[sizeof latency->percentile_name];
        size_t length = strcspn(at, ")") + 1;
        if (at[length - 1] != ')' || length >= sizeof name)
            return;
        memcpy(name, at, length);
        name[length] = '\0';
        double value;
        if (!read_value(at, name, &value))
            return;
        latency->percentile = value;
        memcpy(latency->percentile_name, name, sizeof name);
        if (strcmp(name, "percentile(99%)") == 0)
            return;
    }
}

static void read_latency(const char *list, struct trtexec_latency *latency)
{
    struct trtexec_latency read = {.found = true};
    if (!read_value(list, "min", &read.min) || !read_value(list, "max", &read.max) ||
        !read_value(list, "mean", &read.mean) || !read_value(list, "median", &read.median))
        return;
    read_percentile(list, &read);
    if (*read.percentile_name)
        *latency = read;
}

/* What stands behind "name:", where that is the whole name: "Latency:" is not "H2D Latency:". */
static const char *behind(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    if (!at || (at != line && (at < line + 2 || memcmp(at - 2, "] ", 2) != 0)))
        return NULL;
    at += strlen(name);
    return *at == ':' ? at + 1 : NULL;
}

static void read_throughput(const char *text, struct trtexec_figures *figures)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || strncmp(end, " qps", 4) != 0)
        return;
    figures->throughput = value;
    figures->has_throughput = true;
}

void trtexec_read_line(struct trtexec_figures *figures, const char *line)
{
    const struct {
        const char *name;
        struct trtexec_latency *latency;
    } latencies[] = {{"H2D Latency", &figures->h2d},
                     {"GPU Compute Time", &figures->compute},
                     {"D2H Latency", &figures->d2h}};
    const char *rest = behind(line, "Throughput");
    if (rest) {
        read_throughput(rest, figures);
        return;
    }
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
        rest = behind(line, latencies[i].name);
        if (rest)
            read_latency(rest, latencies[i].latency);
    }
}

const char *trtexec_missing(const struct trtexec_figures *figures)
{
    if (!figures->has_throughput)
        return "Throughput";
    if (!figures->h2d.found)
        return "H2D Latency";
    if (!figures->compute.found)
        return "GPU Compute Time";
    return figures->d2h.found ? NULL : "D2H Latency";
}
