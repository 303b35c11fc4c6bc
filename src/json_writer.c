/* SPDX-License-Identifier: MIT */
#include "json_writer.h"

#include "io/fd_io.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void format_double(double value, char text[32])
{
    size_t length = 0; /* at most 17 digits, a sign, a point and an exponent */
    for (int digits = 15; digits <= 17; digits++) {
        length = (size_t)snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (!strpbrk(text, ".eni")) /* a whole number, and neither an exponent nor inf or nan */
        memcpy(text + length, ".0", sizeof ".0");
}

static void flush(struct json_writer *json)
{
    if (!json->error)
        json->error = fd_write(json->fd, json->buffer, json->fill);
    json->fill = 0;
}

static void put(struct json_writer *json, const char *text, size_t length)
{
    if (json->fill + length > sizeof json->buffer)
        flush(json);
    memcpy(json->buffer + json->fill, text, length); /* no piece is longer than a few dozen bytes */
    json->fill += length;
}

static void put_text(struct json_writer *json, const char *text)
{
    put(json, text, strlen(text));
}

static void separate(struct json_writer *json)
{
    bool named = json->after_key;
    json->after_key = false;
    if (named)
        return;
    if (json->has_members[json->depth])
        put(json, ", ", 2);
    json->has_members[json->depth] = true;
}

void json_begin(struct json_writer *json, int fd)
{
    json->fd = fd;
    json->error = 0;
    json->depth = 0;
    json->fill = 0;
    json->after_key = false;
    json->has_members[0] = false;
}

int json_end(struct json_writer *json)
{
    put(json, "\n", 1);
    flush(json);
    return json->error;
}

void json_open(struct json_writer *json, char bracket)
{
    separate(json);
    put(json, &bracket, 1);
    if (json->depth + 1 < JSON_MAX_DEPTH)
        json->depth++;
    json->has_members[json->depth] = false;
}

void json_close(struct json_writer *json, char bracket)
{
    put(json, &bracket, 1);
    if (json->depth)
        json->depth--;
}

/* Length of the UTF-8 sequence at `s`, 0 when it is not one (overlong forms and surrogates are not). */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 && s[0] <= 0xf4  ? 4
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

static void put_string(struct json_writer *json, const char *text)
{
    put(json, "\"", 1);
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        char escaped[8];
        size_t length = utf8_length(s);
        if (*s == '"' || *s == '\\') {
            snprintf(escaped, sizeof escaped, "\\%c", *s);
            put_text(json, escaped);
        } else if (*s < 0x20 || !length) {
            snprintf(escaped, sizeof escaped, "\\u%04x", length ? *s : 0xdc00u + *s);
            put_text(json, escaped);
        } else {
            put(json, (const char *)s, length);
        }
        s += length ? length : 1;
    }
    put(json, "\"", 1);
}

void json_key(struct json_writer *json, const char *key)
{
    separate(json);
    put_string(json, key);
    put(json, ": ", 2);
    json->after_key = true;
}

void json_string(struct json_writer *json, const char *text)
{
    separate(json);
    put_string(json, text);
}

void json_uint(struct json_writer *json, uint64_t value)
{
    char text[24];
    separate(json);
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_text(json, text);
}

void json_double(struct json_writer *json, double value)
{
    char text[32];
    separate(json);
    format_double(isfinite(value) ? value : 0, text);
    put_text(json, text);
}

void json_member_open(struct json_writer *json, const char *key, char bracket)
{
    json_key(json, key);
    json_open(json, bracket);
}

void json_member_string(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

void json_member_uint(struct json_writer *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_uint(json, value);
}

void json_member_double(struct json_writer *json, const char *key, double value)
{
    json_key(json, key);
    json_double(json, value);
}
