/* SPDX-License-Identifier: MIT */
/**
 * @file shape_plan.h
 * Every sample's own shape, read from the headers of its .npy files before the run. 4 bytes a sample, and a
 * description of the inputs for each different shape. Read-only and thread-safe once it is made.
 */
#ifndef AISPIPE_IO_SHAPE_PLAN_H
#define AISPIPE_IO_SHAPE_PLAN_H

#include "aispipe/aispipe.h"
#include "io/dataset.h"

struct shape_plan;

/**
 * Reads the header of every file. Refuses, naming the file: one that is no .npy, and one whose shape or type
 * the model (described as its file says, with its dimensions open) cannot take. `mode`: DIMS or SHAPE, for
 * the messages.
 */
int shape_plan_open(const struct dataset *dataset, const struct aispipe_model_desc *model,
                    enum aispipe_shape_mode mode, struct shape_plan **plan, struct aispipe_error *error);
void shape_plan_close(struct shape_plan *plan);

/** The inputs of a sample, as many as the model has. */
const struct aispipe_tensor_desc *shape_plan_inputs(const struct shape_plan *plan, uint64_t sample);

/** All different shapes, as aispipe_shape.each wants them. */
const struct aispipe_tensor_desc *shape_plan_each(const struct shape_plan *plan, size_t *n);

/** Mean of the first dimensions of input 0 over `count` samples (≥ 1) from `first` on; a scalar counts as 1.
 */
double shape_plan_mean_batch(const struct shape_plan *plan, uint64_t first, uint64_t count);
uint64_t shape_plan_samples(const struct shape_plan *plan);

#endif
