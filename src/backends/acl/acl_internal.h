/* SPDX-License-Identifier: MIT */
/**
 * @file acl_internal.h
 * What the files of the AscendCL backend share: acl.c (the table, the device), acl_library.c (finding
 * libascendcl), acl_process.c (what a process may do once only), acl_exception.c (operators that fail),
 * acl_errors.c (codes and the runtime's words), acl_load.c (the copies of a model), acl_model.c (what it
 * takes and gives), acl_info.c (the same, for who asks), acl_gears.c (shapes that are chosen at run time),
 * acl_aipp.c (images), acl_io.c and acl_memory.c (memory), acl_lane.c (transfers and execution).
 *
 * Contexts: each compute lane has one, with a copy of the model loaded in it, because a copy executes once at
 * a time. Everything else (memory, the streams of h2d and d2h) lives in the first one. Device memory belongs
 * to the device, not to a context, so every lane works on every slot.
 */
#ifndef AISPIPE_BACKENDS_ACL_INTERNAL_H
#define AISPIPE_BACKENDS_ACL_INTERNAL_H

#include "acl_library.h"
#include "aipp_config.h"
#include "aispipe/backend.h"

#include <stdatomic.h>

/** Highest device id, as on the command line. */
#define ACL_MAX_DEVICE 255

struct acl_device {
    struct acl_library acl;
    struct aispipe_log log;
    int id;
    bool entered;       /**< this device has a part in acl_process */
    bool aipp_later;    /**< models with dynamic AIPP get their settings after they are loaded */
    bool share_weights; /**< engine option SHARE_WEIGHTS */
    char *aipp_path;    /**< where `aipp` is from; NULL: no settings for AIPP */
    struct aispipe_aipp aipp;
    unsigned lanes;       /**< compute lanes that were announced; ≥ 1 */
    const char *acl_json; /**< for aclInit; NULL: none, and after open */
    unsigned n_contexts;
    aclrtContext *contexts; /**< one per compute lane */
    /** A call has failed: what fails after that, while things are released, is a consequence. */
    _Atomic bool failed;
    struct acl_device *next; /**< in the list of those that hear of exceptions */
};

/** A model as it is loaded in one context. */
struct acl_copy {
    uint32_t id;
    void *work; /**< device memory that it computes in; NULL: it has its own */
};

/** One input or output of the model, hidden ones included. */
struct acl_port {
    size_t reported; /**< by the runtime: bytes, of the largest gear; 0: unknown */
    size_t bytes;    /**< of its device buffer, in the chosen shape */
    size_t image;    /**< of an open shape with static AIPP: bytes of one image that is fed; 0: the shape's */
    int shown;       /**< its index in the description; −1: hidden */
};

struct acl_model {
    struct acl_device *device;
    char *path;
    struct acl_copy *copies; /**< one per context */
    unsigned n_copies;       /**< loaded so far */
    void *weights;           /**< device memory that the copies share; NULL: each has its own */
    aclmdlDesc *handle;
    size_t n_inputs; /**< hidden ones included */
    size_t n_outputs;
    struct acl_port *ports; /**< inputs, then outputs */
    struct aispipe_model_desc desc;
    struct aispipe_tensor_desc *tensors;  /**< inputs, then from [n_inputs] outputs: in the chosen shape */
    struct aispipe_tensor_desc *declared; /**< the same, as the file says; owns the names */

    /* What there is to choose from: at most one of these. */
    aclmdlBatch batch;
    aclmdlHW hw;
    size_t n_dims;
    aclmdlIODims *dims;
    size_t gear_input; /**< the hidden input that carries the gear */

    /* Dynamic AIPP. */
    size_t n_aipp;        /**< hidden inputs for settings */
    size_t aipp_settings; /**< the hidden input that carries them */
    size_t aipp_images;   /**< the input they are for */
    aclmdlAIPP *aipp;     /**< NULL: none */

    /* What is chosen. */
    enum aispipe_shape_mode mode;
    uint64_t batch_size, height, width;
    size_t gear;                              /**< index into `dims` */
    bool each;                                /**< every batch has its own */
    struct aispipe_tensor_desc *gear_outputs; /**< with `each`: [gear][output] */
};

