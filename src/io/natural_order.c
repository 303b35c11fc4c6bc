/* SPDX-License-Identifier: MIT */
#include "io/natural_order.h"

#include <string.h>

typedef unsigned char byte;

enum { KEY_BYTES = 16, LONG_RUN = 9, LONGEST_RUN = 255 };

static int is_digit(byte c)
{
    return c >= '0' && c <= '9';
}

static byte fold(byte c)
{
    return c >= 'A' && c <= 'Z' ? (byte)(c | 0x20) : c;
}

/* Length of the number at `*at` without leading zeros; `*at` is moved to its first digit that counts. */
static size_t number_length(const byte **at)
{
    while (**at == '0')
        ++*at;
    size_t length = 0;
    while (is_digit((*at)[length]))
        length++;
    return length;
}

int natural_compare(const char *left, const char *right)
{
    const byte *a = (const byte *)left;
    const byte *b = (const byte *)right;
    while (*a && *b) {
        if (!is_digit(*a) || !is_digit(*b)) {
            int difference = fold(*a++) - fold(*b++);
            if (difference)
                return difference;
            continue;
        }
        size_t length = number_length(&a);
        size_t other = number_length(&b);
        if (length != other)
            return length < other ? -1 : 1;
        int difference = memcmp(a, b, length);
        if (difference)
            return difference;
        a += length;
        b += length;
    }
    if (*a || *b)
        return *a ? 1 : -1;
    return strcmp(left, right);
}

/*
 * Appends a number: '0' plus its length, which keeps it on the right side of every character that is not a
 * digit and orders numbers of different length; then the digits, two in a byte. Lengths from 9 on have a byte
 * of their own. Returns false when nothing may follow (a run too long for that byte).
 */
static int put_number(byte *key, size_t *used, const byte *digits, size_t length)
{
    key[(*used)++] = (byte)('0' + (length < LONG_RUN ? length : LONG_RUN));
    if (length >= LONG_RUN && *used < KEY_BYTES)
        key[(*used)++] = (byte)(length < LONGEST_RUN ? length : LONGEST_RUN);
    if (length >= LONGEST_RUN)
        return 0;
    for (size_t i = 0; i < length && *used < KEY_BYTES; i += 2) {
        byte low = i + 1 < length ? (byte)(digits[i + 1] - '0') : 0;
        key[(*used)++] = (byte)((digits[i] - '0') << 4 | low);
    }
    return 1;
}

struct natural_key natural_key(const char *name)
{
    byte key[KEY_BYTES] = {0};
    size_t used = 0;
    const byte *at = (const byte *)name;
    while (*at && used < KEY_BYTES) {
        if (!is_digit(*at)) {
            key[used++] = fold(*at++);
            continue;
        }
        size_t length = number_length(&at);
        if (!put_number(key, &used, at, length))
            break;
        at += length;
    }
    struct natural_key result;
    memcpy(&result.high, key, 8);
    memcpy(&result.low, key + 8, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    result.high = __builtin_bswap64(result.high);
    result.low = __builtin_bswap64(result.low);
#endif
    return result;
}

size_t natural_common(const char *left, const char *right, size_t limit)
{
    size_t same = 0;
    while (same < limit && right[same] && fold((byte)left[same]) == fold((byte)right[same]))
        same++;
    return same;
}

size_t natural_cut(const char *name, size_t common)
{
    while (common > 0 && is_digit((byte)name[common - 1]))
        common--;
    return common;
}
