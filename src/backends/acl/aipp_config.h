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

#include "aispipe/aispipe.h"

/** Most bytes of the file: 12.5 KiB. */
#define ACL_AIPP_CONFIG_MOST 12800

/** Everything of the file; what it does not give is 0. Each value is in the range that AscendCL's types have.
 */
struct acl_aipp_config {
    int32_t input_format; /**< 1 YUV420SP_U8, 2 XRGB8888_U8, 3 RGB888_U8, 4 YUV400_U8 */
    int32_t src_image_size_w, src_image_size_h;
    int32_t rbuv_swap_switch, ax_swap_switch;
    int32_t csc_switch;
    int32_t matrix[3][3]; /**< [row][column] */
    int32_t output_bias[3], input_bias[3];
    int32_t crop, load_start_pos_w, load_start_pos_h, crop_size_w, crop_size_h;
    int32_t padding, padding_size_top, padding_size_bottom, padding_size_left, padding_size_right;
    int32_t mean_chn[4];
    float min_chn[4], var_reci_chn[4];
};

/**
 * Reads and checks a file; `log` gets the warnings, NULL: nobody. AISPIPE_IO when it cannot be read,
 * AISPIPE_INVALID for everything that is wrong in it: the error names file, key, value and range. `*config`
 * is set only on success. Thread-safe.
 */
int acl_aipp_config_read(const char *path, const struct aispipe_log *log, struct acl_aipp_config *config,
                         struct aispipe_error *error);
/** The same from memory; `path` is for messages. */
int acl_aipp_config_parse(const char *text, size_t bytes, const char *path, const struct aispipe_log *log,
                          struct acl_aipp_config *config, struct aispipe_error *error);
/**
 * Whether the values are in range, for settings that did not come from a file. `where` begins the error. What
 * belongs to csc_switch, crop and padding may be 0 while the switch is.
 */
int acl_aipp_config_check(const struct acl_aipp_config *config, const char *where,
                          struct aispipe_error *error);

#endif
