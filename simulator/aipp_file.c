/* SPDX-License-Identifier: MIT */
#include "aipp_file.h"

#include "aipp_fields.h"
#include "read_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MOST 128
#define KEYS_MOST 64
#define FILE_MOST ((size_t)1 << 20)

/* ------------------------------------------------------------------ words */

struct scanner {
    const char *at, *end;
    unsigned line;
    const char *path;
    struct aispipe_error *error;
    char word[WORD_MOST]; /* the latest: one of { } : or a name, a number, a text; empty at the end */
};

#define FAIL(scanner, format, ...)                                                                           \
    aispipe_fail((scanner)->error, AISPIPE_FORMAT, "%s, line %u: " format, (scanner)->path, (scanner)->line, \
                 __VA_ARGS__)

static void skip_blanks(struct scanner *scanner)
{
    while (scanner->at < scanner->end) {
        char c = *scanner->at;
        if (c == '#') {
            while (scanner->at < scanner->end && *scanner->at != '\n')
                scanner->at++;
            continue;
        }
        if (!isspace((unsigned char)c) && c != ',' && c != ';')
            return;
        scanner->line += c == '\n';
        scanner->at++;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '+' || c == '.';
}

static int next_word(struct scanner *scanner)
{
    skip_blanks(scanner);
    size_t length = 0;
    const char *start = scanner->at;
    scanner->word[0] = 0;
    if (start == scanner->end)
        return 0;
    if (*start == '"') {
        for (start = ++scanner->at;
             scanner->at < scanner->end && *scanner->at != '"' && *scanner->at != '\n';)
            scanner->at++;
        if (scanner->at == scanner->end || *scanner->at != '"')
            return FAIL(scanner, "%s", "a text has no closing quotation mark");
        length = (size_t)(scanner->at++ - start);
    } else if (strchr("{}:", *start)) {
        scanner->at++;
        length = 1;
    } else {
        while (scanner->at < scanner->end && is_word(*scanner->at))
            scanner->at++;
        length = (size_t)(scanner->at - start);
    }
    if (length == 0 && scanner->at == start)
        return FAIL(scanner, "byte 0x%02x has no meaning here", (unsigned)(unsigned char)*start);
    if (length >= sizeof scanner->word)
        return FAIL(scanner, "a word of %zu characters; at most %d are read", length, WORD_MOST - 1);
    memcpy(scanner->word, start, length);
    scanner->word[length] = 0;
    return 0;
}

/* ------------------------------------------------------------------ values */

/* One aipp_op while it is read. */
struct builder {
    struct aipp_op op;
    bool has_mode, has_format, has_bytes;
    size_t n_keys;
    char keys[KEYS_MOST][32];
};

static bool has_key(const struct builder *builder, const char *key)
{
    for (size_t i = 0; i < builder->n_keys; i++)
        if (strcmp(builder->keys[i], key) == 0)
            return true;
    return false;
}

/* A decimal number in the C locale's spelling, and nothing else. */
static bool to_number(const char *text, double *number)
{
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    char *end;
    *number = strtod(text, &end);
    return *end == 0 && isfinite(*number);
}

static int set_number(struct scanner *scanner, const char *key, double least, double most, bool whole,
                      double *number)
{
    const char *kind = whole ? "a whole number" : "a number";
    if (!to_number(scanner->word, number) || *number < least || *number > most ||
        (whole && *number != floor(*number)))
        return FAIL(scanner, "%s is '%s'; %s from %.15g to %.15g is wanted", key, scanner->word, kind, least,
                    most);
    return 0;
}

static int set_bool(struct scanner *scanner, const char *key, double *number)
{
    const char *word = scanner->word;
    if (strcmp(word, "true") == 0 || strcmp(word, "1") == 0)
        *number = 1;
    else if (strcmp(word, "false") == 0 || strcmp(word, "0") == 0)
        *number = 0;
    else
        return FAIL(scanner, "%s is '%s'; true or false is wanted", key, word);
    return 0;
}

static int set_mode(struct scanner *scanner, struct builder *builder)
{
    builder->has_mode = true;
    if (strcmp(scanner->word, "static") == 0)
        builder->op.mode = OM_AIPP_STATIC;
    else if (strcmp(scanner->word, "dynamic") == 0)
        builder->op.mode = OM_AIPP_DYNAMIC;
    else
        return FAIL(scanner, "aipp_mode is '%s'; static or dynamic is wanted", scanner->word);
    return 0;
}

static int set_format(struct scanner *scanner, struct builder *builder)
{
    int format = aipp_format_find(scanner->word);
    if (!format)
        return FAIL(scanner,
                    "input_format is '%s'; YUV420SP_U8, XRGB8888_U8, RGB888_U8 or YUV400_U8 is wanted",
                    scanner->word);
    builder->op.source.format = (enum aipp_format)format;
    builder->has_format = true;
    return 0;
}

/* Settings that atc keeps for later, with the one value that means nothing. */
static const struct {
    const char *key, *nothing;
} reserved[] = {
    {"support_rotation", "false"}, {"resize", "false"},         {"resize_output_w", "0"},
    {"resize_output_h", "0"},      {"rotation_angle", "0"},     {"single_line_mode", "false"},
    {"cpadding_value", "0"},       {"raw_rgbir_to_f16_n", "8"}, {"input_edge_idx", "0"},
};

static int set_reserved(struct scanner *scanner, const char *key)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(reserved[i].key, key) != 0)
            continue;
        double number;
        double nothing = strtod(reserved[i].nothing, NULL);
        bool same = strcmp(scanner->word, reserved[i].nothing) == 0 ||
                    (to_number(scanner->word, &number) && number == nothing);
        if (same)
            return 0;
        return FAIL(scanner, "%s is '%s'; the device does not do that: only %s is accepted", key,
                    scanner->word, reserved[i].nothing);
    }
    return FAIL(scanner, "key '%s' is not known", key);
}

