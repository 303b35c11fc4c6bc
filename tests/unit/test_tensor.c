/* SPDX-License-Identifier: MIT */
/* Tensors by themselves: memory, references, views, moves, pools, and what is kept of transfers. */
#include "unit.h"

#include "infer_models.h"
#include "number_log.h"
#include "tensor.h"

#include <pthread.h>
#include <sys/wait.h>

static struct aispipe_error error;

static const struct aispipe_tensor_desc floats = {.dtype = AISPIPE_FLOAT32, .rank = 2, .dims = {3, 4}};

static void memory_is_aligned_and_described(void **state)
{
    struct aispipe_tensor *tensor;
    (void)state;
    WELL(aispipe_tensor_create(&floats, &tensor, &error));
    assert_int_equal((uintptr_t)aispipe_tensor_data(tensor) % 64, 0);
    assert_int_equal(aispipe_tensor_describe(tensor)->size, 48);
    assert_int_equal(aispipe_tensor_device(tensor), AISPIPE_HOST);
    memset(aispipe_tensor_data(tensor), 1, 48);
    aispipe_tensor_release(tensor);
    const struct aispipe_tensor_desc scalar = {.dtype = AISPIPE_INT64};
    const struct aispipe_tensor_desc empty = {.dtype = AISPIPE_INT64, .rank = 1, .dims = {0}};
    WELL(aispipe_tensor_create(&scalar, &tensor, &error));
    assert_int_equal(aispipe_tensor_describe(tensor)->size, 8);
    aispipe_tensor_release(tensor);
    WELL(aispipe_tensor_create(&empty, &tensor, &error));
    assert_int_equal(aispipe_tensor_describe(tensor)->size, 0);
    assert_non_null(aispipe_tensor_data(tensor));
    aispipe_tensor_release(tensor);
    aispipe_tensor_release(NULL);
}

static void what_is_no_tensor_is_refused(void **state)
{
    struct aispipe_tensor *tensor;
    struct aispipe_tensor_desc desc = floats;
    (void)state;
    desc.dtype = (enum aispipe_dtype)5;
    FAILS(aispipe_tensor_create(&desc, &tensor, &error), AISPIPE_INVALID, "element type");
    assert_null(tensor);
    desc = floats;
    desc.rank = AISPIPE_MAX_RANK + 1;
    FAILS(aispipe_tensor_create(&desc, &tensor, &error), AISPIPE_INVALID, "33");
    desc = floats;
    desc.dims[1] = -1;
    FAILS(aispipe_tensor_create(&desc, &tensor, &error), AISPIPE_INVALID, "dimension 1");
    desc.dims[0] = desc.dims[1] = INT64_MAX / 2;
    FAILS(aispipe_tensor_create(&desc, &tensor, &error), AISPIPE_INVALID, "overflows");
    FAILS(aispipe_tensor_wrap(&floats, NULL, NULL, NULL, &tensor, &error), AISPIPE_INVALID, "needs memory");
}

static void count_release(void *context, void *data)
{
    (void)data;
    ++*(int *)context;
}

static void borrowed_memory_is_given_back_once(void **state)
{
    float values[12] = {1};
    int released = 0;
    struct aispipe_tensor *tensor;
    struct aispipe_tensor *view;
    struct aispipe_tensor *second;
    const struct aispipe_tensor_desc flat = {.dtype = AISPIPE_INT8, .rank = 1, .dims = {48}};
    (void)state;
    WELL(aispipe_tensor_wrap(&floats, values, count_release, &released, &tensor, &error));
    assert_ptr_equal(aispipe_tensor_data(tensor), values);
    WELL(aispipe_tensor_view(tensor, &flat, &view, &error));
    FAILS(aispipe_tensor_view(tensor, &(struct aispipe_tensor_desc){.dtype = AISPIPE_INT8}, &second, &error),
          AISPIPE_INVALID, "48 bytes");
    assert_null(second);
    WELL(aispipe_tensor_view(view, &floats, &second, &error));
    aispipe_tensor_release(tensor);
    aispipe_tensor_release(view);
    assert_int_equal(released, 0);
    assert_ptr_equal(aispipe_tensor_data(second), values);
    aispipe_tensor_release(second);
    assert_int_equal(released, 1);
}

