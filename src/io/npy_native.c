/* SPDX-License-Identifier: MIT */
/* Rewriting Fortran-ordered and big-endian npy payloads into native C order. */
#include "io/npy.h"

#include <string.h>

/* Side of a square of elements that is transposed at a time: its rows and columns stay in the L1 cache. */
enum { TILE = 16 };

struct plane {
    size_t rows;        /* length of the first axis: neighbours in the file */
    size_t columns;     /* length of the last axis: neighbours in C order */
    size_t row_stride;  /* elements between rows in C order */
    size_t column_step; /* elements between columns in the file */
    size_t item;        /* bytes of an element */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* `item` is a constant in the callers, so that memcpy becomes one load and one store. */
static inline void transpose_tiles(const struct plane *plane, const char *from, char *to, size_t item)
{
    for (size_t row0 = 0; row0 < plane->rows; row0 += TILE)
        for (size_t column0 = 0; column0 < plane->columns; column0 += TILE)
            for (size_t row = row0; row < smaller(row0 + TILE, plane->rows); row++)
                for (size_t column = column0; column < smaller(column0 + TILE, plane->columns); column++)
                    memcpy(to + (row * plane->row_stride + column) * item,
                           from + (row + column * plane->column_step) * item, item);
}

static void transpose_plane(const struct plane *plane, const char *from, char *to)
{
    switch (plane->item) {
    case 1:
        transpose_tiles(plane, from, to, 1);
        break;
    case 2:
        transpose_tiles(plane, from, to, 2);
        break;
    case 4:
        transpose_tiles(plane, from, to, 4);
        break;
    case 8:
        transpose_tiles(plane, from, to, 8);
        break;
    default:
        transpose_tiles(plane, from, to, plane->item);
    }
}

/*
 * The first axis has neighbours in the file and the last has them in C order: each pair of these is a
 * plane that is transposed in tiles. The axes between them are counted through.
 */
static void transpose(const struct npy_header *header, const char *from, char *to)
{
    int last = header->rank - 1;
    size_t elements = header->payload_bytes / header->item_bytes;
    struct plane plane = {
        .rows = (size_t)header->dims[0],
        .columns = (size_t)header->dims[last],
        .row_stride = elements / (size_t)header->dims[0],
        .column_step = elements / (size_t)header->dims[last],
        .item = header->item_bytes,
    };
    size_t index[AISPIPE_MAX_RANK] = {0};
    for (;;) {
        size_t file_offset = 0;
        size_t offset = 0;
        size_t file_stride = plane.rows;
        for (int axis = 1; axis < last; axis++) {
            file_offset += index[axis] * file_stride;
            file_stride *= (size_t)header->dims[axis];
            offset = offset * (size_t)header->dims[axis] + index[axis];
        }
        transpose_plane(&plane, from + file_offset * plane.item, to + offset * plane.columns * plane.item);
        int axis = last - 1;
        while (axis > 0 && ++index[axis] == (size_t)header->dims[axis])
            index[axis--] = 0;
        if (axis <= 0)
            return;
    }
}

/* Bytes that are reversed together: half a complex number, one character of a string. */
static size_t swap_unit(const struct npy_header *header)
{
    char kind = header->descr[strspn(header->descr, "<>|=")];
    if (kind == 'c')
        return header->item_bytes / 2;
    return kind == 'U' ? 4 : header->item_bytes;
}

static void swap_bytes(char *data, size_t bytes, size_t unit)
{
    for (size_t at = 0; at + unit <= bytes; at += unit) {
        char *item = data + at;
        if (unit == 2) {
            uint16_t value;
            memcpy(&value, item, sizeof value);
            value = __builtin_bswap16(value);
            memcpy(item, &value, sizeof value);
        } else if (unit == 4) {
            uint32_t value;
            memcpy(&value, item, sizeof value);
            value = __builtin_bswap32(value);
            memcpy(item, &value, sizeof value);
        } else if (unit == 8) {
            uint64_t value;
            memcpy(&value, item, sizeof value);
            value = __builtin_bswap64(value);
            memcpy(item, &value, sizeof value);
        } else {
            for (size_t i = 0; i < unit / 2; i++) {
                char other = item[unit - 1 - i];
                item[unit - 1 - i] = item[i];
                item[i] = other;
            }
        }
    }
}

void npy_to_native(const struct npy_header *header, const void *from, void *to)
{
    if (header->payload_bytes == 0)
        return;
    if (header->fortran_order && header->rank > 1)
        transpose(header, from, to);
    else
        memcpy(to, from, header->payload_bytes);
    if (header->big_endian)
        swap_bytes(to, header->payload_bytes, swap_unit(header));
}
