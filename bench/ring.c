/* SPDX-License-Identifier: MIT */
/*
 * How fast is the ring, beside what one would use instead?
 *
 *     ring [--seconds S] [--rounds N] [--depth N] [--spin N] [--place free|spread|one] [--case NAME]
 * [--fenced]
 *          [--json]
 *
 * Rivals: DPDK's rte_ring and ConcurrencyKit's ck_ring, where this bench was built with them; a bounded queue
 * of a mutex and two condition variables; liburcu's wfcqueue, bounded by its nodes. The ring, rte_ring and
 * ck_ring use what they have for one producer or one consumer where there is only one. The libraries' queues
 * cannot sleep: their ends pause as the ring does, and when it would sleep they yield. Cases: 1 -> 1, 1 -> 2,
 * 1 -> 4, 4 -> 1, 4 -> 4; ping-pong of one item between two threads (as the pipeline waits, and with spinning
 * forbidden, where each of the ring's hand-overs is a real wake-up); push and pop by one thread alone, with
 * the functions for one and for many. Each case, but for those of one thread, in several places: threads
 * spread over the cores one by one, or all on one core, or where the kernel puts them. Every queue takes its
 * turn in every round, so that a slow minute of the machine hits all alike; the order changes with the
 * rounds. Printed is the median over the rounds, and the median of the ratio between ours and the best of the
 * two libraries' rings in the same round. Each run also checks that every item came out exactly once.
 */
#include "bench.h"

#include "ring_queues.h"

#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENDS = 4, SPIN = 200 };

