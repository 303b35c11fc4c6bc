/* SPDX-License-Identifier: MIT */
/**
 * @file fork.h
 * Tells a child of fork from its parent without asking the kernel: engines, devices and locks that the parent
 * had are of no use in the child, and must not be touched there.
 */
#ifndef AISPIPE_FORK_H
#define AISPIPE_FORK_H

/** How often this process' line of ancestors has forked since the first fork_watch. */
extern volatile unsigned fork_count;

/** Makes fork_count count. `in_child` (NULL: none) is called in every child, before fork returns there. Call
 * it once for each function. */
void fork_watch(void (*in_child)(void));

#endif
