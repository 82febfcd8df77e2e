/* SPDX-License-Identifier: MIT */
// What is due by the clock: heads that do not come, idle connections, peers that hardly read or
// send. One timer per loop looks (netio/home.c).

#include "netio/http/live.h"
#include "netio/http/serve.h"

#include <errno.h>

static const struct weir_http_limits *
limits_of(const struct wi_http_conn *conn)
{
    return &conn->side->limits;
}

static uint64_t
later(uint64_t since, uint64_t delay)
{
    return delay >= WEIR_NEVER - since ? WEIR_NEVER : since + delay;
}

static uint64_t
sooner(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static bool
is_idle(const struct wi_http_conn *conn)
{
    return wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_IDLE;
}

static bool
waits_for_response(const struct wi_http_conn *conn)
{
    return (wi_http_flags(conn) & (WI_HTTP_CLIENT | WI_HTTP_FINAL)) == WI_HTTP_CLIENT &&
           ((wi_http_flags(conn) & WI_HTTP_ENDED) ||
            wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_DONE);
}

void
wi_http_conn_touch(struct wi_http_conn *conn)
{
    uint64_t now = weir_loop_now_ns(conn->home->base.loop);
    uint64_t look_ns = later(now, limits_of(conn)->grace_ns);

    if (is_idle(conn) && !(wi_http_flags(conn) & WI_HTTP_CLIENT)) {
        conn->idle_ns = now;
        if (wi_http_live_in_head(conn) == 0) {
            conn->head_ns = 0;
            look_ns = sooner(look_ns, later(now, limits_of(conn)->idle_ns));
        } else {
            conn->head_ns = conn->head_ns == 0 ? now : conn->head_ns;
            look_ns = sooner(look_ns, later(conn->head_ns, limits_of(conn)->head_ns));
        }
    } else if (waits_for_response(conn)) {
        conn->head_ns = conn->head_ns == 0 ? now : conn->head_ns;
        look_ns = sooner(look_ns, later(conn->head_ns, conn->side->response_ns));
    } else {
        conn->head_ns = 0;
    }
    wi_home_look_at(&conn->home->base, &conn->seat, look_ns);
}

/* Progress between two looks. */
static bool
is_slow(uint64_t *mark, uint64_t *mark_ns, uint64_t count, uint64_t now, uint32_t rate_min,
        uint64_t grace_ns)
{
    uint64_t passed = now - *mark_ns;
    bool is_slow = false;

    if (*mark_ns != 0) {
        if (passed < grace_ns || rate_min == UINT32_MAX) {
            return false;
        }
        is_slow = (double)(count - *mark) * 1e9 < (double)rate_min * (double)passed;
    }
    *mark = count;
    *mark_ns = now;
    return is_slow;
}

static bool
sends_slowly(struct wi_http_conn *conn, uint64_t now)
{
    if (weir_queued(wi_http_stream(conn)) == 0) {
        conn->sent_mark_ns = 0;
        return false;
    }
    return is_slow(&conn->sent_mark, &conn->sent_mark_ns, weir_sent(wi_http_stream(conn)), now,
                   limits_of(conn)->send_rate_min, limits_of(conn)->grace_ns);
}

static bool
receives_slowly(struct wi_http_conn *conn, uint64_t now)
{
    struct wi_http_live *live = conn->live;

    if (live == NULL) {
        return false;
    }
    if (!(wi_http_flags(conn) & WI_HTTP_RECEIVING) || !wi_http_conn_has_room(conn)) {
        live->received_mark_ns = 0;
        return false;
    }
    return is_slow(&live->received_mark, &live->received_mark_ns, live->raw, now,
                   limits_of(conn)->receive_rate_min, limits_of(conn)->grace_ns);
}

static uint64_t
idle_due(struct wi_http_conn *conn, uint64_t now)
{
    uint64_t due_ns;

    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        return WEIR_NEVER;
    }
    if (conn->head_ns != 0) {
        due_ns = later(conn->head_ns, limits_of(conn)->head_ns);
        if (due_ns <= now) {
            wi_http_refuse(conn, 408);
            return WEIR_NEVER;
        }
        return due_ns;
    }
    due_ns = later(conn->idle_ns, limits_of(conn)->idle_ns);
    if (due_ns <= now) {
        wi_http_conn_close(conn);
        return WEIR_NEVER;
    }
    return due_ns;
}

uint64_t
wi_http_conn_due(struct wi_seat *seat, uint64_t now)
{
    struct wi_http_conn *conn = wi_http_conn_of(seat);
    uint64_t next_ns;

    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        return WEIR_NEVER; // its close has a deadline of its own
    }
    if (sends_slowly(conn, now)) {
        wi_http_conn_abort(conn, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
        return WEIR_NEVER;
    }
    if (receives_slowly(conn, now)) {
        wi_http_refuse(conn, 408);
        return WEIR_NEVER;
    }
    if (conn->head_ns != 0 && waits_for_response(conn) &&
        later(conn->head_ns, conn->side->response_ns) <= now) {
        wi_http_conn_abort(conn, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
        return WEIR_NEVER;
    }
    next_ns = is_idle(conn) ? idle_due(conn, now) : later(now, limits_of(conn)->grace_ns);
    if (conn->sent_mark_ns != 0) {
        next_ns = sooner(next_ns, later(now, limits_of(conn)->grace_ns));
    }
    return next_ns;
}
