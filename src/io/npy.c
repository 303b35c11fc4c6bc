/* SPDX-License-Identifier: MIT */
/*
 * Reading .npy headers. The header is a Python dictionary literal; files come from anywhere, so it is read
 * by a small strict parser that never looks behind `end` and trusts no number in it.
 */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "npy: '>' is taken as 'must be swapped'");

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

/* Magic, two version bytes and the length of the dictionary: 2 bytes of it in version 1, 4 later. */
enum { PREAMBLE_1 = 10, PREAMBLE_2 = 12 };

struct cursor {
    const char *at;
    const char *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && memchr(" \t\n\r\f", *cursor->at, 5))
        cursor->at++;
}

/* The next character that is not white space; 0 at the end (which no text has). Takes nothing. */
static char peek(struct cursor *cursor)
{
    skip_space(cursor);
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static bool take(struct cursor *cursor, char wanted)
{
    if (peek(cursor) != wanted || wanted == '\0')
        return false;
    cursor->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);
    skip_space(cursor);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    if (cursor->at + length < cursor->end && (is_letter(cursor->at[length]) || is_digit(cursor->at[length])))
        return false;
    cursor->at += length;
    return true;
}

/* A quoted string without escapes; false when there is none, it does not end, or it is too long. */
static bool take_string(struct cursor *cursor, char *text, size_t capacity)
{
    char quote = peek(cursor);
    if (quote != '\'' && quote != '"')
        return false;
    const char *start = ++cursor->at;
    while (cursor->at < cursor->end && *cursor->at != quote) {
        if (*cursor->at == '\\' || *cursor->at < ' ' || *cursor->at > '~')
            return false;
        cursor->at++;
    }
    size_t length = (size_t)(cursor->at - start);
    if (cursor->at == cursor->end || length >= capacity)
        return false;
    memcpy(text, start, length);
    text[length] = '\0';
    cursor->at++;
    return true;
}

static int bad(struct aispipe_error *error, const char *what)
{
    return aispipe_fail(error, AISPIPE_FORMAT, "npy header: %s", what);
}

/* One dimension. Python 2 wrote long integers with an L behind them. */
static int take_dimension(struct cursor *cursor, int64_t *dimension, struct aispipe_error *error)
{
    char first = peek(cursor);
    if (first == '-')
        return bad(error, "'shape' holds a negative dimension; dimensions must be 0 or more");
    if (!is_digit(first))
        return bad(error, "'shape' is not a tuple of whole numbers");
    *dimension = 0;
    while (cursor->at < cursor->end && is_digit(*cursor->at)) {
        if (__builtin_mul_overflow(*dimension, 10, dimension) ||
            __builtin_add_overflow(*dimension, *cursor->at - '0', dimension))
            return bad(error, "'shape' holds a dimension of 2^63 or more");
        cursor->at++;
    }
    if (cursor->at < cursor->end && *cursor->at == 'L')
        cursor->at++;
    return 0;
}

static int take_shape(struct cursor *cursor, struct npy_header *header, struct aispipe_error *error)
{
    if (!take(cursor, '('))
        return bad(error, "'shape' is not a tuple");
    header->rank = 0;
    while (!take(cursor, ')')) {
        if (header->rank == AISPIPE_MAX_RANK)
            return aispipe_fail(error, AISPIPE_FORMAT,
                                "npy header: 'shape' has more than %d dimensions, the most that are handled",
                                AISPIPE_MAX_RANK);
        int rc = take_dimension(cursor, &header->dims[header->rank], error);
        if (rc)
            return rc;
        header->rank++;
        bool comma = take(cursor, ',');
        if (!comma && header->rank == 1)
            return bad(error, "'shape' is not a tuple: a single dimension is written \"(n,)\"");
        if (!comma && peek(cursor) != ')')
            return bad(error, "'shape' does not end with ')'");
    }
    return 0;
}

