/* SPDX-License-Identifier: MIT */
/* The backend for Ascend devices on a library that only counts: order, threads, faults, what older ones lack.
 */
#include "unit.h"

#include "aispipe/devices.h"
#include "fake_acl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANES 2

static char directory[] = "/tmp/aispipe-acl-XXXXXX";
static char model_path[64];
static char settings_path[64];
static const struct aispipe_backend *backend;
static struct fake_acl *(*fake)(void);

/* What the backend has logged. */
static struct {
    unsigned errors;
    unsigned warnings;
    char last[4608];
} logged;

static void log_write(void *context, enum aispipe_log_level level, const char *line)
{
    (void)context;
    logged.errors += level == AISPIPE_LOG_ERROR;
    logged.warnings += level == AISPIPE_LOG_WARNING;
    if (level >= AISPIPE_LOG_WARNING)
        (void)snprintf(logged.last, sizeof logged.last, "%s", line);
}

/* Ends what a test before this one has left to the end of the process, and begins with another library. */
static void use_library(const char *path)
{
    struct aispipe_error ignored;
    assert_int_equal(backend->finish(&ignored), 0);
    assert_int_equal(setenv("AISPIPE_ACL_LIB", path, 1), 0);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail_msg("%s", dlerror());
    fake = (struct fake_acl * (*)(void)) dlsym(handle, "fake_acl");
    assert_non_null(fake);
    *fake() = (struct fake_acl){0};
    memset(&logged, 0, sizeof logged);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(model_path, sizeof model_path, "%s/m.om", directory);
    (void)snprintf(settings_path, sizeof settings_path, "%s/a.config", directory);
    struct aispipe_error error;
    return aispipe_backend_find("acl", NULL, &backend, &error);
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(model_path);
    (void)unlink(settings_path);
    return rmdir(directory);
}

static void write_model(const char *kind)
{
    FILE *file = fopen(model_path, "we");
    if (!file || fputs(kind, file) < 0 || fclose(file) != 0)
        fail_msg("%s cannot be written", model_path);
}

/* ---------------------------------------------------------------- a run */

struct run {
    const struct aispipe_shape *shape;
    const char *aipp_config;
    size_t given; /* bytes of input 0 in that shape; 0: 72 */
    size_t got;   /* bytes of the output; 0: 14 */
    void *device, *model;
    void *h2d, *d2h, *compute[LANES];
    struct aispipe_io io;
    char *host;
    void *inputs[2], *outputs[1];
    bool made;
    struct aispipe_error error;
};

static int open_run(struct run *run, int id, unsigned lanes)
{
    struct aispipe_backend_config config = {.device_id = id,
                                            .compute_threads = lanes,
                                            .aipp_config = run->aipp_config,
                                            .log = {.write = log_write, .debug = true}};
    int rc = backend->open(&config, &run->device, &run->error);
    if (!rc)
        rc = backend->load(run->device, model_path, &run->model, &run->error);
    if (rc)
        return rc;
    if (run->shape)
        return backend->set_shape(run->model, run->shape, &run->error);
    return backend->check_ready(run->model, &run->error);
}

static int make_slot(struct run *run)
{
    void *memory = NULL;
    int rc = backend->host_alloc(run->model, 256, &memory, &run->error);
    if (rc)
        return rc;
    run->host = memory;
    assert_int_equal((uintptr_t)run->host % 64, 0);
    run->inputs[0] = run->host;
    run->inputs[1] = run->host + 128;
    run->outputs[0] = run->host + 192;
    run->io = (struct aispipe_io){.inputs = run->inputs, .outputs = run->outputs};
    rc = backend->io_create(run->model, &run->io, &run->error);
    run->made = rc == 0;
    if (!rc)
        rc = backend->lane_create(run->model, AISPIPE_LANE_H2D, 0, &run->h2d, &run->error);
    for (unsigned i = 0; !rc && i < LANES; i++)
        rc = backend->lane_create(run->model, AISPIPE_LANE_COMPUTE, i, &run->compute[i], &run->error);
    return rc ? rc : backend->lane_create(run->model, AISPIPE_LANE_D2H, 0, &run->d2h, &run->error);
}

