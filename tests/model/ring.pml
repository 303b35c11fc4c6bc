/* SPDX-License-Identifier: MIT */
/*
 * The ring's protocol (src/ring.c) for the model checker Spin: every interleaving of PRODUCERS and CONSUMERS that
 * push and pop EACH items a producer through CAP cells, sleep on the two bells of each gate, and are woken and
 * closed. Each memory access of the C code is one step here; compare-and-swap is one atomic step.
 *
 * Shown: no item is lost, doubled or invented; the items of one producer leave in order when there is one consumer;
 * nobody sleeps for ever (a lost wake-up would be an invalid end state).
 *
 * Not shown: what weaker memory orders allow. Spin's memory is sequentially consistent; the comments in
 * ring.c say, order by order, why the weaker ones are enough, and ThreadSanitizer watches the unit test.
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

byte turn[CAP];
byte cell[CAP];
byte index[2]; /* tail and head: hints */
byte sleepers[4];
byte permits[4];
bool closed;
byte taken[ITEMS];
byte producers_left = PRODUCERS;

#define LEVEL (index[PUSH] > index[POP] -> index[PUSH] - index[POP] : 0)

/* One compare-and-swap that moves a lagging hint on. */
inline help_along(side, position)
{
    atomic {
        if
        :: index[side] == position -> index[side] = position + 1
        :: else -> skip
        fi
    }
}

/* ring_step: `alone` is a constant. Result in ok, the item in value. */
inline ring_step(side, alone)
{
    do
    :: true ->
        position = index[side];
        atomic { seen_turn = turn[position % CAP]; seen_item = cell[position % CAP] }
        if
        :: seen_turn == 2 * (position / CAP) + side ->
            atomic {
                if
                :: alone || (turn[position % CAP] == seen_turn && cell[position % CAP] == seen_item) ->
                    assert(turn[position % CAP] == seen_turn); /* nobody else steps here, with `alone` */
                    turn[position % CAP] = seen_turn + 1;
                    if
                    :: side == PUSH -> cell[position % CAP] = value
                    :: else -> cell[position % CAP] = 0
                    fi;
                    ok = true
                :: else -> ok = false
                fi
            }
            if
            :: ok ->
                if
                :: alone -> index[side] = position + 1
                :: else -> help_along(side, position)
                fi;
                if
                :: side == POP -> value = seen_item
                :: else -> skip
                fi;
                break
            :: else -> skip
            fi
        :: seen_turn < 2 * (position / CAP) + side ->
            if
            :: index[side] == position -> ok = false; break
            :: else -> skip
            fi
        :: else -> help_along(side, position)
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

/* ring_signal for the side that waits at `gate`. */
inline ring_signal(gate)
{
    if
    :: sleepers[PARK(gate)] > 0 ->
        bell_claim(PARK(gate));
        if
        :: claimed -> permits[PARK(gate)]++
        :: else -> skip
        fi
    :: else ->
        if
        :: sleepers[NAP(gate)] > 0 ->
            level = LEVEL;
            if
            :: gate == PUSH -> level = CAP - level
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
    fi
}

inline ring_ready(gate)
{
    if
    :: closed -> ready = true
    :: else ->
        level = LEVEL;
        if
        :: gate == PUSH -> ready = level < CAP
        :: else -> ready = level > 0
        fi
    fi
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
    ring_ready(gate);
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
    :: else -> gate_sleep(gate, PARK(gate), false)
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
    byte position, seen_turn, seen_item, value, seen, level, i;
    bool ok, claimed, ready, timed;
    for (i : 0 .. EACH - 1) {
        do
        :: true ->
            value = first + i;
            ring_step(PUSH, ALONE_PUSHING);
            if
            :: ok -> ring_signal(POP); break
            :: else -> gate_wait(PUSH)
            fi
        od
    }
    atomic { producers_left-- }
}

proctype consumer()
{
    byte position, seen_turn, seen_item, value, seen, level;
    byte last[PRODUCERS];
    bool ok, claimed, ready, timed, was_closed;
    do
    :: true ->
        was_closed = closed;
        ring_step(POP, ALONE_POPPING);
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
        :: else -> gate_wait(POP)
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
