/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_NS UINT64_C(100000000)
#define LINE_NS UINT64_C(10000000000)
#define MAX_COLUMNS 200 /* a longer line is no easier to read */
#define DEFAULT_COLUMNS 80
#define BAR_MIN 8
#define BAR_MAX 30

struct line {
    char text[512];
    size_t length;
};

AISPIPE_PRINTF(2, 3) static void add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->length;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->length, room, format, args);
    va_end(args);
    if (n > 0)
        line->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* ---------------------------------------------------------------- what is said */

static double fraction_done(const struct aispipe_run_stats *stats)
{
    if (!stats->samples_total)
        return 0;
    double done = (double)stats->samples / (double)stats->samples_total;
    return done < 1 ? done : 1;
}

/* Rounded down: 100 % is said when everything is done and not before. */
static unsigned percent_done(const struct aispipe_run_stats *stats)
{
    if (!stats->samples_total)
        return 0;
    unsigned __int128 percent = (unsigned __int128)stats->samples * 100 / stats->samples_total;
    return percent < 100 ? (unsigned)percent : 100;
}

static void add_rate(struct line *line, const struct aispipe_run_stats *stats, const char *unit)
{
    double rate = stats->samples_per_second;
    if (!isfinite(rate) || rate < 0)
        rate = 0;
    add(line, rate < 100 ? "%.1f%s" : "%.0f%s", rate, unit);
}

/* "1:02:03 left"; "--:-- left" while no sample is done. */
static void add_time_left(struct line *line, const struct aispipe_run_stats *stats)
{
    uint64_t left = stats->samples < stats->samples_total ? stats->samples_total - stats->samples : 0;
    double seconds = ceil((double)left / stats->samples_per_second);
    if (!left) {
        add(line, "0:00 left");
    } else if (!(stats->samples_per_second > 0) || !isfinite(seconds)) {
        add(line, "--:-- left");
    } else if (seconds >= 100 * 3600.0) {
        add(line, ">99 h left");
    } else {
        unsigned s = (unsigned)seconds;
        if (s >= 3600)
            add(line, "%u:%02u:%02u left", s / 3600, s / 60 % 60, s % 60);
        else
            add(line, "%u:%02u left", s / 60, s % 60);
    }
}

/* "load 3/8 h2d 0/4 …" behind `separator`, or with first letters only. A stage without a ring is passed over.
 */
static void add_rings(struct line *line, const struct aispipe_run_stats *stats, const char *separator,
                      bool letters)
{
    for (int stage = 0; stage < AISPIPE_STAGES; stage++) {
        const struct aispipe_stage_stats *ring = &stats->stage[stage];
        const char *name = aispipe_stage_name((enum aispipe_stage)stage);
        if (!ring->depth)
            continue;
        add(line, "%s%.*s%s%" PRIu64 "/%u", separator, letters ? 1 : (int)strlen(name), name,
            letters ? "" : " ", ring->queue_now, ring->depth);
        separator = " ";
    }
}

static void add_bar(struct line *line, const struct aispipe_run_stats *stats, size_t width)
{
    size_t filled = (size_t)(fraction_done(stats) * (double)width);
    char bar[BAR_MAX + 1];
    memset(bar, '.', width);
    memset(bar, '#', filled < width ? filled : width);
    bar[width] = '\0';
    add(line, "[%s] ", bar);
}

/* ---------------------------------------------------------------- lines */

/* How much of it is said, from a narrow terminal to a wide one. */
enum detail { DETAIL_COUNT, DETAIL_TIME, DETAIL_LETTERS, DETAIL_RINGS };

static void add_detail(struct line *line, const struct aispipe_run_stats *stats, enum detail detail)
{
    add(line, "%" PRIu64 "/%" PRIu64 " %u%%", stats->samples, stats->samples_total, percent_done(stats));
    if (detail >= DETAIL_TIME) {
        add(line, "  ");
        add_rate(line, stats, "/s");
        add(line, "  ");
        add_time_left(line, stats);
    }
    if (detail >= DETAIL_LETTERS)
        add_rings(line, stats, "  ", detail == DETAIL_LETTERS);
}

/* The most that fits into `columns`. Everything in it is ASCII, so bytes are columns. */
static void compose_terminal(struct line *line, const struct aispipe_run_stats *stats, size_t columns)
{
    for (int detail = DETAIL_RINGS; detail >= DETAIL_COUNT; detail--) {
        struct line text = {.length = 0};
        add_detail(&text, stats, (enum detail)detail);
        if (text.length > columns && detail > DETAIL_COUNT)
            continue;
        size_t room = columns > text.length ? columns - text.length : 0;
        if (detail == DETAIL_RINGS && room >= BAR_MIN + 3)
            add_bar(line, stats, room - 3 < BAR_MAX ? room - 3 : BAR_MAX);
        add(line, "%.*s", (int)columns, text.text);
        return;
    }
}

