/* SPDX-License-Identifier: MIT */
/**
 * @file engine.h
 * Computes models on the CPU, with OpenVINO's C library found at run time.
 *
 * One thread at a time for each engine; several engines side by side.
 */
#ifndef AISPIPE_SIMULATOR_ENGINE_H
#define AISPIPE_SIMULATOR_ENGINE_H

#include "om_file.h"

struct engine;

/** A tensor that somebody else owns. */
struct engine_tensor {
    enum aispipe_dtype dtype;
    int rank;
    int64_t dims[OM_MAX_RANK]; /**< −1: unknown */
    void *data;
    size_t bytes;
};

int engine_open(const struct om_file *om, struct engine **engine, struct aispipe_error *error);
void engine_close(struct engine *engine);
/** What output `index` is when the inputs have these dims (one for each input; data is not looked at). */
int engine_infer_output(struct engine *engine, const struct engine_tensor *inputs, size_t index,
                        struct engine_tensor *output, struct aispipe_error *error);
/** Runs the model; results stay in the engine until the next run. */
int engine_run(struct engine *engine, const struct engine_tensor *inputs, struct aispipe_error *error);
/** What the last run gave; the data is the engine's. */
int engine_result(struct engine *engine, size_t index, struct engine_tensor *output,
                  struct aispipe_error *error);
/** Lets the library's state go; every engine is closed. */
void engine_finish(void);

/** Writes `n` elements of one type as another. NaN becomes 0 in integers, which are cut to their range. */
void engine_convert(const void *from, enum aispipe_dtype from_type, void *to, enum aispipe_dtype to_type,
                    size_t n);

#endif
