/* SPDX-License-Identifier: MIT */
/** @file model.h Loaded models, and what the runtime says about them. */
#ifndef AISPIPE_SIMULATOR_MODEL_H
#define AISPIPE_SIMULATOR_MODEL_H

#include "asim.h"

#include "engine.h"

enum { SIM_NO_GEAR = -1 };

/** An input or output, as reported: hidden inputs are among them, images before AIPP are what they are. */
struct asim_port {
    char name[ACL_MAX_TENSOR_NAME_LEN];
    aclDataType type;
    aclFormat format;
    size_t rank;
    int64_t dims[OM_MAX_RANK];
    size_t size;  /**< of the largest gear; 0: not known */
    int of_model; /**< the model's input of this place; −1: hidden */
};

struct asim_shape {
    size_t rank;
    int64_t dims[OM_MAX_RANK];
};

struct asim_model {
    struct asim_model *next;
    uint32_t id;
    unsigned references; /**< loading, descs, queued work */
    unsigned queued;     /**< work that names it */
    bool loaded, executing;
    struct asim_context *context;
    int device;
    struct om_file *om;
    struct engine *engine;
    size_t n_inputs, n_outputs;
    struct asim_port *inputs;
    struct asim_port *outputs;
    struct asim_shape *gear_outputs; /**< n_gears × n_outputs */
    int gear_input;                  /**< ascend_mbatch_shape_data; −1: none */
    ptrdiff_t gear;                  /**< what was set last; SIM_NO_GEAR */
    size_t own_bytes;                /**< device memory that the runtime took itself */
    unsigned dump_generation;        /**< dump.c's, of the dump section that names it; 0: none did */
    unsigned dumps;                  /**< dumped executions so far */
    struct asim_memory *work, *weight;
};

/** The dims of the model's input `i` in a gear. SIM_NO_GEAR: those of the file, −1 among them. */
struct asim_shape asim_model_input_shape(const struct om_file *om, size_t i, ptrdiff_t gear);
/** Bytes that the program feeds to the model's input `i` in a gear; 0: unknown. */
size_t asim_model_input_bytes(const struct om_file *om, size_t i, ptrdiff_t gear);
/** The same when the model's input has this shape. */
size_t asim_model_fed_bytes(const struct om_file *om, size_t i, const struct asim_shape *shape,
                            ptrdiff_t gear);
/** The settings of static AIPP of an input in a gear. */
struct aipp_source asim_model_aipp_source(const struct om_file *om, size_t i, ptrdiff_t gear);
/** Elements × size; 0 when a dim is unknown, or on overflow. */
size_t asim_shape_bytes(const struct asim_shape *shape, size_t element);
void asim_model_let_go(struct asim_model *model);
/** Fills in ports and gears; the engine is open. */
int asim_model_describe(struct asim_model *model, struct aispipe_error *error);

struct asim_desc {
    void *handle;
    struct asim_model *model; /**< NULL until aclmdlGetDesc */
};

/** What aclmdlSetAIPP… fill. The handle comes first. */
struct asim_aipp {
    void *handle;
    uint64_t batch;
    bool format_set;
    struct aipp_source source;
    struct aipp_image images[]; /**< one for each of the batch */
};

#endif