static void *release_many(void *tensor)
{
    for (int i = 0; i < 10000; i++) {
        aispipe_tensor_retain(tensor);
        aispipe_tensor_release(tensor);
    }
    aispipe_tensor_release(tensor);
    return NULL;
}

static void threads_release_one_tensor(void **state)
{
    float values[12];
    int released = 0;
    pthread_t threads[3];
    struct aispipe_tensor *tensor;
    (void)state;
    WELL(aispipe_tensor_wrap(&floats, values, count_release, &released, &tensor, &error));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, release_many, aispipe_tensor_retain(tensor)), 0);
    aispipe_tensor_release(tensor);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(released, 1);
}

/* ---------------------------------------------------------------- moving */

static void fill(struct aispipe_tensor *tensor)
{
    for (size_t i = 0; i < 12; i++)
        ((float *)aispipe_tensor_data(tensor))[i] = (float)i;
}

static void a_device_without_a_session_is_a_word(void **state)
{
    struct aispipe_tensor *tensor;
    struct aispipe_tensor *moved;
    struct aispipe_tensor *back;
    (void)state;
    WELL(aispipe_tensor_create(&floats, &tensor, &error));
    fill(tensor);
    WELL(aispipe_tensor_to_device(tensor, NULL, 3, &moved, &error));
    assert_int_equal(aispipe_tensor_device(moved), 3);
    assert_ptr_not_equal(aispipe_tensor_data(moved), aispipe_tensor_data(tensor));
    FAILS(aispipe_tensor_to_device(moved, NULL, 2, &back, &error), AISPIPE_INVALID, "device 3");
    FAILS(aispipe_tensor_to_device(tensor, NULL, 256, &back, &error), AISPIPE_INVALID, "256");
    FAILS(aispipe_tensor_to_device(tensor, "none", 0, &back, &error), AISPIPE_INVALID, "none");
    WELL(aispipe_tensor_to_device(moved, NULL, 3, &back, &error));
    assert_ptr_equal(back, moved);
    aispipe_tensor_release(back);
    WELL(aispipe_tensor_to_host(moved, &back, &error));
    assert_int_equal(aispipe_tensor_device(back), AISPIPE_HOST);
    assert_memory_equal(aispipe_tensor_data(back), aispipe_tensor_data(tensor), 48);
    aispipe_tensor_release(back);
    aispipe_tensor_release(moved);
    aispipe_tensor_release(tensor);
}

static void a_device_has_memory_of_its_own(void **state)
{
    struct aispipe_tensor *tensor;
    struct aispipe_tensor *moved;
    struct aispipe_tensor *back;
    uint64_t ns[4];
    (void)state;
    aispipe_transfers_record(true);
    WELL(aispipe_tensor_create(&floats, &tensor, &error));
    fill(tensor);
    WELL(aispipe_tensor_to_device(tensor, "sim", 0, &moved, &error));
    assert_null(aispipe_tensor_data(moved));
    assert_int_equal(aispipe_tensor_device(moved), 0);
    memset(aispipe_tensor_data(tensor), 0, 48); /* it is a copy */
    WELL(aispipe_tensor_to_host(moved, &back, &error));
    assert_float_equal(((float *)aispipe_tensor_data(back))[11], 11, 0);
    aispipe_tensor_release(back);
    assert_int_equal(aispipe_transfers_count(AISPIPE_H2D), 1);
    assert_int_equal(aispipe_transfers_read(AISPIPE_D2H, ns, 4), 1);
    aispipe_transfers_record(false);
    WELL(aispipe_tensor_to_host(moved, &back, &error));
    aispipe_tensor_release(back);
    assert_int_equal(aispipe_transfers_count(AISPIPE_D2H), 1);
    aispipe_transfers_reset();
    assert_int_equal(aispipe_transfers_count(AISPIPE_D2H), 0);
    assert_int_equal(aispipe_finalize(NULL), 0);
    FAILS(aispipe_tensor_to_host(moved, &back, &error), AISPIPE_CLOSED, "finalised");
    assert_null(back);
    aispipe_tensor_release(moved);
    assert_int_equal(aispipe_finalize(NULL), 0);
    WELL(aispipe_tensor_to_device(tensor, "sim", 0, &moved, &error)); /* it opens again */
    aispipe_tensor_release(moved);
    aispipe_tensor_release(tensor);
    assert_int_equal(aispipe_finalize(NULL), 0);
}

