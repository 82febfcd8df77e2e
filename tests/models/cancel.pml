/* SPDX-License-Identifier: MIT
 *
 * Cancel against completion, as runtime/op.c has it: one word per slot holds generation, state and
 * the bits CANCEL and LINKED; a canceller sets bits by an exchange and links the slot's node, the
 * loop claims by an exchange, finishes, releases, and gives the slot to the next operation, but
 * not before the node is off the stack.
 *
 * Proved, for OPS operations in one slot and two cancellers, each of any of them: every operation
 * completes at most once, and exactly once when it was cancelled in time or the peer reads; WON
 * means that it was never started; who was told WON or PENDING is told of in the completion; who
 * was told LATE was too late; the node is on the stack at most once.
 *
 * Planted bugs, each of which must be refuted:
 *   NO_GENERATION      a canceller looks at the state only: an old handle cancels the next one
 *   CHECK_THEN_SET     a canceller loads and stores
 *   BLIND_CLAIM        the loop loads and stores
 *   NO_LOOK            an operation that arrives does not look whether it was cancelled in its lane
 *   NO_LINK            cancelling what is parked does not link the node
 *   EARLY_REUSE        the slot is used again while the node is on the stack
 */
#ifndef OPS
#define OPS 2
#endif

#define FREE 0
#define QUEUED 1
#define TX 3
#define DONE 7
#define STATE 7
#define CANCEL 8
#define LINKED 16

#define OK 1
#define CANCELED 2

#define WON 1
#define PENDING 2
#define LATE 3

byte generation = 1, word;          /* one word in the library: changed together here too */
byte on_stack;                      /* how often the node is */
byte opened;                        /* operations that have a handle */
bool arrived, in_lane, parked, waiting, peer_reads;

byte completions[OPS + 1], status[OPS + 1];
bool started[OPS + 1], told[OPS + 1];
byte answered[OPS + 1];             /* the best answer a canceller of it got */

inline complete(op, how)
{
    /* finish: fix the outcome, and see whether a cancel had come */
    atomic { told[op] = (word & CANCEL) != 0; word = word | DONE };
    completions[op]++;
    assert(completions[op] == 1);
    status[op] = how;
    /* release: the handle is stale from here */
    atomic {
        waiting = (word & LINKED) != 0;
        word = FREE;
        generation++;
        arrived = false
    };
#ifdef EARLY_REUSE
    waiting = false
#endif
}

proctype submitter()
{
    byte op;

    do
    :: op == OPS -> break
    :: else ->
        atomic { word == FREE && generation == op + 1 && !waiting && !in_lane ->
                 op++; word = QUEUED; opened = op; in_lane = true }
    od
}

proctype canceller()
{
    byte op, seen, is_of;

    if
    :: opened >= 1 -> op = 1
    :: opened >= 2 -> op = 2
    fi;
retry:
    atomic { seen = word; is_of = generation };
#ifndef NO_GENERATION
    if
    :: is_of != op -> goto late
    :: else -> skip
    fi;
#endif
    if
    :: (seen & STATE) == DONE || (seen & STATE) == FREE -> goto late
    :: else -> skip
    fi;
    if
    :: seen & CANCEL -> atomic { if :: answered[op] == 0 -> answered[op] = PENDING
                                    :: else -> skip fi };
        goto gone
    :: else -> skip
    fi;
#ifdef CHECK_THEN_SET
    word = seen | CANCEL | LINKED;
#else
    if
    :: atomic { word == seen && generation == is_of -> word = seen | CANCEL | LINKED }
    :: atomic { word != seen || generation != is_of -> goto retry }
    fi;
#endif
    atomic {
        if
        :: (seen & STATE) == QUEUED -> answered[op] = WON
        :: else -> answered[op] = PENDING
        fi
    };
#ifdef NO_LINK
    if
    :: (seen & STATE) == TX -> atomic { word = word & (255 - LINKED) }; goto gone
    :: else -> skip
    fi;
#endif
    if
    :: seen & LINKED -> skip
    :: else -> atomic { on_stack++; assert(on_stack == 1) }
    fi;
    goto gone;
late:
    atomic {
        if
        :: answered[op] == 0 -> answered[op] = LATE
        :: else -> skip
        fi
    };
gone:
    skip
}

proctype loop_thread()
{
    byte op = 1;

end_wait:
    do
    :: atomic { on_stack != 0 -> on_stack-- };
        if
        :: waiting -> waiting = false
        :: else ->
            atomic { word = word & (255 - LINKED) };
            if
            :: arrived && (word & CANCEL) ->
                parked = false;
                complete(op, CANCELED);
                op++
            :: else -> skip
            fi
        fi
    :: atomic { in_lane -> in_lane = false };
        arrived = true;
#ifndef NO_LOOK
        if
        :: word & CANCEL -> complete(op, CANCELED); op++; goto end_wait
        :: else -> skip
        fi;
#endif
        if                      /* claimed in this turn, or in one that comes behind a cancel's */
        :: goto claim
        :: on_stack != 0 -> skip
        fi
    :: parked && peer_reads -> parked = false; complete(op, OK); op++
    od;
claim:
#ifdef BLIND_CLAIM
    if
    :: word & CANCEL -> goto end_wait
    :: else -> word = TX
    fi;
#else
    if
    :: atomic { !(word & CANCEL) -> word = word | TX }
    :: atomic { word & CANCEL -> goto refused }
    fi;
#endif
    started[op] = true;
    if
    :: complete(op, OK); op++
    :: parked = true            /* the kernel takes nothing now */
    fi;
    goto end_wait;
refused:
#ifdef NO_LOOK
    goto end_wait;
#else
    complete(op, CANCELED); op++;
    goto end_wait
#endif
}

proctype monitor()
{
    byte op;

    timeout;                    /* nobody else can move */
    for (op : 1 .. opened) {
        assert(completions[op] == 1 || (answered[op] == 0 && !peer_reads));
        assert(answered[op] != WON || (status[op] == CANCELED && !started[op]));
        assert(!(answered[op] == WON || answered[op] == PENDING) || told[op]);
        assert(status[op] != CANCELED || answered[op] == WON || answered[op] == PENDING)
    }
}

init
{
    atomic {
        if
        :: peer_reads = true
        :: peer_reads = false
        fi;
        run submitter(); run loop_thread(); run canceller(); run canceller(); run monitor()
    }
}
