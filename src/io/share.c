/* SPDX-License-Identifier: MIT */
#include "aispipe/files.h"

void aispipe_share_init(struct aispipe_share *share, const struct aispipe_source *whole,
                        const struct aispipe_sink *whole_sink, unsigned index, unsigned count)
{
    uint64_t each = whole->batches / count;
    uint64_t larger = whole->batches % count; /* so many shares, the first ones, have one batch more */
    *share = (struct aispipe_share){.whole = *whole, .whole_sink = *whole_sink};
    share->batches = each + (index < larger);
    share->first_batch = each * index + (index < larger ? index : larger);
    /* Batches of a source that repeats one sample hold none: the numbers of samples stay within the whole. */
    uint64_t first = share->first_batch * whole->samples_per_batch;
    uint64_t end = first + share->batches * whole->samples_per_batch;
    share->first_sample = first < whole->samples ? first : whole->samples;
    share->samples = (end < whole->samples ? end : whole->samples) - share->first_sample;
}

/* ---------------------------------------------------------------- source */

static int open_reader(void *context, void **thread, struct aispipe_error *error)
{
    const struct aispipe_share *share = context;
    return share->whole.thread_open(share->whole.context, thread, error);
}

static void close_reader(void *context, void *thread)
{
    const struct aispipe_share *share = context;
    share->whole.thread_close(share->whole.context, thread);
}

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    const struct aispipe_share *share = context;
    return share->whole.fill(share->whole.context, thread, share->first_batch + batch, inputs, error);
}

static int shape(void *context, void *thread, uint64_t batch, struct aispipe_tensor_desc *inputs,
                 struct aispipe_error *error)
{
    const struct aispipe_share *share = context;
    return share->whole.shape(share->whole.context, thread, share->first_batch + batch, inputs, error);
}

static void name_sample(void *context, uint64_t sample, char *name, size_t capacity)
{
    const struct aispipe_share *share = context;
    share->whole.sample_name(share->whole.context, share->first_sample + sample, name, capacity);
}

struct aispipe_source aispipe_share_source(struct aispipe_share *share)
{
    return (struct aispipe_source){
        .context = share,
        .samples = share->samples,
        .batches = share->batches,
        .samples_per_batch = share->whole.samples_per_batch,
        .thread_open = share->whole.thread_open ? open_reader : NULL,
        .thread_close = share->whole.thread_close ? close_reader : NULL,
        .fill = fill,
        .shape = share->whole.shape ? shape : NULL,
        .sample_name = share->whole.sample_name ? name_sample : NULL,
    };
}

/* ---------------------------------------------------------------- sink */

static int open_writer(void *context, void **thread, struct aispipe_error *error)
{
    const struct aispipe_share *share = context;
    return share->whole_sink.thread_open(share->whole_sink.context, thread, error);
}

static void close_writer(void *context, void *thread)
{
    const struct aispipe_share *share = context;
    share->whole_sink.thread_close(share->whole_sink.context, thread);
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    const struct aispipe_share *share = context;
    return share->whole_sink.store(share->whole_sink.context, thread, share->first_sample + first_sample,
                                   count, outputs, actual, error);
}

struct aispipe_sink aispipe_share_sink(struct aispipe_share *share)
{
    return (struct aispipe_sink){
        .context = share,
        .thread_open = share->whole_sink.thread_open ? open_writer : NULL,
        .thread_close = share->whole_sink.thread_close ? close_writer : NULL,
        .store = share->whole_sink.store ? store : NULL,
    };
}
