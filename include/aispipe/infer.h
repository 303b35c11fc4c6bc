/* SPDX-License-Identifier: MIT */
/**
 * @file infer.h
 * Single executions: arrays or tensors in, tensors out.
 *
 *     struct aispipe_feed feed = {.data = pixels, .size = sizeof pixels};
 *     struct aispipe_tensor *scores;
 *     aispipe_session_infer(session, &feed, 1, NULL, &scores, &error);
 *     … aispipe_tensor_data(scores) …
 *     aispipe_tensor_release(scores);
 *
 * Threads: every call on one session may be made by several threads at once, but for aispipe_session_close.
 * As many executions as the session's `compute_threads` run side by side; further callers wait. A change of
 * shape or of AIPP settings waits until no execution runs. While a pipeline of the session is alive,
 * executions are refused (AISPIPE_INVALID), and aispipe_pipeline_create waits for those that run.
 *
 * After fork, the child must not use what its parent opened: calls there return AISPIPE_CLOSED and never
 * wait; closing and releasing are allowed and touch no engine.
 *
 * With no other thread in the way an execution costs little more than the engine's own call: nothing is
 * allocated once as many outputs have been made as are alive at a time.
 */
#ifndef AISPIPE_INFER_H
#define AISPIPE_INFER_H

#include "aispipe/aispipe.h"
#include "aispipe/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- executing */

/** One input of one execution: either host memory or a tensor. Zero-initialise. */
struct aispipe_feed {
    /** C-contiguous host memory, borrowed for the call. The CPU engine reads it in place, unless it is small
     * or not aligned to its element type. */
    const void *data;
    size_t size; /**< bytes at `data` */
    /** Instead of `data`: a tensor on the host, or on the session's device. Its bytes and shape count. */
    struct aispipe_tensor *tensor;
    /** Dimensions of `data`, looked at with `shape_from_feeds` only. NULL: a scalar if `rank` is 0. */
    const int64_t *dims;
    int rank;
};

/** How to execute. Zero-initialised, or NULL: once, in the shape that is set, all outputs to the host. */
struct aispipe_infer_options {
    /** Sets this shape first, as aispipe_session_set_shape does, and no other thread comes between. NULL: as
     * it is. The shape that is set already costs nothing. */
    const struct aispipe_shape *shape;
    /** The shape is that of the feeds: whatever the model leaves open is taken from them. For models with no
     * open dimension the feeds must have the model's shapes. Not together with `shape`. */
    bool shape_from_feeds;
    bool on_device; /**< outputs stay on the device and can be fed again without a copy to the host */
    unsigned loop;  /**< executions, each one timed; 0: as set by aispipe_session_set_loop */
    bool untimed;   /**< a warm-up: leaves no trace in the statistics */
    /** Indexes of the outputs that are wanted, in the order wanted. NULL: all, in the model's order. */
    const size_t *outputs;
    size_t n_outputs; /**< with `outputs`; 0: none, the execution is timed only */
};

/**
 * Executes the model once (or `loop` times) on `n_feeds` inputs, in the model's order (hidden inputs are not
 * fed). The number of bytes of each must be exactly the input's: the error names the input and both sizes.
 * `outputs` receives as many tensors as there are wanted outputs, each with a reference for the caller; on
 * failure none. On the host they are views of memory that the session pools, and that is used again only when
 * nobody refers to the tensor any more. `outputs` may be NULL when `n_outputs` is 0.
 *
 * AISPIPE_INVALID: number or size of feeds, a tensor that is on another device, no shape chosen, a pipeline
 * is alive. AISPIPE_CLOSED: the session was shut down, or a tensor's device was finalised. AISPIPE_DEVICE,
 * AISPIPE_FAULT: the engine failed; the session can be used again where the engine can.
 */
AISPIPE_API int aispipe_session_infer(struct aispipe_session *session, const struct aispipe_feed *feeds,
                                      size_t n_feeds, const struct aispipe_infer_options *options,
                                      struct aispipe_tensor **outputs, struct aispipe_error *error);

