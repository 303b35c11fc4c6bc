/* SPDX-License-Identifier: MIT */
/**
 * @file backend.h
 * What an engine implements so that the pipeline can use it: one table of functions, found by name.
 *
 * Life of the objects, each made from the one before and destroyed in reverse order:
 *
 *     device (open) ─> model (load) ─> io (one per batch slot)     data of one batch
 *                                 └──> lane (one per stage thread) what a thread needs to work: a stream,
 *                                                                  an infer request, a context
 *
 * Which thread calls what: everything but h2d, compute and d2h is called from the thread that drives the
 * pipeline, never concurrently for one model. h2d, compute and d2h are called by stage threads; one lane is
 * used by one thread at a time, one io by one thread at a time, different lanes at the same time.
 * (During warm-up the driving thread uses the lanes, before any stage thread exists.) A program that runs on
 * several devices has a driving thread for each, and these call `open`, `load` and the rest at the same time.
 *
 * src/backends/sim.c is the smallest complete example. docs/adding-a-backend.md is the walk-through.
 */
#ifndef AISPIPE_BACKEND_H
#define AISPIPE_BACKEND_H

#include "aispipe/infer.h"

/** Most inputs or outputs a model may have. */
#define AISPIPE_MAX_TENSORS 128

enum aispipe_backend_caps {
    /** Device memory is host memory: h2d and d2h are NULL and the stages hand the batch on untouched. */
    AISPIPE_CAP_HOST_MEMORY = 1u << 0,
    /** `aipp_config` is understood. */
    AISPIPE_CAP_AIPP = 1u << 1,
    /** `open` hands acl_json to the device runtime. */
    AISPIPE_CAP_ACL_JSON = 1u << 2,
};

/** What a backend is opened with. Borrowed for the length of `open`. */
struct aispipe_backend_config {
    int device_id;
    const char *engine_device; /**< NULL: the backend's own default */
    const char *const *engine_options;
    size_t n_engine_options;
    unsigned compute_threads; /**< compute lanes that will exist; ≥ 1 */
    bool profile;             /**< save_profile will be called */
    bool dump;                /**< dump will be called: `load` refuses a model with which it cannot work */
    const char *aipp_config;  /**< NULL without AISPIPE_CAP_AIPP, and where there is none */
    bool aipp_later;          /**< set_aipp will be called: `load` takes models that wait for it */
    bool memory_only;         /**< no model will be loaded: only memory_* will be called */
    const char *acl_json;     /**< NULL: none; only with AISPIPE_CAP_ACL_JSON */
    struct aispipe_log log;   /**< may be kept */
};

/** The data of one batch: host buffers that the pipeline owns, device resources that the backend owns. */
struct aispipe_io {
    uint64_t batch;       /**< number of the batch now in it */
    bool warmup;          /**< an untimed execution: faults are not injected, nothing is recorded */
    void *const *inputs;  /**< host memory of input i, 64-byte aligned, size of the model's input i */
    void *const *outputs; /**< the same for outputs */
    /** Inputs as this batch has them, where every batch has a shape of its own (aispipe_shape.each). NULL: as
     * described. */
    const struct aispipe_tensor_desc *shaped;
    /**
     * Single executions (infer.h): of each input, then each output, whether it is on the device already, or
     * is to stay there: h2d and d2h leave it out. NULL: none of them. Not NULL: what io->inputs and
     * io->outputs point to is ordinary memory, and not from host_alloc.
     */
    const bool *resident;
    void *device; /**< the backend's own, set by io_create */
    /** Outputs as they turned out, one for each, where the model describes some as unknown: the backend's
     * own, set by compute or d2h, valid until that io computes again. NULL: as described. */
    const struct aispipe_tensor_desc *actual;
};

enum aispipe_lane_kind { AISPIPE_LANE_H2D, AISPIPE_LANE_COMPUTE, AISPIPE_LANE_D2H };

/** A device that this machine has. Strings are the backend's, for the length of the call. */
struct aispipe_found_device {
    const char *name;      /**< as it is asked for: "0" (--device), "CPU" (--engine_device) */
    const char *full_name; /**< what its maker calls it; "" when not known */
};

struct aispipe_backend {
    const char *name;                  /**< what --backend takes */
    const char *description;           /**< half a line for people */
    const char *const *model_suffixes; /**< NULL-ended; what `auto` goes by (".onnx"); lower case */
    uint32_t caps;                     /**< enum aispipe_backend_caps */

    /**
     * Optional: calls `found` for each device, in the engine's order, without opening any. Where the engine
     * itself is missing, an error that says what was looked for and where. Thread-safe.
     */
    int (*list)(void (*found)(void *context, const struct aispipe_found_device *device), void *context,
                struct aispipe_error *error);

    /** Loads the vendor library if there is one and opens the device. */
    int (*open)(const struct aispipe_backend_config *config, void **device, struct aispipe_error *error);
    void (*close)(void *device);
    /** Optional: writes where an open device is on the PCI bus ("0000:c1:00.0"). False: not known. */
    bool (*pci_address)(void *device, char *address, size_t capacity);
    /** Optional: ends what is there once for the process, beyond devices. Refused while one is open; nothing
     * to do is no error. Thread-safe. */
    int (*finish)(struct aispipe_error *error);

