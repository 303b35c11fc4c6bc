/* SPDX-License-Identifier: MIT */
/*
 * What does pushing and popping cost? The simulated device without any latency, items of 64 bytes:
 * microseconds for an item through the whole stream, as a program would use it.
 *
 *     stream [--items N] [--rounds N] [--json]
 */
#include "aispipe/stream.h"
#include "bench.h"

#include <pthread.h>
#include <string.h>

enum { ITEM = 64 };

static void check(int rc, const struct aispipe_error *error)
{
    if (rc)
        bench_die("stream", error->message);
}

struct plan {
    const char *name;
    uint64_t window; /* most items on the way; 0: as many as there is room for */
    unsigned compute_threads;
    bool borrowed; /* the data is lent, not copied */
    bool two;      /* one thread pushes, another pops */
    bool as_completed;
};

static const struct plan plans[] = {
    {.name = "one thread", .compute_threads = 1},
    {.name = "one thread, borrowed", .borrowed = true, .compute_threads = 1},
    {.name = "two threads", .two = true, .compute_threads = 1},
    {.name = "two threads, as completed", .two = true, .as_completed = true, .compute_threads = 2},
    {.name = "64 on the way", .window = 64, .compute_threads = 1},
    {.name = "8 on the way", .window = 8, .compute_threads = 1},
    {.name = "1 on the way", .window = 1, .compute_threads = 1},
};
enum { PLANS = sizeof plans / sizeof *plans };

struct work {
    const struct plan *plan;
    struct aispipe_stream *stream;
    uint64_t items, popped;
    char (*data)[ITEM];
};

static void nothing_to_release(void *tag)
{
    (void)tag;
}

static int push(const struct work *work, uint64_t number, uint64_t timeout_ns)
{
    struct aispipe_error error;
    char *data = work->data[number];
    const void *inputs[] = {data};
    const size_t sizes[] = {ITEM};
    const struct aispipe_stream_item item = {
        .inputs = inputs, .sizes = sizes, .release = work->plan->borrowed ? nothing_to_release : NULL};
    memcpy(data, &number, sizeof number);
    int rc = aispipe_stream_push(work->stream, &item, timeout_ns, &error);
    if (rc != AISPIPE_TIMEOUT)
        check(rc, &error);
    return rc;
}

static void pop(struct work *work)
{
    struct aispipe_error error;
    struct aispipe_stream_result result;
    check(aispipe_stream_pop(work->stream, &result, UINT64_MAX, &error), &error);
    uint64_t got;
    memcpy(&got, result.outputs[0], sizeof got);
    if (~got != result.number || (!work->plan->as_completed && result.number != work->popped))
        bench_die("stream", "an item came back wrong");
    work->popped++;
    aispipe_stream_give_back(work->stream, &result);
}

static void *push_all(void *argument)
{
    const struct work *work = argument;
    for (uint64_t i = 0; i < work->items; i++)
        (void)push(work, i, UINT64_MAX);
    aispipe_stream_finish(work->stream);
    return NULL;
}

static void run_two(struct work *work)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, push_all, work))
        bench_die("stream", "no thread");
    while (work->popped < work->items)
        pop(work);
    pthread_join(thread, NULL);
}

static void run_one(struct work *work)
{
    uint64_t window = work->plan->window ? work->plan->window : UINT64_MAX;
    for (uint64_t i = 0; i < work->items;) {
        if (i - work->popped < window && push(work, i, 0) == 0)
            i++;
        else
            pop(work);
    }
    aispipe_stream_finish(work->stream);
    while (work->popped < work->items)
        pop(work);
}

static double measure(const char *model, const struct plan *plan, uint64_t items, char (*data)[ITEM])
{
    const struct aispipe_session_options session_options = {.compute_threads = plan->compute_threads};
    const struct aispipe_stream_options options = {
        .pipeline = {.threads = {[AISPIPE_STAGE_COMPUTE] = plan->compute_threads}},
        .as_completed = plan->as_completed};
    struct aispipe_session *session;
    struct aispipe_error error;
    struct work work = {.plan = plan, .items = items, .data = data};
    check(aispipe_session_open(model, &session_options, &session, &error), &error);
    check(aispipe_stream_open(session, &options, &work.stream, &error), &error);
    double start = bench_now();
    if (plan->two)
        run_two(&work);
    else
        run_one(&work);
    double seconds = bench_now() - start;
    aispipe_stream_close(work.stream);
    aispipe_session_close(session);
    return seconds * 1e6 / (double)items;
}

int main(int argc, char **argv)
{
    double items = 20000;
    double rounds = 5;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--items", .help = "N  (default 20000)", .number = &items, .least = 100, .most = 1e6},
        BENCH_ROUNDS(&rounds, "5"),
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    static char data[1000000][ITEM];
    static double us[PLANS][BENCH_MOST_ROUNDS];
    char directory[BENCH_PATH];
    char model[BENCH_PATH];
    bench_make_directory(NULL, directory);
    bench_join(model, directory, "bench.sim.json");
    bench_write_file(model, bench_small_model, strlen(bench_small_model));
    for (unsigned round = 0; round < (unsigned)rounds; round++)
        for (int i = 0; i < PLANS; i++)
            us[i][round] = measure(model, &plans[i], (uint64_t)items, data);
    if (!json)
        printf("%-28s %12s %23s\n", "stream", "us / item", "least ... most");
    for (int i = 0; i < PLANS; i++) {
        double median = bench_median(us[i], (unsigned)rounds);
        printf(
            json ? "{\"bench\": \"stream\", \"case\": \"%s\", \"us_per_item\": %.3f, \"min\": %.3f, \"max\": "
                   "%.3f}\n"
                 : "%-28s %12.3f %10.3f ... %8.3f\n",
            plans[i].name, median, us[i][0], us[i][(unsigned)rounds - 1]);
    }
    return 0;
}
