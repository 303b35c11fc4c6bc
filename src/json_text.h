/* SPDX-License-Identifier: MIT */
/** @file json_text.h JSON that users write: parsed whole, and with the place of what is wrong with it. */
#ifndef AISPIPE_JSON_TEXT_H
#define AISPIPE_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stddef.h>

/** Both count from 1; a column is a byte. */
struct json_place {
    size_t line, column;
};

/** Where the byte at `offset` is. */
struct json_place json_text_place(const char *text, size_t offset);

/**
 * One JSON value and nothing behind it. `text` has a zero byte behind its `bytes`. Returns what cJSON_Delete
 * frees, or NULL, and in `*where` the place of what is not JSON.
 */
cJSON *json_text_parse(const char *text, size_t bytes, struct json_place *where);

#endif
