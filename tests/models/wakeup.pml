/* SPDX-License-Identifier: MIT
 *
 * The wake-up of a loop, as runtime/loop.c has it: producers push, fence, look at `parked`; the
 * loop announces a sleep, fences, looks at what was pushed. Stores wait in a buffer per thread, as
 * on x86-64; read-modify-writes and fences empty it. Each sleep has a number; `parked` holds it,
 * and whether a producer has seen it; the producer writes the eventfd first and clears the word
 * behind it, by an exchange that fails when the sleep is another one.
 *
 * Proved: the loop never sleeps while something is pushed, with any number of producers stopped
 * anywhere in between; no more wake-ups are counted than sleeps.
 *
 * Planted bugs, each of which must be refuted:
 *   NO_PRODUCER_FENCE   a producer looks at `parked` with its push still on the way
 *   NO_LOOP_FENCE       the loop looks at the stack with its announcement still on the way
 *   LOOK_FIRST          the loop looks, then announces, and does not look again
 *   CLEAR_FIRST         the word is cleared before the eventfd is written, and the producer that
 *                       has done the one may stop for ever before the other
 *   NO_NUMBER           sleeps have no number: a late producer clears the next sleep's word
 *
 * The library's push is itself a read-modify-write. The model stores instead, so that the fence
 * has to do its work alone.
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#define SEEN 1

byte pushed[PRODUCERS];             /* by each, as all see it */
byte taken[PRODUCERS];              /* by the loop */
byte parked;                        /* 2 * number + SEEN, or 0 */
byte eventfd;
byte wakes, sleeps;
bool stopped[PRODUCERS];            /* for ever */

/* One store of each thread on its way at most: each is followed by a fence, or by its bug. */
bool push_waits[PRODUCERS];
byte push_value[PRODUCERS];
bool park_waits;
byte park_value;

#define WORK (pushed[0] != taken[0] || pushed[1] != taken[1])

active proctype store_buffers()
{
end:
    do
    :: atomic { push_waits[0] -> pushed[0] = push_value[0]; push_waits[0] = false }
    :: atomic { push_waits[1] -> pushed[1] = push_value[1]; push_waits[1] = false }
    :: atomic { park_waits -> parked = park_value; park_waits = false }
    od
}

proctype producer(byte me)
{
    byte sleep, i;

    do
    :: i == PUSHES -> break
    :: else ->
        atomic { !push_waits[me]; push_value[me] = i + 1; push_waits[me] = true };
        i++;
#ifndef NO_PRODUCER_FENCE
        !push_waits[me];
#endif
        sleep = parked;
        if
        :: sleep == 0 -> goto awake
        :: else -> skip
        fi;
        if
        :: sleep & SEEN -> skip
        :: else ->
            if
            :: atomic { !push_waits[me] && parked == sleep -> parked = sleep | SEEN; wakes++ };
                sleep = sleep | SEEN
            :: atomic { !push_waits[me] && parked == (sleep | SEEN) -> sleep = sleep | SEEN }
            :: atomic { !push_waits[me] && parked != sleep && parked != (sleep | SEEN) ->
                        goto awake }
            fi
        fi;
#ifdef CLEAR_FIRST
        atomic { if :: parked == sleep -> parked = 0 :: else -> skip fi };
        if
        :: stopped[me] = true; goto gone
        :: eventfd = 1
        fi;
#else
        if
        :: stopped[me] = true; goto gone       /* others must not rest on it */
        :: eventfd = 1
        fi;
#ifdef NO_NUMBER
        parked = 0;
#else
        atomic { if :: parked == sleep -> parked = 0 :: else -> skip fi };
#endif
#endif
awake:  sleep = 0
    od;
gone:
    skip
}

active proctype loop_thread()
{
    byte number;

    do
    :: true ->
        /* the turn: take all */
        atomic { taken[0] = pushed[0]; taken[1] = pushed[1] };
        if
        :: taken[0] == PUSHES && taken[1] == PUSHES -> break
        :: else -> skip
        fi;
        if
        :: WORK -> skip
        :: !WORK ->
            number++;
            atomic { !park_waits; park_value = number * 2; park_waits = true };
#ifndef NO_LOOP_FENCE
            !park_waits;
#endif
#ifndef LOOK_FIRST
            if
            :: WORK ->
                atomic { !park_waits;
                         if :: parked == 0 || (parked & SEEN) -> sleeps++ :: else -> skip fi;
                         parked = 0 };
                goto turned
            :: !WORK -> skip
            fi;
#endif
            sleeps++;
asleep:     eventfd == 1;
            eventfd = 0;
            atomic { !park_waits; parked = 0 };
turned:     skip
        fi
    od
}

/* When nobody can move: all that was pushed has been taken, unless the only one that would have
 * woken the loop for it stopped before it wrote the eventfd. */
active proctype monitor()
{
    timeout;
    assert(wakes <= sleeps);
    assert(!WORK || stopped[0] || stopped[1]);
    /* A producer that is stopped holds up nobody who comes behind it and finishes. */
    assert(!(stopped[0] && !stopped[1] && pushed[1] != taken[1]));
    assert(!(stopped[1] && !stopped[0] && pushed[0] != taken[0]))
}

init
{
    atomic { run producer(0); run producer(1) }
}