static int work(struct run *run, unsigned lane)
{
    int given = run->given ? (int)run->given : 72;
    int got = run->got ? (int)run->got : 14;
    for (int i = 0; i < given; i++)
        ((unsigned char *)run->inputs[0])[i] = (unsigned char)(i * 3 + (int)lane);
    memset(run->outputs[0], 0, 64);
    int rc = backend->h2d(run->h2d, &run->io, &run->error);
    if (!rc)
        rc = backend->compute(run->compute[lane], &run->io, &run->error);
    if (!rc)
        rc = backend->d2h(run->d2h, &run->io, &run->error);
    for (int i = 0; !rc && i < 64; i++)
        assert_int_equal(((unsigned char *)run->outputs[0])[i],
                         i < got ? (unsigned char)~(i % given * 3 + (int)lane) : 0);
    return rc;
}

static void close_run(struct run *run)
{
    for (unsigned i = 0; i < LANES; i++)
        if (run->compute[i])
            backend->lane_destroy(run->model, run->compute[i]);
    if (run->h2d)
        backend->lane_destroy(run->model, run->h2d);
    if (run->d2h)
        backend->lane_destroy(run->model, run->d2h);
    if (run->made)
        backend->io_destroy(run->model, &run->io);
    if (run->host)
        backend->host_free(run->model, run->host);
    if (run->model)
        backend->unload(run->model);
    if (run->device)
        backend->close(run->device);
}

static void *work_elsewhere(void *argument)
{
    return work(argument, 1) ? argument : NULL;
}

/* Everything, with the second lane in a thread of its own; the first has been used by this thread before. */
static int whole_run(struct run *run)
{
    int rc = open_run(run, 1, LANES);
    if (!rc)
        rc = make_slot(run);
    for (unsigned i = 0; !rc && i < LANES; i++)
        rc = work(run, i);
    if (!rc) {
        pthread_t thread;
        void *failed = NULL;
        assert_int_equal(pthread_create(&thread, NULL, work_elsewhere, run), 0);
        assert_int_equal(pthread_join(thread, &failed), 0);
        rc = failed ? run->error.code : 0;
    }
    close_run(run);
    struct aispipe_error why;
    if (backend->finish(&why) && !rc && !logged.errors) {
        run->error = why;
        rc = why.code;
    }
    return rc;
}

static void assert_nothing_left(const char *when)
{
    struct aispipe_error ignored;
    (void)backend->finish(&ignored);
    const struct fake_acl *f = fake();
    if (f->misuse[0])
        fail_msg("%s: %s", when, f->misuse);
    if (f->devices || f->contexts || f->streams || f->models || f->descriptions || f->datasets ||
        f->buffers || f->memory || f->pinned || f->aipps)
        fail_msg(
            "%s: left are %d devices, %d contexts, %d streams, %d models, %d descriptions, %d datasets, %d "
            "buffers, %d device and %d host allocations, %d AIPP settings",
            when, f->devices, f->contexts, f->streams, f->models, f->descriptions, f->datasets, f->buffers,
            f->memory, f->pinned, f->aipps);
    if (!f->initialised_already && f->inits != f->finalizes)
        fail_msg("%s: %u aclInit, %u aclFinalize", when, f->inits, f->finalizes);
}

/* ---------------------------------------------------------------- tests */

static void a_run_releases_everything_in_order(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run run = {0};
    assert_int_equal(whole_run(&run), 0);
    assert_nothing_left("after a run");
    assert_int_equal(logged.errors + logged.warnings, 0);
    assert_int_equal(fake()->inits, 1);
    assert_int_equal(fake()->resets, 1);
    /* Two copies, one set of weights. */
    assert_int_equal(fake()->loads, 0);
    assert_int_equal(fake()->loads_with_memory, LANES);
    assert_ptr_equal(fake()->weights[0], fake()->weights[1]);
}

