/* SPDX-License-Identifier: MIT */
/**
 * @file dump.h
 * What acl.json's dump section asks for. The simulator knows a model's inputs and outputs and nothing between
 * them, so a model is one operator: every execution makes one file.
 */
#ifndef AISPIPE_SIMULATOR_DUMP_H
#define AISPIPE_SIMULATOR_DUMP_H

#include "model.h"

#include <limits.h>

/** Where one execution's dump goes. */
struct asim_dump {
    bool wanted, inputs, outputs;
    char directory[PATH_MAX]; /**< <dump_path>/<time stamp>/<device>/<model>/<id>/<n> */
    char file[OM_NAME_MOST + 64];
};

struct asim_dump_tensor {
    bool is_input;
    size_t index;
    const char *name;
    aclDataType type;
    struct asim_shape shape;
    const void *data;
    size_t bytes;
};

/** The model was loaded: whether what is dumped now includes it. Lock held. */
void asim_dump_look_at(struct asim_model *model, const char *path);
/** An execution begins: says where its dump goes, if one is wanted. Lock held. Returns the call's code. */
int asim_dump_begin(struct asim_model *model, struct asim_dump *to);
/** Without the lock. */
int asim_dump_write(const struct asim_dump *to, const struct asim_dump_tensor *tensors, size_t n,
                    struct aispipe_error *error);

#endif
