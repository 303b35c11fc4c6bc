/* SPDX-License-Identifier: MIT */
/*
 * A first look at a model file. The engine answers damage by offering the file to every reader it has, each
 * of which writes to stderr, and then says that the format may be wrong. Cut-off and foreign files can be
 * told from the outside, so that the user gets one line that says what is wrong.
 */
#include "io/fd_io.h"
#include "openvino_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    const char *path;
    int fd;
    uint64_t size;
};

static int unreadable(const struct file *file, int reason, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_IO, "model '%s': %s", file->path, strerror(reason));
}

/* Reads up to `capacity` bytes from `offset`; less at the end of the file. */
static int read_at(const struct file *file, uint64_t offset, void *buffer, size_t capacity, size_t *got,
                   struct aispipe_error *error)
{
    int reason = fd_read_at(file->fd, buffer, capacity, offset, got);
    return reason ? unreadable(file, reason, error) : 0;
}

/* Decodes a protobuf varint; 0 when it does not end inside the bytes. */
static size_t varint(const unsigned char *bytes, size_t n, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n && i < 10; i++) {
        *value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (!(bytes[i] & 0x80))
            return i + 1;
    }
    return 0;
}

/* One field of the outermost message: its number, and where the next one starts (may lie behind the end). */
static bool next_field(const unsigned char *bytes, size_t n, uint64_t offset, uint64_t *number,
                       uint64_t *next)
{
    uint64_t tag;
    uint64_t value = 0;
    size_t head = varint(bytes, n, &tag);
    if (!head || tag >> 3 == 0)
        return false;
    *number = tag >> 3;
    switch (tag & 7) {
    case 0:
        *next = offset + head + varint(bytes + head, n - head, &value);
        return *next > offset + head;
    case 1:
        *next = offset + head + 8;
        return true;
    case 2: {
        size_t length = varint(bytes + head, n - head, &value);
        return length && !__builtin_add_overflow(offset + head + length, value, next);
    }
    case 5:
        *next = offset + head + 4;
        return true;
    default:
        return false;
    }
}

/* ONNX and TensorFlow: a sequence of fields that fills the file exactly. `wanted` 0: no field is compulsory.
 */
static int check_protobuf(const struct file *file, const char *format, uint64_t wanted,
                          struct aispipe_error *error)
{
    bool found = wanted == 0;
    for (uint64_t offset = 0; offset < file->size;) {
        unsigned char bytes[24];
        uint64_t number = 0;
        uint64_t next = 0;
        size_t n;
        int rc = read_at(file, offset, bytes, sizeof bytes, &n, error);
        if (rc)
            return rc;
        if (!next_field(bytes, n, offset, &number, &next))
            return aispipe_fail(
                error, AISPIPE_MODEL, "model '%s' is not a valid %s file: unexpected byte at %llu of %llu",
                file->path, format, (unsigned long long)offset, (unsigned long long)file->size);
        if (next > file->size)
            return aispipe_fail(
                error, AISPIPE_MODEL,
                "model '%s' is not a whole %s file: its contents say %llu bytes or more, it has "
                "%llu; it may have been cut off while it was copied",
                file->path, format, (unsigned long long)next, (unsigned long long)file->size);
        found |= number == wanted;
        offset = next;
    }
    if (!found)
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s' is not a valid %s file: it holds no graph",
                            file->path, format);
    return 0;
}

static int check_tflite(const struct file *file, struct aispipe_error *error)
{
    char head[8] = "";
    size_t n;
    int rc = read_at(file, 0, head, sizeof head, &n, error);
    if (rc)
        return rc;
    if (memcmp(head + 4, "TFL3", 4) != 0)
        return aispipe_fail(error, AISPIPE_MODEL,
                            "model '%s' is not a TFLite file: the mark TFL3 is missing at byte 4",
                            file->path);
    return 0;
}

static int check_ir(const struct file *file, struct aispipe_error *error)
{
    char text[4096];
    size_t n;
    int rc = read_at(file, 0, text, sizeof text, &n, error);
    if (rc)
        return rc;
    size_t start = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (start < n && isspace((unsigned char)text[start]))
        start++;
    if (start == n || text[start] != '<')
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s' is not an OpenVINO IR file: it is not XML",
                            file->path);
    uint64_t tail = file->size > sizeof text ? file->size - sizeof text : 0;
    rc = read_at(file, tail, text, sizeof text, &n, error);
    if (rc)
        return rc;
    if (!memmem(text, n, "</net>", 6))
        return aispipe_fail(error, AISPIPE_MODEL,
                            "model '%s' is not a whole OpenVINO IR file: it does not end in </net>",
                            file->path);
    return 0;
}

static bool ends_in(const char *path, const char *suffix)
{
    size_t length = strlen(path);
    size_t n = strlen(suffix);
    return length >= n && strcasecmp(path + length - n, suffix) == 0;
}

static int check_contents(const struct file *file, struct aispipe_error *error)
{
    if (file->size == 0)
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s' is empty", file->path);
    if (ends_in(file->path, ".onnx"))
        return check_protobuf(file, "ONNX", 7, error);
    if (ends_in(file->path, ".pb"))
        return check_protobuf(file, "TensorFlow", 0, error);
    if (ends_in(file->path, ".tflite"))
        return check_tflite(file, error);
    if (ends_in(file->path, ".xml"))
        return check_ir(file, error);
    return 0;
}

int openvino_check_file(const char *path, struct aispipe_error *error)
{
    /* Non-blocking: opening a FIFO must not wait for its writer. */
    struct file file = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status;
    int rc;
    if (file.fd < 0)
        return unreadable(&file, errno, error);
    if (fstat(file.fd, &status) != 0)
        rc = unreadable(&file, errno, error);
    else if (!S_ISREG(status.st_mode))
        rc = aispipe_fail(error, AISPIPE_IO, "model '%s' is not a regular file", path);
    else {
        file.size = (uint64_t)status.st_size;
        rc = check_contents(&file, error);
    }
    (void)close(file.fd);
    return rc;
}
