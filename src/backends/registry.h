/* SPDX-License-Identifier: MIT */
/** @file registry.h The backends that exist, and how one is chosen. Read-only, thread-safe. */
#ifndef AISPIPE_BACKENDS_REGISTRY_H
#define AISPIPE_BACKENDS_REGISTRY_H

#include "aispipe/backend.h"

/** NULL-ended, in the order in which `auto` asks them. */
extern const struct aispipe_backend *const aispipe_backends[];

/**
 * Finds the backend called `name`; "auto" or NULL: the first one whose suffix the model's name ends in.
 * An unknown name or ending is an error that lists what there is.
 */
int backend_find(const char *name, const char *model_path, const struct aispipe_backend **backend,
                 struct aispipe_error *error);

/**
 * Backend number `index`, counted from 0, of those that this build lacks, and why. False when there are no
 * more.
 */
bool backend_lacking(size_t index, const char **name, struct aispipe_error *why);

#endif