/* What a type code's letter and number of bytes mean here. */
static enum aispipe_dtype dtype_of(char kind, uint64_t number)
{
    static const struct {
        char kind;
        unsigned char bytes;
        enum aispipe_dtype dtype;
    } known[] = {
        {'f', 4, AISPIPE_FLOAT32}, {'f', 2, AISPIPE_FLOAT16},  {'f', 8, AISPIPE_FLOAT64},
        {'i', 1, AISPIPE_INT8},    {'i', 2, AISPIPE_INT16},    {'i', 4, AISPIPE_INT32},
        {'i', 8, AISPIPE_INT64},   {'u', 1, AISPIPE_UINT8},    {'u', 2, AISPIPE_UINT16},
        {'u', 4, AISPIPE_UINT32},  {'u', 8, AISPIPE_UINT64},   {'b', 1, AISPIPE_BOOL},
        {'?', 1, AISPIPE_BOOL},    {'V', 2, AISPIPE_BFLOAT16},
    };
    /* NumPy has no bfloat16; the extension types that add it are saved as two untyped bytes. */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].kind == kind && known[i].bytes == number)
            return known[i].dtype;
    return AISPIPE_DTYPE_UNDEFINED;
}

/* Whether NumPy has such a type; models may lack it, and its bytes are still bytes. */
static bool type_exists(char kind, uint64_t number, bool has_unit)
{
    bool power = number > 0 && (number & (number - 1)) == 0;
    switch (kind) {
    case '?':
    case 'b':
        return number == 1;
    case 'i':
    case 'u':
        return power && number <= 8;
    case 'f':
        return number == 12 || (power && number >= 2 && number <= 16);
    case 'c':
        return number == 24 || (power && number >= 8 && number <= 32);
    case 'm':
    case 'M':
        return number == 8;
    case 'S':
    case 'a':
    case 'U':
    case 'V':
        return !has_unit;
    default:
        return false;
    }
}

static int interpret_descr(struct npy_header *header, struct aispipe_error *error)
{
    const char *at = header->descr;
    char order = '=';
    if (*at && strchr("<>|=", *at))
        order = *at++;
    char kind = *at ? *at++ : '\0';
    if (kind == 'O')
        return bad(error,
                   "the array holds Python objects ('descr' is '|O'), which are refused; save numbers");
    uint64_t number = kind == '?' ? 1 : 0;
    for (; is_digit(*at); at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > INT32_MAX)
            return aispipe_fail(error, AISPIPE_FORMAT, "npy header: 'descr' '%s' is larger than any type",
                                header->descr);
    }
    bool has_unit = (kind == 'm' || kind == 'M') && *at == '[' && at[strlen(at) - 1] == ']';
    if ((*at && !has_unit) || !type_exists(kind, number, has_unit))
        return aispipe_fail(error, AISPIPE_FORMAT, "npy header: 'descr' '%s' is not a NumPy type",
                            header->descr);
    header->dtype = dtype_of(kind, number);
    header->item_bytes = kind == 'U' ? number * 4 : number;
    header->big_endian = order == '>' && number > 1 && !strchr("SaV", kind);
    return 0;
}

static int take_descr(struct cursor *cursor, struct npy_header *header, struct aispipe_error *error)
{
    if (peek(cursor) == '[')
        return bad(error, "the array is structured ('descr' is a list of fields), which no model input is");
    if (!take_string(cursor, header->descr, sizeof header->descr))
        return bad(error, "'descr' is not the name of a type");
    return interpret_descr(header, error);
}

static int take_order(struct cursor *cursor, struct npy_header *header, struct aispipe_error *error)
{
    header->fortran_order = take_word(cursor, "True");
    if (!header->fortran_order && !take_word(cursor, "False"))
        return bad(error, "'fortran_order' is neither True nor False");
    return 0;
}

static int take_entry(struct cursor *cursor, unsigned *seen, struct npy_header *header,
                      struct aispipe_error *error)
{
    static const struct {
        const char *key;
        int (*take)(struct cursor *, struct npy_header *, struct aispipe_error *);
    } entries[] = {{"descr", take_descr}, {"fortran_order", take_order}, {"shape", take_shape}};
    char key[16];
    if (!take_string(cursor, key, sizeof key))
        return bad(error, "no key where one is expected; the keys are 'descr', 'fortran_order' and 'shape'");
    if (!take(cursor, ':'))
        return bad(error, "no ':' behind a key");
    for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++) {
        if (strcmp(entries[i].key, key) != 0)
            continue;
        if (*seen & 1U << i)
            return aispipe_fail(error, AISPIPE_FORMAT, "npy header: '%s' is given twice", key);
        *seen |= 1U << i;
        return entries[i].take(cursor, header, error);
    }
    return aispipe_fail(error, AISPIPE_FORMAT, "npy header: unknown key '%s'", key);
}

