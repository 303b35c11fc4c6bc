/* SPDX-License-Identifier: MIT */
#include "io/result_file.h"

#include "io/fd_io.h"
#include "io/file_text.h"
#include "io/npy.h"
#include "io/zstd_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 * 1024 };

/* The contents of a file as they grow, one byte more than was read always there. */
struct contents {
    char *data;
    size_t used, room;
};

struct reading {
    struct file_label label; /* the file's name, for messages */
    struct contents contents;
    struct aispipe_error *error;
};

/* ------------------------------------------------------------------ names */

static bool ends_in(const char *name, size_t length, const char *ending)
{
    size_t n = strlen(ending);
    return length > n && strncasecmp(name + length - n, ending, n) == 0;
}

size_t result_file_stem(const char *name)
{
    size_t length = strlen(name);
    if (ends_in(name, length, ".zst"))
        length -= strlen(".zst");
    bool known =
        ends_in(name, length, ".npy") || ends_in(name, length, ".bin") || ends_in(name, length, ".txt");
    return known ? length - strlen(".npy") : 0;
}

/* ------------------------------------------------------------------ contents */

static int fail_memory(const struct reading *reading, size_t bytes)
{
    return aispipe_fail(reading->error, AISPIPE_NO_MEMORY, "no memory for the %zu bytes of '%s'", bytes,
                        reading->label.text);
}

static int fail_format(const struct reading *reading, const char *why)
{
    return aispipe_fail(reading->error, AISPIPE_FORMAT, "'%s': %.1000s", reading->label.text, why);
}

static int fail_read(const struct reading *reading, int reason)
{
    return aispipe_fail(reading->error, AISPIPE_IO, "cannot read '%s': %s", reading->label.text,
                        strerror(reason));
}

static int make_room(struct reading *reading, size_t room)
{
    char *larger = realloc(reading->contents.data, room);
    if (!larger)
        return fail_memory(reading, room);
    reading->contents.data = larger;
    reading->contents.room = room;
    return 0;
}

/* Reads until the end; `next` gives the next bytes, fewer than asked for only there. */
static int read_all(struct reading *reading, int fd, struct zstd_reader *zstd)
{
    struct contents *contents = &reading->contents;
    for (;;) {
        size_t wanted = contents->room - contents->used;
        size_t got = 0;
        const char *problem = NULL;
        int reason = zstd ? zstd_reader_read(zstd, contents->data + contents->used, wanted, &got, &problem)
                          : fd_read_at(fd, contents->data + contents->used, wanted, contents->used, &got);
        if (reason)
            return problem ? fail_format(reading, problem) : fail_read(reading, reason);
        contents->used += got;
        if (got < wanted)
            return 0;
        size_t room;
        if (__builtin_mul_overflow(contents->room, 2, &room))
            return fail_memory(reading, SIZE_MAX);
        int rc = make_room(reading, room);
        if (rc)
            return rc;
    }
}

static int read_open(struct reading *reading, int fd, bool compressed)
{
    struct stat status;
    struct zstd_reader zstd = {0};
    if (fstat(fd, &status))
        return fail_read(reading, errno);
    if (!S_ISREG(status.st_mode))
        return fail_format(reading, "it is not a regular file");
    /* One byte more than the file has, to see its end at once. */
    int rc = make_room(reading, compressed || status.st_size < 0 ? FIRST_ROOM : (size_t)status.st_size + 1);
    int reason = rc || !compressed ? 0 : zstd_reader_begin(&zstd, fd);
    if (reason)
        rc = fail_read(reading, reason);
    if (!rc)
        rc = read_all(reading, fd, compressed ? &zstd : NULL);
    zstd_reader_free(&zstd);
    return rc;
}

static int read_contents(struct reading *reading, const char *path, bool compressed)
{
    int fd;
    /* Not blocking: a FIFO must be refused, not waited for. */
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail_read(reading, errno);
    int rc = read_open(reading, fd, compressed);
    (void)close(fd);
    return rc;
}

/* ------------------------------------------------------------------ formats */

