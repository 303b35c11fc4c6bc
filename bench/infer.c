/* SPDX-License-Identifier: MIT */
/*
 * What does one call of aispipe_session_infer cost beside the engine's own? On a model that does nothing but
 * add, for arrays of several sizes:
 *
 *     bare      ov_infer_request_infer, with tensors set once: the least there is
 *     set       a new tensor over the caller's array, and one over the output's, are set before each call:
 *               what a program without aispipe does that gets arrays at changing addresses
 *     infer     aispipe_session_infer, the array in, a tensor out, which is released before the next call
 *     kept      the same, but the output is released only after the next call, as y = f(x) does in Python
 *
 * The four take turns, ROUNDS times over. Printed: medians in us, and `infer` less `bare` and less `set`.
 */
#include "bench.h"

#include "aispipe/infer.h"
#include "backends/openvino_library.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 4, ARRAYS = 8 };
enum { BARE, SET, INFER, KEPT, WAYS };
static const char *const ways[WAYS] = {"bare", "set", "infer", "kept"};
static const size_t sizes[SIZES] = {64, 16384, 65536, 1048576};

struct subject {
    struct openvino_library ov;
    ov_core_t *core;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    struct aispipe_session *session;
    size_t bytes;
    float *in[ARRAYS];
    float *out[ARRAYS];
    struct aispipe_tensor *kept;
};

static void write_model(const char *path, size_t elements)
{
    char text[2048];
    int length = snprintf(
        text, sizeof text,
        "<?xml version=\"1.0\"?><net name=\"n\" version=\"11\"><layers>"
        "<layer id=\"0\" name=\"x\" type=\"Parameter\" version=\"opset1\"><data shape=\"%zu\" "
        "element_type=\"f32\"/>"
        "<output><port id=\"0\" precision=\"FP32\" names=\"x\"><dim>%zu</dim></port></output></layer>"
        "<layer id=\"1\" name=\"y\" type=\"ReLU\" version=\"opset1\"><input><port id=\"0\" "
        "precision=\"FP32\">"
        "<dim>%zu</dim></port></input><output><port id=\"1\" precision=\"FP32\" "
        "names=\"y\"><dim>%zu</dim></port>"
        "</output></layer>"
        "<layer id=\"2\" name=\"r\" type=\"Result\" version=\"opset1\"><input><port id=\"0\" "
        "precision=\"FP32\">"
        "<dim>%zu</dim></port></input></layer></layers><edges>"
        "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"1\" to-port=\"0\"/>"
        "<edge from-layer=\"1\" from-port=\"1\" to-layer=\"2\" to-port=\"0\"/></edges></net>",
        elements, elements, elements, elements, elements);
    bench_write_file(path, text, (size_t)length);
}

static void need(const struct subject *s, ov_status_e status, const char *what)
{
    if (status != OK)
        bench_die(what, s->ov.get_last_err_msg());
}

static ov_tensor_t *wrap(const struct subject *s, float *memory)
{
    int64_t dims[1] = {(int64_t)(s->bytes / sizeof *memory)};
    ov_tensor_t *tensor = NULL;
    need(s, s->ov.tensor_create_from_host_ptr(F32, (ov_shape_t){.rank = 1, .dims = dims}, memory, &tensor),
         "tensor");
    return tensor;
}

static void set_tensors(const struct subject *s, unsigned i)
{
    ov_tensor_t *in = wrap(s, s->in[i % ARRAYS]);
    ov_tensor_t *out = wrap(s, s->out[i % ARRAYS]);
    need(s, s->ov.infer_request_set_input_tensor_by_index(s->request, 0, in), "input");
    need(s, s->ov.infer_request_set_output_tensor_by_index(s->request, 0, out), "output");
    s->ov.tensor_free(in);
    s->ov.tensor_free(out);
}

static void open_engine(struct subject *s, const char *path)
{
    struct aispipe_error error;
    ov_model_t *model = NULL;
    if (openvino_library_open(&s->ov, &error))
        bench_die("OpenVINO", error.message);
    need(s, s->ov.core_create(&s->core), "core");
    need(s, s->ov.core_read_model(s->core, path, NULL, &model), "model");
    need(s,
         s->ov.core_compile_model(s->core, model, "CPU", 8, &s->compiled, "NUM_STREAMS", "1",
                                  "INFERENCE_PRECISION_HINT", "f32", "INFERENCE_NUM_THREADS", "1",
                                  "ENABLE_CPU_PINNING", "NO"),
         "compile");
    need(s, s->ov.compiled_model_create_infer_request(s->compiled, &s->request), "request");
    s->ov.model_free(model);
}