static void the_description_is_the_models(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run run = {0};
    assert_int_equal(open_run(&run, 0, 1), 0);
    const struct aispipe_model_desc *desc = backend->describe(run.model);
    assert_int_equal(desc->n_inputs, 2);
    assert_int_equal(desc->n_outputs, 1);
    assert_string_equal(desc->inputs[1].name, "mask");
    assert_int_equal(desc->inputs[0].dtype, AISPIPE_FLOAT32);
    assert_int_equal(desc->inputs[0].rank, 4);
    assert_int_equal(desc->inputs[0].size, 72);
    /* The output's shape is shorter than its buffer: only the shape counts. */
    assert_int_equal(desc->outputs[0].size, 14);
    assert_int_equal(backend->io_bytes(run.model), 72 + 10 + 32);
    /* One thread: nothing to share, the runtime manages the memory. */
    assert_int_equal(fake()->loads, 1);
    assert_int_equal(fake()->loads_with_memory, 0);
    close_run(&run);
    assert_nothing_left("after a description");
}

static void fail_call(const char *kind, struct run run, unsigned n)
{
    use_library(FAKE_ACL);
    fake()->fail_at = n;
    int rc = whole_run(&run);
    char when[96];
    const char *function = fake()->failed_in;
    (void)snprintf(when, sizeof when, "model %s, call %u (%s) failing", kind, n,
                   function ? function : "none");
    assert_nothing_left(when);
    if (function && *kind == 'o' && strstr(function, "SizeByIndex"))
        return; /* the shape says it all */
    if (!function)
        function = "";
    if (!*function || (rc != 0) == (logged.errors != 0))
        fail_msg("%s: status %d, %u error lines", when, rc, logged.errors);
    const char *said = rc ? run.error.message : logged.last;
    if (logged.errors > 1 || strchr(said, '\n') || (rc && run.error.code != rc))
        fail_msg("%s: status %d, %u error lines: %s", when, rc, logged.errors, said);
    /* What returns a number or a type is judged by what it means. */
    bool returns_code =
        !strstr(function, "DataType") && !strstr(function, "Size") && !strstr(function, "NumDims");
    if (returns_code && !strstr(said, function))
        fail_msg("%s: not named in: %s", when, said);
}

/* Every single call fails once. Whatever it was, the run says so in one line and releases what it has. */
static void sweep(const char *kind, const struct run *how, unsigned calls_at_least)
{
    use_library(FAKE_ACL);
    write_model(kind);
    struct run counting = *how;
    int rc = whole_run(&counting);
    if (rc)
        fail_msg("model %s: %s", kind, counting.error.message);
    assert_nothing_left(kind);
    unsigned calls = fake()->calls;
    assert_true(calls > calls_at_least);
    for (unsigned n = 1; n <= calls; n++)
        fail_call(kind, *how, n);
}

static void every_call_may_fail(void **state)
{
    (void)state;
    sweep("static", &(struct run){0}, 100);
}
static void the_runtimes_words_are_one_line(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    fake()->fail_in = "aclmdlExecute";
    fake()->code = 507033;
    struct run run = {0};
    assert_int_equal(whole_run(&run), AISPIPE_FAULT);
    assert_string_equal(run.error.message,
                        "aclmdlExecute failed with 507033 (ACL_ERROR_RT_DEV_SETUP_ERROR): EZ9999: "
                        "Inner Error! it was told to fail");
    use_library(FAKE_ACL);
    fake()->fail_in = "aclmdlExecute";
    fake()->code = 507999;
    run = (struct run){0};
    assert_int_equal(whole_run(&run), AISPIPE_FAULT);
    assert_non_null(strstr(run.error.message, "507999 (inside the runtime or the device)"));
}

