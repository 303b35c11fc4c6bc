/* SPDX-License-Identifier: MIT */
#include "aispipe/files.h"

#include "io/fd_io.h"
#include "io/npy.h"
#include "io/sink_output.h"
#include "io/text_format.h"
#include "io/zstd_file.h"
#include "shape.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_MODE = 0640,
    TEXT_BYTES = 64 * 1024, /* of the buffer that text is collected in; most results are shorter */
    TEMPORARY_MAX = 64,
    SHOWN_DIRECTORY_MAX = 1200, /* of a long path, so that the reason behind it fits into the line */
};

struct aispipe_file_sink {
    struct aispipe_file_sink_options options; /* `directory` is our copy */
    char *directory;
    int fd;
    struct output *outputs;
    size_t n_outputs;
    size_t scratch_bytes;  /* of the largest piece that is not contiguous; 0: none */
    char prefix[48];       /* ".aispipe-<tag>-" */
    atomic_bool abandoned; /* nothing may be begun any more */
    atomic_uint threads;   /* opened so far; each takes the next number */
};

/* What one save thread needs, made once. */
struct sink_thread {
    char temporary[TEMPORARY_MAX];
    char *scratch; /* pieces that are not contiguous are put together here */
    size_t scratch_bytes;
    char *header; /* npy, of results whose shape comes with them; made when first needed */
    char *text;   /* TXT is collected here */
    struct zstd_writer zstd;
};

/* ---------------------------------------------------------------- errors */

static const char *advice(int code)
{
    switch (code) {
    case ENOSPC:
        return "; the disk is full (or has no room for more files): free some, or give another output "
               "directory";
    case EDQUOT:
        return "; your disk quota is used up: free some space, or give another output directory";
    case EACCES:
    case EPERM:
        return "; check the permissions of the output directory, or give another one";
    case EROFS:
        return "; the file system is mounted read-only: give another output directory";
    case EISDIR:
    case ENOTEMPTY:
        return "; a directory of that name is in the way: move it, or give another output directory";
    case EFBIG:
        return "; the file is larger than the file system or 'ulimit -f' allows";
    case ENAMETOOLONG:
        return "; this file system takes no name that long: shorten the input file's name";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files ('ulimit -n'), or use fewer save threads";
    case ENOENT:
        return "; the output directory was removed while the run went on";
    default:
        return "";
    }
}

static int fail(const struct aispipe_file_sink *sink, const char *what, const char *name, int code,
                struct aispipe_error *error)
{
    const char *directory = sink->directory;
    size_t length = strlen(directory);
    bool cut = length > SHOWN_DIRECTORY_MAX;
    if (cut)
        directory += length - SHOWN_DIRECTORY_MAX;
    return aispipe_fail(error, code == ENOMEM ? AISPIPE_NO_MEMORY : AISPIPE_IO, "cannot %s '%s%s/%s': %s%s",
                        what, cut ? "..." : "", directory, name, strerror(code), advice(code));
}

/* ---------------------------------------------------------------- planning */

static int plan_header(struct output *output, const struct aispipe_tensor_desc *desc, const int64_t *dims,
                       struct aispipe_error *error)
{
    char *header = malloc(NPY_MAX_HEADER);
    if (!header)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the header of output '%s'", desc->name);
    output->header_bytes = npy_format_header(output->dtype, desc->rank, dims, header);
    output->header = realloc(header, output->header_bytes);
    if (!output->header)
        output->header = header;
    return 0;
}

static int plan_output(struct aispipe_file_sink *sink, size_t index, const struct aispipe_tensor_desc *desc,
                       struct aispipe_error *error)
{
    static const char *const endings[] = {
        [AISPIPE_RESULT_BIN] = "bin", [AISPIPE_RESULT_NPY] = "npy", [AISPIPE_RESULT_TXT] = "txt"};
    const struct aispipe_file_sink_options *options = &sink->options;
    struct output *output = &sink->outputs[index];
    int64_t dims[AISPIPE_MAX_RANK] = {0};
    output->suffix_length = (size_t)snprintf(output->suffix, sizeof output->suffix, "_%zu.%s%s", index,
                                             endings[options->format], options->compress ? ".zst" : "");
    output->name = desc->name;
    output->open = shape_is_open(desc);
    if (output->open && aispipe_dtype_size(desc->dtype) > 0)
        return 0;
    int rc = sink_output_plan(options, desc, output, dims, error);
    if (rc)
        return rc;
    if (output->chunks > 1 && options->format != AISPIPE_RESULT_TXT &&
        output->piece_bytes > sink->scratch_bytes)
        sink->scratch_bytes = output->piece_bytes;
    return options->format == AISPIPE_RESULT_NPY ? plan_header(output, desc, dims, error) : 0;
}