/** The datasets of a slot; `io->device`. */
struct acl_io {
    aclmdlDataset *input;
    aclmdlDataset *output;
    aclDataBuffer **buffers;            /**< inputs, then outputs, as the model's ports */
    void **memory;                      /**< the same: device memory */
    void **bound;                       /**< the same: a tensor's memory instead; NULL: none */
    size_t gear;                        /**< of the last execution, for models with gears of dimensions */
    aclTensorDesc **descs;              /**< of the inputs, when the shape is open */
    struct aispipe_tensor_desc *actual; /**< outputs as they turned out, when the shape is open */
};

/* ---------------------------------------------------------------- acl_errors.c */

/** The name of a code; of an unknown one, what its number range stands for. Static storage. */
const char *acl_error_name(aclError code);
/**
 * Returns 0 for a code of 0. Otherwise fills `error` with what was called (the format), the code, its name
 * and the runtime's words. A model that the runtime refuses is AISPIPE_MODEL, lack of memory
 * AISPIPE_NO_MEMORY, the rest AISPIPE_FAULT.
 */
int acl_check(struct acl_device *device, aclError code, struct aispipe_error *error, const char *format, ...)
    AISPIPE_PRINTF(4, 5);
/** For calls that return something instead of a code: AISPIPE_FAULT unless `ok`. */
int acl_expect(struct acl_device *device, bool ok, struct aispipe_error *error, const char *format, ...)
    AISPIPE_PRINTF(4, 5);
/** For what is released, where nobody can be told: the first failure of a device is an error line. */
void acl_released(struct acl_device *device, aclError code, const char *what);

/* ---------------------------------------------------------------- acl_process.c */

/** aclInit unless it is done, aclrtSetDevice unless it is done. Thread-safe. */
int acl_process_enter(struct acl_device *device, struct aispipe_error *error);
/** Room for a processor's name. */
#define ACL_PROCESSOR 64
/** How many devices there are, and the name of their processor, without one being opened. Thread-safe. */
int acl_process_count(struct acl_device *device, uint32_t *count, char processor[ACL_PROCESSOR],
                      struct aispipe_error *error);
/** Undoes it, but for aclInit; with the last user of a device it is reset. */
void acl_process_leave(struct acl_device *device);
/** struct aispipe_backend's `finish`: undoes aclInit. */
int acl_finish(struct aispipe_error *error);

/* ---------------------------------------------------------------- acl_exception.c */

/** From now on the operands of an operator that fails on this device are written to the working directory. */
int acl_watch_exceptions(struct acl_device *device, struct aispipe_error *error);
/** Allowed for a device that is not watched. */
void acl_unwatch_exceptions(struct acl_device *device);

/* ---------------------------------------------------------------- contexts */

/** Makes the context of compute lane `lane` the current one of this thread. */
int acl_enter(struct acl_device *device, unsigned lane, struct aispipe_error *error);
/** The same in order to release something; false: it cannot be done, and what lives there is left to the
 * reset. */
bool acl_return_to(struct acl_device *device, unsigned lane);

/* ---------------------------------------------------------------- acl_load.c, acl_model.c */

/** Loads and describes. On failure `*result` is NULL. */
int acl_load(void *opened, const char *path, void **result, struct aispipe_error *error);
void acl_unload(void *loaded);
/** Fills handle, ports, tensors, desc and gears from the first copy. */
int acl_describe_model(struct acl_model *model, struct aispipe_error *error);
/** Frees what acl_describe_model has made. */
void acl_forget_description(struct acl_model *model);
/** The runtime's dimensions into a description; too many are refused. */
int acl_take_dims(const struct acl_model *model, const aclmdlIODims *dims, struct aispipe_tensor_desc *desc,
                  struct aispipe_error *error);

/* ---------------------------------------------------------------- acl_aipp.c */

/** Reads --aipp_config; NULL: there is none. The device keeps the path, to be freed. */
int acl_aipp_read(struct acl_device *device, const char *path, struct aispipe_error *error);
/**
 * For a model that has been described: makes the settings, and describes the images if the shape is fixed.
 * Nothing for a model without dynamic AIPP, but for a warning where there are settings.
 */
