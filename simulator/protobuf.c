/* SPDX-License-Identifier: MIT */
#include "protobuf.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ reading */

static bool read_varint(struct protobuf_reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_bytes(struct protobuf_reader *reader, struct protobuf_field *field, uint64_t bytes)
{
    if (bytes > (uint64_t)(reader->end - reader->at))
        return false;
    field->data = reader->at;
    field->bytes = (size_t)bytes;
    reader->at += bytes;
    return true;
}

static bool read_value(struct protobuf_reader *reader, struct protobuf_field *field)
{
    uint64_t length;
    switch (field->wire) {
    case PROTOBUF_VARINT:
        return read_varint(reader, &field->value);
    case PROTOBUF_FIXED64:
        return read_bytes(reader, field, 8);
    case PROTOBUF_FIXED32:
        return read_bytes(reader, field, 4);
    case PROTOBUF_BYTES:
        return read_varint(reader, &length) && read_bytes(reader, field, length);
    }
    return false; /* groups, which nobody writes any more, or garbage */
}

bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *field)
{
    if (reader->bad || reader->at == reader->end)
        return false;
    *field = (struct protobuf_field){.whole = reader->at};
    uint64_t tag;
    bool good = read_varint(reader, &tag) && tag >> 3 > 0 && tag >> 3 < (1u << 29);
    if (good) {
        field->number = (uint32_t)(tag >> 3);
        field->wire = (enum protobuf_wire)(tag & 7);
        good = read_value(reader, field);
    }
    field->whole_bytes = (size_t)(reader->at - field->whole);
    reader->bad = !good;
    return good;
}

/* ------------------------------------------------------------------ writing */

void protobuf_raw(struct protobuf_writer *writer, const void *data, size_t bytes)
{
    size_t wanted;
    if (writer->failed || bytes == 0)
        return;
    if (__builtin_add_overflow(writer->bytes, bytes, &wanted)) {
        writer->failed = true;
        return;
    }
    if (wanted > writer->room) {
        size_t room = wanted > SIZE_MAX / 2 ? wanted : wanted + wanted / 2;
        uint8_t *grown = realloc(writer->data, room);
        writer->failed = !grown;
        if (!grown)
            return;
        writer->data = grown;
        writer->room = room;
    }
    memcpy(writer->data + writer->bytes, data, bytes);
    writer->bytes = wanted;
}

static void raw_varint(struct protobuf_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count] = (uint8_t)(value & 0x7f);
        value >>= 7;
        if (value)
            bytes[count] |= 0x80;
        count++;
    } while (value);
    protobuf_raw(writer, bytes, count);
}

void protobuf_varint(struct protobuf_writer *writer, uint32_t number, uint64_t value)
{
    raw_varint(writer, (uint64_t)number << 3 | PROTOBUF_VARINT);
    raw_varint(writer, value);
}

void protobuf_bytes(struct protobuf_writer *writer, uint32_t number, const void *data, size_t bytes)
{
    raw_varint(writer, (uint64_t)number << 3 | PROTOBUF_BYTES);
    raw_varint(writer, bytes);
    protobuf_raw(writer, data, bytes);
}
