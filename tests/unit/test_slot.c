/* SPDX-License-Identifier: MIT */
/* Batch slots: where the buffers lie, what they take, and that nothing is left when one cannot be made. */
#include "unit.h"

#include "slot.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ an engine that counts */

struct engine {
    struct aispipe_model_desc desc;
    size_t device_bytes;
    unsigned fail_at; /* io_create that fails, counted from 1; 0: none */
    unsigned created, destroyed;
    bool no_host_memory;
    size_t host_bytes; /* asked of host_alloc */
    unsigned host_blocks;
};

static const struct aispipe_model_desc *engine_describe(const void *model)
{
    return &((const struct engine *)model)->desc;
}

static size_t engine_io_bytes(const void *model)
{
    return ((const struct engine *)model)->device_bytes;
}

static int engine_io_create(void *model, struct aispipe_io *io, struct aispipe_error *error)
{
    struct engine *engine = model;
    if (engine->created + 1 == engine->fail_at)
        return aispipe_fail(error, AISPIPE_DEVICE, "no more");
    assert_true(io->inputs && io->outputs && !io->device);
    io->device = malloc(16);
    engine->created++;
    return 0;
}

static void engine_io_destroy(void *model, struct aispipe_io *io)
{
    free(io->device);
    ((struct engine *)model)->destroyed++;
}

static int engine_host_alloc(void *model, size_t bytes, void **memory, struct aispipe_error *error)
{
    struct engine *engine = model;
    engine->host_bytes = bytes;
    if (engine->no_host_memory)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory that transfers fast; lower --inflight");
    engine->host_blocks++;
    *memory = aligned_alloc(SLOT_ALIGNMENT, bytes);
    return 0;
}

static void engine_host_free(void *model, void *memory)
{
    free(memory);
    ((struct engine *)model)->host_blocks--;
}

static const struct aispipe_backend plain = {.describe = engine_describe};
static const struct aispipe_backend full = {
    .describe = engine_describe,
    .io_bytes = engine_io_bytes,
    .io_create = engine_io_create,
    .io_destroy = engine_io_destroy,
    .host_alloc = engine_host_alloc,
    .host_free = engine_host_free,
};

static const struct aispipe_tensor_desc inputs[] = {{.name = "a", .size = 1}, {.name = "b", .size = 64}};
static const struct aispipe_tensor_desc outputs[] = {
    {.name = "c", .size = 65}, {.name = "empty", .size = 0}, {.name = "d", .size = 1000}};
#define HOST_BYTES (64 + 64 + 128 + 64 + 1024)

static struct engine small_engine(void)
{
    return (struct engine){.desc = {2, 3, inputs, outputs}, .device_bytes = 77};
}

/* Fails with `code`, leaves a pool that is empty. */
static void refused(const struct aispipe_backend *backend, struct engine *engine, unsigned count, int code)
{
    struct slot_pool pool;
    memset(&pool, 0xff, sizeof pool);
    struct aispipe_error error = {0};
    assert_int_equal(slot_pool_open(&pool, backend, engine, count, &error), code);
    assert_int_equal(error.code, code);
    assert_true(error.message[0] != '\0');
    assert_true(!pool.slots && !pool.memory && !pool.tensors && !pool.created);
    assert_int_equal(engine->created, engine->destroyed);
    assert_int_equal(engine->host_blocks, 0);
    slot_pool_close(&pool); /* once more: allowed */
}

/* ------------------------------------------------------------------ tests */

static void bytes_are_rounded_up_to_the_alignment(void **state)
{
    (void)state;
    struct engine engine = small_engine();
    size_t host;
    size_t device;
    assert_int_equal(slot_bytes(&full, &engine, &host, &device, NULL), 0);
    assert_int_equal(host, HOST_BYTES);
    assert_int_equal(device, 77);
    assert_int_equal(slot_bytes(&plain, &engine, &host, &device, NULL), 0);
    assert_int_equal(host, HOST_BYTES);
    assert_int_equal(device, 0);
}

/* Every byte of every tensor of every slot is written with a number of its own, then read: no two overlap. */
static void check_buffers(const struct slot_pool *pool, const struct aispipe_model_desc *desc, bool write)
{
    unsigned char mark = 0;
    for (unsigned s = 0; s < pool->count; s++)
        for (size_t i = 0; i < desc->n_inputs + desc->n_outputs; i++) {
            bool input = i < desc->n_inputs;
            unsigned char *buffer =
                input ? pool->slots[s].io.inputs[i] : pool->slots[s].io.outputs[i - desc->n_inputs];
            size_t size = input ? desc->inputs[i].size : desc->outputs[i - desc->n_inputs].size;
            assert_non_null(buffer);
            assert_int_equal((uintptr_t)buffer % SLOT_ALIGNMENT, 0);
            mark++;
            for (size_t k = 0; k < size; k++)
                if (write)
                    buffer[k] = mark;
                else
                    assert_int_equal(buffer[k], mark);
        }
}

