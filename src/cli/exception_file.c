/* SPDX-License-Identifier: MIT */
#include "cli/exception_file.h"

#include "io/fd_io.h"
#include "io/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "exception_cb_index_"
#define SUFFIX ".bin"
#define BLOCK ((size_t)1 << 20)

/* ------------------------------------------------------------------ the name */

bool exception_file_named(const char *name)
{
    size_t length = strlen(name);
    return length >= strlen(PREFIX) + strlen(SUFFIX) && strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

/* Moves `*at` behind `word`. */
static bool skip_word(const char **at, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

/* Reads a whole number and moves `*at` behind it. */
static bool read_number(const char **at, int64_t *number)
{
    const char *text = *at;
    bool negative = *text == '-';
    int64_t n = 0;
    text += negative;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *text - '0', &n))
            return false;
    *number = negative ? -n : n;
    *at = text;
    return true;
}

static int bad_name(struct aispipe_error *error, const char *what)
{
    return aispipe_fail(error, AISPIPE_FORMAT,
                        "its name has no %s where " PREFIX
                        "<n>_{input,output}_<i>_format_<f>_dtype_<d>_shape_<AxBxC>" SUFFIX " has it",
                        what);
}

static int parse_shape(const char **at, struct exception_file *file, struct aispipe_error *error)
{
    if (strcmp(*at, SUFFIX) == 0)
        return 0; /* a scalar */
    for (;; (*at)++) {
        if (file->rank == AISPIPE_MAX_RANK)
            return aispipe_fail(error, AISPIPE_FORMAT, "its shape has more than %d dimensions",
                                AISPIPE_MAX_RANK);
        int64_t *dim = &file->dims[file->rank];
        if (!read_number(at, dim))
            return bad_name(error, "shape");
        if (*dim < 0)
            return aispipe_fail(error, AISPIPE_FORMAT, "dimension %d of its shape is %" PRId64 ": not known",
                                file->rank, *dim);
        if (__builtin_mul_overflow(file->bytes, (size_t)*dim, &file->bytes))
            return aispipe_fail(error, AISPIPE_FORMAT,
                                "its shape holds more bytes than memory has addresses");
        file->rank++;
        if (**at != 'x')
            return 0;
    }
}

int exception_file_parse(const char *name, struct exception_file *file, struct aispipe_error *error)
{
    int64_t ignored;
    int64_t dtype;
    const char *at = name;
    *file = (struct exception_file){.rank = 0};
    if (!skip_word(&at, PREFIX) || !read_number(&at, &ignored))
        return bad_name(error, "index");
    if (!(skip_word(&at, "_input_") || skip_word(&at, "_output_")) || !read_number(&at, &ignored))
        return bad_name(error, "number of an input or output");
    if (!skip_word(&at, "_format_") || !read_number(&at, &ignored))
        return bad_name(error, "format");
    if (!skip_word(&at, "_dtype_") || !read_number(&at, &dtype))
        return bad_name(error, "dtype");
    if (!skip_word(&at, "_shape_"))
        return bad_name(error, "shape");
    file->dtype = dtype >= 0 && dtype <= INT_MAX ? (enum aispipe_dtype)dtype : AISPIPE_DTYPE_UNDEFINED;
    file->bytes = aispipe_dtype_size(file->dtype);
    if (!file->bytes)
        return aispipe_fail(
            error, AISPIPE_UNSUPPORTED,
            "dtype %" PRId64 " in its name is none that a .npy can hold (0 float32, 1 float16, 2 int8, "
            "3 int32, 4 uint8, 6 int16, 7 uint16, 8 uint32, 9 int64, 10 uint64, 11 float64, 12 bool, "
            "27 bfloat16)",
            dtype);
    int rc = parse_shape(&at, file, error);
    if (!rc && strcmp(at, SUFFIX) != 0)
        rc = bad_name(error, "end");
    return rc;
}

/* ------------------------------------------------------------------ the contents */

static int cannot(const char *what, const char *path, int reason, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_IO, "cannot %s '%s': %s", what, path, strerror(reason));
}

