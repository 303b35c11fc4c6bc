/* SPDX-License-Identifier: MIT */
#include "aipp_config.h"

#include "io/fd_io.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION "aipp_op"

/* ------------------------------------------------------------------ keys */

/* What a value belongs to: without that switch it may be 0, whatever its range. */
enum gate { ALWAYS, CSC, CROP, PADDING };

struct key {
    const char *name;
    enum gate gate;
    bool is_float;
    bool required;
    size_t offset;
    double least, most;
};

#define INT(name, gate, member, least, most)                                         \
    {                                                                                \
        name, gate, false, false, offsetof(struct aispipe_aipp, member), least, most \
    }
#define REQUIRED(name, member, least, most)                                           \
    {                                                                                 \
        name, ALWAYS, false, true, offsetof(struct aispipe_aipp, member), least, most \
    }
#define FLOAT(name, member, least, most)                                              \
    {                                                                                 \
        name, ALWAYS, true, false, offsetof(struct aispipe_aipp, member), least, most \
    }
#define MATRIX(r, c) INT("matrix_r" #r "c" #c, CSC, matrix[r][c], -32677, 32676)

static const struct key keys[] = {
    REQUIRED("src_image_size_w", src_image_size_w, 2, 4096),
    REQUIRED("src_image_size_h", src_image_size_h, 1, 4096),
    INT("rbuv_swap_switch", ALWAYS, rbuv_swap_switch, 0, 1),
    INT("ax_swap_switch", ALWAYS, ax_swap_switch, 0, 1),
    INT("csc_switch", ALWAYS, csc_switch, 0, 1),
    MATRIX(0, 0),
    MATRIX(0, 1),
    MATRIX(0, 2),
    MATRIX(1, 0),
    MATRIX(1, 1),
    MATRIX(1, 2),
    MATRIX(2, 0),
    MATRIX(2, 1),
    MATRIX(2, 2),
    INT("output_bias_0", CSC, output_bias[0], 0, 255),
    INT("output_bias_1", CSC, output_bias[1], 0, 255),
    INT("output_bias_2", CSC, output_bias[2], 0, 255),
    INT("input_bias_0", CSC, input_bias[0], 0, 255),
    INT("input_bias_1", CSC, input_bias[1], 0, 255),
    INT("input_bias_2", CSC, input_bias[2], 0, 255),
    INT("crop", ALWAYS, crop, 0, 1),
    INT("load_start_pos_w", CROP, load_start_pos_w, 0, 4095),
    INT("load_start_pos_h", CROP, load_start_pos_h, 0, 4095),
    INT("crop_size_w", CROP, crop_size_w, 1, 4096),
    INT("crop_size_h", CROP, crop_size_h, 1, 4096),
    INT("padding", ALWAYS, padding, 0, 1),
    INT("padding_size_top", PADDING, padding_size_top, 0, 32),
    INT("padding_size_bottom", PADDING, padding_size_bottom, 0, 32),
    INT("padding_size_left", PADDING, padding_size_left, 0, 32),
    INT("padding_size_right", PADDING, padding_size_right, 0, 32),
    INT("mean_chn_0", ALWAYS, mean_chn[0], 0, 255),
    INT("mean_chn_1", ALWAYS, mean_chn[1], 0, 255),
    INT("mean_chn_2", ALWAYS, mean_chn[2], 0, 255),
    INT("mean_chn_3", ALWAYS, mean_chn[3], 0, 255),
    FLOAT("min_chn_0", min_chn[0], 0, 255),
    FLOAT("min_chn_1", min_chn[1], 0, 255),
    FLOAT("min_chn_2", min_chn[2], 0, 255),
    FLOAT("min_chn_3", min_chn[3], 0, 255),
    FLOAT("var_reci_chn_0", var_reci_chn[0], -65504, 65504),
    FLOAT("var_reci_chn_1", var_reci_chn[1], -65504, 65504),
    FLOAT("var_reci_chn_2", var_reci_chn[2], -65504, 65504),
    FLOAT("var_reci_chn_3", var_reci_chn[3], -65504, 65504),
};
#define N_KEYS (sizeof keys / sizeof *keys)

