/* SPDX-License-Identifier: MIT */
#include "number_log.h"

#include <stdlib.h>

#define CHUNK_BYTES 16384
/* 64 bits in groups of seven. */
#define NUMBER_BYTES 10

struct number_chunk {
    struct number_chunk *next;
    size_t used;
    unsigned char bytes[CHUNK_BYTES];
};

static bool make_room(struct number_log *log)
{
    if (log->last && log->last->used <= CHUNK_BYTES - NUMBER_BYTES)
        return true;
    struct number_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return false;
    chunk->next = NULL;
    chunk->used = 0;
    if (log->last)
        log->last->next = chunk;
    else
        log->first = chunk;
    log->last = chunk;
    return true;
}

bool number_log_add(struct number_log *log, uint64_t value)
{
    if (!make_room(log))
        return false;
    struct number_chunk *chunk = log->last;
    for (; value > 0x7f; value >>= 7)
        chunk->bytes[chunk->used++] = (unsigned char)(value | 0x80);
    chunk->bytes[chunk->used++] = (unsigned char)value;
    log->count++;
    return true;
}

void number_log_clear(struct number_log *log)
{
    while (log->first) {
        struct number_chunk *next = log->first->next;
        free(log->first);
        log->first = next;
    }
    *log = (struct number_log){.count = 0};
}

uint64_t number_log_next(struct number_reader *reader)
{
    if (!reader->chunk)
        reader->chunk = reader->log->first;
    if (reader->at == reader->chunk->used) {
        reader->chunk = reader->chunk->next;
        reader->at = 0;
    }
    uint64_t value = 0;
    unsigned shift = 0;
    unsigned char byte;
    do {
        byte = reader->chunk->bytes[reader->at++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}