int acl_aipp_create(struct acl_model *model, struct aispipe_error *error);
/** Allowed without any. */
void acl_aipp_destroy(struct acl_model *model);
/** In the chosen shape: describes the images that are fed, and sets the size of their buffer. */
int acl_aipp_describe(struct acl_model *model, struct aispipe_error *error);
/** The backend's set_aipp. */
int acl_set_aipp(void *loaded, const struct aispipe_aipp *aipp, struct aispipe_error *error);
/** Gives a dataset of inputs, which has its buffers, the settings. */
int acl_aipp_attach(const struct acl_model *model, aclmdlDataset *dataset, struct aispipe_error *error);

/* ---------------------------------------------------------------- acl_gears.c, acl_shape.c */

int acl_read_gears(struct acl_model *model, struct aispipe_error *error);
/** Which kind of shape the model must be given; STATIC: none. */
enum aispipe_shape_mode acl_shape_mode(const struct acl_model *model);
/** An error that lists what the model can be given, and with which option. `given`: what was, as "--x 1: ".
 */
int acl_refuse_shape(const struct acl_model *model, const char *given, struct aispipe_error *error);
int acl_set_shape(void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error);
/** Refuses a model that takes no shape of this mode, whatever its dimensions. */
int acl_check_shape(const void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error);
/** Refuses a model that needs a shape. */
int acl_check_ready(const void *loaded, struct aispipe_error *error);
/** Tells the runtime the shape of the datasets, for the next execution of copy `id`; `shaped`: of this batch.
 */
int acl_select_shape(const struct acl_model *model, uint32_t id, struct acl_io *own,
                     const struct aispipe_tensor_desc *shaped, struct aispipe_error *error);
/** After an execution: what the outputs have become. */
int acl_take_outputs(const struct acl_model *model, struct aispipe_io *io, struct aispipe_error *error);

/** The gear of which these are the inputs; ACL_NO_GEAR: none. */
size_t acl_find_gear(const struct acl_model *model, const struct aispipe_tensor_desc *inputs);
#define ACL_NO_GEAR SIZE_MAX
/** Buffers of the inputs get the sizes of their descriptions. */
void acl_take_sizes(struct acl_model *model);
/** Describes the outputs in the chosen gear. */
int acl_probe_outputs(struct acl_model *model, struct aispipe_error *error);
/** Gives outputs that are open the memory that was asked for. */
int acl_set_open_outputs(struct acl_model *model, const struct aispipe_shape *shape,
                         struct aispipe_error *error);
/** acl_each.c: acl_set_shape where every batch has its own. */
int acl_set_each(struct acl_model *model, const struct aispipe_shape *shape, struct aispipe_error *error);

/* ---------------------------------------------------------------- acl_io.c, acl_memory.c, acl_lane.c */

size_t acl_io_bytes(const void *loaded);
int acl_host_alloc(void *loaded, size_t bytes, void **result, struct aispipe_error *error);
void acl_host_free(void *loaded, void *memory);
int acl_io_create(void *loaded, struct aispipe_io *io, struct aispipe_error *error);
void acl_io_destroy(void *loaded, struct aispipe_io *io);
int acl_io_bind(void *loaded, struct aispipe_io *io, bool output, size_t index, void *memory,
                struct aispipe_error *error);
/** Where input or output `port` of a slot is on the device. */
static inline void *acl_address(const struct acl_io *own, size_t port)
{
    return own->bound[port] ? own->bound[port] : own->memory[port];
}

int acl_memory_alloc(void *opened, size_t bytes, void **memory, struct aispipe_error *error);
void acl_memory_free(void *opened, void *memory);
int acl_memory_copy(void *opened, void *to, const void *from, size_t bytes, enum aispipe_transfer direction,
                    struct aispipe_error *error);

/* ---------------------------------------------------------------- acl_info.c */

void acl_model_info(const void *loaded, struct aispipe_model_info *info);
void acl_tensor_info(const void *loaded, bool output, size_t index, struct aispipe_tensor_info *info);

int acl_lane_create(void *loaded, enum aispipe_lane_kind kind, unsigned index, void **result,
                    struct aispipe_error *error);
void acl_lane_destroy(void *loaded, void *created);
int acl_h2d(void *created, struct aispipe_io *io, struct aispipe_error *error);
int acl_compute(void *created, struct aispipe_io *io, struct aispipe_error *error);
int acl_d2h(void *created, struct aispipe_io *io, struct aispipe_error *error);

#endif