static const char *const formats[] = {"YUV420SP_U8", "XRGB8888_U8", "RGB888_U8", "YUV400_U8"};
#define N_FORMATS (sizeof formats / sizeof *formats)
#define FORMATS_WANTED "YUV420SP_U8, XRGB8888_U8, RGB888_U8 or YUV400_U8 is wanted"

/* ------------------------------------------------------------------ ranges */

static double value_of(const struct aispipe_aipp *config, const struct key *key)
{
    const void *member = (const char *)config + key->offset;
    return key->is_float ? (double)*(const float *)member : (double)*(const int32_t *)member;
}

static bool is_off(const struct aispipe_aipp *config, enum gate gate)
{
    return (gate == CSC && !config->csc_switch) || (gate == CROP && !config->crop) ||
           (gate == PADDING && !config->padding);
}

/* A crop that leaves the image would be refused by the device, in the middle of the run and in its own words.
 */
static int check_crop(const struct aispipe_aipp *config, const char *where, struct aispipe_error *error)
{
    const struct {
        const char *axis;
        int32_t start, size, image;
    } axes[] = {{"w", config->load_start_pos_w, config->crop_size_w, config->src_image_size_w},
                {"h", config->load_start_pos_h, config->crop_size_h, config->src_image_size_h}};
    for (size_t i = 0; config->crop && i < 2; i++)
        if (axes[i].start + axes[i].size > axes[i].image)
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "%s: load_start_pos_%s %d and crop_size_%s %d make %d; at most src_image_size_%s, %d, is "
                "wanted",
                where, axes[i].axis, axes[i].start, axes[i].axis, axes[i].size, axes[i].start + axes[i].size,
                axes[i].axis, axes[i].image);
    return 0;
}

int acl_aipp_config_check(const struct aispipe_aipp *config, const char *where, struct aispipe_error *error)
{
    if (config->input_format < 1 || config->input_format > (int32_t)N_FORMATS)
        return aispipe_fail(error, AISPIPE_INVALID, "%s: input_format is %d; 1 to %zu, which are %s", where,
                            config->input_format, N_FORMATS, FORMATS_WANTED);
    for (size_t i = 0; i < N_KEYS; i++) {
        double value = value_of(config, &keys[i]);
        bool in_range = value >= keys[i].least && value <= keys[i].most;
        if (!in_range && !(value == 0 && is_off(config, keys[i].gate)))
            return aispipe_fail(error, AISPIPE_INVALID, "%s: %s is %.*g; %s from %.0f to %.0f is wanted",
                                where, keys[i].name, keys[i].is_float ? 7 : 10, value,
                                keys[i].is_float ? "a number" : "a whole number", keys[i].least,
                                keys[i].most);
    }
    return check_crop(config, where, error);
}

int aispipe_aipp_check(const struct aispipe_aipp *aipp, struct aispipe_error *error)
{
    return acl_aipp_config_check(aipp, "AIPP settings", error);
}

int32_t aispipe_aipp_format(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i], name) == 0)
            return (int32_t)i + 1;
    return 0;
}

/* ------------------------------------------------------------------ lines */

struct text {
    const char *data;
    size_t bytes;
};

struct parser {
    const char *path;
    const struct aispipe_log *log;
    struct aispipe_error *error;
    struct aispipe_aipp config;
    bool given[N_KEYS];
    unsigned line;
    bool has_section, in_section;
    locale_t locale; /* "1.5" is one and a half, whatever the program's locale says */
};

