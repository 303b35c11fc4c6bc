/* SPDX-License-Identifier: MIT */
/*
 * Announcing files before they are read. What the kernel would count and do is played by the test: its own
 * getrusage() says whether anything was fetched, its own posix_fadvise() notes what is announced.
 */
#include "unit.h"

#include "aispipe/files.h"
#include "files.h"
#include "io/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <zstd.h>

enum { FILES = 300, MOST = 4096 };

static struct temp_dir dir;
static bool cold;        /* every look finds that something was fetched */
static unsigned looks;   /* calls of getrusage() */
static int advice_error; /* what posix_fadvise() returns */
static struct {
    ino_t file;
    off_t bytes;
} announced[MOST];
static unsigned n_announced;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int getrusage(__rusage_who_t who, struct rusage *usage)
{
    (void)pthread_mutex_lock(&lock);
    assert_int_equal(who, RUSAGE_THREAD);
    looks++;
    memset(usage, 0, sizeof *usage);
    usage->ru_inblock = cold ? looks : 0;
    (void)pthread_mutex_unlock(&lock);
    return 0;
}

int posix_fadvise(int fd, off_t offset, off_t len, int advise)
{
    struct stat status;
    (void)pthread_mutex_lock(&lock);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(advise, POSIX_FADV_WILLNEED);
    assert_true(n_announced < MOST);
    announced[n_announced].file = status.st_ino;
    announced[n_announced++].bytes = len;
    (void)pthread_mutex_unlock(&lock);
    return advice_error;
}

/* ---------------------------------------------------------------- a source over many files */

struct bench {
    struct aispipe_tensor_desc inputs[2];
    struct aispipe_model_desc model;
    struct aispipe_dataset *dataset;
    struct aispipe_file_source *source;
    struct aispipe_source view;
    void *thread;
};

static int setup(void **state)
{
    temp_make(&dir);
    cold = false;
    looks = n_announced = 0;
    advice_error = 0;
    *state = calloc(1, sizeof(struct bench));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    if (bench->source)
        bench->view.thread_close(bench->view.context, bench->thread);
    aispipe_file_source_close(bench->source);
    aispipe_dataset_close(bench->dataset);
    free(bench);
    temp_remove(&dir);
    return 0;
}

static const char *file_name(const char *directory, unsigned number, const char *ending)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "%s/%u.%s", directory, number, ending);
    return name;
}

/* Files of 8 bytes that hold their number twice. */
static void make_files(const char *directory, unsigned count)
{
    temp_subdir(&dir, directory);
    for (unsigned i = 0; i < count; i++)
        temp_write(&dir, file_name(directory, i, "bin"), (unsigned[]){i, i}, 8);
}

static void open_source(struct bench *bench, const char *directories, size_t inputs, size_t bytes,
                        uint64_t limit)
{
    struct aispipe_error error = {0};
    char input[2 * PATH_MAX];
    const char *comma = strchr(directories, ',');
    int length = comma ? (int)(comma - directories) : (int)strlen(directories);
    (void)snprintf(input, sizeof input, "%s/%.*s%s%s", dir.path, length, directories, comma ? "," : "",
                   comma ? temp_path(&dir, comma + 1) : "");
    for (size_t i = 0; i < inputs; i++)
        bench->inputs[i] = (struct aispipe_tensor_desc){
            .name = "x", .dtype = AISPIPE_UINT8, .rank = 1, .dims = {(int64_t)bytes}, .size = bytes};
    bench->model = (struct aispipe_model_desc){.inputs = bench->inputs, .n_inputs = inputs};
    int rc = aispipe_dataset_open(input, inputs, limit, &bench->dataset, &error);
    if (!rc)
        rc = aispipe_file_source_open(bench->dataset, &bench->model, false, NULL, &bench->source, &error);
    if (rc)
        fail_msg("%s", error.message);
    bench->view = aispipe_file_source_view(bench->source);
    assert_int_equal(bench->view.thread_open(bench->view.context, &bench->thread, &error), 0);
}

static void fill(const struct bench *bench, void *thread, uint64_t batch)
{
    struct aispipe_error error = {0};
    unsigned data[2][64];
    void *inputs[2] = {data[0], data[1]};
    uint64_t per_batch = bench->view.samples_per_batch;
    if (bench->view.fill(bench->view.context, thread, batch, inputs, &error))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < bench->model.n_inputs; i++)
        assert_int_equal(data[i][0], batch * per_batch);
}

/* How often a file was announced. */
static unsigned times_announced(const char *name)
{
    struct stat status;
    unsigned times = 0;
    assert_int_equal(stat(temp_path(&dir, name), &status), 0);
    for (unsigned i = 0; i < n_announced; i++)
        times += announced[i].file == status.st_ino;
    return times;
}

/* Files from `first` to `last` once each, all others never. */
static void check_announced(const char *directory, unsigned count, unsigned first, unsigned last)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(times_announced(file_name(directory, i, "bin")), i >= first && i <= last);
}

