/* SPDX-License-Identifier: MIT */
/*
 * Reading one file into its place. The common case takes three system calls: openat, one readv that takes
 * header, payload and one byte more (so that a file that is too long is noticed), close. It works because the
 * files of one input mostly have the same header: its length is known from the file before, and when its
 * bytes are the same as well there is nothing to parse. Everything else takes the slow way: piece by piece.
 */
#include "io/file_reader.h"

#include "io/fd_io.h"
#include "io/read_ahead.h"
#include "io/zstd_file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHED_HEADER = 512, COUNT_BUFFER = 64 * 1024 };

/* The last good header of an input. */
struct header_cache {
    size_t length; /* 0: none */
    struct npy_header header;
    char bytes[CACHED_HEADER];
};

struct file_reader {
    const struct file_plan *plan;
    struct zstd_reader zstd;
    char *long_header; /* NPY_MAX_HEADER bytes, made when first needed; also where contents are counted */
    char *scratch;     /* a payload on its way to native order */
    size_t scratch_bytes;
    struct read_ahead ahead;
    struct header_cache caches[];
};

/* One file being read. `offset` counts contents, after decompression. */
struct reading {
    struct file_reader *reader;
    size_t input;
    uint64_t sample;
    int fd;
    bool compressed;
    bool npy;
    uint64_t offset;
    size_t wanted; /* payload bytes */
    struct aispipe_error *error;
};

/* ---------------------------------------------------------------- failures */

static const char *label_of(struct file_label *label, const struct reading *reading)
{
    return dataset_label(label, reading->reader->plan->dataset, reading->input, reading->sample);
}

static int fail_open(const struct reading *reading, int error_number)
{
    struct file_label label;
    const char *advice = "check it";
    if (error_number == ENOENT)
        advice = "it has vanished since the run was planned";
    else if (error_number == EACCES || error_number == EPERM)
        advice = "check its permissions";
    else if (error_number == EMFILE || error_number == ENFILE)
        advice = "use fewer load threads or raise the limit of open files";
    return aispipe_fail(reading->error, AISPIPE_IO, "cannot open input file '%s': %s; %s",
                        label_of(&label, reading), strerror(error_number), advice);
}

static int fail_read(const struct reading *reading, int error_number)
{
    struct file_label label;
    return aispipe_fail(reading->error, error_number == ENOMEM ? AISPIPE_NO_MEMORY : AISPIPE_IO,
                        "cannot read input file '%s': %s", label_of(&label, reading), strerror(error_number));
}

static int fail_format(const struct reading *reading, const char *what)
{
    struct file_label label;
    return aispipe_fail(reading->error, AISPIPE_FORMAT, "input file '%s': %s", label_of(&label, reading),
                        what);
}

static int fail_memory(const struct reading *reading, size_t bytes)
{
    struct file_label label;
    return aispipe_fail(reading->error, AISPIPE_NO_MEMORY, "no memory (%zu bytes) to read input file '%s'",
                        bytes, label_of(&label, reading));
}

/* The contents are not as large as one sample of the input. */
static int fail_size(const struct reading *reading, const struct file_contents *contents)
{
    struct file_label label;
    struct file_text found;
    struct file_text wanted;
    const struct file_plan *plan = reading->reader->plan;
    const struct aispipe_tensor_desc *desc = &plan->inputs[reading->input];
    bool other_type = contents->has_header && contents->header.dtype != desc->dtype;
    if (plan->files_per_batch == 1)
        return aispipe_fail(reading->error, AISPIPE_FORMAT,
                            "input file '%s' holds %s, but the model's input '%s' takes %s; save %s%s%s of "
                            "that size",
                            label_of(&label, reading), file_describe(&found, contents), desc->name,
                            file_describe_tensor(&wanted, desc), contents->has_header ? "an array" : "a file",
                            other_type ? " of type " : "", other_type ? aispipe_dtype_name(desc->dtype) : "");
    return aispipe_fail(
        reading->error, AISPIPE_FORMAT,
        "input file '%s' holds %s, but the model's input '%s' (%s) is filled from %u files of "
        "%zu bytes each; all files of an input must have the size of its first one",
        label_of(&label, reading), file_describe(&found, contents), desc->name,
        file_describe_tensor(&wanted, desc), plan->files_per_batch, reading->wanted);
}