static void faults_and_models_are_told_apart(void **state)
{
    (void)state;
    write_model("static");
    use_library(FAKE_ACL);
    fake()->fail_in = "aclrtMalloc";
    fake()->code = 207018;
    struct run run = {0};
    assert_int_equal(whole_run(&run), AISPIPE_FAULT);
    assert_non_null(strstr(run.error.message, "207018 (ACL_ERROR_RT_DEVICE_OOM)"));
    use_library(FAKE_ACL);
    write_model("");
    run = (struct run){0};
    assert_int_equal(whole_run(&run), AISPIPE_MODEL);
    assert_non_null(strstr(run.error.message, model_path));
    assert_nothing_left("after a model that is none");
}

static void an_older_library_is_used_with_one_warning(void **state)
{
    (void)state;
    use_library(FAKE_ACL_OLD);
    write_model("static");
    struct run run = {0};
    assert_int_equal(whole_run(&run), 0);
    assert_nothing_left("after a run");
    assert_int_equal(logged.warnings, 1);
    const char *const names[] = {"aclGetRecentErrMsg", "aclrtSetDeviceSatMode", "aclmdlGetInputDimsV2",
                                 "aclmdlLoadFromFileWithMem"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(logged.last, names[i]));
    assert_int_equal(fake()->loads, LANES);
    fake()->fail_in = "aclmdlExecute";
    run = (struct run){0};
    assert_int_equal(whole_run(&run), AISPIPE_FAULT);
    assert_string_equal(run.error.message, "aclmdlExecute failed with 500000 (ACL_ERROR_INTERNAL_ERROR)");
}

static bool address_of(int id, char address[32])
{
    struct aispipe_backend_config config = {
        .device_id = id, .compute_threads = 1, .log = {.write = log_write}};
    struct aispipe_error error;
    void *device;
    (void)snprintf(address, 32, "untouched");
    assert_int_equal(backend->open(&config, &device, &error), 0);
    bool known = backend->pci_address(device, address, 32);
    backend->close(device);
    return known;
}

/* Where a device is on the bus is asked where the runtime knows it, and no failure otherwise. */
static void the_address_of_a_device_is_told_or_not(void **state)
{
    (void)state;
    char address[32];
    use_library(FAKE_ACL);
    assert_true(address_of(1, address));
    assert_string_equal(address, "0000:C1:00.0");
    fake()->fail_in = "aclrtDeviceGetPCIBusId";
    fake()->code = 207000;
    assert_false(address_of(0, address));
    assert_int_equal(logged.errors + logged.warnings, 0);
    use_library(FAKE_ACL_OLD);
    assert_false(address_of(0, address));
    assert_string_equal(address, "untouched");
}

static void an_overflow_mode_that_is_not_there_is_no_fault(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    static const int codes[] = {200001, 207000};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fake()->fail_in = "aclrtSetDeviceSatMode";
        fake()->code = codes[i];
        struct run run = {0};
        assert_int_equal(whole_run(&run), 0);
        assert_int_equal(logged.errors + logged.warnings, 0);
    }
}

static void shapes_that_must_be_chosen_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        int code;
        const char *says[3];
    } models[] = {
        {"b", AISPIPE_INVALID, {"1, 2", "--dymBatch", NULL}},
        {"h", AISPIPE_INVALID, {"2,4; 3,3", "--dymHW", NULL}},
        {"d", AISPIPE_INVALID, {"'image:1,1,2,2;mask:1,5' 'image:2,1,3,3;mask:2,5'", "--dymDims", NULL}},
        {"o", AISPIPE_INVALID, {"image:-1,1,-1,-1;mask:-1,5", "--dymShape", NULL}},
        {"a", AISPIPE_INVALID, {"dynamic AIPP", "--aipp_config", NULL}},
        {"c", AISPIPE_UNSUPPORTED, {"scores", "complex64", NULL}},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        use_library(FAKE_ACL);
        write_model(models[i].kind);
        struct run run = {0};
        assert_int_equal(whole_run(&run), models[i].code);
        assert_nothing_left(models[i].kind);
        assert_non_null(strstr(run.error.message, model_path));
        for (const char *const *says = models[i].says; *says; says++)
            if (!strstr(run.error.message, *says))
                fail_msg("'%s' is not in: %s", *says, run.error.message);
    }
}

