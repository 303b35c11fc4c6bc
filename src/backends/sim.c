/* SPDX-License-Identifier: MIT */
/*
 * The simulated device: an engine that does nothing but what its model file says, with timing and faults at
 * will. The pipeline is tested and measured with it, and it is the example to start a backend from: every
 * function of `struct aispipe_backend` that a device with memory of its own needs is here, in the order in
 * which the pipeline calls them. docs/adding-a-backend.md walks through it.
 *
 * What it computes: byte j of output k is the bitwise complement of byte (j mod n) of input (k mod number of
 * inputs), n being that input's bytes; where n is 0, every byte is 0xFF.
 */
#include "sim_model.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define ALIGNMENT 64
/* Lateness beyond this is forgotten: a process that stood still for a minute should not then run a minute
 * at double speed. */
#define DEBT_MOST_NS 100000000u

/* ------------------------------------------------------------------ device */

/* What `open` gives. A real backend loads its vendor library and claims a device here. */
struct sim_device {
    struct aispipe_log log;
};

static int sim_open(const struct aispipe_backend_config *config, void **device, struct aispipe_error *error)
{
    /* Refused rather than ignored: the user wanted something that will not happen. */
    if (config->engine_device)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "the simulated device has no engine devices; leave out --engine_device %s",
                            config->engine_device);
    if (config->n_engine_options)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "the simulated device has no engine options; leave out --engine_option %s",
                            config->engine_options[0]);
    struct sim_device *made = malloc(sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a simulated device");
    *made = (struct sim_device){.log = config->log};
    *device = made;
    return 0;
}

static void sim_close(void *device)
{
    free(device);
}

/* ------------------------------------------------------------------ model */

static int sim_load(void *opened, const char *path, void **model, struct aispipe_error *error)
{
    const struct sim_device *device = opened;
    struct sim_model *made = NULL;
    int rc = sim_model_read(path, &made, error);
    if (rc)
        return rc;
    for (int k = 0; k < SIM_STAGES; k++)
        log_line(&device->log, AISPIPE_LOG_DEBUG, "sim: %s takes %.3f us and up to %.3f us of jitter, %s",
                 sim_stage_name((enum aispipe_lane_kind)k), (double)made->stage[k].nominal_ns / 1e3,
                 made->stage[k].jitter_ns / 1e3, made->stage[k].spin ? "spinning" : "sleeping");
    *model = made;
    return 0;
}

static void sim_unload(void *model)
{
    sim_model_free(model);
}

static const struct aispipe_model_desc *sim_describe(const void *model)
{
    return &((const struct sim_model *)model)->desc;
}

/* ------------------------------------------------------------------ io: the memory of one batch */

/* What is on the device: buffers that mirror the host's. The pointer table lies behind it in memory. */
struct sim_io {
    char *memory;
    void **inputs; /* outputs follow */
    void **outputs;
    void **home; /* of inputs and outputs: their own place in `memory` */
};

/* Empty tensors get room too, so that every tensor has an address of its own. False: overflow. */
static bool add_room(const struct aispipe_tensor_desc *tensors, size_t n, size_t *total)
{
    for (size_t i = 0; i < n; i++) {
        size_t room;
        if (__builtin_add_overflow(tensors[i].size, (size_t)ALIGNMENT, &room) ||
            __builtin_add_overflow(*total, room & ~(size_t)(ALIGNMENT - 1), total))
            return false;
    }
    return true;
}

static size_t sim_io_bytes(const void *loaded)
{
    const struct aispipe_model_desc *desc = sim_describe(loaded);
    size_t total = 0;
    /* What cannot exist is reported as larger than any memory; the pipeline then refuses it. */
    if (!add_room(desc->inputs, desc->n_inputs, &total) || !add_room(desc->outputs, desc->n_outputs, &total))
        return SIZE_MAX;
    return total;
}

