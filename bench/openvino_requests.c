/* SPDX-License-Identifier: MIT */
/*
 * What does it cost that an infer request gets another batch's tensors each time?
 *
 *     openvino_requests MODEL [SLOTS [ROUNDS]] [--json]
 *
 * One thread, one stream. Each slot has tensors of its own for the model's first input and output. Executed
 * in turn, ROUNDS times over: one slot again and again; every slot by a request of its own, on which its
 * tensors stay set; every slot by one request, on which they are set each time. Printed: processor time of
 * one execution, the tenth percentile and the median of the rounds, and what making a request takes.
 * docs/decisions/0011-cpu-engine-settings.md draws the conclusion.
 */
#include "bench.h"

#include "backends/openvino_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SLOTS = 1024, MAX_ROUNDS = 1001 };

struct slots {
    const struct openvino_library *ov;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *one; /* gets each slot's tensors in turn */
    int n;
    ov_infer_request_t *own[MAX_SLOTS];
    ov_tensor_t *inputs[MAX_SLOTS];
    ov_tensor_t *outputs[MAX_SLOTS];
};

static void check(const struct openvino_library *ov, ov_status_e status, const char *what)
{
    if (status == OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, ov->get_last_err_msg());
    exit(1);
}

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

static void set(const struct slots *slots, ov_infer_request_t *request, int slot)
{
    const struct openvino_library *ov = slots->ov;
    check(ov, ov->infer_request_set_input_tensor_by_index(request, 0, slots->inputs[slot]), "input");
    check(ov, ov->infer_request_set_output_tensor_by_index(request, 0, slots->outputs[slot]), "output");
}

static void same(const struct slots *slots, int slot)
{
    (void)slot;
    check(slots->ov, slots->ov->infer_request_infer(slots->own[0]), "infer");
}

static void own(const struct slots *slots, int slot)
{
    check(slots->ov, slots->ov->infer_request_infer(slots->own[slot]), "infer");
}

static void anew(const struct slots *slots, int slot)
{
    set(slots, slots->one, slot);
    check(slots->ov, slots->ov->infer_request_infer(slots->one), "infer");
}

static const struct way {
    const char *name;
    void (*execute)(const struct slots *slots, int slot);
} ways[] = {
    {"one slot again and again", same}, {"a request for each slot", own}, {"tensors set each time", anew}};
enum { WAYS = sizeof ways / sizeof *ways };

/* Another tensor like this one, zeros. */
static ov_tensor_t *like(const struct openvino_library *ov, const ov_tensor_t *tensor)
{
    ov_shape_t shape = {0};
    ov_element_type_e type = DYNAMIC;
    ov_tensor_t *result = NULL;
    void *data = NULL;
    size_t bytes = 0;
    check(ov, ov->tensor_get_shape(tensor, &shape), "shape");
    check(ov, ov->tensor_get_element_type(tensor, &type), "type");
    check(ov, ov->tensor_create(type, shape, &result), "tensor");
    check(ov, ov->tensor_data(result, &data), "data");
    check(ov, ov->tensor_get_byte_size(result, &bytes), "size");
    memset(data, 0, bytes);
    (void)ov->shape_free(&shape);
    return result;
}

static ov_tensor_t *first_input(const struct slots *slots, const ov_model_t *model)
{
    const struct openvino_library *ov = slots->ov;
    ov_output_const_port_t *port = NULL;
    char *name = NULL;
    ov_tensor_t *tensor = NULL;
    check(ov, ov->model_const_input_by_index(model, 0, &port), "input");
    check(ov, ov->port_get_any_name(port, &name), "name");
    check(ov, ov->infer_request_get_tensor(slots->one, name, &tensor), name);
    ov->free(name);
    ov->output_const_port_free(port);
    return tensor;
}

static ov_infer_request_t *request(const struct slots *slots)
{
    ov_infer_request_t *result = NULL;
    check(slots->ov, slots->ov->compiled_model_create_infer_request(slots->compiled, &result), "request");
    return result;
}

/* Returns the µs that making one request took. */
static double prepare(struct slots *slots, const ov_model_t *model)
{
    const struct openvino_library *ov = slots->ov;
    ov_tensor_t *output = NULL;
    slots->one = request(slots);
    check(ov, ov->infer_request_infer(slots->one), "infer");
    ov_tensor_t *input = first_input(slots, model);
    check(ov, ov->infer_request_get_output_tensor_by_index(slots->one, 0, &output), "output");
    for (int i = 0; i < slots->n; i++) {
        slots->inputs[i] = like(ov, input);
        slots->outputs[i] = like(ov, output);
    }
    ov->tensor_free(input);
    ov->tensor_free(output);
    double begin = cpu_us();
    for (int i = 0; i < slots->n; i++)
        slots->own[i] = request(slots);
    double took = (cpu_us() - begin) / slots->n;
    for (int i = 0; i < slots->n; i++)
        set(slots, slots->own[i], i);
    return took;
}

static void measure(const struct slots *slots, int rounds, double making, bool json)
{
    static double us[WAYS][MAX_ROUNDS];
    for (int round = 0; round < rounds; round++)
        for (int way = 0; way < WAYS; way++) {
            double begin = cpu_us();
            for (int slot = 0; slot < slots->n; slot++)
                ways[way].execute(slots, slot);
            us[way][round] = (cpu_us() - begin) / slots->n;
        }
    for (int way = 0; way < WAYS; way++) {
        double *all = us[way];
        double median = bench_median(all, (unsigned)rounds); /* sorts */
        if (json)
            printf("{\"bench\": \"openvino_requests\", \"way\": \"%s\", \"slots\": %d, \"p10_us\": %.2f, "
                   "\"median_us\": %.2f}\n",
                   ways[way].name, slots->n, all[rounds / 10], median);
        else
            printf("%-26s  %8.2f  %8.2f\n", ways[way].name, all[rounds / 10], median);
    }
    printf(json ? "{\"bench\": \"openvino_requests\", \"making_us\": %.2f}\n" : "making a request: %.2f us\n",
           making);
}

int main(int argc, char **argv)
{
    bool json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0;
    argc -= json;
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 512;
    long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 101;
    if (argc < 2 || n < 1 || n > MAX_SLOTS || rounds < 1 || rounds > MAX_ROUNDS) {
        (void)fprintf(stderr,
                      "usage: openvino_requests MODEL [SLOTS, up to %d [ROUNDS, up to %d]] [--json]\n",
                      MAX_SLOTS, MAX_ROUNDS);
        return 2;
    }
    struct openvino_library ov;
    struct aispipe_error error;
    if (openvino_library_open(&ov, &error) != 0) {
        (void)fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    static struct slots slots;
    slots.ov = &ov;
    slots.n = (int)n;
    ov_core_t *core = NULL;
    ov_model_t *model = NULL;
    check(&ov, ov.core_create(&core), "core");
    check(&ov, ov.core_read_model(core, argv[1], NULL, &model), argv[1]);
    check(&ov,
          ov.core_compile_model(core, model, "CPU", 8, &slots.compiled, "NUM_STREAMS", "1",
                                "INFERENCE_NUM_THREADS", "1", "ENABLE_CPU_PINNING", "NO",
                                "INFERENCE_PRECISION_HINT", "f32"),
          "compile");
    double making = prepare(&slots, model);
    if (!json)
        printf("%d slots, one thread, one stream; cpu us  %8s  %8s\n", slots.n, "p10", "median");
    measure(&slots, (int)rounds, making, json);
    return 0; /* the process ends: what it made goes with it */
}
