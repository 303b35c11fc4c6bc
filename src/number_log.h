/* SPDX-License-Identifier: MIT */
/**
 * @file number_log.h
 * A list of numbers that only grows, in as few bytes as each of them needs: seven bits a byte. Hundreds of
 * thousands of durations then take a few bytes each. Not thread-safe.
 */
#ifndef AISPIPE_NUMBER_LOG_H
#define AISPIPE_NUMBER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero-initialised: empty. */
struct number_log {
    struct number_chunk *first, *last;
    size_t count;
};

/** False: no memory, and the log is as before. */
bool number_log_add(struct number_log *log, uint64_t value);
void number_log_clear(struct number_log *log);

/** A place in a log; zero-initialised with `log`: its beginning. */
struct number_reader {
    const struct number_log *log;
    const struct number_chunk *chunk;
    size_t at;
};

/** The next number; there must be one. */
uint64_t number_log_next(struct number_reader *reader);

/** Signed differences as unsigned numbers that are small when they are. */
static inline uint64_t number_fold(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}
static inline int64_t number_unfold(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
