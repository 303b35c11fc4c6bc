/* SPDX-License-Identifier: MIT */
/*
 * How fast is the ring, beside what one would use instead?
 *
 *     ring [--seconds S] [--rounds N] [--depth N] [--spin N] [--pin] [--json]
 *
 * Queues: the ring with the fast paths that the pipeline would choose; the ring as many-to-many; a bounded
 * queue of a mutex and two condition variables; liburcu's wfcqueue, bounded by its nodes. wfcqueue has no way
 * to sleep, so its ends spin as long as the ring does and then yield.
 * Cases: one producer to 1, 2, 4 consumers; ping-pong of one item between two threads (as the pipeline waits,
 * and with spinning forbidden, where each hand-over is a real wake-up); push and pop by one thread alone.
 * Every queue takes its turn in every round, so that a slow minute of the machine hits all alike. Printed is
 * the median over the rounds. Each run also checks that every item came out exactly once.
 */
#include "bench.h"

#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#define _LGPL_SOURCE
#include <urcu/arch.h>
#include <urcu/wfcqueue.h>

enum { MOST_CONSUMERS = 4, SPIN = 200, NAP_NS = 1000000 };

/* ------------------------------------------------------------------ queues */

struct queue_plan {
    unsigned depth;
    unsigned consumers;
    unsigned spin;
    bool pinned;   /* every thread on a core of its own, as far as there are cores */
    bool one_item; /* only one item travels: naps for more would never be rewarded */
};

struct queue_kind {
    const char *name;
    bool spins; /* `spin` means something to it */
    void *(*create)(const struct queue_plan *plan);
    void (*destroy)(void *queue);
    void (*push)(void *queue, uint32_t item);
    bool (*pop)(void *queue, uint32_t *item); /* false: closed and empty */
    void (*close)(void *queue);
};

struct ring_queue {
    struct ring *ring;
    struct ring_wait wait;
};

static void *make_ring(const struct queue_plan *plan, unsigned flags)
{
    struct ring_queue *queue = calloc(1, sizeof *queue);
    if (queue)
        queue->ring = ring_create(plan->depth, flags);
    if (!queue || !queue->ring)
        bench_die("ring", "no memory");
    unsigned eighth = plan->depth / 8;
    queue->wait = (struct ring_wait){plan->spin, plan->one_item || !eighth ? 1 : eighth, NAP_NS, 0};
    return queue;
}

static void *ring_chosen_create(const struct queue_plan *plan)
{
    return make_ring(plan, RING_ONE_PRODUCER | (plan->consumers == 1 ? RING_ONE_CONSUMER : 0));
}

static void *ring_many_create(const struct queue_plan *plan)
{
    return make_ring(plan, 0);
}

static void ring_queue_destroy(void *queue)
{
    ring_free(((struct ring_queue *)queue)->ring);
    free(queue);
}

static void ring_queue_push(void *queue, uint32_t item)
{
    struct ring_queue *q = queue;
    (void)ring_push(q->ring, item, &q->wait);
}

static bool ring_queue_pop(void *queue, uint32_t *item)
{
    struct ring_queue *q = queue;
    return ring_pop(q->ring, item, &q->wait) == 0;
}

static void ring_queue_close(void *queue)
{
    ring_close(((struct ring_queue *)queue)->ring);
}

struct mutex_queue {
    pthread_mutex_t mutex;
    pthread_cond_t items, room;
    uint64_t head, tail;
    unsigned depth;
    bool closed;
    uint32_t cells[];
};

static void *mutex_create(const struct queue_plan *plan)
{
    struct mutex_queue *q = calloc(1, sizeof *q + plan->depth * sizeof(uint32_t));
    if (!q)
        bench_die("mutex", "no memory");
    q->depth = plan->depth;
    (void)pthread_mutex_init(&q->mutex, NULL);
    (void)pthread_cond_init(&q->items, NULL);
    (void)pthread_cond_init(&q->room, NULL);
    return q;
}

static void mutex_destroy(void *queue)
{
    struct mutex_queue *q = queue;
    (void)pthread_cond_destroy(&q->room);
    (void)pthread_cond_destroy(&q->items);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

static void mutex_push(void *queue, uint32_t item)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    while (q->tail - q->head == q->depth)
        (void)pthread_cond_wait(&q->room, &q->mutex);
    q->cells[q->tail++ % q->depth] = item;
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_signal(&q->items);
}

static bool mutex_pop(void *queue, uint32_t *item)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    while (q->tail == q->head && !q->closed)
        (void)pthread_cond_wait(&q->items, &q->mutex);
    bool got = q->tail != q->head;
    if (got)
        *item = q->cells[q->head++ % q->depth];
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_signal(&q->room);
    return got;
}

