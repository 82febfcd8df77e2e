/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "peer.h"
#include "proxy_protocol.h"

#include "weir/weir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)

// Who still refers to a session.
enum holder {
    HOLDER_CLIENT = 1 << 0,
    HOLDER_TARGET = 1 << 1,
    HOLDER_PUMP = 1 << 2,
    HOLDER_TIMER = 1 << 3,
};

struct session {
    struct relay *relay;
    const struct route *route;
    weir_stream client;
    weir_stream target;
    weir_op timer; // of the PROXY header
    uint64_t begun_ns;
    uint64_t bytes_up;
    uint64_t bytes_down;
    struct proxy_header *announced; // what a PROXY header said; NULL: nothing
    struct peer peer;
    uint8_t holders; // enum holder
    uint8_t ending;  // enum ending
    int status;      // why, where there is a reason
};

/* ---- the end ---- */

static size_t
format_time(char *text, size_t size)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return length +
           (size_t)snprintf(text + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

static void
log_session(const struct session *session, unsigned loop)
{
    char line[2 * WEIR_ENDPOINT_TEXT_SIZE + 512];
    char peer[PEER_TEXT_SIZE];
    char announced[WEIR_ENDPOINT_TEXT_SIZE] = "-";
    size_t length = format_time(line, sizeof(line));
    uint64_t now = weir_loop_now_ns(weir_loop_current());

    peer_format(&session->peer, peer);
    if (session->announced != NULL && session->announced->is_known) {
        weir_address_format(&session->announced->source, announced, sizeof(announced));
    }
    length += (size_t)snprintf(line + length, sizeof(line) - length,
                               " client=%s for=%s from=%s to=%s up=%" PRIu64 " down=%" PRIu64
                               " ms=%" PRIu64 " end=%s why=\"%s\"",
                               peer, announced, session->route->from_text, session->route->to_text,
                               session->bytes_up, session->bytes_down,
                               (now - session->begun_ns) / NS_PER_MS,
                               ending_name((enum ending)session->ending),
                               session->status == 0 ? "" : weir_strerror(session->status));
    log_line(session->relay->log, loop, line, length < sizeof(line) ? length : sizeof(line) - 1);
}

static void
finish(struct session *session)
{
    struct relay *relay = session->relay;
    struct counts *counts = metrics_here(relay->metrics);

    count(&counts->ended[session->ending], 1);
    count(&counts->bytes_up, session->bytes_up);
    count(&counts->bytes_down, session->bytes_down);
    if (relay->log != NULL) {
        log_session(session, prometheus_loop_index(relay->runtime));
    }
    limits_leave(relay->limits, &session->peer);
    free(session->announced);
    free(session);
    if (atomic_load(&relay->is_draining) && limits_count(relay->limits) == 0) {
        relay->drained(relay);
    }
}

static void
let_go(struct session *session, enum holder holder)
{
    session->holders &= (uint8_t)~holder;
    if (session->holders == 0) {
        finish(session);
    }
}

// The first reason stays.
static void
note_ending(struct session *session, enum ending ending, int status)
{
    if (session->ending == ENDING_OK && session->status == 0) {
        session->ending = (uint8_t)ending;
        session->status = status;
    }
}

static void
close_side(struct session *session, enum holder side, enum weir_close_mode mode)
{
    if (session->holders & side) {
        weir_close(side == HOLDER_CLIENT ? session->client : session->target, mode, 0, 0);
    }
}

// Before the pump runs.
static void
give_up(struct session *session, enum ending ending, int status)
{
    note_ending(session, ending, status);
    if (session->timer.bits != 0) {
        weir_cancel(session->timer);
    }
    close_side(session, HOLDER_CLIENT, WEIR_CLOSE_DRAIN);
    close_side(session, HOLDER_TARGET, WEIR_CLOSE_ABORT);
}

/* ---- pumping ---- */

static bool
is_reset(int status, enum weir_origin origin, bool has_ended)
{
    return status != 0 && !has_ended &&
           (origin == WEIR_ORIGIN_PEER_RESET || origin == WEIR_ORIGIN_TRANSPORT);
}

static void
note_pumped(struct session *session, const struct weir_pump_stats *stats)
{
    session->bytes_up = stats->a_to_b.sent;
    session->bytes_down = stats->b_to_a.sent;
    if (stats->status == -ETIMEDOUT) {
        note_ending(session, ENDING_IDLE, stats->status);
    } else if (stats->origin_a == WEIR_ORIGIN_LOCAL_CLOSE ||
               stats->origin_b == WEIR_ORIGIN_LOCAL_CLOSE) {
        note_ending(session, ENDING_STOPPED, -WEIR_EENDED);
    } else if (stats->status_a != 0) {
        note_ending(session, ENDING_CLIENT_RESET, stats->status_a);
    } else if (stats->status_b != 0) {
        note_ending(session, ENDING_TARGET_RESET, stats->status_b);
    }
}

// What one side did in the middle of its bytes is done to the other: a reset for a reset, so that
// nobody takes a part for the whole. What had ended in order before ends so.
static void
on_pumped(const struct weir_pump_stats *stats, void *arg)
{
    struct session *session = arg;
    bool is_refused = session->ending == ENDING_TARGET_REFUSED;
    bool reset_client =
        is_reset(stats->status_b, stats->origin_b, stats->b_to_a.ended) && !is_refused;
    bool reset_target = is_reset(stats->status_a, stats->origin_a, stats->a_to_b.ended);

    note_pumped(session, stats);
    close_side(session, HOLDER_CLIENT, reset_client ? WEIR_CLOSE_ABORT : WEIR_CLOSE_DRAIN);
    close_side(session, HOLDER_TARGET, reset_target ? WEIR_CLOSE_ABORT : WEIR_CLOSE_DRAIN);
    let_go(session, HOLDER_PUMP);
}

static void
on_target_started(weir_stream stream, int status, void *user)
{
    (void)stream;
    if (status != 0) {
        note_ending(user, ENDING_TARGET_REFUSED, status);
    }
}

static void
on_target_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)closed;
    let_go(user, HOLDER_TARGET);
}