static int set_field(struct scanner *scanner, const struct aipp_field *field, struct builder *builder)
{
    double number = 0;
    int rc = field->type == AIPP_BOOL ? set_bool(scanner, field->key, &number)
                                      : set_number(scanner, field->key, field->least, field->most,
                                                   field->type != AIPP_FLOAT, &number);
    if (!rc)
        aipp_field_set(field, &builder->op.source, &builder->op.image, number);
    return rc;
}

/* The value in `scanner->word` for that key. */
static int set_value(struct scanner *scanner, const char *key, struct builder *builder)
{
    double number = 0;
    int rc;
    if (strcmp(key, "aipp_mode") == 0)
        return set_mode(scanner, builder);
    if (strcmp(key, "input_format") == 0)
        return set_format(scanner, builder);
    if (strcmp(key, "related_input_rank") == 0) {
        rc = set_number(scanner, key, 0, OM_MAX_TENSORS - 1, true, &number);
        builder->op.input = rc ? 0 : (size_t)number;
        return rc;
    }
    if (strcmp(key, "max_src_image_size") == 0) {
        rc = set_number(scanner, key, 1, 4294967295.0, true, &number);
        builder->op.bytes_most = rc ? 0 : (uint64_t)number;
        builder->has_bytes = true;
        return rc;
    }
    const struct aipp_field *field = aipp_field_find(key);
    return field ? set_field(scanner, field, builder) : set_reserved(scanner, key);
}

/* ------------------------------------------------------------------ one aipp_op */

/* What atc puts where the matrix and the biases are not given. */
static void fill_colours(struct builder *builder)
{
    static const int16_t to_rgb[3][3] = {{298, 516, 0}, {298, -100, -208}, {298, 0, 409}};
    static const int16_t to_yuv[3][3] = {{66, 129, 25}, {-38, -74, 112}, {112, -94, -18}};
    static const uint8_t bias[3] = {16, 128, 128};
    struct aipp_source *source = &builder->op.source;
    const int16_t(*matrix)[3] = source->format == AIPP_YUV420SP_U8 ? to_rgb : to_yuv;
    char key[32];
    for (int row = 0; source->csc && row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            (void)snprintf(key, sizeof key, "matrix_r%dc%d", row, column);
            if (!has_key(builder, key))
                source->matrix[row][column] = matrix[row][column];
        }
        (void)snprintf(key, sizeof key, "input_bias_%d", row);
        if (!has_key(builder, key))
            source->input_bias[row] = bias[row];
        (void)snprintf(key, sizeof key, "output_bias_%d", row);
        if (!has_key(builder, key))
            source->output_bias[row] = bias[row];
    }
}

