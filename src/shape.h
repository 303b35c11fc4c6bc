/* SPDX-License-Identifier: MIT */
/**
 * @file shape.h
 * Shapes as they are written ("in1:1,600;in2:1,600"), for the command line and for backends, and what is said
 * of dimensions that nobody has given. Everything here is thread-safe and allocates nothing.
 */
#ifndef AISPIPE_SHAPE_H
#define AISPIPE_SHAPE_H

#include "aispipe/backend.h"

/** The largest size of one dimension: products of two fit 64 bits. */
#define SHAPE_MAX_DIM INT32_MAX

/** One input's part. The name points into the text, because it ends at a ':' and not at a 0. */
struct shape_entry {
    const char *name;
    size_t name_length;
    int rank;
    int64_t dims[AISPIPE_MAX_RANK]; /**< each 1 to SHAPE_MAX_DIM */
};

/** Reads one size of `length` digits, 1 to SHAPE_MAX_DIM; 0 when it is none. */
int64_t shape_read_dim(const char *text, size_t length);

/**
 * Reads "in1:1,600;in2:1,600" into at most AISPIPE_MAX_TENSORS entries. A name may hold ':' itself: the last
 * one counts. The error names the part and what is wrong with it: no name, no size, a size that is none, too
 * many dimensions, a name given twice.
 */
int shape_parse(const char *text, struct shape_entry entries[AISPIPE_MAX_TENSORS], size_t *n,
                struct aispipe_error *error);

/** The input's dimensions among the entries; NULL when it is not there. */
const struct shape_entry *shape_find(const struct shape_entry *entries, size_t n, const char *name);

/** Whether the number of dimensions or one of them is not known. */
bool shape_is_open(const struct aispipe_tensor_desc *desc);

/** Whether any input or output is open. */
bool shape_model_is_open(const struct aispipe_model_desc *model);

/** The option that stands for a mode ("--dymBatch"). Static storage. */
const char *shape_option(enum aispipe_shape_mode mode);
/** The same where every batch has its own shape ("--auto_set_dymshape_mode"). */
const char *shape_option_each(enum aispipe_shape_mode mode);

/**
 * The dimensions that `shape` gives the inputs of `declared`, the model as its file says: `targets` is a copy
 * of its inputs that gets dims and sizes. Errors name input, axis and both numbers where they contradict, the
 * inputs that there are where a name is unknown, and what is still missing. For backends that take any size
 * (gears are the business of those that have them). HW means axes 2 and 3 of inputs with four dimensions of
 * which one of these is open; axes 1 and 2 where the last dimension is known to be 1 to 4 and the second is
 * open (channels last).
 */
int shape_apply(const struct aispipe_shape *shape, const struct aispipe_model_desc *declared,
                struct aispipe_tensor_desc *targets, struct aispipe_error *error);

/**
 * Checks one set of inputs of shape->each (`inputs`) against the model as its file says; the same errors as
 * shape_apply. Sets their sizes.
 */
int shape_check_each(enum aispipe_shape_mode mode, const struct aispipe_model_desc *declared,
                     struct aispipe_tensor_desc *inputs, struct aispipe_error *error);

/** Refuses a model of which an input or output is open and has no memory set aside. */
int shape_check_known(const char *path, const struct aispipe_model_desc *model, struct aispipe_error *error);
/** The error of an output `i` that is open and has no memory. */
int shape_refuse_output(const char *path, const struct aispipe_model_desc *model, size_t i,
                        struct aispipe_error *error);

/** Product of the dimensions times the size of an element, into desc->size; false when it overflows. */
bool shape_set_size(struct aispipe_tensor_desc *desc);

#endif