/* The header is right, but what follows it is not as long as it says. */
static int fail_payload(const struct reading *reading, size_t header_bytes, size_t got)
{
    struct file_label label;
    if (got < reading->wanted)
        return aispipe_fail(reading->error, AISPIPE_FORMAT,
                            "input file '%s' is cut off: its npy header announces %zu bytes, but only %zu "
                            "follow it (header: %zu bytes); write the file again",
                            label_of(&label, reading), reading->wanted, got, header_bytes);
    return aispipe_fail(reading->error, AISPIPE_FORMAT,
                        "input file '%s' is too long: its npy header announces %zu bytes, but more than "
                        "that follow it (header: %zu bytes); write the file again",
                        label_of(&label, reading), reading->wanted, header_bytes);
}

/* ---------------------------------------------------------------- contents, piece by piece */

/* Reads the next `bytes` bytes of contents; fewer only where they end. */
static int read_next(struct reading *reading, void *to, size_t bytes, size_t *got)
{
    int rc;
    const char *problem = NULL;
    if (reading->compressed)
        rc = zstd_reader_read(&reading->reader->zstd, to, bytes, got, &problem);
    else
        rc = fd_read_at(reading->fd, to, bytes, reading->offset, got);
    reading->offset += *got;
    if (rc == 0)
        return 0;
    if (!problem)
        return fail_read(reading, rc);
    struct file_label label;
    return aispipe_fail(
        reading->error, AISPIPE_FORMAT,
        "input file '%s' cannot be decompressed: %s (after %llu good bytes); compress it again",
        label_of(&label, reading), problem, (unsigned long long)reading->offset);
}

/* Memory for the longest header. */
static char *header_buffer(struct file_reader *reader)
{
    if (!reader->long_header)
        reader->long_header = malloc(NPY_MAX_HEADER);
    return reader->long_header;
}

/* Reads as much as the header turns out to need, from the start of the contents, into long_header. */
static int read_header(struct reading *reading, struct npy_header *header)
{
    char *buffer = header_buffer(reading->reader);
    if (!buffer)
        return fail_memory(reading, NPY_MAX_HEADER);
    struct aispipe_error why;
    size_t have = 0;
    long need = npy_parse(buffer, 0, header, &why);
    while (need > 0) {
        size_t got;
        int rc = read_next(reading, buffer + have, (size_t)need - have, &got);
        if (rc)
            return rc;
        have += got;
        long more = npy_parse(buffer, have, header, &why);
        if (more > 0 && have < (size_t)need)
            return fail_format(reading, have ? "it ends inside its npy header; write the file again"
                                             : "it is empty, which no npy file is; write the file again");
        need = more;
    }
    return need < 0 ? fail_format(reading, why.message) : 0;
}

/* ---------------------------------------------------------------- headers */

static void warn_of_dtype(const struct reading *reading, const struct npy_header *header)
{
    const struct file_plan *plan = reading->reader->plan;
    const struct aispipe_tensor_desc *desc = &plan->inputs[reading->input];
    if (header->dtype == desc->dtype || atomic_flag_test_and_set_explicit(plan->warned, memory_order_relaxed))
        return;
    struct file_label label;
    struct file_text found;
    struct file_text wanted;
    struct file_contents contents = {.has_header = true, .header = *header, .bytes = header->payload_bytes};
    log_line(
        &plan->log, AISPIPE_LOG_WARNING,
        "input file '%s' holds %s, but the model's input '%s' takes %s (%u per batch); the sizes fit, so "
        "the bytes are passed on as they are (said once; other files may be alike)",
        label_of(&label, reading), file_describe(&found, &contents), desc->name,
        file_describe_tensor(&wanted, desc), plan->files_per_batch);
}

