/* SPDX-License-Identifier: MIT */
/** @file aipp_fields.h Every setting of static AIPP by its name in atc's configuration file. */
#ifndef AISPIPE_SIMULATOR_AIPP_FIELDS_H
#define AISPIPE_SIMULATOR_AIPP_FIELDS_H

#include "aipp.h"

enum aipp_type { AIPP_BOOL, AIPP_INT32, AIPP_INT16, AIPP_UINT8, AIPP_FLOAT };

struct aipp_field {
    const char *key;
    enum aipp_type type;
    bool of_image; /**< a member of struct aipp_image, otherwise of struct aipp_source */
    size_t offset;
    double least, most;
};

/** Number of settings; `input_format` is not one of them. */
extern const size_t aipp_n_fields;
extern const struct aipp_field aipp_fields[];

/** The setting of that name, or NULL. */
const struct aipp_field *aipp_field_find(const char *key);
double aipp_field_get(const struct aipp_field *field, const struct aipp_source *source,
                      const struct aipp_image *image);
/** `value` has been checked: in range, and whole unless the type is AIPP_FLOAT. */
void aipp_field_set(const struct aipp_field *field, struct aipp_source *source, struct aipp_image *image,
                    double value);
/** "RGB888_U8" → AIPP_RGB888_U8; 0 when there is no such format. */
int aipp_format_find(const char *name);
/** NULL for a number that is no format. Static storage. */
const char *aipp_format_name(int format);

#endif