/** Executions per call where a call does not say; ≥ 1, at first 1. 0 is an AISPIPE_INVALID error. */
AISPIPE_API int aispipe_session_set_loop(struct aispipe_session *session, unsigned loop,
                                         struct aispipe_error *error);

/**
 * Ends the use of the session: waits for executions that run, unloads the model, closes the device. Calls
 * that wait, and later ones, return AISPIPE_CLOSED; aispipe_session_model returns NULL. Outputs stay
 * readable, device tensors too. May be called again. No pipeline of it may be alive. The object itself stays
 * until aispipe_session_close, which no other call may overlap.
 */
AISPIPE_API void aispipe_session_shutdown(struct aispipe_session *session);

/* ---------------------------------------------------------------- the model */

/** What there is to know of an input or output beyond aispipe_tensor_desc. */
struct aispipe_tensor_info {
    const char *name; /**< valid until shutdown */
    enum aispipe_dtype dtype;
    int format; /**< number of AscendCL's `aclFormat`: 0 NCHW, 1 NHWC, 2 ND, …; engines that have none: 2 */
    int rank;   /**< −1 when not known */
    int64_t dims[AISPIPE_MAX_RANK]; /**< as the model declares them: −1 where open */
    size_t size;                    /**< bytes of the largest gear, or in the one shape; 0: unknown */
    size_t real_size;               /**< bytes in the shape that is set; 0: unknown */
};

/** Input `index`, hidden inputs not counted. AISPIPE_INVALID when there is none, AISPIPE_CLOSED. */
AISPIPE_API int aispipe_session_input_info(struct aispipe_session *session, size_t index,
                                           struct aispipe_tensor_info *info, struct aispipe_error *error);
AISPIPE_API int aispipe_session_output_info(struct aispipe_session *session, size_t index,
                                            struct aispipe_tensor_info *info, struct aispipe_error *error);

/** Index of the output of this name. AISPIPE_INVALID with the names that there are; AISPIPE_CLOSED. */
AISPIPE_API int aispipe_session_find_output(struct aispipe_session *session, const char *name, size_t *index,
                                            struct aispipe_error *error);
AISPIPE_API int aispipe_session_find_input(struct aispipe_session *session, const char *name, size_t *index,
                                           struct aispipe_error *error);

/** What a model lets one choose. */
struct aispipe_model_info {
    /** What is open, and how it is chosen: STATIC for nothing. Engines without gears say SHAPE, and take
     * BATCH, HW and DIMS as well. */
    enum aispipe_shape_mode mode;
    size_t n_gears;         /**< of BATCH, HW or DIMS on Ascend; else 0 */
    uint64_t largest_batch; /**< largest gear of BATCH; 0 where there are none */
    size_t n_aipp_inputs;   /**< inputs with dynamic AIPP */
    bool aipp_set;          /**< their settings are there */
};

AISPIPE_API int aispipe_session_model_info(struct aispipe_session *session, struct aispipe_model_info *info,
                                           struct aispipe_error *error);

/* ---------------------------------------------------------------- shapes */

/*
 * aispipe_session_set_shape (aispipe.h) may be called between executions as often as one likes, also by
 * several threads; the shape that is set already costs nothing. AISPIPE_SHAPE_STATIC without output_sizes
 * says that the model's own dimensions are wanted, and fails where they are not known.
 */

/**
 * Bytes to set aside for each output from the next change of shape on, for shapes that come without
 * `output_sizes` of their own; at once where a shape is set that has none. n_sizes is the number of outputs,
 * or 1: the same for all, or 0: forget. Outputs whose size is known keep it, also where more is given.
 */
AISPIPE_API int aispipe_session_set_output_sizes(struct aispipe_session *session, const size_t *sizes,
                                                 size_t n_sizes, struct aispipe_error *error);