    /** Reads and compiles the model. Unknown dimensions are described as −1 and left to set_shape; who has
     * none refuses them with an AISPIPE_MODEL error naming input and axis. */
    int (*load)(void *device, const char *path, void **model, struct aispipe_error *error);
    void (*unload)(void *model);
    /** Valid until unload. */
    const struct aispipe_model_desc *(*describe)(const void *model);

    /**
     * Optional: gives the model's unknown dimensions their sizes (src/shape.h reads `shape->dims`). Called
     * after load, and again while there is no io and no lane. Afterwards describe() has the sizes of all
     * inputs; an output that is known only after execution keeps its −1 and has the size that
     * `shape->output_sizes` gives, 0 where it gives none. Refuses a model without unknown dimensions, and
     * names input, axis and both numbers where a size contradicts the model's. AISPIPE_SHAPE_STATIC comes
     * only with output_sizes. With shape->each, open inputs stay open too, with the most bytes as size, and
     * every batch brings its own in io->shaped.
     */
    int (*set_shape)(void *model, const struct aispipe_shape *shape, struct aispipe_error *error);

    /**
     * Optional: refuses a model that cannot run as it is, because a shape must be chosen for it first, with a
     * sentence that lists what there is to choose from. Called after load when no shape was given.
     */
    int (*check_ready)(const void *model, struct aispipe_error *error);

    /**
     * Optional: refuses a model for which set_shape would refuse every shape of this mode and with these
     * output sizes, with a sentence that says what the model takes and names no option of the shape.
     * `shape->dims` are not looked at. NULL: a model takes every mode if it has unknown dimensions.
     */
    int (*check_shape)(const void *model, const struct aispipe_shape *shape, struct aispipe_error *error);

    /** Device bytes that one io takes beside its host buffers; NULL: none. */
    size_t (*io_bytes)(const void *model);
    /** Optional pair: host memory that transfers fastest (pinned). NULL: ordinary aligned memory. */
    int (*host_alloc)(void *model, size_t bytes, void **memory, struct aispipe_error *error);
    void (*host_free)(void *model, void *memory);

    /** Makes io->device from the buffers already in `io`. Optional pair. */
    int (*io_create)(void *model, struct aispipe_io *io, struct aispipe_error *error);
    void (*io_destroy)(void *model, struct aispipe_io *io);

    /**
     * Optional; single executions need it. From the next h2d or compute on, output or input `index` of this
     * io lies in `memory`: host memory with AISPIPE_CAP_HOST_MEMORY, where io->inputs or io->outputs say the
     * same; otherwise memory of this device, NULL: the io's own again. It is as large as the tensor. Called
     * by the thread that has the io.
     */
    int (*io_bind)(void *model, struct aispipe_io *io, bool output, size_t index, void *memory,
                   struct aispipe_error *error);

    /** Optional, without AISPIPE_CAP_HOST_MEMORY: memory of a device for tensors. Any thread, any number at a
     * time. */
    int (*memory_alloc)(void *device, size_t bytes, void **memory, struct aispipe_error *error);
    void (*memory_free)(void *device, void *memory);
    /** `bytes` > 0. Complete when it returns. */
    int (*memory_copy)(void *device, void *to, const void *from, size_t bytes,
                       enum aispipe_transfer direction, struct aispipe_error *error);

    /** Optional: what the model lets one choose. NULL: SHAPE where describe() is open after load, no gears.
     */
    void (*model_info)(const void *model, struct aispipe_model_info *info);
    /** Optional: the tensor as declared; everything but real_size is set. NULL: as described after load. */
    void (*tensor_info)(const void *model, bool output, size_t index, struct aispipe_tensor_info *info);
    /** With AISPIPE_CAP_AIPP: new settings, which are in range. Called while there is no io and no lane. */
    int (*set_aipp)(void *model, const struct aispipe_aipp *aipp, struct aispipe_error *error);

    /** State of one stage thread. `index` counts the lanes of a kind from 0. */
    int (*lane_create)(void *model, enum aispipe_lane_kind kind, unsigned index, void **lane,
                       struct aispipe_error *error);
    void (*lane_destroy)(void *model, void *lane);

    /** Each is complete when it returns. h2d and d2h are NULL with AISPIPE_CAP_HOST_MEMORY. */
    int (*h2d)(void *lane, struct aispipe_io *io, struct aispipe_error *error);
    int (*compute)(void *lane, struct aispipe_io *io, struct aispipe_error *error);
    int (*d2h)(void *lane, struct aispipe_io *io, struct aispipe_error *error);

    /** Optional: writes the layers' times into `directory`. All lanes have been destroyed before. */
    int (*save_profile)(void *model, const char *directory, struct aispipe_error *error);
    /** Optional: executes one batch and writes every layer's output into `directory`. No lane is at work. */
    int (*dump)(void *model, void *const *inputs, const char *directory, struct aispipe_error *error);
};

#endif