#define SHOW(text) (int)((text).bytes < 80 ? (text).bytes : 80), (text).data
#define FAIL(parser, format, ...)                                                               \
    aispipe_fail((parser)->error, AISPIPE_INVALID, "AIPP configuration '%s', line %u: " format, \
                 (parser)->path, (parser)->line, __VA_ARGS__)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct text trim(struct text text)
{
    while (text.bytes && is_blank(text.data[0])) {
        text.data++;
        text.bytes--;
    }
    while (text.bytes && is_blank(text.data[text.bytes - 1]))
        text.bytes--;
    return text;
}

/* Without a comment, which begins the line or follows a blank. */
static struct text without_comment(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if ((text.data[i] == '#' || text.data[i] == ';') && (i == 0 || is_blank(text.data[i - 1])))
            text.bytes = i;
    return text;
}

static bool is_name(struct text text, const char *name)
{
    return text.bytes == strlen(name) && strncasecmp(text.data, name, text.bytes) == 0;
}

static int set_format(struct parser *parser, struct text value)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (value.bytes == strlen(formats[i]) && memcmp(value.data, formats[i], value.bytes) == 0) {
            parser->config.input_format = (int32_t)i + 1;
            return 0;
        }
    return FAIL(parser, "input_format is '%.*s'; " FORMATS_WANTED, SHOW(value));
}

/* A decimal number and nothing else: no infinity, no hexadecimal. */
static bool to_number(const struct parser *parser, struct text text, bool is_float, double *number)
{
    char copy[64];
    if (text.bytes == 0 || text.bytes >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = 0;
    if (strspn(copy, is_float ? "0123456789+-.eE" : "0123456789+-") != text.bytes)
        return false;
    char *end;
    *number = strtod_l(copy, &end, parser->locale);
    return *end == 0 && isfinite(*number);
}

/* Its own range is looked at here only as far as the type goes; the rest waits for the switches. */
static int set_value(struct parser *parser, const struct key *key, struct text value)
{
    double number;
    bool good = to_number(parser, value, key->is_float, &number);
    double most = key->is_float ? 3.4e38 : INT32_MAX;
    if (!good || fabs(number) > most)
        return FAIL(parser, "%s is '%.*s'; %s from %.0f to %.0f is wanted", key->name, SHOW(value),
                    key->is_float ? "a number" : "a whole number", key->least, key->most);
    void *member = (char *)&parser->config + key->offset;
    if (key->is_float)
        *(float *)member = (float)number;
    else
        *(int32_t *)member = (int32_t)number;
    parser->given[key - keys] = true;
    return 0;
}

static int read_member(struct parser *parser, struct text line)
{
    size_t at = 0;
    while (at < line.bytes && line.data[at] != ':' && line.data[at] != '=')
        at++;
    struct text name = trim((struct text){line.data, at});
    if (at == line.bytes || name.bytes == 0)
        return FAIL(parser, "'%.*s' is not 'key : value'", SHOW(line));
    struct text value = trim((struct text){line.data + at + 1, line.bytes - at - 1});
    if (is_name(name, "input_format"))
        return set_format(parser, value);
    for (size_t i = 0; i < N_KEYS; i++)
        if (is_name(name, keys[i].name))
            return set_value(parser, &keys[i], value);
    if (parser->log)
        log_line(parser->log, AISPIPE_LOG_WARNING,
                 "AIPP configuration '%s', line %u: key '%.*s' is not known and has no effect", parser->path,
                 parser->line, SHOW(name));
    return 0;
}

static int read_line(struct parser *parser, struct text line)
{
    line = trim(without_comment(line));
    if (line.bytes == 0)
        return 0;
    if (memchr(line.data, 0, line.bytes))
        return FAIL(parser, "%s", "there is a zero byte; this is no text file");
    if (line.data[0] == '[') {
        if (line.data[line.bytes - 1] != ']')
            return FAIL(parser, "'%.*s' is no section: ']' is missing", SHOW(line));
        struct text name = trim((struct text){line.data + 1, line.bytes - 2});
        parser->in_section = name.bytes == strlen(SECTION) && memcmp(name.data, SECTION, name.bytes) == 0;
        parser->has_section = parser->has_section || parser->in_section;
        return 0;
    }
    if (parser->in_section)
        return read_member(parser, line);
    return parser->has_section ? 0
                               : FAIL(parser, "'%.*s' stands before the section [" SECTION "]", SHOW(line));
}

/* ------------------------------------------------------------------ the file */

static int check_whole(const struct parser *parser)
{
    char where[512];
    const struct aispipe_aipp *config = &parser->config;
    (void)snprintf(where, sizeof where, "AIPP configuration '%.480s'", parser->path);
    if (!parser->has_section)
        return aispipe_fail(parser->error, AISPIPE_INVALID, "%s: the section [" SECTION "] is missing",
                            where);
    if (!config->input_format)
        return aispipe_fail(parser->error, AISPIPE_INVALID, "%s: input_format is missing; " FORMATS_WANTED,
                            where);
    for (size_t i = 0; i < N_KEYS; i++)
        if (keys[i].required && !parser->given[i])
            return aispipe_fail(parser->error, AISPIPE_INVALID,
                                "%s: %s is missing; a whole number from %.0f to %.0f is wanted", where,
                                keys[i].name, keys[i].least, keys[i].most);
    int rc = acl_aipp_config_check(config, where, parser->error);
    bool black = true;
    for (size_t i = 0; i < 4; i++)
        black = black && config->var_reci_chn[i] == 0;
    if (!rc && black && parser->log)
        log_line(parser->log, AISPIPE_LOG_WARNING,
                 "%s: var_reci_chn_0 to _3 are all 0 or missing, so every pixel becomes 0; 1 keeps them as "
                 "they are",
                 where);
    return rc;
}

int acl_aipp_config_parse(const char *text, size_t bytes, const char *path, const struct aispipe_log *log,
                          struct aispipe_aipp *config, struct aispipe_error *error)
{
    struct parser parser = {.path = path, .log = log, .error = error};
    parser.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!parser.locale)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read AIPP configuration '%s'", path);
    const char *end = text + bytes;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* the mark that some editors put in front of UTF-8 */
    int rc = 0;
    while (!rc && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct text line = {text, (size_t)((newline ? newline : end) - text)};
        parser.line++;
        rc = read_line(&parser, line);
        text = newline ? newline + 1 : end;
    }
    if (!rc)
        rc = check_whole(&parser);
    freelocale(parser.locale);
    if (!rc)
        *config = parser.config;
    return rc;
}