static char *place(const struct aispipe_tensor_desc *tensors, size_t n, void **table, char *at)
{
    for (size_t i = 0; i < n; i++) {
        table[i] = at;
        at += (tensors[i].size + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
    }
    return at;
}

static int sim_io_create(void *loaded, struct aispipe_io *io, struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = sim_describe(loaded);
    size_t bytes = sim_io_bytes(loaded);
    size_t n = desc->n_inputs + desc->n_outputs;
    struct sim_io *own = calloc(1, sizeof *own + 2 * n * sizeof(void *));
    if (own && bytes != SIZE_MAX)
        own->memory = aligned_alloc(ALIGNMENT, bytes);
    if (!own || !own->memory) {
        free(own);
        return aispipe_fail(error, AISPIPE_NO_MEMORY,
                            "no memory for %zu bytes on the simulated device; lower --inflight", bytes);
    }
    own->inputs = (void **)(own + 1);
    own->outputs = own->inputs + desc->n_inputs;
    char *at = place(desc->inputs, desc->n_inputs, own->inputs, own->memory);
    place(desc->outputs, desc->n_outputs, own->outputs, at);
    own->home = own->inputs + n;
    memcpy(own->home, own->inputs, n * sizeof *own->home);
    io->device = own;
    return 0;
}

static int sim_io_bind(void *loaded, struct aispipe_io *io, bool output, size_t index, void *memory,
                       struct aispipe_error *error)
{
    const struct sim_io *own = io->device;
    size_t at = output ? sim_describe(loaded)->n_inputs + index : index;
    (void)error;
    own->inputs[at] = memory ? memory : own->home[at];
    return 0;
}

static void sim_io_destroy(void *loaded, struct aispipe_io *io)
{
    (void)loaded;
    struct sim_io *own = io->device;
    free(own->memory);
    free(own);
    io->device = NULL;
}

/* ------------------------------------------------------------------ memory of tensors */

static int sim_memory_alloc(void *device, size_t bytes, void **memory, struct aispipe_error *error)
{
    (void)device;
    size_t room;
    *memory = NULL;
    if (!__builtin_add_overflow(bytes, (size_t)ALIGNMENT, &room))
        *memory = aligned_alloc(ALIGNMENT, room & ~(size_t)(ALIGNMENT - 1));
    return *memory ? 0
                   : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu bytes on the simulated device",
                                  bytes);
}

static void sim_memory_free(void *device, void *memory)
{
    (void)device;
    free(memory);
}

static int sim_memory_copy(void *device, void *to, const void *from, size_t bytes,
                           enum aispipe_transfer direction, struct aispipe_error *error)
{
    (void)device;
    (void)direction;
    (void)error;
    memcpy(to, from, bytes);
    return 0;
}

/* ------------------------------------------------------------------ lane: the state of one stage thread */

/* There is no state outside of lanes and nothing is shared between them but the model, which is constant:
 * that is all it takes for lanes to run at the same time. On its own cache line, for it is written per call.
 */
struct sim_lane {
    _Alignas(ALIGNMENT) const struct sim_model *model;
    const struct sim_stage *stage;
    enum aispipe_lane_kind kind;
    bool precise;     /* the thread's timer slack is set */
    uint64_t debt_ns; /* by how much calls so far took longer than they should have */
};

static int sim_lane_create(void *model, enum aispipe_lane_kind kind, unsigned index, void **lane,
                           struct aispipe_error *error)
{
    (void)index; /* a real device might bind lane `index` to a stream or to cores */
    const struct sim_model *loaded = model;
    struct sim_lane *made = aligned_alloc(ALIGNMENT, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a thread of the simulated device");
    *made = (struct sim_lane){.model = loaded, .stage = &loaded->stage[kind], .kind = kind};
    *lane = made;
    return 0;
}

static void sim_lane_destroy(void *model, void *lane)
{
    (void)model;
    free(lane);
}

/* ------------------------------------------------------------------ time */

static void sleep_until(uint64_t deadline)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u),
                                   .tv_nsec = (long)(deadline % 1000000000u)};
    /* An absolute deadline is neither lengthened by an interruption nor by what happens before the call. */
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ; /* a signal: sleep on */
}