/* ---------------------------------------------------------------- pools */

static void a_pool_gives_out_what_came_back(void **state)
{
    struct tensor_pool *pool;
    struct aispipe_tensor *one;
    struct aispipe_tensor *two;
    struct aispipe_tensor_desc desc = floats;
    (void)state;
    desc.size = 48;
    WELL(tensor_pool_create(&desc, 0, NULL, AISPIPE_HOST, &pool, &error));
    WELL(tensor_pool_take(pool, &one, &error));
    WELL(tensor_pool_take(pool, &two, &error));
    assert_ptr_not_equal(one, two);
    aispipe_tensor_retain(one);
    aispipe_tensor_release(one);
    const struct aispipe_tensor *before = two;
    aispipe_tensor_release(two);
    WELL(tensor_pool_take(pool, &two, &error));
    assert_ptr_equal(two, before); /* and not `one`, which somebody has */
    tensor_pool_close(pool);
    memset(aispipe_tensor_data(one), 1, 48); /* a pool's end leaves what is out */
    aispipe_tensor_release(one);
    aispipe_tensor_release(two);
}

static void numbers_come_back(void **state)
{
    struct number_log log = {.count = 0};
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        assert_true(number_log_add(&log, i % 64 ? i : UINT64_MAX >> i / 64 % 64));
    assert_int_equal(log.count, 100000);
    struct number_reader reader = {.log = &log};
    for (uint64_t i = 0; i < 100000; i++)
        if (number_log_next(&reader) != (i % 64 ? i : UINT64_MAX >> i / 64 % 64))
            fail_msg("number %llu", (unsigned long long)i);
    number_log_clear(&log);
    static const int64_t values[] = {0, 1, -1, 63, -64, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_true(number_unfold(number_fold(values[i])) == values[i]);
    assert_int_equal(number_fold(-1), 1);
}

/* A child has no device of its parent's: it is told so, and can let go. */
static int in_child(struct aispipe_tensor *device, struct aispipe_tensor *pooled)
{
    struct aispipe_tensor *back;
    struct aispipe_error why = {.message = ""};
    bool told = aispipe_tensor_to_host(device, &back, &why) == AISPIPE_CLOSED && strstr(why.message, "fork");
    aispipe_tensor_release(device);
    ((char *)aispipe_tensor_data(pooled))[0] = 1;
    aispipe_tensor_release(pooled);
    assert_int_equal(aispipe_finalize(NULL), 0);
    return told ? 0 : 1;
}

static void a_child_of_fork_is_told(void **state)
{
    struct tensor_pool *pool;
    struct aispipe_tensor *tensor;
    struct aispipe_tensor *moved;
    struct aispipe_tensor *pooled;
    struct aispipe_tensor_desc desc = floats;
    int status = 0;
    (void)state;
    desc.size = 48;
    WELL(aispipe_tensor_create(&floats, &tensor, &error));
    fill(tensor);
    WELL(aispipe_tensor_to_device(tensor, "sim", 0, &moved, &error));
    WELL(tensor_pool_create(&desc, 0, NULL, AISPIPE_HOST, &pool, &error));
    WELL(tensor_pool_take(pool, &pooled, &error));
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(in_child(moved, pooled));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    tensor_pool_close(pool);
    aispipe_tensor_release(pooled);
    aispipe_tensor_release(moved);
    aispipe_tensor_release(tensor);
    assert_int_equal(aispipe_finalize(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_described),
        cmocka_unit_test(what_is_no_tensor_is_refused),
        cmocka_unit_test(borrowed_memory_is_given_back_once),
        cmocka_unit_test(threads_release_one_tensor),
        cmocka_unit_test(a_device_without_a_session_is_a_word),
        cmocka_unit_test(a_device_has_memory_of_its_own),
        cmocka_unit_test(a_pool_gives_out_what_came_back),
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(a_child_of_fork_is_told),
    };
    return cmocka_run_group_tests(tests, models_setup, models_teardown);
}