static int take_dictionary(struct cursor *cursor, struct npy_header *header, struct aispipe_error *error)
{
    unsigned seen = 0;
    if (!take(cursor, '{'))
        return bad(error, "it is not a dictionary");
    while (!take(cursor, '}')) {
        int rc = take_entry(cursor, &seen, header, error);
        if (rc)
            return rc;
        if (!take(cursor, ',') && peek(cursor) != '}')
            return bad(error, "the dictionary does not end with '}'");
    }
    if (peek(cursor) != '\0' || cursor->at != cursor->end)
        return bad(error, "there is something behind the dictionary");
    if (seen != 7)
        return aispipe_fail(error, AISPIPE_FORMAT, "npy header: '%s' is missing",
                            !(seen & 1)   ? "descr"
                            : !(seen & 2) ? "fortran_order"
                                          : "shape");
    return 0;
}

/* Zero elements are fine whatever the other dimensions are: NumPy writes such arrays. */
static int count_payload(struct npy_header *header, struct aispipe_error *error)
{
    int64_t bytes = (int64_t)header->item_bytes;
    bool overflow = false;
    for (int i = 0; i < header->rank; i++) {
        if (header->dims[i] == 0) {
            header->payload_bytes = 0;
            return 0;
        }
        overflow |= __builtin_mul_overflow(bytes, header->dims[i], &bytes);
    }
    if (!overflow) {
        header->payload_bytes = (size_t)bytes;
        return 0;
    }
    char shape[512];
    npy_format_shape(header->rank, header->dims, shape, sizeof shape);
    return aispipe_fail(error, AISPIPE_FORMAT,
                        "npy header: an array of shape %s and type '%s' needs 2^63 bytes or more", shape,
                        header->descr);
}

/* Reads what comes before the dictionary. 0, bytes needed, or an error, as npy_parse. */
static long parse_preamble(const unsigned char *data, size_t length, size_t *start, size_t *end,
                           struct aispipe_error *error)
{
    if (memcmp(data, magic, length < sizeof magic ? length : sizeof magic) != 0)
        return aispipe_fail(error, AISPIPE_FORMAT, "not an npy file: it does not begin with \"\\x93NUMPY\"");
    if (length < PREAMBLE_1)
        return PREAMBLE_1;
    unsigned major = data[6];
    unsigned minor = data[7];
    if (major < 1 || major > 3 || minor != 0)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "npy format version %u.%u is unknown; 1.0, 2.0 and 3.0 are read", major, minor);
    *start = major == 1 ? PREAMBLE_1 : PREAMBLE_2;
    if (length < *start)
        return (long)*start;
    size_t bytes = data[8] | (size_t)data[9] << 8;
    if (major > 1)
        bytes |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    *end = *start + bytes;
    if (*end > NPY_MAX_HEADER)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "npy header: it claims to be %zu bytes long; at most %d are read", *end,
                            NPY_MAX_HEADER);
    return length < *end ? (long)*end : 0;
}

long npy_parse(const void *data, size_t length, struct npy_header *header, struct aispipe_error *error)
{
    const char *text = data;
    size_t start = 0;
    size_t end = 0;
    long more = parse_preamble(data, length, &start, &end, error);
    if (more)
        return more;
    if (end == start || text[end - 1] != '\n')
        return bad(error, "it does not end with a newline");
    memset(header, 0, sizeof *header);
    header->dtype = AISPIPE_DTYPE_UNDEFINED;
    header->header_bytes = end;
    struct cursor cursor = {text + start, text + end};
    int rc = take_dictionary(&cursor, header, error);
    return rc ? rc : count_payload(header, error);
}