/* Checks a header that has just been parsed from `bytes` and remembers it for the files to come. */
static int accept_header(struct reading *reading, const struct npy_header *header, const char *bytes)
{
    if (header->payload_bytes != reading->wanted) {
        struct file_contents contents = {
            .has_header = true, .header = *header, .bytes = header->payload_bytes};
        return fail_size(reading, &contents);
    }
    warn_of_dtype(reading, header);
    struct header_cache *cache = &reading->reader->caches[reading->input];
    cache->length = 0;
    if (header->header_bytes > sizeof cache->bytes)
        return 0;
    cache->length = header->header_bytes;
    cache->header = *header;
    memcpy(cache->bytes, bytes, header->header_bytes);
    return 0;
}

static int make_native(struct reading *reading, const struct npy_header *header, void *place)
{
    struct file_reader *reader = reading->reader;
    if (npy_is_plain(header) || header->payload_bytes == 0)
        return 0;
    if (reader->scratch_bytes < header->payload_bytes) {
        free(reader->scratch);
        reader->scratch_bytes = 0;
        reader->scratch = malloc(header->payload_bytes);
        if (!reader->scratch)
            return fail_memory(reading, header->payload_bytes);
        reader->scratch_bytes = header->payload_bytes;
    }
    memcpy(reader->scratch, place, header->payload_bytes);
    npy_to_native(header, reader->scratch, place);
    return 0;
}

/* ---------------------------------------------------------------- the slow way */

/* Payload from here on, and nothing behind it. `header` is NULL for raw files. */
static int read_payload(struct reading *reading, const struct npy_header *header, void *place)
{
    size_t got;
    size_t behind = 0;
    char probe = 0;
    int rc = read_next(reading, place, reading->wanted, &got);
    if (rc == 0 && got == reading->wanted)
        rc = read_next(reading, &probe, 1, &behind);
    if (rc)
        return rc;
    if (got == reading->wanted && behind == 0)
        return header ? make_native(reading, header, place) : 0;
    if (header)
        return fail_payload(reading, header->header_bytes, got + behind);
    struct file_contents contents = {.more = behind != 0, .bytes = got};
    return fail_size(reading, &contents);
}

static int read_slowly(struct reading *reading, void *place)
{
    struct npy_header header;
    reading->offset = 0;
    if (!reading->npy)
        return read_payload(reading, NULL, place);
    int rc = read_header(reading, &header);
    if (rc == 0)
        rc = accept_header(reading, &header, reading->reader->long_header);
    return rc ? rc : read_payload(reading, &header, place);
}

/* ---------------------------------------------------------------- the fast way */

static int read_bin(struct reading *reading, void *place)
{
    char probe = 0;
    size_t got;
    struct iovec parts[] = {{place, reading->wanted}, {&probe, 1}};
    int rc = fd_read_parts(reading->fd, parts, 2, reading->wanted, &got);
    if (rc)
        return fail_read(reading, rc);
    if (got == reading->wanted)
        return 0;
    struct file_contents contents = {.bytes = got};
    struct stat status;
    if (got > reading->wanted) {
        contents.bytes = reading->wanted;
        contents.more = true;
        if (fstat(reading->fd, &status) == 0 && (uint64_t)status.st_size >= got)
            contents = (struct file_contents){.bytes = (size_t)status.st_size};
    }
    return fail_size(reading, &contents);
}

static int read_npy(struct reading *reading, void *place)
{
    struct header_cache *cache = &reading->reader->caches[reading->input];
    size_t length = cache->length ? cache->length : NPY_COMMON_HEADER;
    char bytes[CACHED_HEADER];
    char probe = 0;
    size_t got;
    struct iovec parts[] = {{bytes, length}, {place, reading->wanted}, {&probe, 1}};
    int rc = fd_read_parts(reading->fd, parts, 3, length + reading->wanted, &got);
    if (rc)
        return fail_read(reading, rc);
    bool same = got >= length && cache->length && memcmp(bytes, cache->bytes, length) == 0;
    if (!same) {
        struct npy_header header;
        struct aispipe_error why;
        long more = npy_parse(bytes, got < length ? got : length, &header, &why);
        if (more < 0)
            return fail_format(reading, why.message);
        if (more > 0 || header.header_bytes != length)
            return read_slowly(reading, place); /* the payload is not where it was expected */
        rc = accept_header(reading, &header, bytes);
        if (rc)
            return rc;
    }
    if (got - length != reading->wanted)
        return fail_payload(reading, length, got - length);
    return make_native(reading, &cache->header, place);
}

