/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include "io/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int spool_open(struct spool *spool, struct aispipe_error *error)
{
    *spool = (struct spool){.fd = -1};
    spool->buffer = malloc(SPOOL_BUFFER * sizeof *spool->buffer);
    if (!spool->buffer)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a list of execution times");
    return 0;
}

void spool_close(struct spool *spool)
{
    if (spool->buffer && spool->fd >= 0)
        close(spool->fd);
    free(spool->buffer);
    *spool = (struct spool){.fd = -1};
}

uint64_t spool_count(const struct spool *spool)
{
    return spool->on_disk + spool->fill;
}

/* A file that has no name and vanishes with the process; memory of the system where no directory will do. */
static int temporary_file(void)
{
    const char *const directories[] = {getenv("TMPDIR"), "/tmp", "/var/tmp"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (!directories[i] || !*directories[i])
            continue;
        int fd = open(directories[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            return fd;
    }
    return memfd_create("aispipe-times", MFD_CLOEXEC);
}

static int spill(struct spool *spool, struct aispipe_error *error)
{
    int reason = 0;
    if (spool->fd < 0)
        spool->fd = temporary_file();
    if (spool->fd < 0)
        reason = errno;
    if (!reason)
        reason = fd_write(spool->fd, spool->buffer, spool->fill * sizeof *spool->buffer);
    if (reason)
        return aispipe_fail(
            error, AISPIPE_IO,
            "cannot keep the list of execution times in a temporary file: %s; make room in the "
            "temporary directory or point TMPDIR elsewhere",
            strerror(reason));
    spool->on_disk += spool->fill;
    spool->fill = 0;
    return 0;
}

int spool_add(struct spool *spool, struct interval interval, struct aispipe_error *error)
{
    if (spool->fill == SPOOL_BUFFER) {
        int rc = spill(spool, error);
        if (rc)
            return rc;
    }
    spool->buffer[spool->fill++] = interval;
    return 0;
}

int spool_reader_open(struct spool_reader *reader, const struct spool *spool, struct aispipe_error *error)
{
    *reader = (struct spool_reader){.spool = spool};
    reader->chunk = malloc(SPOOL_BUFFER * sizeof *reader->chunk);
    if (!reader->chunk)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read a list of execution times");
    return 0;
}

void spool_reader_close(struct spool_reader *reader)
{
    free(reader->chunk);
    *reader = (struct spool_reader){0};
}

static int read_chunk(struct spool_reader *reader, unsigned count, struct aispipe_error *error)
{
    size_t got;
    size_t wanted = count * sizeof *reader->chunk;
    int reason =
        fd_read_at(reader->spool->fd, reader->chunk, wanted, reader->next * sizeof *reader->chunk, &got);
    if (!reason && got == wanted)
        return 0;
    return aispipe_fail(error, AISPIPE_IO, "cannot read the list of execution times back: %s",
                        reason ? strerror(reason) : "the file ends too early");
}

static int next_chunk(struct spool_reader *reader, struct aispipe_error *error)
{
    const struct spool *spool = reader->spool;
    uint64_t left = spool_count(spool) - reader->next;
    unsigned count = left < SPOOL_BUFFER ? (unsigned)left : SPOOL_BUFFER;
    if (reader->next < spool->on_disk) {
        if (count > spool->on_disk - reader->next)
            count = (unsigned)(spool->on_disk - reader->next);
        int rc = read_chunk(reader, count, error);
        if (rc)
            return rc;
    } else if (count) {
        memcpy(reader->chunk, spool->buffer, count * sizeof *reader->chunk);
    }
    reader->at = 0;
    reader->fill = count;
    reader->next += count;
    return 0;
}

int spool_next(struct spool_reader *reader, struct interval *interval, struct aispipe_error *error)
{
    if (reader->at == reader->fill) {
        int rc = next_chunk(reader, error);
        if (rc)
            return rc;
        if (!reader->fill)
            return 0;
    }
    *interval = reader->chunk[reader->at++];
    return 1;
}

/* ------------------------------------------------------------------ figures */

/* Calls `visit` with every duration of every list. */
static int each_duration(const struct spool *const *spools, size_t n, void (*visit)(void *, uint64_t),
                         void *context, struct aispipe_error *error)
{
    for (size_t i = 0; i < n; i++) {
        struct spool_reader reader;
        struct interval interval = {0};
        int rc = spool_reader_open(&reader, spools[i], error);
        while (!rc && (rc = spool_next(&reader, &interval, error)) > 0) {
            visit(context, interval.end - interval.start);
            rc = 0;
        }
        spool_reader_close(&reader);
        if (rc < 0)
            return rc;
    }
    return 0;
}

struct extremes {
    uint64_t min, max, count;
    __uint128_t sum;
};

static void visit_extremes(void *context, uint64_t duration)
{
    struct extremes *e = context;
    if (duration < e->min)
        e->min = duration;
    if (duration > e->max)
        e->max = duration;
    e->sum += duration;
    e->count++;
}

/* Counting selection: each pass fixes SELECT_BITS more bits of the value sought, from the top. */
#define SELECT_BITS 12

struct selection {
    uint64_t prefix; /* the bits above `shift + SELECT_BITS` that the value must have */
    int shift;
    uint64_t counts[1u << SELECT_BITS];
};

static void visit_selection(void *context, uint64_t duration)
{
    struct selection *s = context;
    int above = s->shift + SELECT_BITS;
    if (above < 64 && duration >> above != s->prefix)
        return;
    s->counts[duration >> s->shift & ((1u << SELECT_BITS) - 1)]++;
}

/* The value of rank `rank` (0 is the smallest). */
static int select_rank(const struct spool *const *spools, size_t n, uint64_t max, uint64_t rank,
                       struct selection *s, uint64_t *value, struct aispipe_error *error)
{
    s->prefix = 0;
    s->shift = 0;
    while (s->shift + SELECT_BITS < 64 && max >> (s->shift + SELECT_BITS))
        s->shift += SELECT_BITS;
    for (;; s->shift -= SELECT_BITS) {
        memset(s->counts, 0, sizeof s->counts);
        int rc = each_duration(spools, n, visit_selection, s, error);
        if (rc)
            return rc;
        uint64_t digit = 0;
        while (rank >= s->counts[digit])
            rank -= s->counts[digit++];
        s->prefix = s->prefix << SELECT_BITS | digit;
        if (s->shift == 0)
            break;
    }
    *value = s->prefix;
    return 0;
}

#define NS_PER_MS 1e6

/* Linear interpolation between the two closest ranks, as numpy.percentile does by default. */
static int percentile(const struct spool *const *spools, size_t n, const struct extremes *e, double fraction,
                      struct selection *s, double *ms, struct aispipe_error *error)
{
    double position = (double)(e->count - 1) * fraction;
    uint64_t rank = (uint64_t)position;
    uint64_t low = 0;
    uint64_t high = 0;
    int rc = select_rank(spools, n, e->max, rank, s, &low, error);
    if (!rc)
        rc = select_rank(spools, n, e->max, rank + 1 < e->count ? rank + 1 : rank, s, &high, error);
    double between = position - (double)rank;
    *ms = ((double)low + (double)(high - low) * between) / NS_PER_MS;
    return rc;
}

/* Length of the union of all intervals: a merge of the lists, each of which is in order of its starts. */
static int union_length(const struct spool *const *spools, size_t n, uint64_t *length,
                        struct aispipe_error *error)
{
    struct spool_reader *readers = calloc(n, sizeof *readers);
    struct interval *heads = calloc(n, sizeof *heads);
    bool *alive = calloc(n, sizeof *alive);
    bool allocated = readers && heads && alive;
    int rc = allocated ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the summary");
    for (size_t i = 0; allocated && !rc && i < n; i++) {
        rc = spool_reader_open(&readers[i], spools[i], error);
        int more = rc ? 0 : spool_next(&readers[i], &heads[i], error);
        alive[i] = more > 0;
        rc = more < 0 ? more : rc;
    }
    uint64_t covered_to = 0;
    *length = 0;
    while (allocated && !rc) {
        size_t first = n;
        for (size_t i = 0; i < n; i++)
            if (alive[i] && (first == n || heads[i].start < heads[first].start))
                first = i;
        if (first == n)
            break;
        uint64_t start = heads[first].start > covered_to ? heads[first].start : covered_to;
        if (heads[first].end > start) {
            *length += heads[first].end - start;
            covered_to = heads[first].end;
        }
        int more = spool_next(&readers[first], &heads[first], error);
        alive[first] = more > 0;
        rc = more < 0 ? more : 0;
    }
    for (size_t i = 0; readers && i < n; i++)
        spool_reader_close(&readers[i]);
    free(readers);
    free(heads);
    free(alive);
    return rc;
}

int spool_latency(const struct spool *const *spools, size_t n, bool merge, struct aispipe_latency *latency,
                  struct aispipe_error *error)
{
    *latency = (struct aispipe_latency){0};
    struct extremes e = {.min = UINT64_MAX};
    int rc = each_duration(spools, n, visit_extremes, &e, error);
    if (rc || !e.count)
        return rc;
    struct selection *s = malloc(sizeof *s);
    if (!s)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the summary");
    double total = (double)e.sum;
    latency->count = e.count;
    latency->min = (double)e.min / NS_PER_MS;
    latency->max = (double)e.max / NS_PER_MS;
    rc = percentile(spools, n, &e, 0.5, s, &latency->median, error);
    if (!rc)
        rc = percentile(spools, n, &e, 0.99, s, &latency->p99, error);
    if (!rc && merge) {
        uint64_t covered = 0;
        rc = union_length(spools, n, &covered, error);
        total = (double)covered;
    }
    latency->mean = total / (double)e.count / NS_PER_MS;
    free(s);
    return rc;
}
