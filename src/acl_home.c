/* SPDX-License-Identifier: MIT */
#include "acl_home.h"

#include <stddef.h>

const char *const acl_home_variables[] = {"ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", NULL};

const char *const acl_default_homes[] = {"/usr/local/Ascend/ascend-toolkit/latest",
                                         "/usr/local/Ascend/nnrt/latest", "/usr/local/Ascend/nnae/latest",
                                         NULL};
