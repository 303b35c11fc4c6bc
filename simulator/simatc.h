/* SPDX-License-Identifier: MIT */
/** @file simatc.h The parts of simatc: what was asked for, and what becomes of it. */
#ifndef AISPIPE_SIMULATOR_SIMATC_H
#define AISPIPE_SIMULATOR_SIMATC_H

#include "om_file.h"
#include "onnx_model.h"

/** Options as they were given; NULL: not given. They point into argv. */
struct simatc_options {
    const char *model, *framework, *output, *soc_version, *input_format, *input_shape, *input_shape_range;
    const char *dynamic_batch_size, *dynamic_image_size, *dynamic_dims, *insert_op_conf, *out_nodes,
        *output_type;
    bool help;
};

/** Says one line of warning. */
typedef void (*simatc_warn_fn)(const char *line);

/** AISPIPE_INVALID with one line that names the option and what is wanted. */
int simatc_parse(int argc, char *const *argv, struct simatc_options *options, simatc_warn_fn warn,
                 struct aispipe_error *error);
void simatc_help(void);

/**
 * Each fills its part of `om`, in this order. `om->inputs` (made by the first) and `om->gears` belong to
 * `om`.
 */
int simatc_set_inputs(const struct simatc_options *options, const struct onnx_model *model,
                      struct om_file *om, struct aispipe_error *error);
int simatc_set_gears(const struct simatc_options *options, struct om_file *om, struct aispipe_error *error);
int simatc_set_aipp(const struct simatc_options *options, struct om_file *om, struct aispipe_error *error);
/** Sets om->outputs and, in `tensors` (OM_MAX_TENSORS), the names that they have in the model. */
int simatc_set_outputs(const struct simatc_options *options, const struct onnx_model *model,
                       struct om_file *om, struct onnx_span *tensors, struct aispipe_error *error);

/** Cuts the next part off `*rest`, up to `separator`; false when there is none. No bytes are changed. */
bool simatc_cut(struct onnx_span *rest, char separator, struct onnx_span *part);
/** A whole decimal number, with a minus if need be, and nothing else. */
bool simatc_number(struct onnx_span text, int64_t *number);

#endif