static void mutex_close(void *queue)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    q->closed = true;
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_broadcast(&q->items);
}

/* A node is reused only when its consumer has let it go: that is what bounds the queue. */
struct wf_node {
    _Alignas(64) struct cds_wfcq_node link;
    uint32_t item;
    atomic_bool taken;
};

struct wf_queue {
    struct cds_wfcq_head head;
    _Alignas(64) struct cds_wfcq_tail tail;
    _Alignas(64) atomic_bool closed;
    bool locked; /* more than one consumer: dequeuing needs the queue's mutex */
    unsigned spin;
    unsigned depth;
    uint64_t pushed;
    struct wf_node nodes[];
};

static void *wf_create(const struct queue_plan *plan)
{
    struct wf_queue *q = aligned_alloc(64, sizeof *q + plan->depth * sizeof(struct wf_node));
    if (!q)
        bench_die("wfcqueue", "no memory");
    memset(q, 0, sizeof *q + plan->depth * sizeof(struct wf_node));
    cds_wfcq_init(&q->head, &q->tail);
    q->locked = plan->consumers > 1;
    q->spin = plan->spin;
    q->depth = plan->depth;
    return q;
}

static void wf_destroy(void *queue)
{
    struct wf_queue *q = queue;
    cds_wfcq_destroy(&q->head, &q->tail);
    free(q);
}

static void wf_pause(const struct wf_queue *q, unsigned turn)
{
    if (turn < q->spin)
        caa_cpu_relax();
    else
        (void)sched_yield();
}

static void wf_push(void *queue, uint32_t item)
{
    struct wf_queue *q = queue;
    struct wf_node *node = &q->nodes[q->pushed++ % q->depth];
    for (unsigned turn = 0; atomic_load_explicit(&node->taken, memory_order_acquire); turn++)
        wf_pause(q, turn);
    atomic_store_explicit(&node->taken, true, memory_order_relaxed);
    node->item = item;
    cds_wfcq_node_init(&node->link);
    (void)cds_wfcq_enqueue(&q->head, &q->tail, &node->link);
}

static bool wf_pop(void *queue, uint32_t *item)
{
    struct wf_queue *q = queue;
    for (unsigned turn = 0;; turn++) {
        bool closed = atomic_load_explicit(&q->closed, memory_order_acquire);
        struct cds_wfcq_node *link = q->locked ? cds_wfcq_dequeue_blocking(&q->head, &q->tail)
                                               : __cds_wfcq_dequeue_blocking(&q->head, &q->tail);
        if (link) {
            /* cppcheck-suppress nullPointer; the macro takes the address of a member of no object, as
             * offsetof does */
            struct wf_node *node = caa_container_of(link, struct wf_node, link);
            *item = node->item;
            atomic_store_explicit(&node->taken, false, memory_order_release);
            return true;
        }
        if (closed)
            return false;
        wf_pause(q, turn);
    }
}

static void wf_close(void *queue)
{
    atomic_store_explicit(&((struct wf_queue *)queue)->closed, true, memory_order_release);
}

