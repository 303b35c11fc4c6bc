/* SPDX-License-Identifier: MIT */
/** @file openvino_lane.h What executes in the OpenVINO backend: a slot's tensors, and a lane's infer
 * requests. */
#ifndef OPENVINO_LANE_H
#define OPENVINO_LANE_H

#include "openvino_internal.h"

/** The tensors of a slot: inputs, then outputs, each a view of the slot's memory. */
struct openvino_io {
    uint64_t serial; /**< from 1; tells slots apart for good, while an address may be used again */
    struct aispipe_tensor_desc *actual; /**< of the outputs; NULL where all shapes are known */
    uint64_t changes;                   /**< io_bind's so far */
    uint64_t *changed;                  /**< of each tensor: the change that it came with; behind `tensors` */
    ov_tensor_t *tensors[];             /**< NULL where the shape is known after an execution only */
};

/** A request, and which slot's tensors are set on it. */
struct openvino_bound {
    ov_infer_request_t *request;
    uint64_t serial;  /**< of the io; 0: none */
    uint64_t changes; /**< of that io: those after it are not set yet */
};

/** A slot may get a request of its own: setting another slot's tensors costs a third of a small execution. */
struct openvino_own {
    struct openvino_bound bound; /**< no request: not worth it yet */
    uint64_t seen;               /**< serial of the io that came last */
    unsigned times;              /**< … and how often it has */
};

struct openvino_lane {
    struct openvino_model *model;
    struct openvino_bound shared;        /**< for slots without a request of their own */
    struct openvino_own *own;            /**< by serial; NULL: all slots share one request */
    const ov_compiled_model_t *compiled; /**< the model's */
    struct openvino_counter counter;     /**< used when the layers are profiled */
};

/** The backend's lane_create and lane_destroy. */
int openvino_lane_create(void *loaded, enum aispipe_lane_kind kind, unsigned index, void **result,
                         struct aispipe_error *error);
void openvino_lane_destroy(void *loaded, void *created);

/** Gives the request to execute `io` with: all tensors of the slot are set on it. The lane's, until it goes.
 */
int openvino_bind(struct openvino_lane *lane, const struct aispipe_io *io, ov_infer_request_t **request,
                  struct aispipe_error *error);

#endif
