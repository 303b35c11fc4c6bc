/* SPDX-License-Identifier: MIT */
/** @file protobuf.h The wire format of protocol buffers: fields one after another, and writing them. */
#ifndef AISPIPE_SIMULATOR_PROTOBUF_H
#define AISPIPE_SIMULATOR_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;      /**< VARINT */
    const uint8_t *data; /**< BYTES */
    size_t bytes;
    const uint8_t *whole; /**< tag and all */
    size_t whole_bytes;
};

/** What is still to be read of a message. */
struct protobuf_reader {
    const uint8_t *at, *end;
    bool bad; /**< it ended because the bytes make no sense */
};

/** The next field; false at the end, and where the bytes make no sense. */
bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *field);

/** A message that is being written. Failed allocations are sticky. */
struct protobuf_writer {
    uint8_t *data;
    size_t bytes, room;
    bool failed;
};

void protobuf_raw(struct protobuf_writer *writer, const void *data, size_t bytes);
void protobuf_varint(struct protobuf_writer *writer, uint32_t number, uint64_t value);
void protobuf_bytes(struct protobuf_writer *writer, uint32_t number, const void *data, size_t bytes);

#endif
