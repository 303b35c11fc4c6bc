/* SPDX-License-Identifier: MIT */
/**
 * @file aclsim.h
 * Loads the simulated runtime as a program would, and makes models for it. Every test loads it anew, for
 * aclInit works once in a library's life. Include unit.h first.
 *
 * Unloading it fails the test when anything was reported that was not provoked on purpose, by MISUSE or with
 * aclsim_reports; and what is not unloaded fails the next test, or the end of the program.
 */
#ifndef AISPIPE_TESTS_ACLSIM_H
#define AISPIPE_TESTS_ACLSIM_H

#include "ir.h"

#include "backends/acl/acl_abi.h"
#include "om_file.h"

#include <dlfcn.h>
#include <time.h>

static struct {
    void *handle;
#define X(result, name, parameters) __typeof__(&name) name;
    ACL_FUNCTIONS(X)
#undef X
} acl;

static struct temp_dir dir;
static aclrtContext context;
static unsigned provoked; /* lines of the report that the running test wanted */

static inline const char *aclsim_path(void)
{
    const char *path = getenv("AISPIPE_ACL_LIB");
    return path ? path : "libascendcl.so";
}

/** Sets one of the simulator's variables, or takes it away (NULL). */
static inline void aclsim_set(const char *name, const char *value)
{
    char variable[64];
    (void)snprintf(variable, sizeof variable, "AISPIPE_ACLSIM_%s", name);
    assert_int_equal(value ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

static inline void aclsim_load(void)
{
    if (acl.handle)
        fail_msg("the test before this one has not unloaded the runtime: its report was not looked at");
    provoked = 0;
    aclsim_set("REPORT", temp_path(&dir, "report"));
    (void)unlink(temp_path(&dir, "report"));
    acl.handle = dlopen(aclsim_path(), RTLD_NOW | RTLD_LOCAL);
    if (!acl.handle)
        fail_msg("%s", dlerror());
#define X(result, name, parameters)                            \
    acl.name = (__typeof__(acl.name))dlsym(acl.handle, #name); \
    assert_non_null(acl.name);
    ACL_FUNCTIONS(X)
#undef X
}

/** Loaded, initialised, device 0 set, a context of its own current. */
static inline void aclsim_start(void)
{
    aclsim_load();
    assert_int_equal(acl.aclInit(NULL), 0);
    assert_int_equal(acl.aclrtSetDevice(0), 0);
    assert_int_equal(acl.aclrtCreateContext(&context, 0), 0);
}

/** What was reported so far. */
static inline const char *aclsim_report(void)
{
    static char text[16384];
    FILE *file = fopen(temp_path(&dir, "report"), "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file)
        (void)fclose(file);
    return text;
}

/** A line that begins so was reported, and was meant to be. */
static inline void aclsim_reports(const char *beginning)
{
    const char *report = aclsim_report();
    const char *found = strstr(report, beginning);
    if (!found || (found != report && found[-1] != '\n'))
        fail_msg("no line '%s' in: %s", beginning, report);
    provoked++;
}

static inline void aclsim_check_report(void)
{
    unsigned lines = 0;
    for (const char *at = aclsim_report(); *at; at++)
        lines += *at == '\n';
    if (lines != provoked)
        fail_msg("%u lines were wanted in the report: %s", provoked, aclsim_report());
}

static inline void aclsim_close(void)
{
    assert_int_equal(dlclose(acl.handle), 0);
    acl.handle = NULL;
}

static inline void aclsim_unload(void)
{
    aclsim_close();
    aclsim_check_report();
}

/** Ends what aclsim_start began. */
static inline void aclsim_stop(void)
{
    assert_int_equal(acl.aclrtDestroyContext(context), 0);
    assert_int_equal(acl.aclrtResetDevice(0), 0);
    assert_int_equal(acl.aclFinalize(), 0);
    aclsim_unload();
}

/** The last call failed with `code`, and its sentence holds `words`; it was reported as misuse, or was not.
 */
static inline void aclsim_failed(int got, int code, const char *words, bool misuse)
{
    const char *message = acl.aclGetRecentErrMsg();
    if (got != code || !message || !strstr(message, words))
        fail_msg("%d with '%s' where %d with '%s' was wanted", got, message ? message : "", code, words);
    bool reported = message && strstr(aclsim_report(), message) != NULL;
    assert_int_equal(reported, misuse);
    provoked += misuse;
}

#define MISUSE(call, code, words) aclsim_failed(acl.call, code, words, true)
#define REFUSED(call, code, words) aclsim_failed(acl.call, code, words, false)
#define GOOD(call)                                                                 \
    do {                                                                           \
        int code_ = acl.call;                                                      \
        if (code_) {                                                               \
            const char *message_ = acl.aclGetRecentErrMsg();                       \
            fail_msg("%s: %d: %s", #call, code_, message_ ? message_ : "no text"); \
        }                                                                          \
    } while (0)

static inline double aclsim_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---------------------------------------------------------------- models */

/** Writes a model of one input x and one output y = relu(x), float32. `dims` may hold −1. */
static inline const char *aclsim_relu(const char *name, enum om_mode mode, int rank, const int64_t *dims,
                                      enum om_format format, size_t n_gears, size_t gear_length,
                                      int64_t *gears)
{
    static char text[32768];
    struct ir ir = {.n = 0};
    char shape[64] = "";
    for (int i = 0; i < rank; i++) {
        size_t used = strlen(shape);
        (void)snprintf(shape + used, sizeof shape - used, dims[i] < 0 ? "%s?" : "%s%lld", i ? "," : "",
                       (long long)dims[i]);
    }
    int x = ir_input(&ir, "x", "f32", shape);
    int y = ir_op(&ir, "type=\"ReLU\" version=\"opset1\"", "", x, -1, "f32", shape, "y");
    ir_output(&ir, y, "f32", shape);
    FILE *file = fopen(ir_save(&ir, &dir, name, NULL, 0), "re");
    assert_non_null(file);
    size_t length = file ? fread(text, 1, sizeof text, file) : 0;
    if (file)
        (void)fclose(file);

    struct om_input input = {.name = "x", .dtype = AISPIPE_FLOAT32, .format = format, .rank = rank};
    struct om_output output = {.name = "y", .dtype = AISPIPE_DTYPE_UNDEFINED};
    for (int i = 0; i < rank; i++) {
        input.dims[i] = dims[i];
        input.low[i] = dims[i] < 0 ? 1 : dims[i];
        input.high[i] = dims[i];
    }
    struct om_file om = {.soc_version = "Simulated",
                         .mode = mode,
                         .n_inputs = 1,
                         .n_outputs = 1,
                         .inputs = &input,
                         .outputs = &output,
                         .n_gears = n_gears,
                         .gear_length = gear_length,
                         .gears = gears,
                         .onnx_bytes = length,
                         .onnx = text};
    struct aispipe_error error = {.message = ""};
    char om_name[64];
    (void)snprintf(om.name, sizeof om.name, "%s", name);
    (void)snprintf(om_name, sizeof om_name, "%s.om", name);
    const char *path = temp_path(&dir, om_name);
    if (om_write(path, &om, &error))
        fail_msg("%s", error.message);
    return path;
}

/** A loaded model with a dataset of device buffers of the sizes it reports. */
struct loaded {
    uint32_t id;
    aclmdlDesc *desc;
    aclmdlDataset *in, *out;
};

/** Makes a dataset; sizes of 0 become `unknown`. */
static inline aclmdlDataset *aclsim_dataset(aclmdlDesc *desc, bool input, size_t unknown)
{
    aclmdlDataset *dataset = acl.aclmdlCreateDataset();
    size_t n = input ? acl.aclmdlGetNumInputs(desc) : acl.aclmdlGetNumOutputs(desc);
    for (size_t i = 0; i < n; i++) {
        void *memory = NULL;
        size_t size =
            input ? acl.aclmdlGetInputSizeByIndex(desc, i) : acl.aclmdlGetOutputSizeByIndex(desc, i);
        size = size ? size : unknown;
        GOOD(aclrtMalloc(&memory, size, ACL_MEM_MALLOC_HUGE_FIRST));
        GOOD(aclmdlAddDatasetBuffer(dataset, acl.aclCreateDataBuffer(memory, size)));
    }
    return dataset;
}

static inline struct loaded aclsim_load_model(const char *path)
{
    struct loaded model;
    GOOD(aclmdlLoadFromFile(path, &model.id));
    model.desc = acl.aclmdlCreateDesc();
    GOOD(aclmdlGetDesc(model.desc, model.id));
    model.in = aclsim_dataset(model.desc, true, 4096);
    model.out = aclsim_dataset(model.desc, false, 4096);
    return model;
}

static inline void aclsim_drop_dataset(aclmdlDataset *dataset)
{
    for (size_t i = 0; i < acl.aclmdlGetDatasetNumBuffers(dataset); i++) {
        aclDataBuffer *buffer = acl.aclmdlGetDatasetBuffer(dataset, i);
        GOOD(aclrtFree(acl.aclGetDataBufferAddr(buffer)));
        GOOD(aclDestroyDataBuffer(buffer));
    }
    GOOD(aclmdlDestroyDataset(dataset));
}

static inline void aclsim_drop_model(struct loaded *model)
{
    aclsim_drop_dataset(model->in);
    aclsim_drop_dataset(model->out);
    GOOD(aclmdlUnload(model->id));
    GOOD(aclmdlDestroyDesc(model->desc));
}

static inline void *aclsim_address(const aclmdlDataset *dataset, size_t index)
{
    return acl.aclGetDataBufferAddr(acl.aclmdlGetDatasetBuffer(dataset, index));
}

/** Gives the buffer at `index` another size in its dataset; the memory stays. */
static inline void aclsim_resize(const aclmdlDataset *dataset, size_t index, size_t size)
{
    GOOD(aclUpdateDataBuffer(acl.aclmdlGetDatasetBuffer(dataset, index), aclsim_address(dataset, index),
                             size));
}

/** Fills n floats with i − n/2 on the device, and checks that relu of them is in the output. */
static inline void aclsim_put(const struct loaded *model, size_t n)
{
    float values[256];
    assert_true(n <= 256);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)i - (float)n / 2;
    GOOD(aclrtMemcpy(aclsim_address(model->in, 0), n * 4, values, n * 4, ACL_MEMCPY_HOST_TO_DEVICE));
}

static inline void aclsim_check(const struct loaded *model, size_t n)
{
    float values[256];
    GOOD(aclrtMemcpy(values, sizeof values, aclsim_address(model->out, 0), n * 4, ACL_MEMCPY_DEVICE_TO_HOST));
    for (size_t i = 0; i < n; i++) {
        float x = (float)i - (float)n / 2;
        assert_float_equal(values[i], x > 0 ? x : 0, 0);
    }
}

static inline int aclsim_setup(void **state)
{
    (void)state;
    temp_make(&dir);
    return 0;
}

static inline int aclsim_teardown(void **state)
{
    (void)state;
    temp_remove(&dir);
    return acl.handle ? -1 : 0;
}

#endif
