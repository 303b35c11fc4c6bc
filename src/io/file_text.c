/* SPDX-License-Identifier: MIT */
#include "io/file_text.h"

#include <stdio.h>
#include <string.h>

void file_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            *text = '?';
}

const char *file_label(struct file_label *label, const char *path, size_t length)
{
    size_t start = 0;
    if (length >= sizeof label->text) {
        start = length - (sizeof label->text - 1) + strlen("...");
        while (((unsigned char)path[start] & 0xc0) == 0x80) /* not inside a UTF-8 character */
            start++;
        memcpy(label->text, "...", strlen("..."));
    }
    memcpy(label->text + (start ? strlen("...") : 0), path + start, length - start + 1);
    file_one_line(label->text);
    return label->text;
}

const char *file_describe(struct file_text *text, const struct file_contents *contents)
{
    const char *more = contents->more ? "more than " : "";
    const char *plural = contents->bytes == 1 ? "" : "s";
    if (!contents->has_header) {
        (void)snprintf(text->text, sizeof text->text, "%s%zu byte%s", more, contents->bytes, plural);
        return text->text;
    }
    char shape[512];
    const struct npy_header *header = &contents->header;
    bool known = header->dtype != AISPIPE_DTYPE_UNDEFINED;
    npy_format_shape(header->rank, header->dims, shape, sizeof shape);
    (void)snprintf(text->text, sizeof text->text, "%s %s, %s%zu byte%s",
                   known ? aispipe_dtype_name(header->dtype) : header->descr, shape, more, contents->bytes,
                   plural);
    return text->text;
}

const char *file_describe_tensor(struct file_text *text, const struct aispipe_tensor_desc *desc)
{
    char shape[512];
    text->text[0] = '\0';
    npy_format_shape(desc->rank, desc->dims, shape, sizeof shape);
    (void)snprintf(text->text, sizeof text->text, "%s %s, %zu byte%s", aispipe_dtype_name(desc->dtype), shape,
                   desc->size, desc->size == 1 ? "" : "s");
    return text->text;
}