/* ---------------------------------------------------------------- when */

static void files_in_memory_are_not_announced(void **state)
{
    struct bench *bench = *state;
    make_files("in", FILES);
    open_source(bench, "in", 1, 8, 0);
    for (uint64_t batch = 0; batch < FILES; batch++)
        fill(bench, bench->thread, batch);
    assert_int_equal(n_announced, 0);
    /* One call for so many files is all that it costs. */
    assert_int_equal(looks, (FILES + READ_AHEAD_LOOK_FILES - 1) / READ_AHEAD_LOOK_FILES);
}

static void cold_files_are_announced_once_and_within_bounds(void **state)
{
    struct bench *bench = *state;
    make_files("in", FILES);
    cold = true;
    open_source(bench, "in", 1, 8, 0);
    for (uint64_t batch = 0; batch < FILES; batch++) {
        fill(bench, bench->thread, batch);
        /* Never more than that many files are on the way. */
        unsigned begun = READ_AHEAD_LOOK_FILES;
        assert_int_equal(n_announced, batch < begun                      ? 0
                                      : batch + READ_AHEAD_FILES < FILES ? batch - begun + READ_AHEAD_FILES
                                                                         : FILES - begun - 1);
    }
    check_announced("in", FILES, READ_AHEAD_LOOK_FILES + 1, FILES - 1);
}

static void it_stops_and_begins_again(void **state)
{
    struct bench *bench = *state;
    make_files("in", FILES);
    open_source(bench, "in", 1, 8, 0);
    uint64_t batch = 0;
    while (batch < 50)
        fill(bench, bench->thread, batch++);
    assert_int_equal(n_announced, 0);
    cold = true;
    while (batch < 100)
        fill(bench, bench->thread, batch++);
    unsigned before = n_announced;
    assert_true(before > READ_AHEAD_FILES);
    cold = false;
    while (batch < 200)
        fill(bench, bench->thread, batch++);
    assert_true(n_announced <= before + 2 * READ_AHEAD_LOOK_FILES);
    before = n_announced;
    while (batch < 250)
        fill(bench, bench->thread, batch++);
    assert_int_equal(n_announced, before);
}

/* ---------------------------------------------------------------- how far */

static void limit_ends_it(void **state)
{
    struct bench *bench = *state;
    make_files("in", FILES);
    cold = true;
    open_source(bench, "in", 1, 8, 70);
    for (uint64_t batch = 0; batch < 70; batch++)
        fill(bench, bench->thread, batch);
    check_announced("in", FILES, READ_AHEAD_LOOK_FILES + 1, 69);
}

static void inputs_share_the_bound(void **state)
{
    struct bench *bench = *state;
    make_files("a", 120);
    make_files("b", 120);
    cold = true;
    open_source(bench, "a,b", 2, 8, 0);
    for (uint64_t batch = 0; batch < 120; batch++) {
        fill(bench, bench->thread, batch);
        /* What was read is no longer on the way. */
        uint64_t begun = READ_AHEAD_LOOK_FILES / 2;
        assert_true(n_announced <= (batch > begun ? batch - begun : 0) * 2 + READ_AHEAD_FILES);
    }
    check_announced("a", 120, READ_AHEAD_LOOK_FILES / 2 + 1, 119);
    check_announced("b", 120, READ_AHEAD_LOOK_FILES / 2 + 1, 119);
}

static void batches_of_several_files_work(void **state)
{
    struct bench *bench = *state;
    make_files("in", 103);
    cold = true;
    open_source(bench, "in", 1, 32, 0);
    assert_int_equal(bench->view.samples_per_batch, 4);
    for (uint64_t batch = 0; batch < bench->view.batches; batch++)
        fill(bench, bench->thread, batch);
    check_announced("in", 103, READ_AHEAD_LOOK_FILES + 1, 102);
}

/* Sparse files: large, and no bytes on the disk. */
static void make_large(const char *directory, unsigned count, off_t bytes)
{
    temp_subdir(&dir, directory);
    for (unsigned i = 0; i < count; i++) {
        temp_write(&dir, file_name(directory, i, "bin"), &i, sizeof i);
        assert_int_equal(truncate(temp_path(&dir, file_name(directory, i, "bin")), bytes), 0);
    }
}

static void check_large(struct bench *bench, size_t bytes, unsigned count, unsigned ahead)
{
    struct aispipe_error error = {0};
    char *data = malloc(bytes);
    assert_non_null(data);
    make_large("in", count, (off_t)bytes);
    cold = true;
    open_source(bench, "in", 1, bytes, 0);
    for (uint64_t batch = 0; batch < count; batch++) {
        void *inputs[1] = {data};
        assert_int_equal(bench->view.fill(bench->view.context, bench->thread, batch, inputs, &error), 0);
        assert_true(n_announced <= batch + ahead);
    }
    free(data);
    off_t total = 0;
    for (unsigned i = 0; i < n_announced; i++) {
        assert_true(announced[i].bytes <= READ_AHEAD_BYTES);
        total += announced[i].bytes;
    }
    assert_true(n_announced >= count - 2 && total > 0);
}

