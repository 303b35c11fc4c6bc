/* SPDX-License-Identifier: MIT */
/** @file om_sample.h A simulated model in memory, good as it is, that a test may change. Include unit.h
 * first. */
#ifndef AISPIPE_TESTS_OM_SAMPLE_H
#define AISPIPE_TESTS_OM_SAMPLE_H

#include "om_file.h"

#include <stdio.h>
#include <string.h>

/* A model in memory that a test may change. */
struct sample {
    struct om_file om;
    struct om_input inputs[2];
    struct om_output outputs[2];
    int64_t gears[128];
    char onnx[4];
};

static inline void set_input(struct om_input *input, const char *name, const int64_t *dims, int rank)
{
    *input = (struct om_input){.dtype = AISPIPE_FLOAT32, .format = rank == 4 ? OM_NCHW : OM_ND, .rank = rank};
    (void)snprintf(input->name, sizeof input->name, "%s", name);
    for (int i = 0; i < rank; i++) {
        input->dims[i] = input->high[i] = dims[i];
        input->low[i] = dims[i] == -1 ? 0 : dims[i];
    }
}

static inline struct om_file *sample(struct sample *made)
{
    *made = (struct sample){.onnx = "onn"};
    made->om = (struct om_file){.soc_version = "Ascend310P3",
                                .name = "m",
                                .mode = OM_STATIC,
                                .n_inputs = 2,
                                .n_outputs = 2,
                                .inputs = made->inputs,
                                .outputs = made->outputs,
                                .onnx = made->onnx,
                                .onnx_bytes = 3};
    set_input(&made->inputs[0], "x", (const int64_t[]){2, 3, 8, 10}, 4);
    set_input(&made->inputs[1], "ids", (const int64_t[]){2, 5}, 2);
    made->inputs[1].dtype = AISPIPE_INT64;
    made->outputs[0] = (struct om_output){"Relu_0:0:y", AISPIPE_DTYPE_UNDEFINED};
    made->outputs[1] = (struct om_output){"z", AISPIPE_FLOAT16};
    return &made->om;
}

static inline void set_gears(struct sample *made, enum om_mode mode, size_t n_gears, size_t length,
                             const int64_t *gears)
{
    made->om.mode = mode;
    made->om.n_gears = n_gears;
    made->om.gear_length = length;
    made->om.gears = made->gears;
    memcpy(made->gears, gears, n_gears * length * sizeof *gears);
}

static inline void dynamic(struct om_input *input, int axis)
{
    input->dims[axis] = input->high[axis] = -1;
    input->low[axis] = 0;
}

static inline void static_aipp(struct om_input *input)
{
    input->aipp = OM_AIPP_STATIC;
    aipp_defaults(&input->aipp_source, &input->aipp_image);
    input->aipp_source.format = AIPP_YUV420SP_U8;
    input->aipp_source.width = 10;
    input->aipp_source.height = 8;
}

#endif
