/* SPDX-License-Identifier: MIT */
/**
 * @file place.h
 * Devices that are open for tensors. A tensor on a device may outlive every session, so it cannot be a
 * session that keeps the device open: the process does, from the first need until places_close. That is
 * process state, behind one mutex, as tensor.h and infer.h say. Everything here is thread-safe.
 */
#ifndef AISPIPE_PLACE_H
#define AISPIPE_PLACE_H

#include "aispipe/backend.h"

/** One device of one backend with memory of its own. Never freed, so that it can be compared and asked. */
struct place;
/** One piece of its memory. */
struct place_memory;

/** Opens the device unless it is. `backend` has memory_alloc. */
int place_get(const struct aispipe_backend *backend, int device_id, struct place **place,
              struct aispipe_error *error);
const struct aispipe_backend *place_backend(const struct place *place);
int place_device(const struct place *place);

int place_alloc(struct place *place, size_t bytes, struct place_memory **memory, struct aispipe_error *error);
void place_free(struct place_memory *memory);
struct place *place_of(const struct place_memory *memory);
/** Its address on the device; NULL when places_close has freed it, or a parent of fork allocated it. */
void *place_address(struct place_memory *memory);
/** Copies `bytes` between `host` and the memory, and notes how long that took. AISPIPE_CLOSED when it is
 * gone. */
int place_copy(struct place_memory *memory, void *host, size_t bytes, enum aispipe_transfer direction,
               struct aispipe_error *error);

/** Frees all memory, with transfers that run awaited, and closes all devices. They may be opened again. */
void places_close(void);

#endif
