/* SPDX-License-Identifier: MIT */
// What every completion must say, whatever happened.

#include "message.h"

#include "verdict.h"

#include <errno.h>

typedef unsigned long long ull;

static const char *
wrong_success(const struct message *message, const struct weir_result *result)
{
    bool may_be_short = (message->flags & (WEIR_SOME | WEIR_NOWAIT)) != 0;

    if (result->origin != WEIR_ORIGIN_NONE) {
        return "success with an origin";
    }
    if (result->accepted != message->part_size) {
        return "success with another accepted count than the write's size";
    }
    if (message->level == WEIR_ACCEPTED) {
        return NULL; // its bytes may still be queued
    }
    if (may_be_short && result->sent == 0) {
        return "success with nothing sent";
    }
    if (!may_be_short && result->sent != message->part_size) {
        return "success with not all sent";
    }
    return NULL;
}

static const char *
wrong_failure(const struct message *message, const struct weir_result *result)
{
    bool is_cancelled = message_is_cancelled(message, result);

    if (result->late_cancel && is_cancelled) {
        return "cancelled, and too late for that";
    }
    if (result->origin == WEIR_ORIGIN_NONE && result->status != -EAGAIN) {
        return "a failure without an origin";
    }
    if (result->status == -WEIR_ETORN && result->sent != 0) {
        return "ended by a tear before it, but with bytes sent";
    }
    if (is_cancelled && !message->may_be_cancelled) {
        return "cancelled, though nobody asked";
    }
    if (is_cancelled && result->sent == message->part_size) {
        return "cancelled, but all of it was sent";
    }
    if (is_cancelled && message->tear == WEIR_TEAR_FINISH && result->sent != 0) {
        return "cancelled midway, though it should finish";
    }
    return NULL;
}

void
message_check(const struct message *message, const struct weir_result *result)
{
    const char *wrong = NULL;

    if (result->op.bits != message->op.bits) {
        wrong = "another handle than the write had";
    } else if (result->sent > message->part_size) {
        wrong = "more sent than it had";
    } else if (result->status > 0) {
        wrong = "a positive status";
    } else if ((result->submit_ns != 0) != ((message->flags & WEIR_TIMED) != 0)) {
        wrong = "a submit time that was not asked for, or none";
    } else if (result->late_cancel && !message->may_be_cancelled) {
        wrong = "a late cancel, though nobody asked";
    } else if (result->status == 0) {
        wrong = wrong_success(message, result);
    } else {
        wrong = wrong_failure(message, result);
    }
    if (wrong != NULL) {
        storm_broke("link %u, a completion of %zu bytes: %s (status %s, origin %s, accepted %llu, "
                    "sent %llu, memory %d, flags 0x%x, tear %d, level %d)",
                    message->link->id, message->part_size, wrong, weir_strerror(result->status),
                    weir_origin_name(result->origin), (ull)result->accepted, (ull)result->sent,
                    (int)message->memory, message->flags, (int)message->tear, (int)message->level);
    }
}