static int plan(struct aispipe_file_sink *sink, const struct aispipe_model_desc *model,
                struct aispipe_error *error)
{
    sink->outputs = calloc(model->n_outputs ? model->n_outputs : 1, sizeof *sink->outputs);
    if (!sink->outputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu outputs", model->n_outputs);
    sink->n_outputs = model->n_outputs;
    for (size_t i = 0; i < model->n_outputs; i++) {
        int rc = plan_output(sink, i, &model->outputs[i], error);
        if (rc)
            return rc;
    }
    return 0;
}

static int open_directory(struct aispipe_file_sink *sink, struct aispipe_error *error)
{
    sink->directory = strdup(sink->options.directory);
    if (!sink->directory)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the name of the output directory");
    sink->options.directory = sink->directory;
    /* O_PATH: writing into a directory does not take the right to list it. */
    sink->fd = open(sink->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sink->fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot open the output directory '%.1200s': %s",
                            sink->directory, strerror(errno));
    return 0;
}

static size_t dataset_name(void *context, uint64_t sample, char *stem, size_t capacity)
{
    return aispipe_dataset_stem(context, sample, stem, capacity);
}

/* What the caller has left out. */
static int complete_options(struct aispipe_file_sink *sink, struct aispipe_error *error)
{
    struct aispipe_file_sink_options *options = &sink->options;
    if (!options->samples_per_batch)
        options->samples_per_batch = 1;
    if (options->tag)
        (void)snprintf(sink->prefix, sizeof sink->prefix, ".aispipe-%.32s-", options->tag);
    else
        (void)snprintf(sink->prefix, sizeof sink->prefix, ".aispipe-%ld-", (long)getpid());
    if (options->stem)
        return 0;
    if (!options->dataset)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "nothing says what results are called: set `stem` or `dataset`");
    options->stem = dataset_name;
    options->stem_context = (void *)options->dataset; /* only read */
    return 0;
}

int aispipe_file_sink_open(const struct aispipe_file_sink_options *options,
                           const struct aispipe_model_desc *model, struct aispipe_file_sink **sink,
                           struct aispipe_error *error)
{
    *sink = NULL;
    struct aispipe_file_sink *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the writer of results");
    made->options = *options;
    made->fd = -1;
    atomic_init(&made->threads, 0);
    atomic_init(&made->abandoned, false);
    int rc = complete_options(made, error);
    if (!rc)
        rc = plan(made, model, error);
    if (!rc)
        rc = open_directory(made, error);
    if (rc) {
        aispipe_file_sink_close(made);
        return rc;
    }
    *sink = made;
    return 0;
}

void aispipe_file_sink_close(struct aispipe_file_sink *sink)
{
    if (!sink)
        return;
    for (size_t i = 0; i < sink->n_outputs; i++)
        free(sink->outputs[i].header);
    free(sink->outputs);
    free(sink->directory);
    if (sink->fd >= 0)
        (void)close(sink->fd);
    free(sink);
}

/* ---------------------------------------------------------------- threads */

static void temporary_name(const struct aispipe_file_sink *sink, unsigned thread, char name[TEMPORARY_MAX])
{
    (void)snprintf(name, TEMPORARY_MAX, "%s%u.tmp", sink->prefix, thread);
}

void aispipe_file_sink_abandon(struct aispipe_file_sink *sink)
{
    char name[TEMPORARY_MAX];
    atomic_store(&sink->abandoned, true);
    unsigned threads = atomic_load(&sink->threads);
    for (unsigned i = 0; i < threads; i++) {
        temporary_name(sink, i, name);
        (void)unlinkat(sink->fd, name, 0);
    }
}

static void close_thread(void *context, void *thread)
{
    struct sink_thread *own = thread;
    (void)context;
    if (!own)
        return;
    zstd_writer_free(&own->zstd);
    free(own->scratch);
    free(own->header);
    free(own->text);
    free(own);
}

