/* SPDX-License-Identifier: MIT */
/**
 * @file json_writer.h
 * Writes JSON straight to a file, in order, without building it in memory: a summary may list millions of
 * samples. (cJSON, which reads our JSON, would hold all of them at once.) One thread; errors are sticky.
 */
#ifndef AISPIPE_JSON_WRITER_H
#define AISPIPE_JSON_WRITER_H

#include "aispipe/aispipe.h"

#define JSON_MAX_DEPTH 16

struct json_writer {
    int fd;
    int error; /**< errno of the first failed write, 0 otherwise */
    unsigned depth;
    bool after_key; /**< the next value belongs to a key: no comma before it */
    bool has_members[JSON_MAX_DEPTH];
    size_t fill;
    char buffer[1 << 16];
};

void json_begin(struct json_writer *json, int fd);
/** Writes what is buffered. 0, or the errno of the first failure. */
int json_end(struct json_writer *json);

/** A value's name inside an object; call it before the value. */
void json_key(struct json_writer *json, const char *key);
void json_open(struct json_writer *json, char bracket);  /**< '{' or '[' */
void json_close(struct json_writer *json, char bracket); /**< '}' or ']' */
/** Bytes that are not UTF-8 become \udcXX, as Python's surrogateescape does, so that no path is lost. */
void json_string(struct json_writer *json, const char *text);
void json_uint(struct json_writer *json, uint64_t value);
/** The shortest decimal that reads back as the same double. NaN and infinities, which JSON lacks, become 0.
 */
void json_double(struct json_writer *json, double value);

/* A key and its value. */
void json_member_open(struct json_writer *json, const char *key, char bracket);
void json_member_string(struct json_writer *json, const char *key, const char *text);
void json_member_uint(struct json_writer *json, const char *key, uint64_t value);
void json_member_double(struct json_writer *json, const char *key, double value);

/** "0.1", "42.0", "1e-07": the shortest decimal that reads back as `value`, spelled as Python spells it. */
void format_double(double value, char text[32]);

#endif