static void bytes_are_bounded(void **state)
{
    check_large(*state, 1 << 20, 20, READ_AHEAD_BYTES >> 20);
}

static void of_a_huge_file_the_start_is_announced(void **state)
{
    check_large(*state, (size_t)READ_AHEAD_BYTES * 2, 4, 1);
    for (unsigned i = 0; i < n_announced; i++)
        assert_int_equal(announced[i].bytes, READ_AHEAD_BYTES);
}

/* ---------------------------------------------------------------- what goes wrong does no harm */

static void files_that_cannot_be_announced_are_passed_over(void **state)
{
    struct bench *bench = *state;
    make_files("in", 100);
    cold = true;
    advice_error = EIO;
    open_source(bench, "in", 1, 8, 0);
    for (uint64_t batch = 0; batch < 40; batch++)
        fill(bench, bench->thread, batch);
    /* The next ones to be announced: gone, a pipe, a directory, and one that comes back before it is read. */
    static const char *const names[] = {"in/72.bin", "in/73.bin", "in/74.bin", "in/75.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(unlink(temp_path(&dir, names[i])), 0);
    assert_int_equal(mkfifo(temp_path(&dir, names[1]), 0640), 0);
    temp_subdir(&dir, names[2]);
    for (uint64_t batch = 40; batch < 72; batch++)
        fill(bench, bench->thread, batch);
    temp_write(&dir, names[3], (unsigned[]){75, 75}, 8);
    struct aispipe_error error = {0};
    unsigned data[2];
    void *inputs[1] = {data};
    assert_int_equal(bench->view.fill(bench->view.context, bench->thread, 72, inputs, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "72.bin"));
    assert_non_null(strstr(error.message, "vanished"));
    for (uint64_t batch = 75; batch < 100; batch++)
        fill(bench, bench->thread, batch);
}

static void compressed_files_are_announced_as_well(void **state)
{
    struct bench *bench = *state;
    char packed[256];
    temp_subdir(&dir, "in");
    for (unsigned i = 0; i < 80; i++) {
        size_t length = ZSTD_compress(packed, sizeof packed, (unsigned[]){i, i}, 8, 1);
        temp_write(&dir, file_name("in", i, "bin.zst"), packed, length);
    }
    cold = true;
    open_source(bench, "in", 1, 8, 0);
    for (uint64_t batch = 0; batch < 80; batch++)
        fill(bench, bench->thread, batch);
    for (unsigned i = READ_AHEAD_LOOK_FILES + 1; i < 80; i++)
        assert_int_equal(times_announced(file_name("in", i, "bin.zst")), 1);
}

/* ---------------------------------------------------------------- several threads, several devices */

struct reader {
    const struct bench *bench;
    struct aispipe_source view;
    uint64_t first, count, step;
};

static void *read_part(void *context)
{
    const struct reader *reader = context;
    struct aispipe_error error = {0};
    void *thread;
    assert_int_equal(reader->view.thread_open(reader->view.context, &thread, &error), 0);
    for (uint64_t i = 0; i < reader->count; i++) {
        unsigned data[64];
        void *inputs[1] = {data};
        if (reader->view.fill(reader->view.context, thread, reader->first + i * reader->step, inputs, &error))
            fail_msg("%s", error.message);
    }
    reader->view.thread_close(reader->view.context, thread);
    return NULL;
}

static void threads_and_shares_get_their_bytes(void **state)
{
    struct bench *bench = *state;
    make_files("in", FILES);
    cold = true;
    open_source(bench, "in", 1, 8, 0);
    struct aispipe_share shares[2];
    struct reader readers[4];
    pthread_t threads[4];
    const struct aispipe_sink none = {0};
    for (unsigned i = 0; i < 2; i++)
        aispipe_share_init(&shares[i], &bench->view, &none, i, 2);
    for (unsigned i = 0; i < 4; i++) {
        readers[i] = (struct reader){bench, aispipe_share_source(&shares[i / 2]), i % 2, FILES / 4, 2};
        assert_int_equal(pthread_create(&threads[i], NULL, read_part, &readers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    /* Each thread announces its own part, and what it begins with may be another's as well. */
    assert_true(n_announced > FILES / 4 && n_announced < FILES + 4 * READ_AHEAD_FILES);
    for (uint64_t batch = 0; batch < FILES; batch++)
        fill(bench, bench->thread, batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_in_memory_are_not_announced, setup, teardown),
        cmocka_unit_test_setup_teardown(cold_files_are_announced_once_and_within_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(it_stops_and_begins_again, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(inputs_share_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_of_several_files_work, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_huge_file_the_start_is_announced, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_announced_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(compressed_files_are_announced_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_and_shares_get_their_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