static int open_source(int from, const char *name, const char *path, const struct exception_file *file,
                       int *fd, struct aispipe_error *error)
{
    struct stat status;
    /* Not blocking: a FIFO of that name must be refused, not waited for. */
    do
        *fd = openat(from, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0 || fstat(*fd, &status))
        return cannot("open", path, errno, error);
    if (!S_ISREG(status.st_mode))
        return aispipe_fail(error, AISPIPE_FORMAT, "'%s' is not a regular file", path);
    if ((uint64_t)status.st_size == file->bytes)
        return 0;
    char shape[AISPIPE_MAX_RANK * 22 + 3];
    npy_format_shape(file->rank, file->dims, shape, sizeof shape);
    return aispipe_fail(error, AISPIPE_FORMAT,
                        "'%s' holds %" PRIu64
                        " bytes, but its name says %s %s, which are %zu; it was cut off, or "
                        "renamed",
                        path, (uint64_t)status.st_size, aispipe_dtype_name(file->dtype), shape, file->bytes);
}

static int copy(int source, int target, size_t bytes, const char *path, struct aispipe_error *error)
{
    char *block = malloc(BLOCK);
    int rc = block ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to convert '%s'", path);
    for (size_t at = 0; !rc && at < bytes;) {
        size_t wanted = bytes - at < BLOCK ? bytes - at : BLOCK;
        size_t got = 0;
        int reason = fd_read_at(source, block, wanted, at, &got);
        if (reason)
            rc = cannot("read", path, reason, error);
        else if (got < wanted)
            rc = aispipe_fail(error, AISPIPE_IO, "'%s' became shorter while it was read", path);
        reason = rc ? 0 : fd_write(target, block, got);
        if (reason)
            rc = cannot("write the .npy of", path, reason, error);
        at += got;
    }
    free(block);
    return rc;
}

static int write_npy(int source, int target, const struct exception_file *file, const char *path,
                     struct aispipe_error *error)
{
    char *header = malloc(NPY_MAX_HEADER);
    if (!header)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to convert '%s'", path);
    size_t length = npy_format_header(file->dtype, file->rank, file->dims, header);
    int reason = fd_write(target, header, length);
    free(header);
    if (reason)
        return cannot("write the .npy of", path, reason, error);
    return copy(source, target, file->bytes, path, error);
}

static int write_target(int source, int to, const char *target, const struct exception_file *file,
                        const char *path, struct aispipe_error *error)
{
    char temporary[64];
    uint32_t number = 0;
    (void)getrandom(&number, sizeof number, GRND_NONBLOCK); /* without it O_EXCL still keeps us apart */
    (void)snprintf(temporary, sizeof temporary, ".aispipe-%ld-%08" PRIx32 "-convert.tmp", (long)getpid(),
                   number);
    int fd;
    do
        fd = openat(to, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return cannot("create the .npy of", path, errno, error);
    int rc = write_npy(source, fd, file, path, error);
    if (close(fd) && !rc)
        rc = cannot("write the .npy of", path, errno, error);
    if (!rc && renameat(to, temporary, to, target))
        rc = cannot("rename the complete .npy of", path, errno, error);
    if (rc)
        (void)unlinkat(to, temporary, 0);
    return rc;
}

int exception_file_convert(int from, const char *name, int to, const char *path, struct aispipe_error *error)
{
    struct exception_file file;
    struct aispipe_error why;
    int rc = exception_file_parse(name, &file, &why);
    if (rc)
        return aispipe_fail(error, rc, "cannot convert '%s': %s", path, why.message);
    int source = -1;
    char target[NAME_MAX + 1];
    rc = open_source(from, name, path, &file, &source, error);
    (void)snprintf(target, sizeof target, "%.*s.npy", (int)(strlen(name) - strlen(SUFFIX)), name);
    if (!rc)
        rc = write_target(source, to, target, &file, path, error);
    if (source >= 0)
        (void)close(source);
    return rc;
}
