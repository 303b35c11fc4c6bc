/* SPDX-License-Identifier: MIT */
#include "aispipe/aispipe.h"

const char *aispipe_version(void)
{
    return AISPIPE_VERSION; /* from meson.build, the one place where the version is written down */
}
