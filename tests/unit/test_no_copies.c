/* SPDX-License-Identifier: MIT */
/*
 * Payload goes from the page cache straight into a batch's memory, and from there straight to the page cache:
 * the test's own readv() and writev() see which memory the kernel is given. (Where a backend has no memory of
 * its own, this memory is the engine's input and output: h2d and d2h hand the pointers on.)
 */
#include "unit.h"

#include "aispipe/files.h"
#include "files.h"
#include "io/npy.h"

#include <sys/syscall.h>
#include <sys/uio.h>

enum { VALUES = 50000, SAMPLES = 4, MOST_CALLS = 64 };

TEMP_DIR(dir)
static struct iovec read_parts[MOST_CALLS];
static struct iovec written_parts[MOST_CALLS];
static unsigned n_read;
static unsigned n_written;

static void note(struct iovec *noted, unsigned *n, const struct iovec *parts, int n_parts)
{
    for (int i = 0; i < n_parts; i++) {
        assert_true(*n < MOST_CALLS);
        noted[(*n)++] = parts[i];
    }
}

ssize_t readv(int fd, const struct iovec *iovec, int count)
{
    note(read_parts, &n_read, iovec, count);
    return syscall(SYS_readv, fd, iovec, count);
}

ssize_t writev(int fd, const struct iovec *iovec, int count)
{
    note(written_parts, &n_written, iovec, count);
    return syscall(SYS_writev, fd, iovec, count);
}

static int setup(void **state)
{
    (void)dir_make(state);
    n_read = n_written = 0;
    return 0;
}

/* How many of the noted parts begin at `data` and have that many bytes. */
static unsigned given(const struct iovec *noted, unsigned n, const void *data, size_t bytes)
{
    unsigned times = 0;
    for (unsigned i = 0; i < n; i++)
        times += noted[i].iov_base == data && noted[i].iov_len == bytes;
    return times;
}

/* All bytes that the kernel was given memory for. */
static size_t total(const struct iovec *noted, unsigned n)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        bytes += noted[i].iov_len;
    return bytes;
}

static void make_npy(const char *name, unsigned seed)
{
    static char file[NPY_MAX_HEADER + VALUES * 4];
    const int64_t dims[] = {1, VALUES};
    size_t header = npy_format_header(AISPIPE_FLOAT32, 2, dims, file);
    memset(file + header, (int)seed, VALUES * sizeof(float));
    temp_write(&dir, name, file, header + VALUES * sizeof(float));
}

static struct aispipe_tensor_desc batch_of(int64_t samples)
{
    return (struct aispipe_tensor_desc){.name = "x",
                                        .dtype = AISPIPE_FLOAT32,
                                        .rank = 2,
                                        .dims = {samples, VALUES},
                                        .size = (size_t)samples * VALUES * sizeof(float)};
}

static void files_are_read_into_the_batch(void **state)
{
    (void)state;
    struct aispipe_error error = {0};
    struct aispipe_dataset *dataset;
    struct aispipe_file_source *source;
    void *thread;
    const struct aispipe_tensor_desc x = batch_of(SAMPLES);
    const struct aispipe_model_desc model = {.inputs = &x, .n_inputs = 1};
    const size_t piece = x.size / SAMPLES;
    for (unsigned i = 0; i < SAMPLES; i++)
        make_npy((const char *[]){"0.npy", "1.npy", "2.npy", "3.npy"}[i], i + 1);
    assert_int_equal(aispipe_dataset_open(dir.path, 1, 0, &dataset, &error), 0);
    assert_int_equal(aispipe_file_source_open(dataset, &model, false, NULL, &source, &error), 0);
    struct aispipe_source view = aispipe_file_source_view(source);
    assert_int_equal(view.thread_open(view.context, &thread, &error), 0);
    char *data = malloc(x.size);
    assert_non_null(data);
    void *inputs[] = {data};
    assert_int_equal(view.fill(view.context, thread, 0, inputs, &error), 0);
    for (unsigned i = 0; i < SAMPLES; i++) {
        assert_int_equal(given(read_parts, n_read, data + i * piece, piece), 1);
        assert_int_equal(data[i * piece], (int)i + 1);
        assert_int_equal(data[(i + 1) * piece - 1], (int)i + 1);
    }
    /* Beside the payload: the header, and one byte to see that nothing follows. */
    assert_true(total(read_parts, n_read) - x.size <= (size_t)SAMPLES * (NPY_COMMON_HEADER + 1));
    view.thread_close(view.context, thread);
    aispipe_file_source_close(source);
    aispipe_dataset_close(dataset);
    free(data);
}

static size_t stem_of(void *context, uint64_t sample, char *stem, size_t capacity)
{
    (void)context;
    return (size_t)snprintf(stem, capacity, "r%u", (unsigned)sample);
}

static void store(enum aispipe_result_format format, const struct aispipe_tensor_desc *y, char *data)
{
    struct aispipe_error error = {0};
    struct aispipe_file_sink *sink;
    void *thread;
    const struct aispipe_model_desc model = {.outputs = y, .n_outputs = 1};
    const struct aispipe_file_sink_options options = {.tag = "unit",
                                                      .directory = dir.path,
                                                      .format = format,
                                                      .samples_per_batch = SAMPLES,
                                                      .stem = stem_of};
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, &error), 0);
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    void *outputs[] = {data};
    assert_int_equal(view.thread_open(view.context, &thread, &error), 0);
    assert_int_equal(view.store(view.context, thread, 0, SAMPLES, outputs, NULL, &error), 0);
    view.thread_close(view.context, thread);
    aispipe_file_sink_close(sink);
}

static void results_are_written_from_the_batch(void **state)
{
    (void)state;
    const struct aispipe_tensor_desc y = batch_of(SAMPLES);
    const size_t piece = y.size / SAMPLES;
    char *data = calloc(1, y.size);
    assert_non_null(data);
    for (int format = AISPIPE_RESULT_BIN; format <= AISPIPE_RESULT_NPY; format++) {
        n_written = 0;
        store((enum aispipe_result_format)format, &y, data);
        for (unsigned i = 0; i < SAMPLES; i++)
            assert_int_equal(given(written_parts, n_written, data + i * piece, piece), 1);
        size_t headers = format == AISPIPE_RESULT_NPY ? (size_t)SAMPLES * NPY_COMMON_HEADER : 0;
        assert_int_equal(total(written_parts, n_written), y.size + headers);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_into_the_batch, setup, dir_remove),
        cmocka_unit_test_setup_teardown(results_are_written_from_the_batch, setup, dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
