/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include "clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu/arch.h>
#include <urcu/futex.h>

#if defined(__SANITIZE_THREAD__)
#define RING_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_UNDER_TSAN 1
#endif
#endif

/* ------------------------------------------------------------------ the fence that sleepers pay for */

/* Once per process would do; the kernel takes a second time for a look at a flag. */
static bool membarrier_register(void)
{
#ifdef RING_UNDER_TSAN /* which knows nothing of it */
    return false;
#else
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

/* A full fence in every running thread of the process. False: refused after all (a seccomp filter has come
 * after the ring). */
static bool membarrier_all(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* ------------------------------------------------------------------ bells */

/* The two bells of a gate, and what a sleeper of each counts in the word `sleepers`. */
enum bell { NAP, PARK };
#define ONE_SLEEPER(bell) ((bell) == PARK ? (uint64_t)1 << 32 : (uint64_t)1)
/* With fences a waker must make its fence before it looks: this bit sends it there always. */
#define ALWAYS_LOOK ((uint64_t)1 << 63)

static inline uint32_t sleepers_of(uint64_t sleepers, enum bell bell)
{
    return bell == PARK ? (uint32_t)(sleepers >> 32) & INT32_MAX : (uint32_t)sleepers;
}

static void bell_wake(struct ring_gate *gate, enum bell bell)
{
    /* release: pairs with the acquire in bell_take, so the woken side sees what the waker did. */
    atomic_fetch_add_explicit(&gate->permits[bell], 1, memory_order_release);
    (void)futex_noasync((int32_t *)&gate->permits[bell], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Takes one sleeper off the list. The one who succeeds owes that sleeper exactly one permit. */
static bool bell_claim(struct ring_gate *gate, enum bell bell)
{
    /* relaxed: the count only decides who wakes whom; ordering comes from permits and from the fences in
     * ring_wake and gate_sleep. */
    uint64_t sleepers = atomic_load_explicit(&gate->sleepers, memory_order_relaxed);
    while (sleepers_of(sleepers, bell))
        if (atomic_compare_exchange_weak_explicit(&gate->sleepers, &sleepers, sleepers - ONE_SLEEPER(bell),
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static bool bell_take(struct ring_gate *gate, enum bell bell)
{
    int32_t permits = atomic_load_explicit(&gate->permits[bell], memory_order_relaxed);
    while (permits > 0)
        /* acquire: pairs with the release in bell_wake. */
        if (atomic_compare_exchange_weak_explicit(&gate->permits[bell], &permits, permits - 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

/* Sleeps until a permit comes, or until `deadline` (NULL: for ever) unless a waker has claimed us by then. */
static void bell_sleep(struct ring_gate *gate, enum bell bell, const struct timespec *deadline)
{
    while (!bell_take(gate, bell)) {
        /* FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC; the bits mean "any waker". */
        int rc =
            futex_noasync((int32_t *)&gate->permits[bell], FUTEX_WAIT_BITSET_PRIVATE, 0, deadline, NULL, -1);
        if (rc == 0 || errno != ETIMEDOUT)
            continue;
        if (bell_claim(gate, bell))
            return;      /* took ourselves (or an equal) off the list: nobody owes us a permit */
        deadline = NULL; /* claimed meanwhile: the permit is on its way */
    }
}

/* ------------------------------------------------------------------ gates */

/* Somebody sleeps, or may: wake whom the change that has just been made satisfies. */
void ring_wake(struct ring *ring, bool for_room)
{
    struct ring_gate *gate = for_room ? &ring->room : &ring->items;
    if (ring->flags & RING_FENCED)
        /* seq_cst fence: pairs with the one in gate_sleep. Either we see the sleeper here, or it sees what
         * we have just changed when it looks again after registering; both missing each other is excluded.
         */
        atomic_thread_fence(memory_order_seq_cst);
    uint64_t sleepers = atomic_load_explicit(&gate->sleepers, memory_order_relaxed);
    if (sleepers_of(sleepers, PARK)) {
        if (bell_claim(gate, PARK))
            bell_wake(gate, PARK);
        return;
    }
    if (!sleepers_of(sleepers, NAP))
        return;
    unsigned level = ring_level(ring);
    if (for_room)
        level = ring_capacity(ring) - level;
    if (level >= atomic_load_explicit(&gate->nap_need, memory_order_relaxed) && bell_claim(gate, NAP))
        bell_wake(gate, NAP);
}

static bool ring_ready(const struct ring *ring, const struct ring_gate *gate)
{
    if (ring_is_closed(ring))
        return true;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* Tail may lag, and there may be less room than it says. Then the next push finds that out, moves tail
     * on, and we are asked again. */
    if (gate == &ring->room)
        return (int64_t)(atomic_load_explicit(&ring->tail, memory_order_relaxed) - head) <=
               (int64_t)ring->mask;
    uint64_t cell = atomic_load_explicit(&ring->cells[head & ring->mask], memory_order_relaxed);
    return ring_cell_ahead(cell, head) >= 0; /* ahead: others have popped meanwhile */
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

/* Without a fence a wake-up can be missed; then we look again after this long. */
#define UNFENCED_NS 10000000u

/* Registers with the bell, looks once more, and sleeps if there is still nothing. `deadline_ns` 0: for ever.
 */
static void gate_sleep(const struct ring *ring, struct ring_gate *gate, enum bell bell, uint64_t deadline_ns)
{
    atomic_fetch_add_explicit(&gate->sleepers, ONE_SLEEPER(bell), memory_order_relaxed);
    /* seq_cst fence: pairs with the ones in ring_wake and ring_close; membarrier: with the order of
     * ring_signal's program, and with the fence in ring_close. */
    if (ring->flags & RING_FENCED)
        atomic_thread_fence(memory_order_seq_cst);
    else if (!membarrier_all()) {
        uint64_t soon = clock_ns() + UNFENCED_NS;
        deadline_ns = deadline_ns && deadline_ns < soon ? deadline_ns : soon;
    }
    if (ring_ready(ring, gate) && bell_claim(gate, bell))
        return;
    struct timespec deadline = timespec_of(deadline_ns);
    bell_sleep(gate, bell, deadline_ns ? &deadline : NULL);
}

/* ------------------------------------------------------------------ waiting */

/* How patiently one side of a ring spins and yields: what has not helped is done less, what has helped more.
 * Threads of one side share the figures, and may overwrite each other's: they are only guesses. */
enum { LEAST_SPIN = 7, MOST_PAUSE = 64, LEAST_YIELDS = 2, FIRST_YIELDS = 8, MOST_YIELDS = 16 };
/* A yield that returns sooner has found nobody else who wants this core. Going on with such is spinning that
 * harms nobody; it is limited by time, because a yield takes 160 ns on one machine and 600 on another. */
enum { YIELD_NS = 1500, LEAST_VAIN_NS = 1000, MOST_VAIN_NS = 20000 };
/* A sleep that was shorter than what it costs: it would have been better to go on without. */
enum { SHORT_SLEEP_NS = 50000 };
/* A yield that takes longer has let strangers run, or work that takes its time, such as the model's: a
 * sleeper would have been woken sooner. Then we do without for some time. The same for all yields together:
 * after so long a wake-up costs little beside what was waited for. But where others of the same side have
 * meanwhile passed items so quickly, nobody has waited for us: to be woken for one takes longer. */
enum { LONG_YIELD_NS = 100000, YIELDLESS_WAITS = 64, QUICK_ITEM_NS = 1000 };

static void adapt(_Atomic uint32_t *figure, unsigned now, bool helped, unsigned least, unsigned most)
{
    unsigned next = helped ? 2 * now : now / 2;
    next = next > most ? most : next < least ? least : next;
    if (next != now)
        atomic_store_explicit(figure, next, memory_order_relaxed);
}

/* How many have passed this side of the ring, ever; the producers' count may lag. */
static inline uint64_t passed_by(const struct ring *ring, bool push)
{
    return atomic_load_explicit(push ? &ring->tail : &ring->head, memory_order_relaxed);
}

/* How many items or places are worth waking somebody. */
static inline unsigned gathered(const struct ring *ring, const struct ring_wait *wait)
{
    unsigned most = ring_capacity(ring) / 2;
    return wait->wake_batch < most ? wait->wake_batch : most;
}

/* `push` is a constant wherever this is called. */
static inline __attribute__((always_inline)) bool attempt(struct ring *ring, bool push, uint32_t *item)
{
    if (!push)
        return ring_try_pop(ring, item);
    return !ring_is_closed(ring) && ring_try_push(ring, *item);
}

/* Before the first look for room. Producers are in no hurry, because a full ring is enough work for the other
 * side, and each look takes the line of head away from those who do it. So the pause grows as long as fewer
 * than `need` have passed between two waits. */
static unsigned room_pause(const struct ring *ring, struct ring_gate *gate, uint64_t need)
{
    uint64_t position = passed_by(ring, true);
    uint64_t passed = position - atomic_load_explicit(&gate->waited_at, memory_order_relaxed);
    atomic_store_explicit(&gate->waited_at, position, memory_order_relaxed);
    unsigned pause = atomic_load_explicit(&gate->pause, memory_order_relaxed);
    if (passed < need || passed > 2 * need)
        adapt(&gate->pause, pause, passed < need, 1, MOST_PAUSE);
    return pause;
}

/* Ever longer pauses: looking takes the cache line away from the side that is to change it, and what has
 * gathered meanwhile is had for one transfer of the line. */
static inline __attribute__((always_inline)) bool
gate_spin(struct ring *ring, struct ring_gate *gate, bool push, uint32_t *item, const struct ring_wait *wait)
{
    unsigned most = wait->spin;
    unsigned patience = atomic_load_explicit(&gate->spin, memory_order_relaxed);
    unsigned turns = patience < most ? patience : most;
    /* Consumers may have nothing else to do: they look at once. */
    unsigned pause = push ? room_pause(ring, gate, gathered(ring, wait)) : 1;
    if (pause > turns)
        pause = turns;
    for (unsigned turn = 0; turn < turns; turn += pause, pause *= 2) {
        for (unsigned i = 0; i < pause; i++)
            caa_cpu_relax();
        if (attempt(ring, push, item)) {
            adapt(&gate->spin, turns, true, LEAST_SPIN, most);
            return true;
        }
    }
    adapt(&gate->spin, turns, false, LEAST_SPIN, most);
    return false;
}

static inline bool was_too_long(uint64_t yield_ns, uint64_t passed)
{
    return yield_ns > LONG_YIELD_NS && passed * QUICK_ITEM_NS < yield_ns;
}

/* Lets others have the core, as long as there are others: the one that is waited for may be among them. */
static inline __attribute__((always_inline)) bool gate_yield(struct ring *ring, struct ring_gate *gate,
                                                             bool push, uint32_t *item, unsigned most_spin)
{
    unsigned yieldless = atomic_load_explicit(&gate->yieldless, memory_order_relaxed);
    if (yieldless) {
        atomic_store_explicit(&gate->yieldless, yieldless - 1, memory_order_relaxed);
        return false;
    }
    unsigned turns = atomic_load_explicit(&gate->yields, memory_order_relaxed);
    uint64_t passed = passed_by(ring, push);
    uint64_t before = clock_ns();
    uint64_t end = before + LONG_YIELD_NS;
    unsigned vain_ns = atomic_load_explicit(&gate->vain_ns, memory_order_relaxed);
    uint64_t vain = 0;
    for (unsigned turn = 0; turn < turns && vain < vain_ns && before < end;) {
        (void)sched_yield();
        uint64_t after = clock_ns();
        bool quick = after - before < YIELD_NS;
        if (was_too_long(after - before, passed_by(ring, push) - passed))
            atomic_store_explicit(&gate->yieldless, YIELDLESS_WAITS, memory_order_relaxed);
        vain = quick ? vain + (after - before) : 0;
        turn += !quick;
        before = after;
        if (!attempt(ring, push, item))
            continue;
        if (quick) /* the other side runs on a core of its own: spinning a little longer would have done */
            adapt(&gate->spin, most_spin, true, LEAST_SPIN, most_spin);
        else
            adapt(&gate->yields, turns, true, LEAST_YIELDS, MOST_YIELDS);
        return true;
    }
    if (vain >= vain_ns)
        adapt(&gate->vain_ns, vain_ns, false, LEAST_VAIN_NS, MOST_VAIN_NS);
    else
        adapt(&gate->yields, turns, false, LEAST_YIELDS, MOST_YIELDS);
    return false;
}

/* Yields that are done less and less, because they do not help while the other side sleeps as well, would
 * never be done more again: two ends would go on waking each other for ever. */
static void more_patience(struct ring_gate *gate)
{
    adapt(&gate->vain_ns, atomic_load_explicit(&gate->vain_ns, memory_order_relaxed), true, LEAST_VAIN_NS,
          MOST_VAIN_NS);
    adapt(&gate->yields, atomic_load_explicit(&gate->yields, memory_order_relaxed), true, LEAST_YIELDS,
          MOST_YIELDS);
}

/* Nap, and park if the nap brought nothing. */
static void gate_rest(const struct ring *ring, struct ring_gate *gate, const struct ring_wait *wait)
{
    unsigned need = gathered(ring, wait);
    if (need > 1) {
        atomic_store_explicit(&gate->nap_need, need, memory_order_relaxed);
        uint64_t end = clock_ns() + wait->nap_ns;
        bool gives_up = wait->deadline_ns && wait->deadline_ns <= end;
        gate_sleep(ring, gate, NAP, gives_up ? wait->deadline_ns : end);
        if (gives_up || ring_ready(ring, gate))
            return;
    }
    gate_sleep(ring, gate, PARK, wait->deadline_ns);
}

static bool is_over(const struct ring_wait *wait)
{
    return wait->deadline_ns && clock_ns() >= wait->deadline_ns;
}

/* After a first attempt that has failed: waits and tries until it succeeds or there is a reason not to. */
static inline __attribute__((always_inline)) int keep_trying(struct ring *ring, struct ring_gate *gate,
                                                             bool push, uint32_t *item,
                                                             const struct ring_wait *wait)
{
    for (;;) {
        if (wait->spin &&
            (gate_spin(ring, gate, push, item, wait) || gate_yield(ring, gate, push, item, wait->spin)))
            return 0;
        /* Read before the attempt: items pushed before the close must still be found. */
        bool closed = ring_is_closed(ring);
        if (attempt(ring, push, item))
            return 0;
        if (closed)
            return AISPIPE_CLOSED;
        if (is_over(wait))
            return AISPIPE_TIMEOUT;
        uint64_t begin = clock_ns();
        gate_rest(ring, gate, wait);
        if (wait->spin && clock_ns() - begin < SHORT_SLEEP_NS)
            more_patience(gate);
    }
}

int ring_keep_pushing(struct ring *ring, uint32_t item, const struct ring_wait *wait)
{
    return keep_trying(ring, &ring->room, true, &item, wait);
}

int ring_keep_popping(struct ring *ring, uint32_t *item, const struct ring_wait *wait)
{
    return keep_trying(ring, &ring->items, false, item, wait);
}

/* ------------------------------------------------------------------ create, close, look */

static void gate_init(struct ring_gate *gate, bool always_look)
{
    atomic_init(&gate->sleepers, always_look ? ALWAYS_LOOK : 0);
    atomic_init(&gate->permits[NAP], 0);
    atomic_init(&gate->permits[PARK], 0);
    atomic_init(&gate->nap_need, 0);
    atomic_init(&gate->spin, UINT32_MAX);
    atomic_init(&gate->pause, 1);
    atomic_init(&gate->waited_at, 0);
    atomic_init(&gate->yields, FIRST_YIELDS);
    atomic_init(&gate->vain_ns, MOST_VAIN_NS);
    atomic_init(&gate->yieldless, 0);
}

static void ring_init(struct ring *ring, uint64_t capacity, unsigned flags)
{
    if (!(flags & RING_FENCED) && !membarrier_register())
        flags |= RING_FENCED;
    ring->mask = capacity - 1;
    ring->flags = flags;
    atomic_init(&ring->closed, false);
    for (uint64_t i = 0; i < capacity; i++)
        atomic_init(&ring->cells[i], 0); /* position 0, which is before the first */
    atomic_init(&ring->tail, capacity);
    atomic_init(&ring->head, capacity);
    atomic_init(&ring->limit, 2 * capacity);
    bool fenced = flags & RING_FENCED;
    gate_init(&ring->items, fenced);
    gate_init(&ring->room, fenced && !(flags & RING_NEVER_FULL));
}

struct ring *ring_create(unsigned capacity, unsigned flags)
{
    if (capacity > RING_MAX_ITEMS)
        return NULL;
    unsigned shift = 0;
    while (1u << shift < capacity)
        shift++;
    size_t bytes = sizeof(struct ring) + (sizeof(uint64_t) << shift);
    bytes = (bytes + RING_CACHE_LINE - 1) / RING_CACHE_LINE * RING_CACHE_LINE; /* what aligned_alloc wants */
    struct ring *ring = aligned_alloc(RING_CACHE_LINE, bytes);
    if (!ring)
        return NULL;
    ring_init(ring, (uint64_t)1 << shift, flags);
    return ring;
}

void ring_free(struct ring *ring)
{
    free(ring);
}

static void gate_wake_all(struct ring_gate *gate)
{
    while (bell_claim(gate, PARK))
        bell_wake(gate, PARK);
    while (bell_claim(gate, NAP))
        bell_wake(gate, NAP);
}

void ring_close(struct ring *ring)
{
    /* release: pairs with the acquire in ring_is_closed, so that whoever sees the end sees all pushes of the
     * closing thread; the seq_cst fence pairs with the one in gate_sleep, as in ring_wake. */
    atomic_store_explicit(&ring->closed, true, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    gate_wake_all(&ring->items);
    gate_wake_all(&ring->room);
}

unsigned ring_capacity(const struct ring *ring)
{
    return (unsigned)ring->mask + 1;
}

unsigned ring_level(const struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail <= head)
        return 0;
    uint64_t level = tail - head;
    return level > ring->mask + 1 ? ring_capacity(ring) : (unsigned)level;
}