static int read_open_file(int fd, const char *path, char *text, size_t *bytes, struct aispipe_error *error)
{
    struct stat status;
    int reason = fstat(fd, &status) ? errno : 0;
    if (!reason && !S_ISREG(status.st_mode))
        return aispipe_fail(error, AISPIPE_IO, "AIPP configuration '%s' is %s; a file is wanted", path,
                            S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
    if (!reason)
        reason = fd_read_at(fd, text, ACL_AIPP_CONFIG_MOST + 1, 0, bytes);
    if (reason)
        return aispipe_fail(error, AISPIPE_IO, "cannot read AIPP configuration '%s': %s", path,
                            strerror(reason));
    if (*bytes > ACL_AIPP_CONFIG_MOST)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "AIPP configuration '%s' has more than %d bytes (12.5 KiB), which is the most",
                            path, ACL_AIPP_CONFIG_MOST);
    return 0;
}

int aispipe_aipp_read(const char *path, const struct aispipe_log *log, struct aispipe_aipp *config,
                      struct aispipe_error *error)
{
    char text[ACL_AIPP_CONFIG_MOST + 1];
    size_t bytes = 0;
    /* O_NONBLOCK: a pipe without a writer would hold open() for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot open AIPP configuration '%s': %s", path,
                            strerror(errno));
    int rc = read_open_file(fd, path, text, &bytes, error);
    (void)close(fd);
    return rc ? rc : acl_aipp_config_parse(text, bytes, path, log, config, error);
}