static const struct queue_kind *const kinds[] = {
    &queue_ring,
#ifdef AISPIPE_HAVE_DPDK
    &queue_rte,
#endif
#ifdef AISPIPE_HAVE_CK
    &queue_ck,
#endif
    &queue_mutex, &queue_wfcqueue,
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Where threads run. */
enum place { PLACE_FREE, PLACE_SPREAD, PLACE_ONE, PLACES };
static const char *const place_names[PLACES] = {"free", "spread", "one"};

/* ------------------------------------------------------------------ runs */

struct figure {
    double seconds;
    double cpu;     /* seconds of all threads */
    uint64_t items; /* or round trips, or pairs */
};

struct end {
    queue_push push;
    queue_pop pop;
    void *in;  /* popped from; NULL for a producer */
    void *out; /* pushed to; NULL for a consumer */
    const atomic_bool *stop;
    pthread_barrier_t *start;
    uint64_t items;
    uint64_t sum;
    uint64_t squares; /* so that two wrong items cannot make up for each other */
    pthread_t thread;
};

static void *produce(void *argument)
{
    struct end *end = argument;
    (void)pthread_barrier_wait(end->start);
    while (!atomic_load_explicit(end->stop, memory_order_relaxed)) {
        uint32_t item = (uint32_t)(end->items++ % RING_MAX_ITEMS);
        end->sum += item;
        end->squares += (uint64_t)item * item;
        end->push(end->out, item);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct end *end = argument;
    uint32_t item;
    (void)pthread_barrier_wait(end->start);
    while (end->pop(end->in, &item)) {
        end->items++;
        end->sum += item;
        end->squares += (uint64_t)item * item;
    }
    return NULL;
}

/* One side of ping-pong; the side that serves ends the game. */
static void *return_ball(void *argument)
{
    struct end *end = argument;
    uint32_t item;
    (void)pthread_barrier_wait(end->start);
    while (end->pop(end->in, &item)) {
        end->sum += item;
        end->push(end->out, item);
    }
    return NULL;
}

static void *serve_ball(void *argument)
{
    struct end *end = argument;
    uint32_t item = 0;
    (void)pthread_barrier_wait(end->start);
    while (!atomic_load_explicit(end->stop, memory_order_relaxed)) {
        uint32_t ball = (uint32_t)(end->items++ % RING_MAX_ITEMS);
        end->push(end->out, ball);
        if (!end->pop(end->in, &item) || item != ball)
            bench_die("ping-pong", "what came back is not what was sent");
        end->sum += ball;
    }
    return NULL;
}

/* The n-th core that this process may use, counted round; on one core, the last of them. */
static void put(pthread_t thread, unsigned n, enum place place)
{
    cpu_set_t allowed;
    cpu_set_t one;
    if (place == PLACE_FREE)
        return;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        bench_die("ring", strerror(errno));
    unsigned count = (unsigned)CPU_COUNT(&allowed);
    n = place == PLACE_ONE ? count - 1 : n % count;
    int core = 0;
    while (!CPU_ISSET(core, &allowed) || n-- > 0)
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (pthread_setaffinity_np(thread, sizeof one, &one) != 0)
        bench_die("ring", "cannot put a thread on a core");
}

/* A run: its threads, all waiting at the barrier until let_run. */
struct game {
    const struct queue_kind *kind;
    enum place place;
    atomic_bool stop;
    pthread_barrier_t barrier;
    struct end ends[2 * MOST_ENDS];
    unsigned n;
};

static void start(struct game *game, void *(*body)(void *), struct end end)
{
    struct end *mine = &game->ends[game->n];
    *mine = end;
    mine->stop = &game->stop;
    mine->start = &game->barrier;
    if (pthread_create(&mine->thread, NULL, body, mine) != 0)
        bench_die("ring", "cannot create a thread");
    put(mine->thread, game->n, game->place);
    game->n++;
}

/* Lets the threads run for a while and joins the first `n`, who close nothing themselves. */
static struct figure let_run(struct game *game, unsigned n, void *queue, double seconds)
{
    double cpu = bench_cpu();
    (void)pthread_barrier_wait(&game->barrier);
    double began = bench_now();
    bench_sleep(seconds);
    atomic_store_explicit(&game->stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++)
        (void)pthread_join(game->ends[i].thread, NULL);
    game->kind->close(queue);
    for (unsigned i = n; i < game->n; i++)
        (void)pthread_join(game->ends[i].thread, NULL);
    (void)pthread_barrier_destroy(&game->barrier);
    uint64_t items = 0;
    for (unsigned i = 0; i < n; i++)
        items += game->ends[i].items;
    return (struct figure){bench_now() - began, bench_cpu() - cpu, items};
}

static void check_flow(const struct game *game, unsigned producers)
{
    uint64_t in[3] = {0};
    uint64_t out[3] = {0};
    for (unsigned i = 0; i < game->n; i++) {
        uint64_t *to = i < producers ? in : out;
        to[0] += game->ends[i].items;
        to[1] += game->ends[i].sum;
        to[2] += game->ends[i].squares;
    }
    if (memcmp(in, out, sizeof in) != 0)
        bench_die(game->kind->name, "what came out is not what went in");
}

static struct figure run_flow(const struct queue_kind *kind, const struct queue_plan *plan, enum place place,
                              double seconds)
{
    struct game game = {.kind = kind, .place = place};
    (void)pthread_barrier_init(&game.barrier, NULL, plan->producers + plan->consumers + 1);
    void *queue = kind->create(plan);
    for (unsigned i = 0; i < plan->producers; i++)
        start(&game, produce, (struct end){.out = queue, .push = kind->push[plan->producers > 1]});
    for (unsigned i = 0; i < plan->consumers; i++)
        start(&game, consume, (struct end){.in = queue, .pop = kind->pop[plan->consumers > 1]});
    struct figure figure = let_run(&game, plan->producers, queue, seconds);
    check_flow(&game, plan->producers);
    kind->destroy(queue);
    return figure;
}

static struct figure run_ping_pong(const struct queue_kind *kind, const struct queue_plan *plan,
                                   enum place place, double seconds)
{
    struct game game = {.kind = kind, .place = place};
    (void)pthread_barrier_init(&game.barrier, NULL, 3);
    void *there = kind->create(plan);
    void *back = kind->create(plan);
    struct end end = {.push = kind->push[0], .pop = kind->pop[0], .in = back, .out = there};
    start(&game, serve_ball, end);
    end.in = there;
    end.out = back;
    start(&game, return_ball, end);
    struct figure figure = let_run(&game, 1, there, seconds);
    if (game.ends[0].sum != game.ends[1].sum)
        bench_die(kind->name, "what came out is not what went in");
    kind->destroy(there);
    kind->destroy(back);
    return figure;
}

static struct figure run_alone(const struct queue_kind *kind, const struct queue_plan *plan, enum place place,
                               double seconds)
{
    queue_push push = kind->push[plan->producers > 1];
    queue_pop pop = kind->pop[plan->consumers > 1];
    void *queue = kind->create(plan);
    uint64_t pairs = 0;
    double cpu = bench_cpu();
    double began = bench_now();
    double now = began;
    (void)place;
    while (now - began < seconds) {
        for (unsigned i = 0; i < 10000; i++, pairs++) {
            uint32_t item;
            push(queue, i);
            if (!pop(queue, &item) || item != i)
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
    struct figure (*run)(const struct queue_kind *kind, const struct queue_plan *plan, enum place place,
                         double seconds);
    struct queue_plan plan;
    bool no_spin; /* each hand-over of ours is a wake-up, which the others do not have: no race */
    bool alone;   /* one thread: one place is enough */
};

static struct test_case cases[] = {
    {.name = "1 -> 1", .unit = "item", .run = run_flow, .plan = {.producers = 1, .consumers = 1}},
    {.name = "1 -> 2", .unit = "item", .run = run_flow, .plan = {.producers = 1, .consumers = 2}},
    {.name = "1 -> 4", .unit = "item", .run = run_flow, .plan = {.producers = 1, .consumers = 4}},
    {.name = "4 -> 1", .unit = "item", .run = run_flow, .plan = {.producers = 4, .consumers = 1}},
    {.name = "4 -> 4", .unit = "item", .run = run_flow, .plan = {.producers = 4, .consumers = 4}},
    {.name = "ping-pong",
     .unit = "round trip",
     .run = run_ping_pong,
     .plan = {.producers = 1, .consumers = 1, .one_item = true}},
    {.name = "ping-pong, no spin",
     .unit = "round trip",
     .run = run_ping_pong,
     .plan = {.producers = 1, .consumers = 1, .one_item = true},
     .no_spin = true},
    {.name = "alone",
     .unit = "push + pop",
     .run = run_alone,
     .plan = {.producers = 1, .consumers = 1},
     .alone = true},
    {.name = "for many, alone",
     .unit = "push + pop",
     .run = run_alone,
     .plan = {.producers = 2, .consumers = 2},
     .alone = true},
};
enum { CASES = sizeof cases / sizeof *cases };

struct cell {
    double rate[BENCH_MOST_ROUNDS];
    double cores[BENCH_MOST_ROUNDS];
};

/* Whether this queue can do the case, and the case says something about it. */
static bool suits(const struct queue_kind *kind, const struct test_case *test)
{
    if (test->no_spin && !kind->is_ours && kind->spins)
        return false;
    return kind->push[test->plan.producers > 1] && kind->pop[test->plan.consumers > 1];
}

static void print_cell(const char *name, const struct queue_kind *kind, const char *unit, struct cell *cell,
                       unsigned rounds, bool json)
{
    double median = bench_median(cell->rate, rounds);
    double cores = bench_median(cell->cores, rounds);
    double least = cell->rate[0];
    double most = cell->rate[rounds - 1];
    if (json)
        printf("{\"bench\": \"ring\", \"case\": \"%s\", \"queue\": \"%s\", \"unit\": \"%s\", "
               "\"per_second\": %.0f, \"min\": %.0f, \"max\": %.0f, \"ns\": %.2f, \"cores\": %.2f}\n",
               name, kind->name, unit, median, least, most, 1e9 / median, cores);
    else
        printf("%-26s %-18s %9.3f %9.3f ... %-9.3f %9.1f  %-10s %6.2f\n", name, kind->name, median / 1e6,
               least / 1e6, most / 1e6, 1e9 / median, unit, cores);
}

/* Ours over the best library's ring, round by round; 0: no library's ring in this case. */
static unsigned find_ratios(const struct test_case *test, struct cell *cells, unsigned rounds, double *ratios)
{
    for (unsigned round = 0; round < rounds; round++) {
        double best = 0;
        for (int k = 0; k < KINDS; k++)
            if (kinds[k]->is_rival && suits(kinds[k], test) && cells[k].rate[round] > best)
                best = cells[k].rate[round];
        if (best <= 0)
            return 0;
        ratios[round] = cells[0].rate[round] / best;
    }
    return rounds;
}

static void print_ratio(const char *name, double *ratios, unsigned rounds, bool json)
{
    double median = bench_median(ratios, rounds);
    if (json)
        printf("{\"bench\": \"ring\", \"case\": \"%s\", \"ratio\": %.3f, \"min\": %.3f, \"max\": %.3f}\n",
               name, median, ratios[0], ratios[rounds - 1]);
    else
        printf("%-26s %-18s %8.2fx %8.2f ... %-8.2f   (target: at least 1)\n", name, "ring / best library",
               median, ratios[0], ratios[rounds - 1]);
}

static void run_case(const struct test_case *test, enum place place, double seconds, unsigned rounds,
                     bool json)
{
    static struct cell cells[KINDS];
    double ratios[BENCH_MOST_ROUNDS];
    char name[64];
    (void)snprintf(name, sizeof name, "%s%s%s", test->name, test->alone ? "" : ", ",
                   test->alone ? "" : place_names[place]);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < KINDS; i++) {
            unsigned k = (i + round) % KINDS;
            if (!suits(kinds[k], test))
                continue;
            struct figure figure = test->run(kinds[k], &test->plan, place, seconds);
            cells[k].rate[round] = (double)figure.items / figure.seconds;
            cells[k].cores[round] = figure.cpu / figure.seconds;
        }
    /* Before print_cell, which sorts. */
    unsigned n = find_ratios(test, cells, rounds, ratios);
    for (int k = 0; k < KINDS; k++)
        if (suits(kinds[k], test))
            print_cell(name, kinds[k], test->unit, &cells[k], rounds, json);
    if (n)
        print_ratio(name, ratios, n, json);
    (void)fflush(stdout);
}

struct choice {
    double seconds, rounds, depth, spin;
    const char *place, *only;
    bool fenced, json;
};

static void read_arguments(int argc, char **argv, struct choice *choice)
{
    const struct bench_option options[] = {
        {.name = "--seconds",
         .help = "S  of each run (default 0.1)",
         .number = &choice->seconds,
         .least = 0.01,
         .most = 10},
        {.name = "--rounds",
         .help = "N  runs of each queue and case (default 5)",
         .number = &choice->rounds,
         .least = 1,
         .most = BENCH_MOST_ROUNDS},
        {.name = "--depth",
         .help = "N  places in a queue, a power of two (default 64)",
         .number = &choice->depth,
         .least = 2,
         .most = 65536},
        {.name = "--spin",
         .help = "N  turns before an end sleeps or yields (default 200)",
         .number = &choice->spin,
         .least = 0,
         .most = 1e6},
        {.name = "--place",
         .help = "free, spread or one  only there: where the kernel likes, a core each, all on one core",
         .text = &choice->place},
        {.name = "--case", .help = "TEXT  only cases whose names begin with it", .text = &choice->only},
        {.name = "--fenced",
         .help = "our ring as where the kernel knows no membarrier",
         .flag = &choice->fenced},
        BENCH_JSON(&choice->json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    unsigned depth = (unsigned)choice->depth;
    if (depth & (depth - 1))
        bench_die("--depth", "must be a power of two: the libraries' rings know no others");
}

static void say_what_is_missing(void)
{
#ifndef AISPIPE_HAVE_DPDK
    fprintf(stderr, "ring: built without DPDK's rte_ring; Debian's package is libdpdk-dev\n");
#endif
#ifndef AISPIPE_HAVE_CK
    fprintf(stderr, "ring: built without ConcurrencyKit's ck_ring; Debian's package is libck-dev\n");
#endif
}

int main(int argc, char **argv)
{
    struct choice choice = {.seconds = 0.1, .rounds = 5, .depth = 64, .spin = SPIN, .place = "", .only = ""};
    read_arguments(argc, argv, &choice);
    say_what_is_missing();
    if (!choice.json)
        printf("%-26s %-18s %9s %-23s %9s  %-10s %6s\n", "case, place", "queue", "M/s", "    least ... most",
               "ns each", "of", "cores");
    for (int i = 0; i < CASES; i++)
        for (int place = 0; place < PLACES; place++) {
            struct test_case *test = &cases[i];
            if (strncmp(test->name, choice.only, strlen(choice.only)) != 0)
                continue;
            if (test->alone ? place != PLACE_FREE
                            : *choice.place && strcmp(choice.place, place_names[place]) != 0)
                continue;
            test->plan.depth = (unsigned)choice.depth;
            test->plan.fenced = choice.fenced;
            test->plan.spin = test->no_spin ? 0 : (unsigned)choice.spin;
            run_case(test, place, choice.seconds, (unsigned)choice.rounds, choice.json);
        }
    return 0;
}