static int open_thread(void *context, void **thread, struct aispipe_error *error)
{
    struct aispipe_file_sink *sink = context;
    bool text = sink->options.format == AISPIPE_RESULT_TXT;
    *thread = NULL;
    struct sink_thread *own = calloc(1, sizeof *own);
    if (own && sink->scratch_bytes)
        own->scratch = malloc(sink->scratch_bytes);
    if (own)
        own->scratch_bytes = sink->scratch_bytes;
    if (own && text)
        own->text = malloc(TEXT_BYTES);
    if (!own || (sink->scratch_bytes && !own->scratch) || (text && !own->text)) {
        close_thread(sink, own);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a save thread (%zu bytes)",
                            sink->scratch_bytes + (text ? TEXT_BYTES : 0));
    }
    temporary_name(sink, atomic_fetch_add(&sink->threads, 1), own->temporary);
    *thread = own;
    return 0;
}

/* ---------------------------------------------------------------- contents */

static const char *gather(const struct output *output, const char *piece, char *scratch)
{
    char *to = scratch;
    for (size_t i = 0; i < output->chunks; i++, to += output->chunk_bytes)
        memcpy(to, piece + i * output->stride_bytes, output->chunk_bytes);
    return scratch;
}

static int write_binary(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                        const struct output *output, const char *piece, int fd)
{
    if (output->chunks > 1)
        piece = gather(output, piece, thread->scratch);
    if (!sink->options.compress) {
        struct iovec parts[2] = {{output->header, output->header_bytes},
                                 {(void *)(uintptr_t)piece, output->piece_bytes}};
        int skip = output->header ? 0 : 1;
        return fd_write_parts(fd, parts + skip, 2 - skip);
    }
    int rc = zstd_writer_begin(&thread->zstd, fd, output->header_bytes + output->piece_bytes);
    if (!rc && output->header)
        rc = zstd_writer_write(&thread->zstd, output->header, output->header_bytes, false);
    if (!rc)
        rc = zstd_writer_write(&thread->zstd, piece, output->piece_bytes, true);
    return rc;
}

/* Text on its way into a file. */
struct text_file {
    struct sink_thread *thread;
    int fd;
    bool compress;
    size_t used;
};

static int flush(struct text_file *file, bool last)
{
    size_t bytes = file->used;
    file->used = 0;
    if (file->compress)
        return zstd_writer_write(&file->thread->zstd, file->thread->text, bytes, last);
    return fd_write(file->fd, file->thread->text, bytes);
}

static int put_row(struct text_file *file, const struct output *output, const char *values)
{
    size_t item = aispipe_dtype_size(output->dtype);
    size_t width = text_width(output->dtype);
    size_t left = output->columns;
    while (left) {
        size_t fit = (TEXT_BYTES - 1 - file->used) / width; /* one byte is kept for the newline */
        if (!fit) {
            int rc = flush(file, false);
            if (rc)
                return rc;
            continue;
        }
        size_t n = left < fit ? left : fit;
        file->used += text_format(output->dtype, values, n, file->thread->text + file->used);
        values += n * item;
        left -= n;
    }
    file->thread->text[file->used++] = '\n';
    return file->used == TEXT_BYTES ? flush(file, false) : 0;
}

static int write_text(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                      const struct output *output, const char *piece, int fd)
{
    struct text_file file = {.thread = thread, .fd = fd, .compress = sink->options.compress};
    size_t row_bytes = output->columns * aispipe_dtype_size(output->dtype);
    int rc = file.compress ? zstd_writer_begin(&thread->zstd, fd, ZSTD_CONTENTSIZE_UNKNOWN) : 0;
    for (size_t i = 0; i < output->chunks && !rc; i++) {
        for (size_t row = 0; row < output->rows_per_chunk && !rc; row++)
            rc = put_row(&file, output, piece + i * output->stride_bytes + row * row_bytes);
    }
    return rc ? rc : flush(&file, true);
}

/* ---------------------------------------------------------------- files */

