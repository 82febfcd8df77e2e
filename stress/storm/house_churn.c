/* SPDX-License-Identifier: MIT */
#include "house_churn.h"

#include "record.h"
#include "verdict.h"

static struct house *house;
static size_t message_size;
static _Atomic uint64_t closed_count[CHURN_MODES];

uint64_t
house_churn_closed(enum churn_mode mode)
{
    return atomic_load(&closed_count[mode]);
}

// A stream's user pointer is its mode, plus one so that it is not the pointer of a new stream.
static enum churn_mode
mode_of(const void *user)
{
    return (enum churn_mode)((uintptr_t)user - 1);
}

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    static const enum weir_close_mode modes[] = {
        [CHURN_DRAIN] = WEIR_CLOSE_DRAIN,
        [CHURN_FLUSH] = WEIR_CLOSE_FLUSH,
        [CHURN_ABORT] = WEIR_CLOSE_ABORT,
    };
    enum churn_mode mode = mode_of(arg);

    house_count_done(house, result);
    if (mode <= CHURN_ABORT) {
        weir_close(stream, modes[mode], 0, 0);
    }
}

static struct weir_consumed
refuse(weir_stream stream, const char *why)
{
    storm_broke("the server received %s", why);
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    return (struct weir_consumed){0, 0};
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter at = begin;
    struct record head;
    size_t size = 0;

    (void)weir_iter_length(begin, end, &size); // nothing there is a size of 0
    if (size < message_size) {
        return (struct weir_consumed){0, size};
    }
    if (user != NULL || size > message_size) {
        return refuse(stream, "more than one message");
    }
    weir_iter_copy_out(&at, &head, sizeof(head));
    unsigned mode = head.flags >> CHURN_MODE_SHIFT;
    if (!record_is_sealed(&head) || mode >= CHURN_MODES) {
        return refuse(stream, "bytes that are no message");
    }
    void *mark = (void *)(uintptr_t)(mode + 1);
    if (weir_stream_set_user(stream, mark) != 0 || weir_take(stream, size, &chain) != 0) {
        return refuse(stream, "a message, and could not keep it");
    }
    struct weir_write write = {.chain = &chain, .done = on_done, .arg = mark};
    int status = weir_write(stream, &write, NULL);
    if (status != 0) {
        weir_chain_return(&chain);
        storm_broke("an echo was refused: %s", weir_strerror(status));
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else {
        atomic_fetch_add_explicit(&house_counts_here(house)->accepted, 1, memory_order_relaxed);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    (void)code;
    (void)user;
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    enum churn_mode mode = mode_of(user);

    (void)stream;
    if (user == NULL) {
        return; // the run ended before its message came
    }
    atomic_fetch_add_explicit(&closed_count[mode], 1, memory_order_relaxed);
    if (closed->status != 0 && mode != CHURN_ABORT && mode != CHURN_CLIENT_RESET) {
        storm_broke("a connection to be ended in mode %d closed with %s (%s)", (int)mode,
                    weir_strerror(closed->status), weir_origin_name(closed->origin));
    }
    if (closed->bytes_lost != 0 && mode != CHURN_CLIENT_RESET) {
        storm_broke("a connection to be ended in mode %d lost %llu bytes", (int)mode,
                    (unsigned long long)closed->bytes_lost);
    }
}

void
house_churn_start(struct house *the_house, enum house_transport transport, size_t size)
{
    static const struct weir_handlers handlers = {
        .data = on_data,
        .peer_fin = on_peer_fin,
        .peer_reset = on_peer_reset,
        .closed = on_closed,
    };
    const struct weir_stream_options stream = {
        .handlers = &handlers,
        .flags = WEIR_STREAM_NODELAY,
    };

    house = the_house;
    message_size = size;
    house_listen(house, transport, &stream);
}