/* ---------------------------------------------------------------- AIPP */

/** Settings of dynamic AIPP, with the names of the configuration file (docs/ascend.md). Zero-initialise;
 * input_format and the two sizes are required. */
struct aispipe_aipp {
    int32_t input_format;                       /**< 1 YUV420SP_U8, 2 XRGB8888_U8, 3 RGB888_U8, 4 YUV400_U8 */
    int32_t src_image_size_w, src_image_size_h; /**< 2–4096, 1–4096 */
    int32_t rbuv_swap_switch, ax_swap_switch;   /**< 0, 1 */
    int32_t csc_switch;                         /**< 0, 1 */
    int32_t matrix[3][3];                       /**< [row][column], −32677…32676 */
    int32_t output_bias[3], input_bias[3];      /**< 0–255 */
    int32_t crop;                               /**< 0, 1 */
    int32_t load_start_pos_w, load_start_pos_h; /**< 0–4095 */
    int32_t crop_size_w, crop_size_h;           /**< 1–4096 with crop */
    int32_t padding;                            /**< 0, 1 */
    int32_t padding_size_top, padding_size_bottom, padding_size_left, padding_size_right; /**< 0–32 */
    int32_t mean_chn[4];                                                                  /**< 0–255 */
    float min_chn[4];                                                                     /**< 0–255 */
    float var_reci_chn[4]; /**< −65504…65504 */
};

/** The number of "RGB888_U8" and its like, for input_format; 0: none of them. */
AISPIPE_API int32_t aispipe_aipp_format(const char *name);
/** Reads and checks a file. The error names file, key, value and range. `log` gets warnings; NULL: nobody. */
AISPIPE_API int aispipe_aipp_read(const char *path, const struct aispipe_log *log, struct aispipe_aipp *aipp,
                                  struct aispipe_error *error);
/** Whether every value is in its range; the error names key, value and range. */
AISPIPE_API int aispipe_aipp_check(const struct aispipe_aipp *aipp, struct aispipe_error *error);
/**
 * Gives the model's dynamic AIPP input these settings, checked, for the largest batch that the model has; the
 * description of the images follows them. Open the session with `aipp_later`. AISPIPE_UNSUPPORTED where the
 * backend has no AIPP, AISPIPE_INVALID where the model has no dynamic AIPP input.
 */
AISPIPE_API int aispipe_session_set_aipp(struct aispipe_session *session, const struct aispipe_aipp *aipp,
                                         struct aispipe_error *error);

/* ---------------------------------------------------------------- statistics */

/** One execution. ns of CLOCK_MONOTONIC, or since an origin of one's own. */
struct aispipe_interval {
    uint64_t start, end;
};

/** Totals of the executions since the session was opened or its statistics were reset; always kept. */
struct aispipe_infer_stats {
    uint64_t executions;
    uint64_t compute_ns; /**< sum of their durations */
    uint64_t least_ns, most_ns;
    uint64_t h2d_ns, d2h_ns; /**< sums of the transfers of inputs and outputs; 0 where memory is the host's */
    uint64_t first_start, last_end; /**< 0: none */
};

AISPIPE_API void aispipe_session_infer_stats(struct aispipe_session *session,
                                             struct aispipe_infer_stats *stats);
/** From now on (true) every execution's interval is kept, in 4 to 8 bytes each. Off at first. */
AISPIPE_API void aispipe_session_record(struct aispipe_session *session, bool record);
/** How many intervals are kept. */
AISPIPE_API size_t aispipe_session_intervals_count(struct aispipe_session *session);
/** Copies the oldest `most` intervals, in order of completion; returns how many there were to copy. */
AISPIPE_API size_t aispipe_session_intervals(struct aispipe_session *session,
                                             struct aispipe_interval *intervals, size_t most);
/** Forgets totals and intervals. */
AISPIPE_API void aispipe_session_reset_stats(struct aispipe_session *session);

#ifdef __cplusplus
}
#endif

#endif
