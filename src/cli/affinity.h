/* SPDX-License-Identifier: MIT */
/**
 * @file affinity.h
 * --affinity: "auto", "none", or lists of cores joined by ';': one for all devices, or one for each of them.
 */
#ifndef AISPIPE_CLI_AFFINITY_H
#define AISPIPE_CLI_AFFINITY_H

#include "aispipe/aispipe.h"

/** Refuses what the option does not take, for so many devices. NULL (the option is not given) is allowed, as
 * below. */
int affinity_check(const char *value, size_t devices, struct aispipe_error *error);
/** Restricts the calling thread, and all that it will create, to the cores of all devices together. */
int affinity_apply(const char *value, struct aispipe_error *error);
/** What one device's session is told; `*text` is NULL without the option, otherwise the caller frees it. */
int affinity_of_device(const char *value, size_t number, char **text, struct aispipe_error *error);

#endif