static const struct weir_handlers target_handlers = {
    .started = on_target_started,
    .closed = on_target_closed,
};

static void
on_client_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct session *session = user;

    (void)stream;
    if (!(session->holders & HOLDER_PUMP) && closed->status != 0) {
        note_ending(session, ENDING_CLIENT_RESET, closed->status);
    }
    if (session->timer.bits != 0) {
        weir_cancel(session->timer);
    }
    let_go(session, HOLDER_CLIENT);
}

static const struct weir_handlers client_handlers = {.closed = on_client_closed};

/* ---- the target ---- */

static int
dial(struct session *session)
{
    const struct options *options = session->relay->options;
    struct weir_dial request = {
        .endpoint = &session->route->to,
        .timeout_ns = options->connect_ns,
        .stream = {.handlers = &target_handlers, .user = session, .flags = WEIR_STREAM_NODELAY},
    };
    int result = weir_dial(weir_stream_loop(session->client), &request, &session->target);

    if (result == 0) {
        session->holders |= HOLDER_TARGET;
    }
    return result;
}

static int
send_header(struct session *session)
{
    struct weir_address source = {.size = sizeof(source.as)};
    struct weir_address destination = {.size = sizeof(destination.as)};
    uint8_t bytes[PROXY_WRITE_MAX];
    struct iovec piece = {.iov_base = bytes};
    struct weir_write request = {.iov = &piece, .iov_count = 1, .flags = WEIR_COPY};

    if (session->announced != NULL) {
        source = session->announced->source;
        destination = session->announced->destination;
    } else {
        weir_stream_peer_address(session->client, &source.as.any, &source.size);
        weir_stream_local_address(session->client, &destination.as.any, &destination.size);
    }
    piece.iov_len = proxy_write(session->route->sends_proxy, &source, &destination, bytes);
    return weir_write(session->target, &request, NULL);
}

static int
pump(struct session *session)
{
    const struct options *options = session->relay->options;
    struct weir_pump request = {
        .a = session->client,
        .b = session->target,
        .flags = options->copies ? WEIR_PUMP_NO_SPLICE : 0,
        .buffer = (size_t)options->buffer,
        .idle_ns = options->idle_ns,
        .done = on_pumped,
        .arg = session,
    };
    int result = weir_pump_start(&request, NULL);

    if (result == 0) {
        session->holders |= HOLDER_PUMP;
    }
    return result;
}