static void spin_until(uint64_t deadline)
{
    while (clock_ns() < deadline) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#endif
    }
}

/* A bijection whose outputs look random even for inputs in sequence: multiply, fold the high bits down. */
static uint64_t scramble(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* Depends on seed, stage and batch only, so that it is the same whichever thread gets the batch. */
static uint64_t call_cost(const struct sim_lane *lane, uint64_t batch)
{
    const struct sim_stage *stage = lane->stage;
    if (stage->jitter_ns <= 0)
        return stage->nominal_ns;
    uint64_t random = scramble(scramble(scramble(stage->seed + 1) + (uint64_t)lane->kind + 1) + batch);
    double fraction = (double)(random >> 11) * 0x1p-53;
    return stage->nominal_ns + (uint64_t)(fraction * stage->jitter_ns);
}

/* By default the kernel may end a sleep 50 us late, which would be half of a 100 us latency. The setting
 * belongs to the thread, so it is made by the stage thread itself; the warm-up runs in the caller's thread,
 * whose settings are none of our business. */
static void make_precise(struct sim_lane *lane, const struct aispipe_io *io)
{
    if (lane->precise || io->warmup)
        return;
    lane->precise = true;
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

/* Waits until the call has taken its time; the work done since `start` counts. Sleeps end some microseconds
 * late; that lateness is noted and taken off the calls that follow, so that the mean is what the model says.
 * No call gives up more than half of its time, so that none looks free. The warm-up's lateness is not the
 * run's. */
static void wait_out(struct sim_lane *lane, const struct aispipe_io *io, uint64_t start, uint64_t cost)
{
    if (lane->stage->spin) {
        spin_until(start + cost);
        return;
    }
    uint64_t repay = lane->debt_ns < cost / 2 ? lane->debt_ns : cost / 2;
    uint64_t deadline = start + cost - repay;
    if (clock_ns() < deadline)
        sleep_until(deadline);
    if (io->warmup)
        return;
    lane->debt_ns += clock_ns() - deadline - repay;
    if (lane->debt_ns > DEBT_MOST_NS)
        lane->debt_ns = DEBT_MOST_NS;
}

/* ------------------------------------------------------------------ work */

typedef void (*work_fn)(const struct sim_model *model, const struct aispipe_io *io);

static int inject_faults(const struct sim_lane *lane, const struct aispipe_io *io,
                         struct aispipe_error *error)
{
    const struct sim_stage *stage = lane->stage;
    if (io->warmup)
        return 0;
    if (stage->hangs && io->batch == stage->hang_at)
        sleep_until(clock_ns() + stage->hang_ns);
    if (stage->fails && io->batch == stage->fail_at)
        return aispipe_fail(error, AISPIPE_DEVICE, "simulated fault in %s at batch %" PRIu64,
                            sim_stage_name(lane->kind), io->batch);
    return 0;
}

/* What h2d, compute and d2h have in common: faults, the work itself, and the time it takes. */
static int perform(struct sim_lane *lane, struct aispipe_io *io, work_fn work, struct aispipe_error *error)
{
    int rc = inject_faults(lane, io, error);
    if (rc)
        return rc;
    uint64_t cost = call_cost(lane, io->batch);
    if (!cost) { /* as fast as it goes: not even the clock is asked */
        work(lane->model, io);
        return 0;
    }
    make_precise(lane, io);
    uint64_t start = clock_ns();
    work(lane->model, io);
    wait_out(lane, io, start, cost);
    return 0;
}

static void copy_in(const struct sim_model *model, const struct aispipe_io *io)
{
    const struct sim_io *own = io->device;
    for (size_t i = 0; i < model->desc.n_inputs; i++)
        if (!io->resident || !io->resident[i])
            memcpy(own->inputs[i], io->inputs[i], model->desc.inputs[i].size);
}

static void copy_out(const struct sim_model *model, const struct aispipe_io *io)
{
    const struct sim_io *own = io->device;
    for (size_t i = 0; i < model->desc.n_outputs; i++)
        if (!io->resident || !io->resident[model->desc.n_inputs + i])
            memcpy(io->outputs[i], own->outputs[i], model->desc.outputs[i].size);
}

/* In blocks of a fixed size, which compilers turn into vector instructions at every level of optimisation
 * that deserves the name. */
static void complement(unsigned char *restrict out, const unsigned char *restrict in, size_t bytes)
{
    size_t i = 0;
    for (; i + ALIGNMENT <= bytes; i += ALIGNMENT) {
        uint64_t words[ALIGNMENT / sizeof(uint64_t)];
        memcpy(words, in + i, sizeof words);
        for (size_t k = 0; k < ALIGNMENT / sizeof(uint64_t); k++)
            words[k] = ~words[k];
        memcpy(out + i, words, sizeof words);
    }
    for (; i < bytes; i++)
        out[i] = (unsigned char)~in[i];
}

static void compute_output(unsigned char *out, size_t out_bytes, const unsigned char *in, size_t in_bytes)
{
    if (!in_bytes) {
        memset(out, 0xff, out_bytes);
        return;
    }
    size_t done = in_bytes < out_bytes ? in_bytes : out_bytes;
    complement(out, in, done);
    /* The rest repeats: copy what is there, twice as much each time (`done` stays a multiple of in_bytes). */
    while (done < out_bytes) {
        size_t more = done < out_bytes - done ? done : out_bytes - done;
        memcpy(out + done, out, more);
        done += more;
    }
}

static void run_model(const struct sim_model *model, const struct aispipe_io *io)
{
    const struct sim_io *own = io->device;
    for (size_t k = 0; k < model->desc.n_outputs; k++) {
        size_t i = k % model->desc.n_inputs;
        compute_output(own->outputs[k], model->desc.outputs[k].size, own->inputs[i],
                       model->desc.inputs[i].size);
    }
}

static int sim_h2d(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    return perform(lane, io, copy_in, error);
}

static int sim_compute(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    return perform(lane, io, run_model, error);
}

static int sim_d2h(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    return perform(lane, io, copy_out, error);
}

/* ------------------------------------------------------------------ the table */

/* Any id that --device takes is a simulated device. */
static int sim_list(void (*found)(void *context, const struct aispipe_found_device *device), void *context,
                    struct aispipe_error *error)
{
    const struct aispipe_found_device all = {.name = "0-255", .full_name = "simulated devices"};
    (void)error;
    found(context, &all);
    return 0;
}

static const char *const suffixes[] = {".sim.json", NULL};

extern const struct aispipe_backend backend_sim;
const struct aispipe_backend backend_sim = {
    .name = "sim",
    .description = "a simulated device for tests and measurements",
    .model_suffixes = suffixes,
    .caps = 0, /* memory of its own; host memory is ordinary, so there is no host_alloc either */
    .list = sim_list,
    .open = sim_open,
    .close = sim_close,
    .load = sim_load,
    .unload = sim_unload,
    .describe = sim_describe,
    .io_bytes = sim_io_bytes,
    .io_create = sim_io_create,
    .io_destroy = sim_io_destroy,
    .io_bind = sim_io_bind,
    .memory_alloc = sim_memory_alloc,
    .memory_free = sim_memory_free,
    .memory_copy = sim_memory_copy,
    .lane_create = sim_lane_create,
    .lane_destroy = sim_lane_destroy,
    .h2d = sim_h2d,
    .compute = sim_compute,
    .d2h = sim_d2h,
};
