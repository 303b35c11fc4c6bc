/* SPDX-License-Identifier: MIT */
/* How files come to be: whole or not at all, with the right mode, by several threads at once. */
#include "sink.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#define NOBODY 65534

/* ---------------------------------------------------------------- files */

static struct stat stat_of(const struct place *place, const char *name)
{
    struct stat info;
    int fd = open_in(place, name, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(close(fd), 0);
    return info;
}

static void test_mode_is_0640(void **state)
{
    const uint8_t value = 1;
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(1));
    assert_int_equal(store(&options, &y, 1, &value, NULL), 0);
    assert_int_equal(stat_of(*state, "s0_0.bin").st_mode & 07777, 0640);
    (void)umask(027);
    assert_int_equal(store(&options, &y, 1, &value, NULL), 0);
    assert_int_equal(stat_of(*state, "s0_0.bin").st_mode & 07777, 0640);
    (void)umask(077);
    assert_int_equal(store(&options, &y, 1, &value, NULL), 0);
    assert_int_equal(stat_of(*state, "s0_0.bin").st_mode & 07777, 0600);
}

/* Who has the earlier result open keeps reading it whole: the new one is another file. */
static void test_earlier_result_is_replaced_whole(void **state)
{
    char data[16];
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(4));
    assert_int_equal(store(&options, &y, 1, "old!", NULL), 0);
    int fd = open_in(*state, "s0_0.bin", O_RDONLY);
    y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    assert_int_equal(store(&options, &y, 1, "ne", NULL), 0);
    assert_int_equal(read(fd, data, sizeof data), 4);
    assert_memory_equal(data, "old!", 4);
    assert_int_equal(close(fd), 0);
    check_file(*state, "s0_0.bin", "ne", 2);
    assert_int_equal(count_files(*state), 1);
}

static void temporary_of(char *name, size_t capacity, int thread)
{
    (void)snprintf(name, capacity, ".aispipe-unit-%d.tmp", thread);
}

/* Neither a file nor a link that happens to have the temporary's name is written to. */
static void test_foreign_temporary_is_left_alone(void **state)
{
    char name[64];
    const struct place *place = *state;
    struct aispipe_file_sink_options options = options_in(place, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    struct aispipe_error error;
    temporary_of(name, sizeof name, 0);
    int fd = open_in(place, name, O_WRONLY | O_CREAT);
    assert_int_equal(write(fd, "theirs", 6), 6);
    assert_int_equal(close(fd), 0);
    assert_int_equal(store(&options, &y, 1, "ok", &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "s0_0.bin"));
    check_file(place, name, "theirs", 6);
    fd = open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(unlinkat(fd, name, 0), 0);
    assert_int_equal(symlinkat("precious", fd, name), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(store(&options, &y, 1, "ok", NULL), AISPIPE_IO);
    assert_int_equal(count_files(place), 1);
}

static void test_temporaries_are_removed(void **state)
{
    char name[64];
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = &y};
    struct aispipe_file_sink *sink;
    void *threads[12];
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, NULL), 0);
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(view.thread_open(view.context, &threads[i], NULL), 0);
        temporary_of(name, sizeof name, i);
        assert_int_equal(close(open_in(*state, name, O_WRONLY | O_CREAT)), 0);
    }
    assert_int_equal(close(open_in(*state, "result", O_WRONLY | O_CREAT)), 0);
    assert_int_equal(count_files(*state), 13);
    aispipe_file_sink_abandon(sink);
    assert_int_equal(count_files(*state), 1);
    void *output = "ok";
    assert_int_not_equal(view.store(view.context, threads[0], 0, 1, &output, NULL, NULL), 0);
    assert_int_equal(count_files(*state), 1);
    for (int i = 0; i < 12; i++)
        view.thread_close(view.context, threads[i]);
    aispipe_file_sink_close(sink);
}

/* ---------------------------------------------------------------- failures */

static void check_message(const struct aispipe_error *error, const struct place *place,
                          const char *const *wanted)
{
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "'%s/s0_0.bin'", place->directory);
    assert_non_null(strstr(error->message, path));
    assert_null(strchr(error->message, '\n'));
    for (; *wanted; wanted++) {
        if (!strstr(error->message, *wanted))
            fail_msg("'%s' does not say '%s'", error->message, *wanted);
    }
}

