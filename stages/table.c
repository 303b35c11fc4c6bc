/* SPDX-License-Identifier: MIT */
/* All stages, in the order in which a batch goes through them. */
#include "stage.h"

const struct stage *const stage_table[AISPIPE_STAGES] = {
    [AISPIPE_STAGE_LOAD] = &stage_load,       [AISPIPE_STAGE_H2D] = &stage_h2d,
    [AISPIPE_STAGE_COMPUTE] = &stage_compute, [AISPIPE_STAGE_D2H] = &stage_d2h,
    [AISPIPE_STAGE_SAVE] = &stage_save,
};

const char *aispipe_stage_name(enum aispipe_stage stage)
{
    return (unsigned)stage < AISPIPE_STAGES ? stage_table[stage]->name : "unknown";
}
