/* SPDX-License-Identifier: MIT */
/** @file om_settings.h The JSON inside a simulated `.om`. */
#ifndef AISPIPE_SIMULATOR_OM_SETTINGS_H
#define AISPIPE_SIMULATOR_OM_SETTINGS_H

#include "om_file.h"

/** Fills everything of `om` but the ONNX model; on failure the caller frees it with om_free all the same. */
int om_settings_parse(const char *text, size_t bytes, const char *path, struct om_file *om,
                      struct aispipe_error *error);
/** The text, to be freed; NULL without memory. */
char *om_settings_print(const struct om_file *om);

#endif
