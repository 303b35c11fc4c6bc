/* SPDX-License-Identifier: MIT */
/** @file sim_model.h The model of the simulated device: what a `*.sim.json` file says, read and checked. */
#ifndef AISPIPE_BACKENDS_SIM_MODEL_H
#define AISPIPE_BACKENDS_SIM_MODEL_H

#include "aispipe/backend.h"

/** Stages of the simulated device, numbered like `enum aispipe_lane_kind`. */
#define SIM_STAGES 3

/** How one of h2d, compute and d2h behaves. Times are worked out when the model is read. */
struct sim_stage {
    uint64_t nominal_ns; /**< fixed latency plus what its bytes take; without jitter */
    double jitter_ns;    /**< added: uniform in [0, jitter_ns) */
    uint64_t seed;
    bool spin; /**< burn the processor instead of sleeping */
    bool fails;
    uint64_t fail_at; /**< with `fails`: the batch that ends in an error */
    bool hangs;
    uint64_t hang_at; /**< with `hangs`: the batch before which it stands still for hang_ns */
    uint64_t hang_ns;
};

struct sim_model {
    struct aispipe_model_desc desc;
    size_t input_bytes;  /**< of all inputs together */
    size_t output_bytes; /**< of all outputs together */
    struct sim_stage stage[SIM_STAGES];
    struct aispipe_tensor_desc *tensors; /**< inputs, then outputs; names are owned */
};

/** "h2d", "compute", "d2h". */
const char *sim_stage_name(enum aispipe_lane_kind kind);
/** Reads and checks the file. The error names the file and the key. `*model` is NULL on failure. */
int sim_model_read(const char *path, struct sim_model **model, struct aispipe_error *error);
/** NULL is allowed. */
void sim_model_free(struct sim_model *model);

#endif
