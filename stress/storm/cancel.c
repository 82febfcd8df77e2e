/* SPDX-License-Identifier: MIT */
#include "cancel.h"

#include "verdict.h"

#include <errno.h>
#include <time.h>

#define TOKEN_USES      24u
#define DEADLINE_MAX_NS 3000000u
#define DEADLINE_FAR    100u // times as long, for one of four: it passes when the write has begun
#define STRANGER_NAP_NS 100000

static void
count_answer(struct counters *counters, int answer)
{
    switch (answer) {
    case WEIR_CANCEL_WON:
        counter_add(counters, COUNT_CANCEL_WON, 1);
        break;
    case WEIR_CANCEL_PENDING:
        counter_add(counters, COUNT_CANCEL_PENDING, 1);
        break;
    case WEIR_CANCEL_LATE:
        counter_add(counters, COUNT_CANCEL_LATE, 1);
        break;
    default:
        storm_broke("a cancel answered %d", answer);
        break;
    }
}

static void
make_token(struct canceller *canceller)
{
    int status = weir_token_create(canceller->storm->runtime, canceller->root, &canceller->token);

    if (status != 0) {
        storm_broke("no token: %s", weir_strerror(status));
    }
    canceller->token_uses = 0;
}

static void
make_root(struct canceller *canceller)
{
    int status = weir_token_create(canceller->storm->runtime, (weir_token){0}, &canceller->root);

    if (status != 0) {
        storm_broke("no token: %s", weir_strerror(status));
    }
}

void
canceller_init(struct canceller *canceller, struct storm *storm, struct counters *counters,
               uint64_t stream)
{
    *canceller = (struct canceller){.storm = storm, .counters = counters};
    random_init(&canceller->random, storm->options->seed, stream);
    make_root(canceller);
    make_token(canceller);
}

void
canceller_fini(struct canceller *canceller)
{
    weir_token_free(canceller->token);
    weir_token_free(canceller->root);
}

enum cancel_plan
cancel_choose(struct canceller *canceller, struct message *message)
{
    if (!random_chance(&canceller->random, canceller->storm->options->cancel_rate)) {
        message->may_be_cancelled = false;
        return CANCEL_NONE;
    }
    enum cancel_plan plan =
        (enum cancel_plan)(CANCEL_NOW + random_below(&canceller->random, CANCEL_STRANGER));
    message->may_be_cancelled = true;
    if (plan == CANCEL_TOKEN) {
        message->token = canceller->token;
    } else if (plan == CANCEL_DEADLINE) {
        uint64_t delay = random_below(&canceller->random, DEADLINE_MAX_NS);

        delay *= random_below(&canceller->random, 4) == 0 ? DEADLINE_FAR : 1;
        message->deadline_ns = weir_deadline_after(delay);
    }
    return plan;
}

// The token has been used often enough: fire it, or its parent, and take a new one.
static void
fire(struct canceller *canceller)
{
    bool is_root = random_below(&canceller->random, 16) == 0;
    int reason = random_below(&canceller->random, 2) == 0 ? 0 : -EINTR;
    int status = weir_token_fire(is_root ? canceller->root : canceller->token, reason, 0);

    if (status != 0) {
        storm_broke("firing a token answered %s", weir_strerror(status));
    }
    if (weir_token_status(canceller->token) != (reason == 0 ? -ECANCELED : reason)) {
        storm_broke("a token that was fired says %s",
                    weir_strerror(weir_token_status(canceller->token)));
    }
    weir_token_free(canceller->token);
    if (is_root) {
        weir_token_free(canceller->root);
        make_root(canceller);
    }
    make_token(canceller);
}

static void
cancel_now(struct canceller *canceller, struct message *message)
{
    message->answer = weir_cancel(message->op);
    count_answer(canceller->counters, message->answer);
}

static void
schedule(struct canceller *canceller, struct message *message)
{
    struct cancel_later *later = &canceller->later[random_below(&canceller->random, CANCEL_LATER)];

    if (later->message != NULL) {
        cancel_now(canceller, message);
        return;
    }
    later->message = message;
    later->op = message->op;
    later->step = canceller->step + 1 + random_below(&canceller->random, 2 * CANCEL_LATER);
}

void
cancel_begin(struct canceller *canceller, struct message *message, enum cancel_plan plan)
{
    switch (plan) {
    case CANCEL_NOW:
        cancel_now(canceller, message);
        break;
    case CANCEL_SOON:
        schedule(canceller, message);
        break;
    case CANCEL_TOKEN:
        counter_add(canceller->counters, COUNT_CANCEL_TOKEN, 1);
        if (++canceller->token_uses >= TOKEN_USES) {
            fire(canceller);
        }
        break;
    case CANCEL_STRANGER:
        atomic_store(&canceller->storm->strangers[random_below(&canceller->random, STRANGERS)],
                     message->op.bits);
        break;
    case CANCEL_DEADLINE:
        counter_add(canceller->counters, COUNT_CANCEL_DEADLINE, 1);
        break;
    case CANCEL_NONE:
        break;
    }
}

void
cancel_due(struct canceller *canceller)
{
    struct cancel_later *later = &canceller->later[canceller->step++ % CANCEL_LATER];

    if (later->message == NULL || later->step > canceller->step) {
        return;
    }
    struct message *message = later->message;
    int answer = weir_cancel(later->op);
    later->message = NULL;
    count_answer(canceller->counters, answer);
    if (message->is_in_flight && message->op.bits == later->op.bits) {
        message->answer = answer;
    } else if (answer != WEIR_CANCEL_LATE) {
        storm_broke("cancelling a write that has completed answered %d", answer);
    }
}

void *
cancel_strangers_run(void *arg)
{
    struct storm *storm = arg;
    const struct timespec nap = {.tv_nsec = STRANGER_NAP_NS};
    struct counters *counters = &storm->loops[storm->loop_count].counters; // a row of its own
    unsigned at = 0;

    while (!atomic_load(&storm->is_ending)) {
        for (unsigned i = 0; i < STRANGERS / 16; i++) {
            weir_op op = {atomic_exchange(&storm->strangers[at++ % STRANGERS], 0)};

            if (op.bits != 0) {
                count_answer(counters, weir_cancel(op));
            }
        }
        nanosleep(&nap, NULL);
    }
    return NULL;
}