static void test_directory_in_the_way(void **state)
{
    char path[PATH_MAX + 16];
    const struct place *place = *state;
    struct aispipe_error error = {0};
    struct aispipe_file_sink_options options = options_in(place, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    (void)snprintf(path, sizeof path, "%s/s0_0.bin", place->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store(&options, &y, 1, "ab", &error), AISPIPE_IO);
    check_message(&error, place, WORDS("rename", "a directory of that name is in the way"));
    assert_int_equal(count_files(place), 1);
}

static void test_missing_and_removed_directory(void **state)
{
    struct place place = *(struct place *)*state;
    struct aispipe_error error = {0};
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = &y};
    size_t length = strlen(place.directory);
    (void)snprintf(place.directory + length, sizeof place.directory - length, "/sub");
    struct aispipe_file_sink_options options = options_in(&place, AISPIPE_RESULT_BIN);
    assert_int_equal(store(&options, &y, 1, "ab", &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, place.directory));
    assert_int_equal(mkdir(place.directory, 0700), 0);
    struct aispipe_file_sink *sink;
    void *thread, *outputs[] = {"ab"};
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, NULL), 0);
    assert_int_equal(rmdir(place.directory), 0);
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    assert_int_equal(view.thread_open(view.context, &thread, NULL), 0);
    assert_int_equal(view.store(view.context, thread, 0, 1, outputs, NULL, &error), AISPIPE_IO);
    check_message(&error, &place, WORDS("removed while the run went on"));
    view.thread_close(view.context, thread);
    aispipe_file_sink_close(sink);
}

static void test_directory_that_may_not_be_written(void **state)
{
    const struct place *place = *state;
    struct aispipe_error error = {0};
    struct aispipe_file_sink_options options = options_in(place, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(2));
    uid_t self = geteuid();
    assert_int_equal(chmod(place->directory, 0500), 0);
    if (self == 0) { /* root may write anywhere */
        assert_int_equal(chown(place->directory, NOBODY, NOBODY), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    }
    int rc = store(&options, &y, 1, "ab", &error);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(rc, AISPIPE_IO);
    check_message(&error, place, WORDS("create", strerror(EACCES), "permissions"));
}

/* /dev/full cannot be a result, so the limit on a file's size stands for a write that fails half-way. */
static void test_write_that_fails_leaves_nothing(void **state)
{
    static const char data[100000];
    const struct place *place = *state;
    struct aispipe_error error = {0};
    struct rlimit limit, small;
    struct aispipe_file_sink_options options = options_in(place, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(sizeof data));
    assert_int_equal(store(&options, &y, 1, data, &error), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 50000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = store(&options, &y, 1, data, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, AISPIPE_IO);
    check_message(&error, place, WORDS("write", strerror(EFBIG), "ulimit -f"));
    /* The result that was there before is still whole. */
    assert_int_equal(stat_of(place, "s0_0.bin").st_size, sizeof data);
    assert_int_equal(count_files(place), 1);
}

/* ---------------------------------------------------------------- threads */

enum { THREADS = 4, BATCHES = 50, SAMPLES = 2, ALL_SAMPLES = THREADS * BATCHES * SAMPLES };

struct writer {
    struct aispipe_sink view;
    uint64_t first;
    int rc;
};

static void *write_batches(void *argument)
{
    struct writer *writer = argument;
    void *thread;
    writer->rc = writer->view.thread_open(writer->view.context, &thread, NULL);
    if (writer->rc)
        return NULL;
    for (uint64_t batch = writer->first; batch < ALL_SAMPLES / SAMPLES && !writer->rc; batch += THREADS) {
        uint64_t data[8]; /* (4, 2): sample s owns column s */
        void *outputs[] = {data};
        for (uint64_t i = 0; i < 8; i++)
            data[i] = batch * SAMPLES + i % 2;
        writer->rc =
            writer->view.store(writer->view.context, thread, batch * SAMPLES, SAMPLES, outputs, NULL, NULL);
    }
    writer->view.thread_close(writer->view.context, thread);
    return NULL;
}

static void test_several_threads_at_once(void **state)
{
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT64, 2, DIMS(4, 2));
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = &y};
    struct aispipe_file_sink *sink;
    options.samples_per_batch = SAMPLES;
    options.batch_axis = 1;
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.view = aispipe_file_sink_view(sink), .first = (uint64_t)i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_batches, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(writers[i].rc, 0);
    }
    for (uint64_t sample = 0; sample < ALL_SAMPLES; sample++) {
        char name[32];
        const uint64_t wanted[] = {sample, sample, sample, sample};
        (void)aispipe_file_sink_name(sink, sample, 0, name, sizeof name);
        check_file(*state, name, wanted, sizeof wanted);
    }
    assert_int_equal(count_files(*state), ALL_SAMPLES);
    aispipe_file_sink_close(sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mode_is_0640),
        TEST(test_earlier_result_is_replaced_whole),
        TEST(test_foreign_temporary_is_left_alone),
        TEST(test_temporaries_are_removed),
        TEST(test_directory_in_the_way),
        TEST(test_missing_and_removed_directory),
        TEST(test_directory_that_may_not_be_written),
        TEST(test_write_that_fails_leaves_nothing),
        TEST(test_several_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
