/* SPDX-License-Identifier: MIT */
/*
 * The ring's protocol (src/ring.c) for the model checker Spin: every interleaving of PRODUCERS and CONSUMERS that
 * push and pop EACH items a producer through CAP cells, sleep on the two bells of each gate, and are woken and
 * closed. Each memory access of the C code is one step here; compare-and-swap is one atomic step.
 *
 * What weak memory does to those who wake is modelled, too: without a fence, the look at who sleeps may happen before
 * the change that would wake him. Here it happens before (`early`), and its result counts as long as no membarrier has
 * come in between (`barrier`). -DFENCED has the fences of RING_FENCED instead.
 *
 * Shown: no item is lost, doubled or invented; the items of one producer leave in order when there is one consumer;
 * nobody sleeps for ever (a lost wake-up would be an invalid end state).
 *
 * Not shown: what the other weak memory orders allow. Spin's memory is sequentially consistent; the comments in
 * ring.h and ring.c say, order by order, why the weaker ones are enough, and ThreadSanitizer watches the unit test.
 *
 * -DNO_BARRIER takes the membarrier away (with -DFENCED: the fences), -DNO_SECOND_LOOK the look after registering.
 * Each must make the check fail: tests/model/check tries.
 *
 * Run by tests/model/check. -DALONE_PUSH and -DALONE_POP choose the plain stores of RING_ONE_PRODUCER and
 * RING_ONE_CONSUMER; -DLIMITED lets the sleep of those who park end by time, too, whenever it likes (deadline_ns).
 */
#ifndef CAP
#define CAP 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef EACH
#define EACH 1
#endif
#ifndef NEED
#define NEED 2 /* items that a napping side waits for */
#endif
#define ITEMS (PRODUCERS * EACH)

#define PUSH 0
#define POP 1

/* Gate g (PUSH's side waits for room, POP's for items) has two bells. */
#define NAP(g) (2 * (g))
#define PARK(g) (2 * (g) + 1)

byte place[CAP]; /* the position that was pushed to this cell last */
byte cell[CAP];
byte tail = CAP; /* a hint, never beyond the first position that is free */
byte head = CAP;
byte limit = 2 * CAP; /* what producers know of head + CAP */
byte sleepers[4];
byte permits[4];
bool closed;
byte taken[ITEMS];
byte producers_left = PRODUCERS;
bool barrier[PRODUCERS + CONSUMERS + 3]; /* by _pid: a membarrier has come since the early look */

#define LEVEL (tail > head -> tail - head : 0)
#define SOMEBODY(gate) (sleepers[NAP(gate)] > 0 || sleepers[PARK(gate)] > 0)

/* The load of `sleepers` that comes after a change in the program, and may come before it in memory. */
inline look_early(gate)
{
    atomic { early = SOMEBODY(gate); barrier[_pid] = false }
}

/* ring_is_full for `position`, in `no_room`. */
inline is_full()
{
    if
    :: limit > position -> no_room = false
    :: else ->
        seen = head + CAP;
        limit = seen;
        no_room = seen <= position
    fi
}

/* ring_try_push of `value`, but for the signal; `alone` is a constant. Result in ok. */
inline push_step(alone)
{
    position = tail;
    do
    :: true ->
        is_full();
        look_early(POP);
        if
        :: no_room ->
            if
            :: tail != position -> tail = position /* or who waits for room would never sleep */
            :: else -> skip
            fi;
            ok = false; break
        :: !no_room && alone ->
            assert(place[position % CAP] < position); /* nobody else pushes */
            atomic { place[position % CAP] = position; cell[position % CAP] = value };
            tail = position + 1;
            ok = true; break
        :: !no_room && !alone ->
            atomic { seen_place = place[position % CAP]; seen_item = cell[position % CAP] };
            if
            :: seen_place >= position -> position = seen_place + 1
            :: else ->
                atomic {
                    if
                    :: place[position % CAP] == seen_place && cell[position % CAP] == seen_item ->
                        place[position % CAP] = position;
                        cell[position % CAP] = value;
                        ok = true
                    :: else -> ok = false
                    fi
                }
                if
                :: ok -> tail = position + 1; break
                :: else -> skip
                fi
            fi
        fi
    od
}

/* ring_try_pop, but for the signal. Result in ok, the item in value. */
inline pop_step(alone)
{
    position = head;
    do
    :: true ->
        look_early(PUSH);
        atomic { seen_place = place[position % CAP]; value = cell[position % CAP] };
        if
        :: seen_place < position -> ok = false; break
        :: seen_place > position ->
            assert(!alone);
            position = head
        :: seen_place == position && alone -> head = position + 1; ok = true; break
        :: seen_place == position && !alone ->
            atomic {
                if
                :: head == position -> head = position + 1; ok = true
                :: else -> position = head; ok = false
                fi
            }
            if
            :: ok -> break
            :: else -> skip
            fi
        fi
    od
}

inline bell_claim(bell)
{
    do
    :: true ->
        seen = sleepers[bell];
        if
        :: seen == 0 -> claimed = false; break
        :: else ->
            atomic {
                if
                :: sleepers[bell] == seen -> sleepers[bell] = seen - 1; claimed = true
                :: else -> claimed = false
                fi
            }
            if
            :: claimed -> break
            :: else -> skip
            fi
        fi
    od
}