/* Sizes are those of the chosen gear, hidden inputs have their buffer: the library checks. So do the faults.
 */
static void every_kind_of_shape_runs(void **state)
{
    (void)state;
    static const struct aispipe_shape batch = {.mode = AISPIPE_SHAPE_BATCH, .batch = 1};
    static const struct aispipe_shape hw = {.mode = AISPIPE_SHAPE_HW, .height = 2, .width = 4};
    static const struct aispipe_shape dims = {.mode = AISPIPE_SHAPE_DIMS, .dims = "image:1,1,2,2;mask:1,5"};
    static const size_t room[] = {40};
    static const struct aispipe_shape open = {.mode = AISPIPE_SHAPE_SHAPE,
                                              .dims = "image:3,1,1,2;mask:3,5",
                                              .output_sizes = room,
                                              .n_output_sizes = 1};
    sweep("b", &(struct run){.shape = &batch, .given = 36, .got = 7}, 100);
    sweep("h", &(struct run){.shape = &hw, .given = 64, .got = 14}, 100);
    sweep("d", &(struct run){.shape = &dims, .given = 16, .got = 7}, 100);
    sweep("o", &(struct run){.shape = &open, .given = 24, .got = 21}, 100);
}

/* No two values are the same, so that the library can tell that each arrives where it belongs. */
static void settings_of_aipp_arrive(void **state)
{
    (void)state;
    static const char text[] =
        "[aipp_op]\n input_format: YUV400_U8\n src_image_size_w: 9\n src_image_size_h: 1\n csc_switch: 1\n"
        " matrix_r0c0: 2\n matrix_r0c1: 3\n matrix_r0c2: 4\n matrix_r1c0: 5\n matrix_r1c1: 6\n"
        " matrix_r1c2: 7\n matrix_r2c0: 8\n matrix_r2c1: 9\n matrix_r2c2: 10\n"
        " output_bias_0: 11\n output_bias_1: 12\n output_bias_2: 13\n"
        " input_bias_0: 14\n input_bias_1: 15\n input_bias_2: 16\n rbuv_swap_switch: 1\n"
        " crop: 1\n load_start_pos_w: 2\n load_start_pos_h: 0\n crop_size_w: 5\n crop_size_h: 1\n"
        " padding: 1\n padding_size_top: 21\n padding_size_bottom: 22\n padding_size_left: 23\n"
        " padding_size_right: 24\n mean_chn_0: 31\n mean_chn_1: 32\n mean_chn_2: 33\n mean_chn_3: 34\n"
        " min_chn_0: 41.5\n min_chn_1: 42.5\n min_chn_2: 43.5\n min_chn_3: 44.5\n"
        " var_reci_chn_0: -51.5\n var_reci_chn_1: -52.5\n var_reci_chn_2: -53.5\n var_reci_chn_3: -54.5\n";
    FILE *file = fopen(settings_path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        fail_msg("%s cannot be written", settings_path);
    sweep("a", &(struct run){.aipp_config = settings_path, .given = 18, .got = 14}, 100);
}

static void wrong_shapes_are_refused_with_the_right_ones(void **state)
{
    (void)state;
    static const size_t room[] = {20};
    static const struct {
        const char *kind;
        struct aispipe_shape shape;
        int code;
        const char *says[3];
    } wrong[] = {
        {"b", {.mode = AISPIPE_SHAPE_BATCH, .batch = 3}, AISPIPE_INVALID, {"--dymBatch 3", "1, 2", NULL}},
        {"b",
         {.mode = AISPIPE_SHAPE_HW, .height = 2, .width = 2},
         AISPIPE_INVALID,
         {"--dymHW", "--dymBatch", NULL}},
        {"h",
         {.mode = AISPIPE_SHAPE_HW, .height = 4, .width = 2},
         AISPIPE_INVALID,
         {"--dymHW 4,2", "2,4", NULL}},
        {"d",
         {.mode = AISPIPE_SHAPE_DIMS, .dims = "image:1,1,2,2;mask:2,5"},
         AISPIPE_INVALID,
         {"mask:1,5'", NULL}},
        {"d", {.mode = AISPIPE_SHAPE_DIMS, .dims = "picture:1,1,2,2"}, AISPIPE_INVALID, {"'picture'", NULL}},
        {"o",
         {.mode = AISPIPE_SHAPE_SHAPE, .dims = "image:1,2,2,2;mask:1,5"},
         AISPIPE_INVALID,
         {"'image'", NULL}},
        {"s",
         {.mode = AISPIPE_SHAPE_BATCH, .batch = 2},
         AISPIPE_INVALID,
         {"--dymBatch", "one shape only", NULL}},
        {"o",
         {.mode = AISPIPE_SHAPE_SHAPE,
          .dims = "image:3,1,1,2;mask:3,5",
          .output_sizes = room,
          .n_output_sizes = 1},
         AISPIPE_INVALID,
         {"needs 21 bytes", "--outputSize", NULL}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        use_library(FAKE_ACL);
        write_model(wrong[i].kind);
        struct run run = {.shape = &wrong[i].shape, .given = 24};
        assert_int_equal(whole_run(&run), wrong[i].code);
        assert_nothing_left(wrong[i].kind);
        for (const char *const *says = wrong[i].says; *says; says++)
            if (!strstr(run.error.message, *says))
                fail_msg("'%s' is not in: %s", *says, run.error.message);
    }
}

static void sessions_of_a_process_share_the_runtime(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run first = {0};
    struct run second = {0};
    struct run third = {0};
    assert_int_equal(open_run(&first, 0, 1), 0);
    assert_int_equal(open_run(&second, 1, 1), 0);
    assert_int_equal(open_run(&third, 1, 1), 0);
    assert_int_equal(fake()->inits, 1);
    assert_int_equal(fake()->sets, 2);
    close_run(&second);
    assert_int_equal(fake()->resets, 0);
    close_run(&first);
    assert_int_equal(fake()->resets, 1);
    assert_int_equal(fake()->finalizes, 0);
    struct aispipe_error error;
    assert_int_equal(backend->finish(&error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "1 sessions are open"));
    close_run(&third);
    assert_int_equal(fake()->resets, 2);
    assert_int_equal(fake()->finalizes, 0);
    /* aclInit works once in a process: who comes after all have gone finds the runtime still there. */
    struct run fourth = {0};
    assert_int_equal(open_run(&fourth, 0, 1), 0);
    close_run(&fourth);
    assert_int_equal(fake()->inits, 1);
    assert_int_equal(backend->finish(&error), 0);
    assert_int_equal(backend->finish(&error), 0);
    assert_int_equal(fake()->finalizes, 1);
}

/* One that is refused must not take the runtime from those that come next. */
static void a_session_that_fails_leaves_the_runtime(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run wrong = {0};
    struct run right = {0};
    assert_int_equal(open_run(&wrong, 7, 1), AISPIPE_INVALID);
    assert_int_equal(open_run(&right, 0, 1), 0);
    close_run(&right);
    assert_int_equal(fake()->inits, 1);
    assert_int_equal(fake()->finalizes, 0);
}

static void no_session_after_the_end(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run run = {0};
    assert_int_equal(whole_run(&run), 0);
    fake()->initialised_already = true; /* as a runtime says that has been finalised */
    struct run late = {0};
    assert_int_equal(open_run(&late, 0, 1), AISPIPE_FAULT);
    assert_non_null(strstr(late.error.message, "aclInit failed with 100002"));
    assert_non_null(strstr(late.error.message, "finalised before"));
}

static int open_with(void **device, const char *acl_json, struct aispipe_error *error)
{
    struct aispipe_backend_config config = {.acl_json = acl_json, .compute_threads = 1};
    return backend->open(&config, device, error);
}

static void a_runtime_of_the_program_around_is_left_to_it(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    fake()->initialised_already = true;
    struct run run = {0};
    assert_int_equal(whole_run(&run), 0);
    assert_nothing_left("after a run");
    struct aispipe_error error;
    void *device = NULL;
    assert_int_equal(open_with(&device, "a.json", &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "the program itself"));
    assert_int_equal(open_with(&device, NULL, &error), 0);
    backend->close(device);
    assert_nothing_left("after a runtime of the program's own");
    assert_int_equal(fake()->finalizes, 0);
}

static void the_runtime_hears_of_one_file(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    struct aispipe_error error;
    void *devices[3];
    char path[] = "a.json"; /* not the caller's memory that is compared with later */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(open_with(&devices[0], path, &error), 0);
        path[0] = 'b';
        assert_string_equal(fake()->given, "a.json");
        assert_int_equal(open_with(&devices[1], "a.json", &error), 0);
        assert_int_equal(open_with(&devices[2], NULL, &error), 0);
        for (int i = 1; i < 3; i++)
            backend->close(devices[i]);
        assert_int_equal(open_with(&devices[1], path, &error), AISPIPE_INVALID);
        assert_non_null(strstr(error.message, "'b.json'"));
        assert_non_null(strstr(error.message, "'a.json'"));
        assert_null(devices[1]);
        backend->close(devices[0]);
        path[0] = 'a';
    }
    assert_int_equal(fake()->inits, 1);
    assert_int_equal(backend->finish(&error), 0);
    assert_int_equal(open_with(&devices[0], NULL, &error), 0);
    assert_string_equal(fake()->given, "");
    assert_int_equal(open_with(&devices[1], "a.json", &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "'a.json'"));
    assert_non_null(strstr(error.message, "started with none"));
    backend->close(devices[0]);
    assert_nothing_left("after files that contradict each other");
}

/* The runtime's word about the file is a word about the command line; about anything else, it is not. */
static void a_bad_file_is_no_fault(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    struct aispipe_error error;
    static const int codes[] = {100003, 100006, 100009, 100010, 500000};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        void *device;
        fake()->fail_in = "aclInit";
        fake()->code = codes[i];
        assert_int_equal(open_with(&device, "a.json", &error), i < 4 ? AISPIPE_INVALID : AISPIPE_FAULT);
        assert_non_null(strstr(error.message, "aclInit with 'a.json'"));
        assert_null(device);
    }
    assert_nothing_left("after an aclInit that failed");
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    write_model("static");
    struct run run = {0};
    assert_int_equal(open_run(&run, 2, 1), AISPIPE_INVALID);
    assert_non_null(strstr(run.error.message, "there are 2"));
    assert_null(run.device);
    assert_nothing_left("after a device that is not there");
    const char *const option[] = {"NUM_STREAMS=2"};
    struct aispipe_backend_config config = {.engine_options = option, .n_engine_options = 1};
    assert_int_equal(backend->open(&config, &run.device, &run.error), AISPIPE_INVALID);
    assert_non_null(strstr(run.error.message, "NUM_STREAMS=2"));
    config = (struct aispipe_backend_config){.engine_device = "GPU"};
    assert_int_equal(backend->open(&config, &run.device, &run.error), AISPIPE_INVALID);
    const char *const apart[] = {"SHARE_WEIGHTS=NO"};
    config =
        (struct aispipe_backend_config){.engine_options = apart, .n_engine_options = 1, .compute_threads = 2};
    assert_int_equal(backend->open(&config, &run.device, &run.error), 0);
    assert_int_equal(backend->load(run.device, model_path, &run.model, &run.error), 0);
    assert_int_equal(fake()->loads, 2);
    close_run(&run);
    assert_nothing_left("after weights of their own");
}

