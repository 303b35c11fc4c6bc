/* SPDX-License-Identifier: MIT */
/* The file around the settings and the model: header, checksum, reading and writing whole. */
#include "om_file.h"

#include "io/fd_io.h"
#include "om_settings.h"
#include "read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 40
#define VERSION 1
/** Line endings in it show a file that was changed on its way as text is. */
static const uint8_t magic[8] = {'A', 'I', 'S', 'P', 'O', 'M', '\r', '\n'};
#define SETTINGS_MOST ((uint64_t)16 << 20)
/** What a real offline model begins with. */
#define REAL_MAGIC "IMOD"

#define REMEDY "make it again with simatc"

/* ------------------------------------------------------------------ bytes */

static uint64_t get(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void put(uint8_t *bytes, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)

static uint64_t checksum(uint64_t sum, const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ byte[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* ------------------------------------------------------------------ reading */

static int refuse_magic(const uint8_t *data, size_t bytes, const char *path, struct aispipe_error *error)
{
    if (bytes >= 4 && memcmp(data, REAL_MAGIC, 4) == 0)
        return aispipe_fail(
            error, AISPIPE_FORMAT,
            "model '%s' is a real offline model; the simulated device runs only those that simatc makes",
            path);
    return aispipe_fail(
        error, AISPIPE_FORMAT,
        "model '%s' is no simulated offline model: it does not begin with \"AISPOM\"; " REMEDY, path);
}

/* Whether the header's sizes are those of the file, and the contents those that were written. */
static int check_frame(const uint8_t *data, size_t bytes, const char *path, struct aispipe_error *error)
{
    if (bytes < sizeof magic || memcmp(data, magic, sizeof magic) != 0)
        return refuse_magic(data, bytes, path, error);
    if (bytes < HEADER_BYTES)
        return aispipe_fail(error, AISPIPE_FORMAT, "model '%s' is cut: %zu bytes, the header has %d; " REMEDY,
                            path, bytes, HEADER_BYTES);
    uint64_t version = get(data + 8, 4);
    if (version != VERSION || get(data + 12, 4) != 0)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "model '%s' has version %" PRIu64
                            " of the simulated format; this program reads %d; " REMEDY,
                            path, version, VERSION);
    uint64_t settings = get(data + 16, 8);
    uint64_t onnx = get(data + 24, 8);
    uint64_t wanted;
    if (__builtin_add_overflow(settings, onnx, &wanted) ||
        __builtin_add_overflow(wanted, HEADER_BYTES, &wanted))
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "model '%s' is damaged: its parts have impossible sizes; " REMEDY, path);
    if (wanted != bytes)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "model '%s' is %s: %zu bytes, its header speaks of %" PRIu64 "; " REMEDY, path,
                            bytes < wanted ? "cut" : "longer than it should be", bytes, wanted);
    if (settings == 0 || settings > SETTINGS_MOST || onnx == 0)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "model '%s' is damaged: %" PRIu64 " bytes of settings, %" PRIu64
                            " of model; " REMEDY,
                            path, settings, onnx);
    if (checksum(CHECKSUM_START, data + HEADER_BYTES, bytes - HEADER_BYTES) != get(data + 32, 8))
        return aispipe_fail(error, AISPIPE_FORMAT, "model '%s' is damaged: its checksum is wrong; " REMEDY,
                            path);
    return 0;
}

int om_parse(const void *data, size_t bytes, const char *path, struct om_file **om,
             struct aispipe_error *error)
{
    *om = NULL;
    int rc = check_frame(data, bytes, path, error);
    if (rc)
        return rc;
    struct om_file *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read model '%s'", path);
    const uint8_t *settings = (const uint8_t *)data + HEADER_BYTES;
    size_t settings_bytes = (size_t)get((const uint8_t *)data + 16, 8);
    made->onnx_bytes = bytes - HEADER_BYTES - settings_bytes;
    made->onnx = malloc(made->onnx_bytes);
    if (!made->onnx) {
        rc = aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the %zu bytes of model '%s'",
                          made->onnx_bytes, path);
        goto out;
    }
    memcpy(made->onnx, settings + settings_bytes, made->onnx_bytes);
    rc = om_settings_parse((const char *)settings, settings_bytes, path, made, error);
    if (!rc)
        rc = om_check(made, path, error);
out:
    if (rc)
        om_free(made);
    else
        *om = made;
    return rc;
}

int om_read(const char *path, struct om_file **om, struct aispipe_error *error)
{
    *om = NULL;
    void *data;
    size_t bytes;
    int rc = read_whole_file(path, "model", SIZE_MAX, &data, &bytes, error);
    if (!rc)
        rc = om_parse(data, bytes, path, om, error);
    free(data);
    return rc;
}

void om_free(struct om_file *om)
{
    if (!om)
        return;
    free(om->inputs);
    free(om->outputs);
    free(om->gears);
    free(om->onnx);
    free(om);
}

/* ------------------------------------------------------------------ writing */

static int cannot_write(const char *what, const char *path, int reason, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_IO, "cannot %s '%s': %s", what, path, strerror(reason));
}

/* Opens a file beside `path`; `*temporary` is its name, to be freed. */
static int open_temporary(const char *path, char **temporary, int *fd, struct aispipe_error *error)
{
    *fd = -1;
    for (unsigned i = 0; *fd < 0 && i < 100; i++) {
        free(*temporary);
        if (asprintf(temporary, "%s.%ld-%u.tmp", path, (long)getpid(), i) < 0) {
            *temporary = NULL;
            return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to write '%s'", path);
        }
        *fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (*fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    return *fd < 0 ? cannot_write("create", path, errno, error) : 0;
}

static int write_file(const char *path, struct iovec *parts, int n_parts, struct aispipe_error *error)
{
    char *temporary = NULL;
    int fd;
    int rc = open_temporary(path, &temporary, &fd, error);
    if (fd < 0)
        goto out;
    int reason = fd_write_parts(fd, parts, n_parts);
    if (close(fd) && !reason)
        reason = errno;
    if (reason)
        rc = cannot_write("write", path, reason, error);
    else if (rename(temporary, path))
        rc = cannot_write("rename the finished file to", path, errno, error);
    if (rc)
        (void)unlink(temporary);
out:
    free(temporary);
    return rc;
}

int om_write(const char *path, const struct om_file *om, struct aispipe_error *error)
{
    int rc = om_check(om, path, error);
    if (rc)
        return rc;
    char *settings = om_settings_print(om);
    if (!settings)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to write '%s'", path);
    size_t length = strlen(settings);
    uint8_t header[HEADER_BYTES] = {0};
    memcpy(header, magic, sizeof magic);
    put(header + 8, 4, VERSION);
    put(header + 16, 8, length);
    put(header + 24, 8, om->onnx_bytes);
    put(header + 32, 8, checksum(checksum(CHECKSUM_START, settings, length), om->onnx, om->onnx_bytes));
    struct iovec parts[] = {{header, sizeof header}, {settings, length}, {om->onnx, om->onnx_bytes}};
    rc = write_file(path, parts, 3, error);
    free(settings);
    return rc;
}
