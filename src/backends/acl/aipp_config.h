/* SPDX-License-Identifier: MIT */
/**
 * @file aipp_config.h
 * The file of --aipp_config: how an Ascend device prepares images for a model with dynamic AIPP. An INI file
 * with a section [aipp_op] of `key : value` lines (`=` does as well), `#` and `;` begin comments. A key that
 * is there twice counts with its last value. Other sections, and keys that are not known, are passed over,
 * the keys with a warning.
 */
#ifndef AISPIPE_BACKENDS_ACL_AIPP_CONFIG_H
#define AISPIPE_BACKENDS_ACL_AIPP_CONFIG_H

#include "aispipe/infer.h"

/** Most bytes of the file: 12.5 KiB. */
#define ACL_AIPP_CONFIG_MOST 12800

/** aispipe_aipp_read (infer.h) from memory; `path` is for messages. */
int acl_aipp_config_parse(const char *text, size_t bytes, const char *path, const struct aispipe_log *log,
                          struct aispipe_aipp *config, struct aispipe_error *error);
/**
 * Whether the values are in range, for settings that did not come from a file. `where` begins the error. What
 * belongs to csc_switch, crop and padding may be 0 while the switch is.
 */
int acl_aipp_config_check(const struct aispipe_aipp *config, const char *where, struct aispipe_error *error);

#endif
