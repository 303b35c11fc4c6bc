/* SPDX-License-Identifier: MIT */
/**
 * @file openvino_profile.h
 * How long each layer took, from the engine's own counters (PERF_COUNT).
 *
 * The CPU plugin keeps, for each layer of a compiled model, the mean over all of its executions, so asking
 * once at the end is enough, and asking once more before the first timed execution is what takes the warm-up
 * out again. Where several threads share one compiled model, or on another device, what the engine says at
 * the end is taken as it is; the file says which of the two it was.
 */
#ifndef AISPIPE_BACKENDS_OPENVINO_PROFILE_H
#define AISPIPE_BACKENDS_OPENVINO_PROFILE_H

#include "openvino_library.h"

struct openvino_layer;

/** All threads' counters together; zero-initialise. */
struct openvino_profile {
    struct openvino_layer *layers; /**< in the engine's order, which is that of execution */
    size_t n;
    uint64_t executions; /**< timed ones */
    unsigned threads;
    bool with_warmup;           /**< the means include executions that were not timed */
    struct aispipe_error error; /**< the first failure, if any */
};

/** The counters of one thread; zero-initialise. */
struct openvino_counter {
    ov_profiling_info_list_t before; /**< when the first timed execution was about to begin */
    uint64_t runs_before;
    uint64_t runs;
    bool began;
};

/** Call it before each execution. Fails where the engine has no counters. */
int openvino_count(const struct openvino_library *ov, const ov_infer_request_t *request, bool warmup,
                   struct openvino_counter *counter, struct aispipe_error *error);
/**
 * Adds one thread's counters to the profile and frees them. `exact`: the compiled model has run for this
 * counter alone, and its figures are means since it was made.
 */
void openvino_profile_add(struct openvino_profile *profile, const struct openvino_library *ov,
                          const ov_infer_request_t *request, struct openvino_counter *counter, bool exact);
/** Writes DIRECTORY/layers.json and DIRECTORY/trace.json. */
int openvino_profile_write(const struct openvino_profile *profile, const char *model, const char *device,
                           const char *directory, struct aispipe_error *error);
void openvino_profile_free(struct openvino_profile *profile);

#endif
