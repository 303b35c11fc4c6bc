/* SPDX-License-Identifier: MIT */
#include "json_text.h"

#include <stdbool.h>

struct json_place json_text_place(const char *text, size_t offset)
{
    struct json_place place = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        place.column = text[i] == '\n' ? 1 : place.column + 1;
        place.line += text[i] == '\n';
    }
    return place;
}

cJSON *json_text_parse(const char *text, size_t bytes, struct json_place *where)
{
    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, bytes + 1, &end, true);
    /* cJSON is content with any zero byte as the end of the text. */
    if (root && end == text + bytes)
        return root;
    *where = json_text_place(text, end < text + bytes ? (size_t)(end - text) : bytes);
    cJSON_Delete(root);
    return NULL;
}