static int finish_op(struct scanner *scanner, struct builder *builder, struct aipp_file *file)
{
    if (!builder->has_mode)
        return FAIL(scanner, "%s", "aipp_mode is missing; static or dynamic is wanted");
    if (builder->op.mode == OM_AIPP_STATIC && !builder->has_format)
        return FAIL(scanner, "%s", "input_format is missing, which static AIPP needs");
    if (builder->op.mode == OM_AIPP_DYNAMIC && !builder->has_bytes)
        return FAIL(scanner, "%s", "max_src_image_size is missing, which dynamic AIPP needs");
    for (size_t i = 0; i < file->count; i++)
        if (file->ops[i].input == builder->op.input)
            return FAIL(scanner, "input %zu has two aipp_op; related_input_rank tells them apart",
                        builder->op.input);
    if (file->count == AIPP_FILE_OPS)
        return FAIL(scanner, "more than %d aipp_op", AIPP_FILE_OPS);
    fill_colours(builder);
    file->ops[file->count++] = builder->op;
    return 0;
}

static int expect(struct scanner *scanner, const char *wanted)
{
    int rc = next_word(scanner);
    if (!rc && strcmp(scanner->word, wanted) != 0)
        rc = FAIL(scanner, "found '%s'; '%s' is wanted", scanner->word, wanted);
    return rc;
}

/* `key : value`; the key is the scanner's word. */
static int read_member(struct scanner *scanner, struct builder *builder)
{
    char key[32];
    if (strlen(scanner->word) >= sizeof key || strchr("{:", scanner->word[0]))
        return FAIL(scanner, "found '%s'; a key or '}' is wanted", scanner->word);
    (void)snprintf(key, sizeof key, "%s", scanner->word);
    if (has_key(builder, key))
        return FAIL(scanner, "%s is there twice", key);
    int rc = expect(scanner, ":");
    if (!rc)
        rc = next_word(scanner);
    if (!rc && strchr("{}:", scanner->word[0]))
        rc = FAIL(scanner, "%s has no value", key);
    if (!rc)
        rc = set_value(scanner, key, builder);
    if (!rc && builder->n_keys < KEYS_MOST)
        (void)snprintf(builder->keys[builder->n_keys++], sizeof builder->keys[0], "%s", key);
    return rc;
}

static int read_op(struct scanner *scanner, struct aipp_file *file)
{
    struct builder builder = {0};
    aipp_defaults(&builder.op.source, &builder.op.image);
    if (strcmp(scanner->word, "aipp_op") != 0)
        return FAIL(scanner, "found '%s'; 'aipp_op' is wanted", scanner->word);
    int rc = next_word(scanner);
    if (!rc && strcmp(scanner->word, ":") == 0)
        rc = next_word(scanner);
    if (!rc && strcmp(scanner->word, "{") != 0)
        rc = FAIL(scanner, "found '%s'; '{' is wanted", scanner->word);
    while (!rc) {
        rc = next_word(scanner);
        if (rc || strcmp(scanner->word, "}") == 0)
            break;
        rc = read_member(scanner, &builder);
    }
    return rc ? rc : finish_op(scanner, &builder, file);
}

int aipp_file_parse(const char *text, size_t bytes, const char *path, struct aipp_file *file,
                    struct aispipe_error *error)
{
    struct scanner scanner = {.at = text, .end = text + bytes, .line = 1, .path = path, .error = error};
    file->count = 0;
    int rc = next_word(&scanner);
    while (!rc && scanner.word[0]) {
        rc = read_op(&scanner, file);
        if (!rc)
            rc = next_word(&scanner);
    }
    if (!rc && file->count == 0)
        rc = aispipe_fail(error, AISPIPE_FORMAT, "%s: there is no aipp_op { … } in it", path);
    return rc;
}

int aipp_file_read(const char *path, struct aipp_file *file, struct aispipe_error *error)
{
    void *text;
    size_t bytes;
    int rc = read_whole_file(path, "AIPP configuration", FILE_MOST, &text, &bytes, error);
    if (rc)
        return rc;
    rc = aipp_file_parse(text, bytes, path, file, error);
    free(text);
    return rc;
}