static void buffers_are_aligned_and_apart(void **state)
{
    (void)state;
    const struct aispipe_backend *const backends[] = {&plain, &full};
    for (size_t b = 0; b < 2; b++) {
        struct engine engine = small_engine();
        struct slot_pool pool;
        assert_int_equal(slot_pool_open(&pool, backends[b], &engine, 7, NULL), 0);
        assert_int_equal(pool.count, 7);
        assert_int_equal(pool.host_bytes, HOST_BYTES);
        for (unsigned i = 0; i < 7; i++)
            assert_int_equal(pool.slots[i].index, i);
        check_buffers(&pool, &engine.desc, true);
        check_buffers(&pool, &engine.desc, false);
        assert_int_equal(engine.created, b ? 7 : 0);
        assert_int_equal(engine.host_bytes, b ? 7 * HOST_BYTES : 0);
        slot_pool_close(&pool);
        assert_int_equal(engine.destroyed, engine.created);
        assert_int_equal(engine.host_blocks, 0);
        assert_null(pool.slots);
    }
}

/* Large slots begin on a huge page, take whole ones, and no two tensors overlap there either. */
static void large_slots_begin_on_huge_pages(void **state)
{
    (void)state;
    const size_t huge_page = (size_t)2 << 20;
    static const struct aispipe_tensor_desc in[] = {{.name = "x", .size = (3u << 20) + 1}};
    static const struct aispipe_tensor_desc out[] = {{.name = "y", .size = 100},
                                                     {.name = "z", .size = 1u << 20}};
    struct engine engine = {.desc = {1, 2, in, out}};
    for (unsigned count = 1; count <= 3; count++) {
        struct slot_pool pool;
        assert_int_equal(slot_pool_open(&pool, &plain, &engine, count, NULL), 0);
        assert_int_equal((uintptr_t)pool.memory % huge_page, 0);
        check_buffers(&pool, &engine.desc, true);
        check_buffers(&pool, &engine.desc, false);
        slot_pool_close(&pool);
    }
}

static void a_failure_half_way_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 5; at++) {
        struct engine engine = small_engine();
        engine.fail_at = at;
        refused(&full, &engine, 5, AISPIPE_DEVICE);
        assert_int_equal(engine.destroyed, at - 1);
    }
}

static void an_engine_without_host_memory_is_an_error(void **state)
{
    (void)state;
    struct engine engine = small_engine();
    engine.no_host_memory = true;
    refused(&full, &engine, 3, AISPIPE_NO_MEMORY);
    assert_int_equal(engine.created, 0);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    static const struct aispipe_tensor_desc huge[] = {{.name = "h", .size = SIZE_MAX - 10},
                                                      {.name = "i", .size = SIZE_MAX / 2},
                                                      {.name = "j", .size = SIZE_MAX / 2}};
    size_t host;
    size_t device;
    struct engine engine = {.desc = {1, 1, huge, outputs}}; /* rounding up */
    assert_int_equal(slot_bytes(&plain, &engine, &host, &device, NULL), AISPIPE_MODEL);
    refused(&plain, &engine, 1, AISPIPE_MODEL);
    engine = (struct engine){.desc = {1, 2, outputs, huge + 1}}; /* the sum */
    refused(&plain, &engine, 1, AISPIPE_MODEL);
    engine = small_engine(); /* with the device's */
    engine.device_bytes = SIZE_MAX;
    refused(&full, &engine, 1, AISPIPE_MODEL);
    engine = (struct engine){.desc = {1, 1, huge + 1, outputs}}; /* times the number of slots */
    refused(&plain, &engine, 4, AISPIPE_NO_MEMORY);
}

static void a_zeroed_pool_may_be_closed(void **state)
{
    (void)state;
    struct slot_pool pool = {0};
    slot_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_rounded_up_to_the_alignment),
        cmocka_unit_test(buffers_are_aligned_and_apart),
        cmocka_unit_test(large_slots_begin_on_huge_pages),
        cmocka_unit_test(a_failure_half_way_leaves_nothing),
        cmocka_unit_test(an_engine_without_host_memory_is_an_error),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_zeroed_pool_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
