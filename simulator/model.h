/* SPDX-License-Identifier: MIT */
/** @file model.h Loaded models, and what the runtime says about them. */
#ifndef AISPIPE_SIMULATOR_MODEL_H
#define AISPIPE_SIMULATOR_MODEL_H

#include "sim.h"

#include "engine.h"

enum { SIM_NO_GEAR = -1 };

/** An input or output, as reported: hidden inputs are among them, images before AIPP are what they are. */
struct sim_port {
    char name[ACL_MAX_TENSOR_NAME_LEN];
    aclDataType type;
    aclFormat format;
    size_t rank;
    int64_t dims[OM_MAX_RANK];
    size_t size; /**< of the largest gear; 0: not known */
    int of_model; /**< the model's input of this place; −1: hidden */
};

struct sim_shape {
    size_t rank;
    int64_t dims[OM_MAX_RANK];
};

struct sim_model {
    struct sim_model *next;
    uint32_t id;
    unsigned references; /**< loading, descs, queued work */
    unsigned queued;     /**< work that names it */
    bool loaded, executing;
    struct sim_context *context;
    int device;
    struct om_file *om;
    struct engine *engine;
    size_t n_inputs, n_outputs;
    struct sim_port *inputs;
    struct sim_port *outputs;
    struct sim_shape *gear_outputs; /**< n_gears × n_outputs */
    int gear_input;                 /**< ascend_mbatch_shape_data; −1: none */
    ptrdiff_t gear;                 /**< what was set last; SIM_NO_GEAR */
    size_t own_bytes;               /**< device memory that the runtime took itself */
    struct sim_memory *work, *weight;
};

/** The dims of the model's input `i` in a gear. SIM_NO_GEAR: those of the file, −1 among them. */
struct sim_shape sim_model_input_shape(const struct om_file *om, size_t i, ptrdiff_t gear);
/** Bytes that the program feeds to the model's input `i` in a gear; 0: unknown. */
size_t sim_model_input_bytes(const struct om_file *om, size_t i, ptrdiff_t gear);
/** The settings of static AIPP of an input in a gear. */
struct aipp_source sim_model_aipp_source(const struct om_file *om, size_t i, ptrdiff_t gear);
/** Elements × size; 0 when a dim is unknown, or on overflow. */
size_t sim_shape_bytes(const struct sim_shape *shape, size_t element);
void sim_model_let_go(struct sim_model *model);
/** Fills in ports and gears; the engine is open. */
int sim_model_describe(struct sim_model *model, struct aispipe_error *error);

struct sim_desc {
    void *handle;
    struct sim_model *model; /**< NULL until aclmdlGetDesc */
};

/** What aclmdlSetAIPP… fill. The handle comes first. */
struct sim_aipp {
    void *handle;
    uint64_t batch;
    struct aipp_source source;
    struct aipp_image images[]; /**< one for each of the batch */
};

#endif