/* O_EXCL, so that neither a link nor anybody else's file of that name is written to. */
static int create_temporary(const struct aispipe_file_sink *sink, const struct sink_thread *thread)
{
    int fd;
    if (atomic_load_explicit(&sink->abandoned, memory_order_relaxed)) {
        errno = ECANCELED;
        return -1;
    }
    do
        fd = openat(sink->fd, thread->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int store_piece(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                       const struct output *output, const char *piece, const char *name,
                       struct aispipe_error *error)
{
    const char *step = "write";
    int fd = create_temporary(sink, thread);
    if (fd < 0)
        return fail(sink, "create the temporary file of", name, errno, error);
    int code = sink->options.format == AISPIPE_RESULT_TXT ? write_text(sink, thread, output, piece, fd)
                                                          : write_binary(sink, thread, output, piece, fd);
    /* Some file systems tell of a full disk only here. The descriptor is gone whatever close says. */
    if (close(fd) != 0 && !code) {
        code = errno;
        step = "finish writing";
    }
    if (!code && renameat(sink->fd, thread->temporary, sink->fd, name) != 0) {
        code = errno;
        step = "rename the finished file to";
    }
    if (!code)
        return 0;
    (void)unlinkat(sink->fd, thread->temporary, 0);
    return fail(sink, step, name, code, error);
}

static int fail_long_name(const char *name, size_t length, struct aispipe_error *error)
{
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "the result's name '%.*s...' would have %zu bytes, and a file's name may have %d: shorten "
        "the input file's name",
        40, name, length, NAME_MAX);
}

/* Memory for what is not known before the run grows to what the largest result needs. */
static int make_room(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                     const struct output *output, struct aispipe_error *error)
{
    if (!thread->header && sink->options.format == AISPIPE_RESULT_NPY)
        thread->header = malloc(NPY_MAX_HEADER);
    if (output->chunks > 1 && output->piece_bytes > thread->scratch_bytes) {
        free(thread->scratch);
        thread->scratch = malloc(output->piece_bytes);
        thread->scratch_bytes = thread->scratch ? output->piece_bytes : 0;
    }
    if ((!thread->header && sink->options.format == AISPIPE_RESULT_NPY) ||
        (output->chunks > 1 && output->piece_bytes > thread->scratch_bytes))
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to save output '%s'", output->name);
    return 0;
}

/* The output with the shape that came with the results; its header lies in the thread's memory. */
static int plan_actual(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                       const struct output *output, const struct aispipe_tensor_desc *actual,
                       struct output *planned, struct aispipe_error *error)
{
    int64_t dims[AISPIPE_MAX_RANK] = {0};
    *planned = *output;
    planned->piece_bytes = planned->chunk_bytes = planned->stride_bytes = 0;
    planned->rows_per_chunk = planned->columns = 0;
    int rc = sink_output_plan(&sink->options, actual, planned, dims, error);
    if (!rc)
        rc = make_room(sink, thread, planned, error);
    if (rc || sink->options.format != AISPIPE_RESULT_NPY)
        return rc;
    planned->header = thread->header;
    planned->header_bytes = npy_format_header(actual->dtype, actual->rank, dims, thread->header);
    return 0;
}

static int store_output(const struct aispipe_file_sink *sink, struct sink_thread *thread,
                        const struct output *output, unsigned sample, const char *batch, const char *name,
                        struct aispipe_error *error)
{
    const char *piece = batch;
    if (output->piece_bytes)
        piece += sample * output->chunk_bytes;
    return store_piece(sink, thread, output, piece, name, error);
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    const struct aispipe_file_sink *sink = context;
    char name[NAME_MAX + 1];
    for (unsigned s = 0; s < count; s++) {
        size_t stem = sink->options.stem(sink->options.stem_context, first_sample + s, name, sizeof name);
        for (size_t i = 0; i < sink->n_outputs; i++) {
            const struct output *output = &sink->outputs[i];
            if (stem + output->suffix_length > NAME_MAX)
                return fail_long_name(name, stem + output->suffix_length, error);
            memcpy(name + stem, output->suffix, output->suffix_length + 1);
            if (output->open && !actual)
                return aispipe_fail(error, AISPIPE_DEVICE, "output '%s' came without its shape",
                                    output->name);
            struct output planned;
            int rc = actual ? plan_actual(sink, thread, output, &actual[i], &planned, error) : 0;
            if (!rc)
                rc = store_output(sink, thread, actual ? &planned : output, s, outputs[i], name, error);
            if (rc)
                return rc;
        }
    }
    return 0;
}

struct aispipe_sink aispipe_file_sink_view(struct aispipe_file_sink *sink)
{
    return (struct aispipe_sink){
        .context = sink, .thread_open = open_thread, .thread_close = close_thread, .store = store};
}

size_t aispipe_file_sink_name(const struct aispipe_file_sink *sink, uint64_t sample, size_t output,
                              char *name, size_t capacity)
{
    const struct output *own = &sink->outputs[output];
    size_t length = sink->options.stem(sink->options.stem_context, sample, name, capacity);
    if (length < capacity)
        (void)snprintf(name + length, capacity - length, "%s", own->suffix);
    return length + own->suffix_length;
}

size_t aispipe_file_sink_path(const struct aispipe_file_sink *sink, uint64_t sample, size_t output,
                              char *path, size_t capacity)
{
    size_t length = (size_t)snprintf(path, capacity, "%s/", sink->directory);
    if (length >= capacity)
        return length;
    return length + aispipe_file_sink_name(sink, sample, output, path + length, capacity - length);
}