/* ---------------------------------------------------------------- a file */

static int open_file(struct reading *reading)
{
    int directory;
    const struct aispipe_dataset *dataset = reading->reader->plan->dataset;
    const char *name = dataset_file(dataset, reading->input, reading->sample, &directory);
    enum dataset_format format = dataset_format_of(dataset, reading->input, reading->sample);
    reading->npy = format == DATASET_NPY || format == DATASET_NPY_ZST;
    reading->compressed = format == DATASET_NPY_ZST || format == DATASET_BIN_ZST;
    do
        reading->fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (reading->fd < 0 && errno == EINTR);
    if (reading->fd < 0)
        return fail_open(reading, errno);
    int rc = reading->compressed ? zstd_reader_begin(&reading->reader->zstd, reading->fd) : 0;
    if (rc == 0)
        return 0;
    (void)close(reading->fd);
    return fail_read(reading, rc);
}

int file_reader_read(struct file_reader *reader, size_t input, uint64_t sample, void *place,
                     struct aispipe_error *error)
{
    struct reading reading = {
        .reader = reader,
        .input = input,
        .sample = sample,
        .wanted = file_plan_bytes(reader->plan, input, sample),
        .error = error,
    };
    read_ahead(&reader->ahead, reader->plan, input, sample, reading.wanted);
    int rc = open_file(&reading);
    if (rc)
        return rc;
    if (reading.compressed)
        rc = read_slowly(&reading, place);
    else
        rc = reading.npy ? read_npy(&reading, place) : read_bin(&reading, place);
    (void)close(reading.fd);
    return rc;
}

/* Counts raw compressed contents, no further than is needed to know that they are too many. */
static int count_contents(struct reading *reading, struct file_contents *contents)
{
    char *buffer = header_buffer(reading->reader);
    if (!buffer)
        return fail_memory(reading, NPY_MAX_HEADER);
    size_t most = reading->reader->plan->inputs[reading->input].size;
    size_t got;
    do {
        int rc = read_next(reading, buffer, COUNT_BUFFER, &got);
        if (rc)
            return rc;
    } while (got == COUNT_BUFFER && reading->offset <= most);
    contents->more = reading->offset > most && got == COUNT_BUFFER;
    contents->bytes = (size_t)reading->offset;
    return 0;
}

static int look(struct reading *reading, struct file_contents *contents)
{
    struct stat status;
    *contents = (struct file_contents){.has_header = reading->npy};
    if (reading->npy) {
        int rc = read_header(reading, &contents->header);
        contents->bytes = rc ? 0 : contents->header.payload_bytes;
        return rc;
    }
    if (reading->compressed)
        return count_contents(reading, contents);
    /* open_file fails where there is no file. NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions) */
    if (fstat(reading->fd, &status))
        return fail_read(reading, errno);
    contents->bytes = (size_t)status.st_size;
    return 0;
}

int file_reader_look(struct file_reader *reader, size_t input, uint64_t sample,
                     struct file_contents *contents, struct aispipe_error *error)
{
    struct reading reading = {.reader = reader, .input = input, .sample = sample, .error = error};
    int rc = open_file(&reading);
    if (rc)
        return rc;
    rc = look(&reading, contents);
    (void)close(reading.fd);
    return rc;
}

int file_reader_open(const struct file_plan *plan, struct file_reader **reader, struct aispipe_error *error)
{
    size_t bytes;
    if (__builtin_mul_overflow(plan->n_inputs, sizeof(struct header_cache), &bytes) ||
        __builtin_add_overflow(bytes, sizeof **reader, &bytes))
        bytes = SIZE_MAX;
    struct file_reader *made = calloc(1, bytes);
    *reader = made;
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a thread that reads input files");
    made->plan = plan;
    return 0;
}

void file_reader_close(struct file_reader *reader)
{
    if (!reader)
        return;
    zstd_reader_free(&reader->zstd);
    free(reader->long_header);
    free(reader->scratch);
    free(reader);
}