/* ring_signal and ring_wake, for the side that waits at `gate`. */
inline ring_signal(gate)
{
#if !defined(FENCED) || defined(NO_BARRIER)
    if
    :: true -> early = SOMEBODY(gate)
    :: !barrier[_pid] -> skip /* the early look it is */
    fi;
#else
    early = true; /* RING_FENCED: always looks, after the fence */
#endif
    if
    :: early ->
        atomic { seen = sleepers[PARK(gate)]; ready = sleepers[NAP(gate)] > 0 };
        if
        :: seen > 0 ->
            bell_claim(PARK(gate));
            if
            :: claimed -> permits[PARK(gate)]++
            :: else -> skip
            fi
        :: seen == 0 && ready ->
            level = LEVEL;
            if
            :: gate == PUSH -> level = (level < CAP -> CAP - level : 0)
            :: else -> skip
            fi;
            if
            :: level >= NEED ->
                bell_claim(NAP(gate));
                if
                :: claimed -> permits[NAP(gate)]++
                :: else -> skip
                fi
            :: else -> skip
            fi
        :: else -> skip
        fi
    :: else -> skip
    fi
}

inline ring_ready(gate)
{
    if
    :: closed -> ready = true
    :: else ->
        position = head;
        if
        :: gate == PUSH -> ready = tail < position + CAP
        :: else -> ready = place[position % CAP] >= position
        fi
    fi
}

/* The kernel comes to one thread after the other. */
inline membarrier()
{
#if !defined(FENCED) && !defined(NO_BARRIER)
    for (seen : 1 .. PRODUCERS + CONSUMERS + 1) {
        barrier[seen] = true
    }
#else
    skip
#endif
}

/* bell_sleep: a timed sleep may end at any moment. */
inline bell_sleep(bell, is_timed)
{
    timed = is_timed;
    do
    :: atomic { permits[bell] > 0 -> permits[bell]-- }; break
    :: timed ->
        bell_claim(bell);
        if
        :: claimed -> break
        :: else -> timed = false /* somebody has claimed us: the permit is on its way */
        fi
    od
}

inline gate_sleep(gate, bell, is_timed)
{
    atomic { sleepers[bell]++ }
    membarrier();
#ifndef NO_SECOND_LOOK
    ring_ready(gate);
#else
    ready = false;
#endif
    claimed = false;
    if
    :: ready -> bell_claim(bell)
    :: else -> skip
    fi;
    if
    :: claimed -> skip
    :: else -> bell_sleep(bell, is_timed)
    fi
}

inline gate_wait(gate)
{
    gate_sleep(gate, NAP(gate), true);
    ring_ready(gate);
    if
    :: ready -> skip
    :: !ready -> gate_sleep(gate, PARK(gate), false)
#ifdef LIMITED /* a caller that gives up after some time, and comes back */
    :: !ready -> gate_sleep(gate, PARK(gate), true)
#endif
    fi
}

inline gate_wake_all(gate)
{
    do
    :: true ->
        bell_claim(PARK(gate));
        if
        :: claimed -> permits[PARK(gate)]++
        :: else -> break
        fi
    od;
    do
    :: true ->
        bell_claim(NAP(gate));
        if
        :: claimed -> permits[NAP(gate)]++
        :: else -> break
        fi
    od
}

#ifdef ALONE_PUSH
#define ALONE_PUSHING true
#else
#define ALONE_PUSHING false
#endif
#ifdef ALONE_POP
#define ALONE_POPPING true
#else
#define ALONE_POPPING false
#endif

proctype producer(byte first)
{
    byte position, seen_place, seen_item, value, seen, level, i;
    bool ok, claimed, ready, timed, early, no_room;
    for (i : 0 .. EACH - 1) {
        do
        :: true ->
            value = first + i;
            push_step(ALONE_PUSHING);
            if
            :: ok -> ring_signal(POP); break
            :: !ok -> gate_wait(PUSH)
            :: !ok -> skip /* spun or yielded */
            fi
        od
    }
    atomic { producers_left-- }
}

proctype consumer()
{
    byte position, seen_place, value, seen, level;
    byte last[PRODUCERS];
    bool ok, claimed, ready, timed, was_closed, early;
    do
    :: true ->
        was_closed = closed;
        pop_step(ALONE_POPPING);
        if
        :: ok ->
            atomic {
                assert(value < ITEMS);
                taken[value]++;
                assert(taken[value] == 1);
#if CONSUMERS == 1
                assert(last[value / EACH] <= value % EACH);
                last[value / EACH] = value % EACH + 1;
#endif
            }
            ring_signal(PUSH)
        :: was_closed && !ok -> break
        :: !was_closed && !ok -> gate_wait(POP)
        :: !was_closed && !ok -> skip /* spun or yielded */
        fi
    od
}

proctype closer()
{
    byte seen, i;
    bool claimed;
    producers_left == 0;
    closed = true;
    gate_wake_all(POP);
    gate_wake_all(PUSH)
}

init
{
    byte i;
    atomic {
        for (i : 0 .. PRODUCERS - 1) {
            run producer(i * EACH)
        }
        for (i : 0 .. CONSUMERS - 1) {
            run consumer()
        }
        run closer()
    }
    _nr_pr == 1; /* everybody has ended */
    for (i : 0 .. ITEMS - 1) {
        assert(taken[i] == 1)
    }
}