static void compose_plain(struct line *line, const struct aispipe_run_stats *stats)
{
    add(line, "[INFO] progress: %" PRIu64 " of %" PRIu64 " samples (%u%%), ", stats->samples,
        stats->samples_total, percent_done(stats));
    add_rate(line, stats, " samples/s");
    add(line, ", ");
    add_time_left(line, stats);
    add(line, ", rings");
    add_rings(line, stats, " ", false);
    add(line, "\n");
}

/* ---------------------------------------------------------------- writing */

/* Asked for at every draw, so that a resized window needs no signal handler. One column stays free, because a
 * line that fills the last one makes some terminals begin the next. */
static size_t terminal_columns(int fd)
{
    struct winsize size = {0};
    size_t columns = DEFAULT_COLUMNS;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
        columns = size.ws_col;
    columns = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    return columns - 1;
}

/* A line that cannot be written is of no more use than progress itself, so failing ends progress. A terminal
 * that has stopped for a moment (EAGAIN) only loses this line. */
static void write_line(struct progress *progress, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(progress->fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            progress->on = false;
            return;
        }
        text += n;
        length -= (size_t)n;
    }
}

/* The cursor goes back to the left edge, so that whatever else is printed begins there. Blanks rub out what
 * the line before had more. */
static void draw(struct progress *progress, const struct aispipe_run_stats *stats, const char *end)
{
    struct line line = {.length = 0};
    size_t columns = terminal_columns(progress->fd);
    add(&line, "\r");
    compose_terminal(&line, stats, columns);
    unsigned drawn = (unsigned)line.length - 1;
    unsigned before = atomic_load(&progress->columns);
    if (before > columns)
        before = (unsigned)columns;
    if (before > drawn)
        add(&line, "%*s", (int)(before - drawn), "");
    add(&line, "%s", end);
    /* Before and after: a thread that clears in between must neither miss the line nor be forgotten. */
    atomic_store(&progress->columns, drawn > before ? drawn : before);
    write_line(progress, line.text, line.length);
    atomic_store(&progress->columns, drawn);
}

void progress_init(struct progress *progress, enum progress_mode mode, int fd)
{
    memset(progress, 0, sizeof *progress);
    progress->fd = fd;
    progress->on = mode != PROGRESS_NEVER;
    progress->last_line = mode == PROGRESS_ALWAYS;
    progress->terminal = isatty(fd) == 1;
    atomic_init(&progress->columns, 0);
}

uint64_t progress_interval_ns(const struct progress *progress)
{
    if (!progress->on)
        return UINT64_MAX;
    return progress->terminal ? REDRAW_NS : LINE_NS;
}

bool progress_due(const struct progress *progress, uint64_t now_ns)
{
    return progress->on && (!progress->begun || now_ns >= progress->next_ns);
}

void progress_update(struct progress *progress, const struct aispipe_run_stats *stats, uint64_t now_ns)
{
    if (!progress_due(progress, now_ns))
        return;
    bool first = !progress->begun;
    progress->begun = true;
    progress->next_ns = now_ns + progress_interval_ns(progress);
    if (progress->terminal) {
        draw(progress, stats, "\r");
    } else if (!first) {
        struct line line = {.length = 0};
        compose_plain(&line, stats);
        write_line(progress, line.text, line.length);
    }
}

void progress_clear(struct progress *progress)
{
    unsigned columns = atomic_exchange(&progress->columns, 0);
    if (!columns)
        return;
    char text[MAX_COLUMNS + 2];
    text[0] = '\r';
    memset(text + 1, ' ', columns);
    text[columns + 1] = '\r';
    /* Not through write_line: another thread may be the one that updates. */
    while (write(progress->fd, text, columns + 2) < 0 && errno == EINTR)
        ;
}

void progress_end(struct progress *progress, const struct aispipe_run_stats *stats)
{
    if (!progress->on)
        return;
    if (progress->terminal && stats) {
        draw(progress, stats, "\n");
        atomic_store(&progress->columns, 0);
    } else if (progress->terminal) {
        progress_clear(progress);
    } else if (stats && progress->last_line) {
        struct line line = {.length = 0};
        compose_plain(&line, stats);
        write_line(progress, line.text, line.length);
    }
    progress->on = false;
}
