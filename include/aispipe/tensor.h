/* SPDX-License-Identifier: MIT */
/**
 * @file tensor.h
 * Tensors: data with a type and a shape, on the host or on a device, counted by those who refer to it.
 *
 * Every call here is thread-safe, and one tensor may be released by several threads at once. The *contents*
 * of a tensor are not guarded: who writes them while somebody else reads must lock. The conventions of
 * aispipe.h hold: 0 or a negative status, one readable line in `error`.
 *
 * On the CPU engine device memory is host memory. A tensor that was moved "to device 0" there says so
 * (aispipe_tensor_device is 0), and its data can still be read and written by the host.
 */
#ifndef AISPIPE_TENSOR_H
#define AISPIPE_TENSOR_H

#include "aispipe/aispipe.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A tensor. Born with one reference; freed, or handed back to the session's pool, with the last one. */
struct aispipe_tensor;

/** aispipe_tensor_device of a tensor on the host. */
#define AISPIPE_HOST (-1)

/**
 * A tensor on the host with memory of its own, aligned to 64 bytes, not initialised. Of `desc`, dtype, rank
 * and dims count; it is copied, without its name. Every dimension must be known (0 is allowed).
 * AISPIPE_INVALID for an unknown type, a rank beyond 0…AISPIPE_MAX_RANK, a negative dimension or a size that
 * overflows.
 */
AISPIPE_API int aispipe_tensor_create(const struct aispipe_tensor_desc *desc, struct aispipe_tensor **tensor,
                                      struct aispipe_error *error);

/** Called once, from any thread, when nobody refers to borrowed memory any more. */
typedef void (*aispipe_release_fn)(void *context, void *data);

/**
 * A tensor on the host over memory of the caller's, C-contiguous, of the size that `desc` comes to. The
 * memory must stay until `release(context, data)` is called (NULL: it stays for as long as anybody might
 * look). `data` may be NULL only for a size of 0. On failure `release` is not called.
 */
AISPIPE_API int aispipe_tensor_wrap(const struct aispipe_tensor_desc *desc, void *data,
                                    aispipe_release_fn release, void *context, struct aispipe_tensor **tensor,
                                    struct aispipe_error *error);

/** One more reference; returns `tensor`. */
AISPIPE_API struct aispipe_tensor *aispipe_tensor_retain(struct aispipe_tensor *tensor);
/** One reference less. NULL is allowed. Also right after the session that made it is closed. */
AISPIPE_API void aispipe_tensor_release(struct aispipe_tensor *tensor);

/**
 * Type, shape and size in bytes; the name is NULL. Valid as long as the tensor. Dimensions are never −1.
 * Bytes of an output whose shape became known with the execution are those that the shape comes to.
 */
AISPIPE_API const struct aispipe_tensor_desc *aispipe_tensor_describe(const struct aispipe_tensor *tensor);

/**
 * The data, aligned to 64 bytes unless borrowed. NULL where the host cannot reach it: aispipe_tensor_to_host
 * makes a tensor that it can. A tensor of size 0 on the host has an address, too, unless borrowed without
 * one.
 */
AISPIPE_API void *aispipe_tensor_data(const struct aispipe_tensor *tensor);

/** Id of the device it is on; AISPIPE_HOST on the host. */
AISPIPE_API int aispipe_tensor_device(const struct aispipe_tensor *tensor);

/**
 * A copy on a device. No session is needed. `backend` is "acl", "openvino" or "sim"; NULL: the backend of the
 * session that was opened last on that device and is still open. Where there is none, the tensor says that it
 * is on the device, its memory stays host memory, and a session that is fed with it moves it. A tensor that
 * is on that device already is returned with one more reference. A device tensor of another device is an
 * AISPIPE_INVALID error: bring it to the host first.
 *
 * The device is opened when the first tensor needs it and stays so until aispipe_finalize (aispipe.h).
 */
AISPIPE_API int aispipe_tensor_to_device(struct aispipe_tensor *tensor, const char *backend, int device_id,
                                         struct aispipe_tensor **moved, struct aispipe_error *error);

/**
 * A copy on the host; a tensor on the host is returned with one more reference. AISPIPE_CLOSED where the
 * device was finalised: its memory is gone.
 */
AISPIPE_API int aispipe_tensor_to_host(struct aispipe_tensor *tensor, struct aispipe_tensor **moved,
                                       struct aispipe_error *error);

/**
 * A view of the same memory with another type and shape of the same number of bytes: AISPIPE_INVALID where
 * that differs. Holds a reference to `tensor`.
 */
AISPIPE_API int aispipe_tensor_view(struct aispipe_tensor *tensor, const struct aispipe_tensor_desc *desc,
                                    struct aispipe_tensor **view, struct aispipe_error *error);

/* ---------------------------------------------------------------- transfers, of the whole process */

enum aispipe_transfer {
    AISPIPE_H2D, /**< host to device */
    AISPIPE_D2H, /**< device to host */
};

/**
 * From now on (true) the duration of every transfer of this process is kept: of aispipe_tensor_to_device and
 * _to_host, and of executions, where all inputs of one count as one transfer, and all outputs. About 3 bytes
 * each. Off at first. What pipelines transfer is in their own statistics.
 */
AISPIPE_API void aispipe_transfers_record(bool record);
/** How many are kept. */
AISPIPE_API size_t aispipe_transfers_count(enum aispipe_transfer direction);
/** Copies the oldest `most` durations to `ns`; returns how many there were to copy. */
AISPIPE_API size_t aispipe_transfers_read(enum aispipe_transfer direction, uint64_t *ns, size_t most);
/** Forgets all of both directions. */
AISPIPE_API void aispipe_transfers_reset(void);

#ifdef __cplusplus
}
#endif

#endif
