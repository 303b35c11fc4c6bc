/* SPDX-License-Identifier: MIT */
/** @file sim_json.h JSON of a simulated model: from the file to a tree, and errors that say where in it. */
#ifndef AISPIPE_BACKENDS_SIM_JSON_H
#define AISPIPE_BACKENDS_SIM_JSON_H

#include "aispipe/aispipe.h"

#include <cjson/cJSON.h>

/** Room for a value as it is shown in an error. */
#define SIM_SHOWN 64

/** Whose file is read, and where the error goes. */
struct sim_reader {
    const char *path;
    struct aispipe_error *error;
};

/** The file's tree, to be freed with cJSON_Delete; NULL with the error filled and `*rc` its code. */
cJSON *sim_parse_file(const struct sim_reader *reader, int *rc);
/** Fails with "model 'file': where: …". Control characters that come from the file become '?'. */
int sim_refuse(const struct sim_reader *reader, int code, const char *where, const char *format, ...)
    AISPIPE_PRINTF(4, 5);
/** What a value is, for an error; long texts are cut. */
const char *sim_show(const cJSON *value, char text[SIM_SHOWN]);
int sim_wrong_value(const struct sim_reader *reader, const char *where, const cJSON *value,
                    const char *wanted);
/** Refuses what is not an object, keys that are not in the NULL-ended list, and keys that are there twice. */
int sim_check_object(const struct sim_reader *reader, const cJSON *object, const char *where,
                     const char *const *keys);
/** The value of a key that must be there. */
int sim_want_key(const struct sim_reader *reader, const cJSON *object, const char *where, const char *key,
                 const cJSON **value);

#endif
