/* SPDX-License-Identifier: MIT */
#include "cli/tune_repeat.h"

#include "clock.h"

/* So many that no run comes to the end, and few enough that numbers of samples stay far from overflowing. */
#define BATCHES ((uint64_t)1 << 40)

/* ---------------------------------------------------------------- source */

static int source_thread_open(void *context, void **thread, struct aispipe_error *error)
{
    struct tune_repeat *repeat = context;
    return repeat->source.thread_open(repeat->source.context, thread, error);
}

static void source_thread_close(void *context, void *thread)
{
    struct tune_repeat *repeat = context;
    repeat->source.thread_close(repeat->source.context, thread);
}

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    struct tune_repeat *repeat = context;
    return repeat->source.fill(repeat->source.context, thread, batch % repeat->source.batches, inputs, error);
}

static int shape(void *context, void *thread, uint64_t batch, struct aispipe_tensor_desc *inputs,
                 struct aispipe_error *error)
{
    struct tune_repeat *repeat = context;
    return repeat->source.shape(repeat->source.context, thread, batch % repeat->source.batches, inputs,
                                error);
}

static void sample_name(void *context, uint64_t sample, char *name, size_t capacity)
{
    struct tune_repeat *repeat = context;
    sample %= repeat->source.batches * repeat->source.samples_per_batch;
    if (sample >= repeat->source.samples)
        sample = repeat->source.samples - 1;
    repeat->source.sample_name(repeat->source.context, sample, name, capacity);
}

struct aispipe_source tune_repeat_source(struct tune_repeat *repeat)
{
    const struct aispipe_source *whole = &repeat->source;
    return (struct aispipe_source){
        .context = repeat,
        .samples = BATCHES * whole->samples_per_batch,
        .batches = BATCHES,
        .samples_per_batch = whole->samples_per_batch,
        .thread_open = whole->thread_open ? source_thread_open : NULL,
        .thread_close = whole->thread_close ? source_thread_close : NULL,
        .fill = fill,
        .shape = whole->shape ? shape : NULL,
        .sample_name = whole->sample_name ? sample_name : NULL,
    };
}

/* ---------------------------------------------------------------- sink */

static int sink_thread_open(void *context, void **thread, struct aispipe_error *error)
{
    struct tune_repeat *repeat = context;
    return repeat->sink.thread_open(repeat->sink.context, thread, error);
}

static void sink_thread_close(void *context, void *thread)
{
    struct tune_repeat *repeat = context;
    repeat->sink.thread_close(repeat->sink.context, thread);
}

/* How many samples of the dataset a batch holds; the last one may be filled up. */
static unsigned samples_in(const struct tune_repeat *repeat, uint64_t batch)
{
    unsigned full = repeat->source.samples_per_batch;
    uint64_t first = batch % repeat->source.batches * full;
    uint64_t left = repeat->source.samples - first;
    return left < full ? (unsigned)left : full;
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    struct tune_repeat *repeat = context;
    (void)count; /* whole batches, as far as the pipeline knows */
    unsigned samples = samples_in(repeat, first_sample / repeat->source.samples_per_batch);
    int rc = 0;
    if (repeat->sink.store)
        rc = repeat->sink.store(repeat->sink.context, thread, first_sample, samples, outputs, actual, error);
    if (rc)
        return rc;
    /* relaxed: they are read once a run, and nothing else depends on them */
    atomic_store_explicit(&repeat->last_ns, clock_ns(), memory_order_relaxed);
    atomic_fetch_add_explicit(&repeat->samples, samples, memory_order_relaxed);
    atomic_fetch_add_explicit(&repeat->batches, 1, memory_order_relaxed);
    return 0;
}

struct aispipe_sink tune_repeat_sink(struct tune_repeat *repeat)
{
    return (struct aispipe_sink){
        .context = repeat,
        .thread_open = repeat->sink.thread_open ? sink_thread_open : NULL,
        .thread_close = repeat->sink.thread_close ? sink_thread_close : NULL,
        .store = store,
    };
}

void tune_repeat_init(struct tune_repeat *repeat, const struct aispipe_source *source,
                      const struct aispipe_sink *sink)
{
    *repeat = (struct tune_repeat){.source = *source};
    if (sink)
        repeat->sink = *sink;
}
