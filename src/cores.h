/* SPDX-License-Identifier: MIT */
/**
 * @file cores.h
 * Sets of processor cores: read from text as Linux writes them (0-3,8,10-11), written so, and put in force
 * for the calling thread. Nothing here allocates; thread-safe.
 */
#ifndef AISPIPE_CORES_H
#define AISPIPE_CORES_H

#include "aispipe/aispipe.h"

#include <sched.h>

/** Most cores that a kernel can be built for; their numbers are below. */
#define CORES_MOST 8192

struct cores {
    cpu_set_t sets[CORES_MOST / CPU_SETSIZE];
};

/** Room for a list in a message; a longer one is cut, see cores_format. */
#define CORES_TEXT 256

unsigned cores_count(const struct cores *cores);
/** Whether `core`, which may be any number, is in the set. */
bool cores_has(const struct cores *cores, uint64_t core);
bool cores_equal(const struct cores *a, const struct cores *b);
/** The ones that are in both. */
struct cores cores_both(const struct cores *a, const struct cores *b);
/** The ones that are in either. */
struct cores cores_either(const struct cores *a, const struct cores *b);

/** Those on which the calling thread may run, which is what a new thread gets. False: the kernel does not
 * say. */
bool cores_current(struct cores *cores);
/** How many the calling thread may run on; at least 1. */
unsigned cores_available(void);
/** From now on the calling thread, and every thread that it creates, runs on these only. 0 or an errno. */
int cores_apply(const struct cores *cores);

/**
 * Reads a list of at most `length` bytes: numbers and ranges first-last, joined by ','. False where it is
 * anything else: nothing, blanks, signs, a range whose end comes first, a number of CORES_MOST or more. A
 * core that is named twice is there once.
 */
bool cores_parse(const char *text, size_t length, struct cores *cores);
/** The same, and every core is one that the calling thread may run on; otherwise AISPIPE_INVALID and a line
 * that names the list, what is wrong and which there are. */
int cores_read(const char *text, size_t length, struct cores *cores, struct aispipe_error *error);
/** The list as text, "none" for an empty set; ends in "..." where it does not fit. Returns `text`. */
const char *cores_format(const struct cores *cores, char *text, size_t capacity);

#endif