static void open_subject(struct subject *s, const char *path)
{
    struct aispipe_error error;
    const char *const same[] = {"INFERENCE_NUM_THREADS=1", "ENABLE_CPU_PINNING=NO"};
    const struct aispipe_session_options options = {
        .backend = "openvino", .engine_options = same, .n_engine_options = 2};
    open_engine(s, path);
    if (aispipe_session_open(path, &options, &s->session, &error))
        bench_die(path, error.message);
    for (int i = 0; i < ARRAYS; i++) {
        s->in[i] = aligned_alloc(64, s->bytes);
        s->out[i] = aligned_alloc(64, s->bytes);
        if (!s->in[i] || !s->out[i])
            bench_die("memory", "there is none");
        memset(s->in[i], 0, s->bytes);
        memset(s->out[i], 0, s->bytes);
    }
    set_tensors(s, 0);
}

static void close_subject(struct subject *s)
{
    aispipe_tensor_release(s->kept);
    aispipe_session_close(s->session);
    for (int i = 0; i < ARRAYS; i++) {
        free(s->in[i]);
        free(s->out[i]);
    }
    s->ov.infer_request_free(s->request);
    s->ov.compiled_model_free(s->compiled);
    s->ov.core_free(s->core);
}

static void call(struct subject *s, int way, unsigned i)
{
    struct aispipe_feed feed = {.data = s->in[i % ARRAYS], .size = s->bytes};
    struct aispipe_tensor *out;
    struct aispipe_error error;
    if (way == SET)
        set_tensors(s, i);
    if (way == BARE || way == SET) {
        need(s, s->ov.infer_request_infer(s->request), "infer");
        return;
    }
    if (aispipe_session_infer(s->session, &feed, 1, NULL, &out, &error))
        bench_die("infer", error.message);
    aispipe_tensor_release(way == KEPT ? s->kept : out);
    s->kept = way == KEPT ? out : NULL;
}

static double measure(struct subject *s, int way, double seconds)
{
    unsigned calls = 0;
    for (unsigned i = 0; i < 64; i++)
        call(s, way, i);
    double start = bench_now();
    double now = start;
    while (now - start < seconds) {
        for (unsigned i = 0; i < 64; i++)
            call(s, way, calls++);
        now = bench_now();
    }
    aispipe_tensor_release(s->kept);
    s->kept = NULL;
    return (now - start) * 1e6 / calls;
}

static void report(size_t bytes, double results[WAYS][BENCH_MOST_ROUNDS], unsigned rounds, bool json)
{
    double us[WAYS];
    for (int way = 0; way < WAYS; way++)
        us[way] = bench_median(results[way], rounds);
    if (json) {
        printf("{\"bytes\": %zu", bytes);
        for (int way = 0; way < WAYS; way++)
            printf(", \"%s_us\": %.3f", ways[way], us[way]);
        printf("}\n");
        return;
    }
    printf("%9zu", bytes);
    for (int way = 0; way < WAYS; way++)
        printf("  %8.2f", us[way]);
    printf("  %+10.2f  %+10.2f\n", us[INFER] - us[BARE], us[INFER] - us[SET]);
}

int main(int argc, char **argv)
{
    bool json = false;
    double seconds = 0.2;
    double rounds = 7;
    const struct bench_option options[] = {
        {.name = "--seconds",
         .help = "S  of each measurement",
         .number = &seconds,
         .least = 0.01,
         .most = 60},
        {.name = "--rounds", .help = "N  in turn", .number = &rounds, .least = 1, .most = BENCH_MOST_ROUNDS},
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    char directory[BENCH_PATH];
    char path[BENCH_PATH];
    bench_make_directory(NULL, directory);
    bench_join(path, directory, "nothing.xml");
    if (!json)
        printf("us a call   %6s  %8s  %8s  %8s  infer-bare   infer-set\n", ways[0], ways[1], ways[2],
               ways[3]);
    for (int k = 0; k < SIZES; k++) {
        static double results[WAYS][BENCH_MOST_ROUNDS];
        struct subject subject = {.bytes = sizes[k]};
        write_model(path, sizes[k] / sizeof(float));
        open_subject(&subject, path);
        for (unsigned round = 0; round < (unsigned)rounds; round++)
            for (int way = 0; way < WAYS; way++)
                results[way][round] = measure(&subject, way, seconds);
        report(sizes[k], results, (unsigned)rounds, json);
        close_subject(&subject);
    }
    return 0;
}
