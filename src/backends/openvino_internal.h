/* SPDX-License-Identifier: MIT */
/**
 * @file openvino_internal.h
 * What the files of the OpenVINO backend share: openvino.c (the table, slots and execution),
 * openvino_format.c (a first look at a model file), openvino_model.c (reading and describing a model),
 * openvino_shape.c (unknown dimensions),
 * openvino_compile.c (compiling it for its lanes), openvino_errors.c (the engine's words).
 */
#ifndef AISPIPE_BACKENDS_OPENVINO_INTERNAL_H
#define AISPIPE_BACKENDS_OPENVINO_INTERNAL_H

#include "aispipe/backend.h"
#include "openvino_library.h"

/** Most properties one model is compiled with: the user's and ours. */
#define OPENVINO_MAX_OPTIONS 32

/** Room for the engine's reason as one line. */
#define OPENVINO_REASON 1024

struct openvino_option {
    char *key; /**< owns `value` too: "KEY\0VALUE" */
    const char *value;
};

/** The opened engine: its library, its core, and what the user asked of it. */
struct openvino_device {
    struct openvino_library ov;
    ov_core_t *core;
    char *name; /**< OpenVINO's name: "CPU", "GPU.1", "AUTO:GPU,CPU" */
    struct openvino_option *options;
    size_t n_options;
    unsigned lanes; /**< executions that run at a time */
    bool is_cpu;    /**< the CPU plugin itself, about which the rules on streams are */
    bool takes_precision_hint;
    struct aispipe_log log;
};

struct openvino_model {
    struct openvino_device *device;
    char *path;
    ov_model_t *read; /**< as read; released when it is compiled, unless it is to be given shapes */
    ov_compiled_model_t **compiled;
    unsigned n_compiled; /**< 1: shared by the lanes; otherwise one per lane */
    struct aispipe_model_desc desc;
    struct aispipe_tensor_desc *tensors;     /**< inputs, then outputs */
    struct aispipe_tensor_desc *declared;    /**< the same as the file says; NULL where nothing is open */
    const struct aispipe_tensor_desc *trial; /**< inputs for a trial run where they are open; else NULL */
    bool open_outputs;                       /**< an output's shape is known after an execution only */
    ov_element_type_e *types;                /**< the engine's types of the same */
    /**
     * Of each output: the input that it hands through unchanged, −1 for most. Both are one tensor with one
     * name to the engine, which would then read the input from the output's buffer: such an output is copied.
     */
    int *handed_through;
    bool narrows; /**< an input is of a type that the device computes in 32 bits (see check_narrowed) */
    uint64_t ios; /**< made so far: numbers them (see openvino_io.serial) */
};

/** Turns the engine's message for the last failed call into one line without its source positions. */
const char *openvino_reason(const struct openvino_library *ov, ov_status_e status,
                            char reason[OPENVINO_REASON]);

/** The user's value of a property; NULL when it was not given. */
const char *openvino_option(const struct openvino_device *device, const char *key);

/** Refuses a file that is missing, cut off, or of another kind than its ending says. */
int openvino_check_file(const char *path, struct aispipe_error *error);

/** Makes model->compiled from model->read. What has been made is freed by openvino_unload, also on failure.
 */
int openvino_compile(struct openvino_model *model, const char *path, struct aispipe_error *error);

/** Frees model->compiled. */
void openvino_release_compiled(struct openvino_model *model);

/** Fills in what the engine now says of the shapes of inputs and outputs; the names are there already. */
int openvino_describe_shapes(struct openvino_model *model, struct aispipe_error *error);

/** The backend's set_shape: reshapes and compiles. */
int openvino_set_shape(void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error);

/** Gives the request the inputs of a batch whose shape is its own; those that are fixed are set already. */
int openvino_set_shaped(const struct openvino_model *model, ov_infer_request_t *request,
                        const struct aispipe_io *io, struct aispipe_error *error);

/**
 * After an execution: copies the outputs whose shape was not known into the slot, and describes all of them
 * in `actual`. Fails when one does not fit into the memory set aside for it.
 */
int openvino_take_outputs(const struct openvino_model *model, ov_infer_request_t *request,
                          void *const *outputs, struct aispipe_tensor_desc *actual,
                          struct aispipe_error *error);

/** Reads and describes, and compiles where no dimension is unknown. On failure `*result` is NULL. */
int openvino_load(void *device, const char *path, void **result, struct aispipe_error *error);
void openvino_unload(void *loaded);

#endif
