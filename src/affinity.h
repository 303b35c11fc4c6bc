/* SPDX-License-Identifier: MIT */
/**
 * @file affinity.h
 * On which cores a session's and a pipeline's threads run.
 *
 * A thread is created with its creator's cores, and memory comes from the node of the core that touches it
 * first. So there is one mechanism for stage threads, for those of an engine, and for the slots: a call of
 * the library that creates any of them goes to the chosen cores first (affinity_enter) and comes back before
 * it returns (affinity_leave). Everything that counts cores meanwhile counts the chosen ones.
 */
#ifndef AISPIPE_AFFINITY_H
#define AISPIPE_AFFINITY_H

#include "aispipe/backend.h"
#include "cores.h"

enum affinity_mode { AFFINITY_AUTO, AFFINITY_NONE, AFFINITY_LIST };

struct affinity {
    enum affinity_mode mode; /**< what was asked for */
    bool restricts;          /**< `cores` are in force */
    struct cores cores;      /**< where threads may run */
    char reason[160];        /**< why, for people */
};

/** A call's stay on the cores; zero-initialise. */
struct affinity_visit {
    bool changed;
    struct cores before;
};

/** "auto", "none", "list". Static storage. */
const char *affinity_mode_name(enum affinity_mode mode);
/** Reads "auto" (or NULL), "none", or a list of cores, which must be among those of the calling thread. With
 * auto nothing is in force until affinity_settle. */
int affinity_read(const char *text, struct affinity *affinity, struct aispipe_error *error);
/**
 * Decides for auto, and does nothing for the others: where the machine has several NUMA nodes with cores and
 * that of the device is known, its cores, as far as the calling thread may run on them. `root` is where sysfs
 * is mounted.
 */
void affinity_settle(struct affinity *affinity, const struct aispipe_backend *backend, void *device,
                     const char *root);

/** Moves the calling thread to the cores; again in the same visit after `affinity` has changed. */
int affinity_enter(const struct affinity *affinity, struct affinity_visit *visit,
                   struct aispipe_error *error);
/** Moves it back. Without an enter, or after one that failed, nothing. */
void affinity_leave(const struct affinity_visit *visit);

/** After an engine has worked in the calling thread, which it may have moved: moves it back. Whether it is on
 * one of the cores now. */
bool affinity_return(const struct affinity *affinity);

/** Where sysfs is mounted. */
#define AFFINITY_SYSFS "/sys"

#endif
