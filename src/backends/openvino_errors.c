/* SPDX-License-Identifier: MIT */
/* The engine reports errors as several lines full of positions in its own sources. One line is made of them.
 */
#include "openvino_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "src/core/model.cpp:123:" or "/path/x.cpp:12": where in the engine, which means nothing to a user. */
static bool is_position(const char *text, size_t length)
{
    while (length && (text[length - 1] == ':' || text[length - 1] == ' '))
        length--;
    size_t digits = 0;
    while (digits < length && isdigit((unsigned char)text[length - 1 - digits]))
        digits++;
    if (digits == 0 || digits == length || text[length - 1 - digits] != ':')
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] == ' ')
            return false;
    return memchr(text, '/', length) != NULL || memmem(text, length, ".cpp", 4) != NULL;
}

/* Cuts "Exception from POSITION" and "Check 'CONDITION' failed at POSITION" off the front of a line. */
static size_t skip_position(const char *line, size_t length)
{
    static const char exception[] = "Exception from ";
    static const char failed[] = "failed at ";
    size_t from = 0;
    if (length >= sizeof exception - 1 && memcmp(line, exception, sizeof exception - 1) == 0) {
        from = sizeof exception - 1;
    } else if (length > 6 && memcmp(line, "Check '", 7) == 0) {
        const char *at = memmem(line, length, failed, sizeof failed - 1);
        if (!at)
            return 0;
        from = (size_t)(at - line) + sizeof failed - 1;
    } else {
        return 0;
    }
    size_t end = from;
    while (end < length && line[end] != ' ')
        end++;
    return is_position(line + from, end - from) ? end : 0;
}

/* Appends a line, after "; " or, where the line before ended in a colon, after a space. */
static size_t append(char *reason, size_t used, const char *line, size_t length)
{
    const char *glue = used == 0 ? "" : reason[used - 1] == ':' ? " " : "; ";
    int written = snprintf(reason + used, OPENVINO_REASON - used, "%s%.*s", glue, (int)length, line);
    if (written < 0)
        return used;
    used += (size_t)written;
    return used < OPENVINO_REASON ? used : OPENVINO_REASON - 1;
}

static size_t add_line(char *reason, size_t used, const char *line, size_t length)
{
    size_t cut;
    do {
        while (length && isspace((unsigned char)*line))
            line++, length--;
        cut = skip_position(line, length);
        line += cut;
        length -= cut;
    } while (cut);
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    if (length == 0 || length > OPENVINO_REASON || is_position(line, length))
        return used;
    return append(reason, used, line, length);
}

static void tidy(char *reason, size_t used)
{
    for (size_t i = 0; i < used; i++)
        if (iscntrl((unsigned char)reason[i]))
            reason[i] = ' ';
    while (used && strchr(".:; ", reason[used - 1]))
        reason[--used] = '\0';
}

const char *openvino_reason(const struct openvino_library *ov, ov_status_e status,
                            char reason[OPENVINO_REASON])
{
    const char *text = ov->get_last_err_msg();
    size_t used = 0;
    reason[0] = '\0';
    for (const char *line = text; line && *line;) {
        size_t length = strcspn(line, "\n");
        used = add_line(reason, used, line, length);
        line += length + (line[length] == '\n');
    }
    tidy(reason, used);
    ov->free(text);
    if (!*reason)
        (void)snprintf(reason, OPENVINO_REASON, "%s", ov->get_error_info(status));
    return reason;
}