static void count_device(void *context, const struct aispipe_found_device *device)
{
    unsigned *found = context;
    assert_int_equal(device->name[0], '0' + (int)*found);
    assert_string_equal(device->full_name, "Fake910");
    ++*found;
}

static void devices_are_listed_without_being_opened(void **state)
{
    (void)state;
    use_library(FAKE_ACL);
    unsigned found = 0;
    struct aispipe_error error = {0};
    assert_int_equal(backend->list(count_device, &found, &error), 0);
    assert_int_equal(found, 2);
    assert_int_equal(fake()->sets, 0);
    assert_int_equal(fake()->inits, 1);
    assert_nothing_left("after a list");
    fake()->fail_in = "aclrtGetDeviceCount";
    assert_int_equal(backend->list(count_device, &found, &error), AISPIPE_FAULT);
    assert_nothing_left("after a list that failed");
}

static void a_library_that_is_none_is_named(void **state)
{
    (void)state;
    static const char *const places[] = {"/nowhere/libascendcl.so", "libc.so.6"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_int_equal(setenv("AISPIPE_ACL_LIB", places[i], 1), 0);
        struct run run = {0};
        assert_int_equal(open_run(&run, 0, 1), AISPIPE_DEVICE);
        assert_non_null(strstr(run.error.message, places[i]));
        assert_non_null(strstr(run.error.message, "AISPIPE_ACL_LIB"));
    }
    assert_int_equal(unsetenv("AISPIPE_ACL_LIB"), 0);
    if (dlopen("libascendcl.so", RTLD_LAZY | RTLD_LOCAL))
        return; /* a machine that has one */
    assert_int_equal(setenv("ASCEND_HOME_PATH", directory, 1), 0);
    assert_int_equal(unsetenv("ASCEND_TOOLKIT_HOME"), 0);
    struct run run = {0};
    if (open_run(&run, 0, 1) == 0) { /* found where CANN installs itself */
        close_run(&run);
        return;
    }
    const char *const tried[] = {directory, "runtime/lib64", "ASCEND_TOOLKIT_HOME: not set",
                                 "/usr/local/Ascend"};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++)
        if (!strstr(run.error.message, tried[i]))
            fail_msg("'%s' is not in: %s", tried[i], run.error.message);
    assert_int_equal(unsetenv("ASCEND_HOME_PATH"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: in a process that has finalised the runtime itself, there is none of the program's. */
        cmocka_unit_test(a_runtime_of_the_program_around_is_left_to_it),
        cmocka_unit_test(a_run_releases_everything_in_order),
        cmocka_unit_test(the_description_is_the_models),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(the_runtimes_words_are_one_line),
        cmocka_unit_test(faults_and_models_are_told_apart),
        cmocka_unit_test(an_older_library_is_used_with_one_warning),
        cmocka_unit_test(the_address_of_a_device_is_told_or_not),
        cmocka_unit_test(an_overflow_mode_that_is_not_there_is_no_fault),
        cmocka_unit_test(shapes_that_must_be_chosen_are_listed),
        cmocka_unit_test(every_kind_of_shape_runs),
        cmocka_unit_test(settings_of_aipp_arrive),
        cmocka_unit_test(wrong_shapes_are_refused_with_the_right_ones),
        cmocka_unit_test(sessions_of_a_process_share_the_runtime),
        cmocka_unit_test(a_session_that_fails_leaves_the_runtime),
        cmocka_unit_test(no_session_after_the_end),
        cmocka_unit_test(the_runtime_hears_of_one_file),
        cmocka_unit_test(a_bad_file_is_no_fault),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(devices_are_listed_without_being_opened),
        cmocka_unit_test(a_library_that_is_none_is_named),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