static const struct queue_kind kinds[] = {
    {"ring", true, ring_chosen_create, ring_queue_destroy, ring_queue_push, ring_queue_pop, ring_queue_close},
    {"ring, many-to-many", true, ring_many_create, ring_queue_destroy, ring_queue_push, ring_queue_pop,
     ring_queue_close},
    {"mutex + condition", false, mutex_create, mutex_destroy, mutex_push, mutex_pop, mutex_close},
    {"liburcu wfcqueue", true, wf_create, wf_destroy, wf_push, wf_pop, wf_close},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ------------------------------------------------------------------ runs */

struct figure {
    double seconds;
    double cpu;     /* seconds of all threads */
    uint64_t items; /* or round trips, or pairs */
};

struct end {
    const struct queue_kind *kind;
    void *in;  /* popped from; NULL for a producer */
    void *out; /* pushed to; NULL for a consumer */
    const atomic_bool *stop;
    pthread_barrier_t *start;
    uint64_t items;
    uint64_t sum;
    pthread_t thread;
};

static void *produce(void *argument)
{
    struct end *end = argument;
    (void)pthread_barrier_wait(end->start);
    while (!atomic_load_explicit(end->stop, memory_order_relaxed)) {
        uint32_t item = (uint32_t)(end->items++ % RING_MAX_ITEMS);
        end->sum += item;
        end->kind->push(end->out, item);
    }
    end->kind->close(end->out);
    return NULL;
}

static void *consume(void *argument)
{
    struct end *end = argument;
    uint32_t item;
    (void)pthread_barrier_wait(end->start);
    while (end->kind->pop(end->in, &item)) {
        end->items++;
        end->sum += item;
    }
    return NULL;
}

/* One side of ping-pong; the side that serves ends the game. */
static void *return_ball(void *argument)
{
    struct end *end = argument;
    uint32_t item;
    (void)pthread_barrier_wait(end->start);
    while (end->kind->pop(end->in, &item))
        end->kind->push(end->out, item);
    return NULL;
}

static void *serve_ball(void *argument)
{
    struct end *end = argument;
    uint32_t item = 1;
    (void)pthread_barrier_wait(end->start);
    while (!atomic_load_explicit(end->stop, memory_order_relaxed)) {
        end->kind->push(end->out, item);
        if (!end->kind->pop(end->in, &item))
            break;
        end->items++;
    }
    end->kind->close(end->out);
    return NULL;
}

/* The n-th core that this process may use, counted round. */
static void pin(pthread_t thread, unsigned n)
{
    cpu_set_t allowed;
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        bench_die("--pin", strerror(errno));
    n %= (unsigned)CPU_COUNT(&allowed);
    int core = 0;
    while (!CPU_ISSET(core, &allowed) || n-- > 0)
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    (void)pthread_setaffinity_np(thread, sizeof one, &one);
}

static void start(struct end *ends, unsigned index, void *(*body)(void *), bool pinned)
{
    if (pthread_create(&ends[index].thread, NULL, body, &ends[index]) != 0)
        bench_die("ring", "cannot create a thread");
    if (pinned)
        pin(ends[index].thread, index);
}

/* Lets the threads, which wait at the barrier, run for a while; returns what it took until all had ended. */
static struct figure let_run(struct end *ends, unsigned n, atomic_bool *stop, double seconds)
{
    double cpu = bench_cpu();
    (void)pthread_barrier_wait(ends->start);
    double began = bench_now();
    bench_sleep(seconds);
    atomic_store_explicit(stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++)
        (void)pthread_join(ends[i].thread, NULL);
    return (struct figure){bench_now() - began, bench_cpu() - cpu, ends[0].items};
}

static struct figure run_flow(const struct queue_kind *kind, const struct queue_plan *plan, double seconds)
{
    atomic_bool stop = false;
    pthread_barrier_t barrier;
    (void)pthread_barrier_init(&barrier, NULL, plan->consumers + 2);
    void *queue = kind->create(plan);
    struct end ends[1 + MOST_CONSUMERS];
    ends[0] = (struct end){.kind = kind, .out = queue, .stop = &stop, .start = &barrier};
    start(ends, 0, produce, plan->pinned);
    for (unsigned i = 1; i <= plan->consumers; i++) {
        ends[i] = (struct end){.kind = kind, .in = queue, .stop = &stop, .start = &barrier};
        start(ends, i, consume, plan->pinned);
    }
    struct figure figure = let_run(ends, plan->consumers + 1, &stop, seconds);
    uint64_t items = 0;
    uint64_t sum = 0;
    for (unsigned i = 1; i <= plan->consumers; i++) {
        items += ends[i].items;
        sum += ends[i].sum;
    }
    if (items != ends[0].items || sum != ends[0].sum)
        bench_die(kind->name, "what came out is not what went in");
    kind->destroy(queue);
    (void)pthread_barrier_destroy(&barrier);
    return figure;
}

static struct figure run_ping_pong(const struct queue_kind *kind, const struct queue_plan *plan,
                                   double seconds)
{
    atomic_bool stop = false;
    pthread_barrier_t barrier;
    (void)pthread_barrier_init(&barrier, NULL, 3);
    void *there = kind->create(plan);
    void *back = kind->create(plan);
    struct end ends[2] = {
        {.kind = kind, .in = back, .out = there, .stop = &stop, .start = &barrier},
        {.kind = kind, .in = there, .out = back, .stop = &stop, .start = &barrier},
    };
    start(ends, 0, serve_ball, plan->pinned);
    start(ends, 1, return_ball, plan->pinned);
    struct figure figure = let_run(ends, 2, &stop, seconds);
    kind->destroy(there);
    kind->destroy(back);
    (void)pthread_barrier_destroy(&barrier);
    return figure;
}

static struct figure run_alone(const struct queue_kind *kind, const struct queue_plan *plan, double seconds)
{
    void *queue = kind->create(plan);
    uint64_t pairs = 0;
    double cpu = bench_cpu();
    double began = bench_now();
    double now = began;
    while (now - began < seconds) {
        for (unsigned i = 0; i < 10000; i++, pairs++) {
            uint32_t item;
            kind->push(queue, i);
            if (!kind->pop(queue, &item) || item != i)
                bench_die(kind->name, "what came out is not what went in");
        }
        now = bench_now();
    }
    kind->destroy(queue);
    return (struct figure){now - began, bench_cpu() - cpu, pairs};
}

/* ------------------------------------------------------------------ cases and the table */

struct test_case {
    const char *name;
    const char *unit;
    struct figure (*run)(const struct queue_kind *kind, const struct queue_plan *plan, double seconds);
    struct queue_plan plan;
    bool no_spin; /* and so nothing new about queues that never spin */
};

static struct test_case cases[] = {
    {.name = "1 -> 1", .unit = "item", .run = run_flow, .plan = {.consumers = 1}},
    {.name = "1 -> 2", .unit = "item", .run = run_flow, .plan = {.consumers = 2}},
    {.name = "1 -> 4", .unit = "item", .run = run_flow, .plan = {.consumers = 4}},
    {.name = "ping-pong",
     .unit = "round trip",
     .run = run_ping_pong,
     .plan = {.consumers = 1, .one_item = true}},
    {.name = "ping-pong, no spin",
     .unit = "round trip",
     .run = run_ping_pong,
     .plan = {.consumers = 1, .one_item = true},
     .no_spin = true},
    {.name = "alone", .unit = "push + pop", .run = run_alone, .plan = {.consumers = 1}},
};
enum { CASES = sizeof cases / sizeof *cases };

struct cell {
    double rate[BENCH_MOST_ROUNDS];
    double cores[BENCH_MOST_ROUNDS];
};

static void print_cell(const struct test_case *test, const struct queue_kind *kind, struct cell *cell,
                       unsigned rounds, bool json)
{
    double median = bench_median(cell->rate, rounds);
    double cores = bench_median(cell->cores, rounds);
    double least = cell->rate[0];
    double most = cell->rate[rounds - 1];
    if (json)
        printf("{\"bench\": \"ring\", \"case\": \"%s\", \"queue\": \"%s\", \"depth\": %u, \"unit\": \"%s\", "
               "\"per_second\": %.0f, \"min\": %.0f, \"max\": %.0f, \"ns\": %.2f, \"cores\": %.2f}\n",
               test->name, kind->name, test->plan.depth, test->unit, median, least, most, 1e9 / median,
               cores);
    else
        printf("%-20s %-20s %10.3f %10.3f ... %-10.3f %10.1f  %-10s %6.2f\n", test->name, kind->name,
               median / 1e6, least / 1e6, most / 1e6, 1e9 / median, test->unit, cores);
}

static void run_case(const struct test_case *test, double seconds, unsigned rounds, bool json)
{
    static struct cell cells[KINDS];
    for (unsigned round = 0; round < rounds; round++)
        for (int k = 0; k < KINDS; k++) {
            struct figure figure = test->run(&kinds[k], &test->plan, seconds);
            cells[k].rate[round] = (double)figure.items / figure.seconds;
            cells[k].cores[round] = figure.cpu / figure.seconds;
        }
    for (int k = 0; k < KINDS; k++)
        if (!test->no_spin || kinds[k].spins)
            print_cell(test, &kinds[k], &cells[k], rounds, json);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = 0.15;
    double rounds = 5;
    double depth = 64;
    double spin = SPIN;
    bool pinned = false;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--seconds",
         .help = "S  of each run (default 0.15)",
         .number = &seconds,
         .least = 0.01,
         .most = 10},
        {.name = "--rounds",
         .help = "N  runs of each queue and case (default 5)",
         .number = &rounds,
         .least = 1,
         .most = BENCH_MOST_ROUNDS},
        {.name = "--depth",
         .help = "N  places in a queue (default 64)",
         .number = &depth,
         .least = 2,
         .most = 65536},
        {.name = "--spin",
         .help = "N  turns before an end sleeps or yields (default 200)",
         .number = &spin,
         .least = 0,
         .most = 1e6},
        {.name = "--pin", .help = "each thread stays on a core of its own", .flag = &pinned},
        {.name = "--json", .help = "one JSON object a line", .flag = &json},
    };
    BENCH_ARGUMENTS(argc, argv, options);
    if (!json)
        printf("%-20s %-20s %10s %-25s %10s  %-10s %6s\n", "case", "queue", "M/s", "    least ... most",
               "ns each", "of", "cores");
    for (int i = 0; i < CASES; i++) {
        cases[i].plan.depth = (unsigned)depth;
        cases[i].plan.pinned = pinned;
        cases[i].plan.spin = cases[i].no_spin ? 0 : (unsigned)spin;
        run_case(&cases[i], seconds, (unsigned)rounds, json);
    }
    return 0;
}
