/* SPDX-License-Identifier: MIT */
#include "cli/options_table.h"
const struct option_set *const command_sets[] = {NULL};
