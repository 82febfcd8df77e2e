/* SPDX-License-Identifier: MIT */
#ifndef STORM_CANCEL_H
#define STORM_CANCEL_H

// The ways in which a producer takes its messages back.

#include "message.h"
#include "random.h"

#define CANCEL_LATER 64u // cancels that wait for some more writes

enum cancel_plan {
    CANCEL_NONE,
    CANCEL_NOW,      // as soon as it was accepted
    CANCEL_SOON,     // some writes later
    CANCEL_TOKEN,    // with others, by a token
    CANCEL_DEADLINE, // by time
    CANCEL_STRANGER, // by a thread that knows its handle only
};

struct cancel_later {
    struct message *message;
    weir_op op;
    uint64_t step;
};

struct canceller {
    struct storm *storm;
    struct random random;
    struct counters *counters;
    weir_token root;
    weir_token token; // child of the root
    unsigned token_uses;
    uint64_t step;
    struct cancel_later later[CANCEL_LATER];
};

void canceller_init(struct canceller *canceller, struct storm *storm, struct counters *counters,
                    uint64_t stream);
void canceller_fini(struct canceller *canceller);

// Choose how a message that is being made will be cancelled, and put it into the request.
enum cancel_plan cancel_choose(struct canceller *canceller, struct message *message);

// The message was accepted: cancel it, or see that it is cancelled later.
void cancel_begin(struct canceller *canceller, struct message *message, enum cancel_plan plan);

// Once per write: cancels that are due.
void cancel_due(struct canceller *canceller);

// Main function of the thread that cancels other threads' messages; @p arg is the storm.
void *cancel_strangers_run(void *arg);

#endif /* STORM_CANCEL_H */