/* Puts `data` in the place of the contents. */
static void take(struct reading *reading, struct result_file *file, void *data, size_t bytes)
{
    if (data != reading->contents.data)
        free(reading->contents.data);
    reading->contents.data = NULL;
    file->data = data;
    file->bytes = bytes;
}

static int take_npy(struct reading *reading, struct result_file *file)
{
    struct npy_header header;
    struct aispipe_error why;
    const struct contents *contents = &reading->contents;
    long more = npy_parse(contents->data, contents->used, &header, &why);
    if (more)
        return fail_format(reading, more < 0 ? why.message : "it is cut off inside its npy header");
    if (header.dtype == AISPIPE_DTYPE_UNDEFINED)
        return aispipe_fail(reading->error, AISPIPE_UNSUPPORTED,
                            "'%s' holds values of type '%s', which no model has", reading->label.text,
                            header.descr);
    if (contents->used - header.header_bytes != header.payload_bytes)
        return aispipe_fail(reading->error, AISPIPE_FORMAT,
                            "'%s': its npy header announces %zu bytes, but %zu follow it; write it again",
                            reading->label.text, header.payload_bytes, contents->used - header.header_bytes);
    file->dtype = header.dtype;
    file->has_shape = true;
    file->rank = header.rank;
    memcpy(file->dims, header.dims, sizeof file->dims);
    char *payload = malloc(header.payload_bytes + 1);
    if (!payload)
        return fail_memory(reading, header.payload_bytes);
    if (npy_is_plain(&header))
        memcpy(payload, contents->data + header.header_bytes, header.payload_bytes);
    else
        npy_to_native(&header, contents->data + header.header_bytes, payload);
    take(reading, file, payload, header.payload_bytes);
    return 0;
}

static size_t count_words(const char *text)
{
    size_t words = 0;
    for (bool inside = false; *text; text++) {
        bool blank = isspace((unsigned char)*text);
        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

/* What is no number stays where it is, and so do the words behind it. Returns how many were read. */
static size_t read_words(const char *text, double *values, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        char *end;
        values[i] = strtod(text, &end);
        if (end == text || (*end && !isspace((unsigned char)*end)))
            return i;
        text = end;
    }
    return words;
}

static int take_txt(struct reading *reading, struct result_file *file)
{
    struct contents *contents = &reading->contents;
    contents->data[contents->used] = '\0'; /* the end was seen, so there is room */
    if (strlen(contents->data) != contents->used)
        return fail_format(reading, "it is not text: it holds a byte 0");
    size_t words = count_words(contents->data);
    size_t bytes;
    if (__builtin_mul_overflow(words, sizeof(double), &bytes))
        return fail_memory(reading, SIZE_MAX);
    double *values = malloc(bytes + 1);
    if (!values)
        return fail_memory(reading, bytes);
    size_t read = read_words(contents->data, values, words);
    if (read < words) {
        free(values);
        return aispipe_fail(reading->error, AISPIPE_FORMAT,
                            "'%s': word %zu is no number; values and blanks are wanted", reading->label.text,
                            read + 1);
    }
    file->dtype = AISPIPE_FLOAT64;
    take(reading, file, values, bytes);
    return 0;
}

int result_file_read(const char *path, struct result_file *file, struct aispipe_error *error)
{
    struct reading reading = {.error = error};
    size_t stem = result_file_stem(path);
    *file = (struct result_file){.dtype = AISPIPE_DTYPE_UNDEFINED};
    (void)file_label(&reading.label, path, strlen(path));
    if (!stem)
        return fail_format(&reading, "its name does not end as a result's does: .npy .bin .txt, and with "
                                     ".zst behind it");
    int rc = read_contents(&reading, path, ends_in(path, strlen(path), ".zst"));
    if (!rc && strncasecmp(path + stem, ".npy", 4) == 0)
        rc = take_npy(&reading, file);
    else if (!rc && strncasecmp(path + stem, ".txt", 4) == 0)
        rc = take_txt(&reading, file);
    else if (!rc)
        take(&reading, file, reading.contents.data, reading.contents.used);
    free(reading.contents.data);
    return rc;
}

void result_file_free(struct result_file *file)
{
    free(file->data);
    file->data = NULL;
}
