/* SPDX-License-Identifier: MIT */
#include "cores.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

unsigned cores_count(const struct cores *cores)
{
    return (unsigned)CPU_COUNT_S(sizeof cores->sets, cores->sets);
}

bool cores_has(const struct cores *cores, uint64_t core)
{
    return core < CORES_MOST && CPU_ISSET_S((size_t)core, sizeof cores->sets, cores->sets);
}

bool cores_equal(const struct cores *a, const struct cores *b)
{
    return CPU_EQUAL_S(sizeof a->sets, a->sets, b->sets);
}

struct cores cores_both(const struct cores *a, const struct cores *b)
{
    struct cores both;
    CPU_AND_S(sizeof both.sets, both.sets, a->sets, b->sets);
    return both;
}

struct cores cores_either(const struct cores *a, const struct cores *b)
{
    struct cores either;
    CPU_OR_S(sizeof either.sets, either.sets, a->sets, b->sets);
    return either;
}

/* ---------------------------------------------------------------- the calling thread */

bool cores_current(struct cores *cores)
{
    *cores = (struct cores){0};
    return sched_getaffinity(0, sizeof cores->sets, cores->sets) == 0;
}

unsigned cores_available(void)
{
    struct cores cores;
    if (cores_current(&cores) && cores_count(&cores))
        return cores_count(&cores);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

int cores_apply(const struct cores *cores)
{
    return sched_setaffinity(0, sizeof cores->sets, cores->sets) ? errno : 0;
}

/* ---------------------------------------------------------------- text */

/* Reads digits from *at, which is moved behind them. */
static bool read_core(const char **at, const char *end, unsigned *core)
{
    const char *begin = *at;
    *core = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        *core = *core * 10 + (unsigned)(**at - '0');
        if (*core >= CORES_MOST)
            return false;
    }
    return *at > begin;
}

bool cores_parse(const char *text, size_t length, struct cores *cores)
{
    const char *at = text;
    const char *end = text + strnlen(text, length);
    *cores = (struct cores){0};
    for (;; at++) {
        unsigned first, last;
        if (!read_core(&at, end, &first))
            return false;
        last = first;
        if (at < end && *at == '-') {
            at++;
            if (!read_core(&at, end, &last) || last < first)
                return false;
        }
        for (unsigned core = first; core <= last; core++)
            CPU_SET_S(core, sizeof cores->sets, cores->sets);
        if (at == end)
            return true;
        if (*at != ',')
            return false;
    }
}

/* Writes one range; the number of bytes that it takes. */
static size_t put_range(char *text, size_t capacity, bool more, unsigned first, unsigned last)
{
    const char *comma = more ? "," : "";
    int length = first == last ? snprintf(text, capacity, "%s%u", comma, first)
                               : snprintf(text, capacity, "%s%u-%u", comma, first, last);
    return length > 0 ? (size_t)length : 0;
}

const char *cores_format(const struct cores *cores, char *text, size_t capacity)
{
    const size_t room_for_rest = sizeof ",..." - 1;
    size_t used = 0;
    (void)snprintf(text, capacity, "none");
    for (unsigned core = 0; core < CORES_MOST; core++) {
        unsigned first = core;
        if (!cores_has(cores, core))
            continue;
        while (cores_has(cores, (uint64_t)core + 1))
            core++;
        char range[32];
        size_t length = put_range(range, sizeof range, used > 0, first, core);
        if (used + length + room_for_rest >= capacity) {
            (void)snprintf(text + used, capacity - used, ",...");
            return text;
        }
        memcpy(text + used, range, length + 1);
        used += length;
    }
    return text;
}

int cores_read(const char *text, size_t length, struct cores *cores, struct aispipe_error *error)
{
    char list[CORES_TEXT];
    struct cores allowed;
    int shown = (int)strnlen(text, length < 200 ? length : 200);
    bool known = cores_current(&allowed);
    if (known)
        (void)cores_format(&allowed, list, sizeof list);
    else
        (void)snprintf(list, sizeof list, "unknown");
    if (!cores_parse(text, length, cores))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "'%.*s' is no list of cores such as 0-3,8; there are %s here", shown, text, list);
    for (unsigned core = 0; known && core < CORES_MOST; core++)
        if (cores_has(cores, core) && !cores_has(&allowed, core))
            return aispipe_fail(error, AISPIPE_INVALID,
                                "'%.*s' names core %u, which this process may not use or which does not "
                                "exist; it may use %s",
                                shown, text, core, list);
    return 0;
}