// Who the client is is known: go on to the target. The pump waits for the connect by itself.
static void
begin(struct session *session)
{
    int status = dial(session);

    if (status == 0 && session->route->sends_proxy != 0) {
        status = send_header(session);
    }
    if (status == 0) {
        status = pump(session);
    }
    if (status < 0) {
        give_up(session, status == -ENOMEM ? ENDING_MEMORY : ENDING_TARGET_REFUSED, status);
    }
}

/* ---- the header ---- */

static void
on_header_time(struct weir_loop *loop, int status, void *arg)
{
    struct session *session = arg;

    (void)loop;
    session->timer.bits = 0;
    if (status == 0 && (session->holders & HOLDER_CLIENT) && !(session->holders & HOLDER_PUMP)) {
        give_up(session, ENDING_HEADER_TIMEOUT, -ETIMEDOUT);
    }
    let_go(session, HOLDER_TIMER);
}

static void
take_header(struct session *session, const struct proxy_header *header)
{
    session->announced = malloc(sizeof(*session->announced));
    if (session->announced == NULL) {
        give_up(session, ENDING_MEMORY, -ENOMEM);
        return;
    }
    *session->announced = *header;
    if (session->timer.bits != 0) {
        weir_cancel(session->timer);
    }
    weir_stream_set_handlers(session->client, &client_handlers, session);
    begin(session);
}

static struct weir_consumed
on_header(weir_stream stream, struct weir_iter begin_at, struct weir_iter end, void *user)
{
    struct session *session = user;
    uint8_t bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    const char *why = NULL;
    size_t size = weir_iter_copy_out(&begin_at, bytes, sizeof(bytes));
    long length = proxy_parse(bytes, size, &header, &why);

    (void)stream;
    (void)end;
    if (length == 0) { // more is to come
        return (struct weir_consumed){0, SIZE_MAX};
    }
    if (length < 0) {
        weir_stream_set_handlers(session->client, &client_handlers, session);
        give_up(session, ENDING_HEADER, (int)length);
        return (struct weir_consumed){0, SIZE_MAX};
    }
    take_header(session, &header);
    return (struct weir_consumed){(size_t)length, SIZE_MAX};
}

static void
on_header_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)stream;
    (void)ambiguous;
    give_up(user, ENDING_HEADER, -EPROTO);
}

static const struct weir_handlers header_handlers = {
    .data = on_header,
    .peer_fin = on_header_fin,
    .closed = on_client_closed,
};

static void
await_header(struct session *session)
{
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(session->relay->options->header_ns),
        .fn = on_header_time,
        .arg = session,
    };
    int status = weir_timer_start(weir_loop_current(), &timer, &session->timer);

    if (status < 0) {
        session->timer.bits = 0;
        give_up(session, ENDING_MEMORY, status);
        return;
    }
    session->holders |= HOLDER_TIMER;
}

/* ---- the beginning ---- */

static struct session *
make(struct relay *relay, const struct route *route, weir_stream client, const struct peer *peer)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL) {
        session->relay = relay;
        session->route = route;
        session->client = client;
        session->peer = *peer;
        session->begun_ns = weir_loop_now_ns(weir_loop_current());
        session->holders = HOLDER_CLIENT;
    }
    return session;
}

void
session_accept(struct relay *relay, const struct route *route, weir_stream client)
{
    struct counts *counts = metrics_here(relay->metrics);
    struct weir_address address = {.size = sizeof(address.as)};
    enum limits_answer answer;
    struct session *session;
    struct peer peer;

    weir_stream_peer_address(client, &address.as.any, &address.size);
    peer = peer_of(&address);
    answer = limits_enter(relay->limits, &peer, weir_loop_now_ns(weir_loop_current()));
    if (answer != LIMITS_ADMITTED) {
        count(&counts->refused[answer], 1);
        weir_close(client, WEIR_CLOSE_FLUSH, 0, 0);
        return;
    }
    session = make(relay, route, client, &peer);
    if (session == NULL) {
        count(&counts->ended[ENDING_MEMORY], 1);
        limits_leave(relay->limits, &peer);
        weir_close(client, WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    count(&counts->accepted, 1);
    weir_stream_set_handlers(client, route->accepts_proxy ? &header_handlers : &client_handlers,
                             session);
    if (route->accepts_proxy) {
        await_header(session);
    } else {
        begin(session);
    }
}
