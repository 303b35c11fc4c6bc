/* SPDX-License-Identifier: MIT */
/**
 * @file devices.h
 * Which engines this library has, which it could have, and which devices each finds on this machine.
 * Read-only and thread-safe.
 */
#ifndef AISPIPE_DEVICES_H
#define AISPIPE_DEVICES_H

#include "aispipe/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Backend number `index`, counted from 0, in the order in which "auto" asks them; NULL when there are no
 * more. */
AISPIPE_API const struct aispipe_backend *aispipe_backend_at(size_t index);

/**
 * Finds the backend called `name`; "auto" or NULL: the first one whose suffix the model's name ends in.
 * An unknown name or ending is an error that lists what there is.
 */
AISPIPE_API int aispipe_backend_find(const char *name, const char *model_path,
                                     const struct aispipe_backend **backend, struct aispipe_error *error);

/**
 * Backend number `index`, counted from 0, of those that this build lacks, and why. False when there are no
 * more.
 */
AISPIPE_API bool aispipe_backend_lacking(size_t index, const char **name, struct aispipe_error *why);

/**
 * Calls `found` for each device of a backend, in the engine's order, without opening any. AISPIPE_UNSUPPORTED
 * where the backend cannot list; where the engine itself is missing, an error that says what was looked for
 * and where.
 */
AISPIPE_API int aispipe_backend_devices(const struct aispipe_backend *backend,
                                        void (*found)(void *context,
                                                      const struct aispipe_found_device *device),
                                        void *context, struct aispipe_error *error);

#ifdef __cplusplus
}
#endif

#endif
