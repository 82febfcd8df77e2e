/* SPDX-License-Identifier: MIT */
// Pings, pongs and Close, both ways.

#include "netio/ws/control.h"

#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/ws/mask.h"
#include "netio/ws/random.h"
#include "netio/ws/serve.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

/* ---- sending ---- */

int
wi_ws_send_control(struct wi_ws_conn *conn, enum wi_ws_opcode opcode, const void *data, size_t size,
                   struct weir_write *write)
{
    struct wi_ws_frame frame = {
        .size = size,
        .opcode = opcode,
        .is_final = true,
        .is_masked = conn->client != NULL,
    };
    unsigned char bytes[WI_WS_FRAME_MAX + WI_WS_CONTROL_MAX];
    struct iovec iov = {.iov_base = bytes};
    int result = frame.is_masked ? wi_ws_random_key(frame.key) : 0;
    size_t head;

    if (result < 0) {
        return result;
    }
    head = wi_ws_frame_write(bytes, &frame);
    if (frame.is_masked) {
        wi_ws_mask(bytes + head, data, size, frame.key, 0);
    } else if (size != 0) {
        memcpy(bytes + head, data, size);
    }
    iov.iov_len = head + size;
    write->iov = &iov;
    write->iov_count = 1;
    write->flags = WEIR_COPY;
    write->tear = WEIR_TEAR_FINISH;
    result = weir_write(wi_ws_stream(conn), write, NULL);
    write->iov = NULL;
    return result;
}

/* ---- Close ---- */

static void
abort_stream(struct wi_ws_conn *conn)
{
    weir_close(wi_ws_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
}

void
wi_ws_end_stream(struct wi_ws_conn *conn)
{
    if (!(conn->flags & WI_WS_STREAM_ENDS)) {
        conn->flags |= WI_WS_STREAM_ENDS | WI_WS_DEAF;
        if (conn->flags & WI_WS_PAUSED) { // the peer's end waits behind what is held back
            weir_resume(wi_ws_stream(conn));
        }
        weir_close(wi_ws_stream(conn), WEIR_CLOSE_DRAIN,
                   weir_deadline_after(conn->side->limits.close_ns), 0);
    }
}

// Both have said it: the server ends the connection first (RFC 6455, section 7.1.1).
static void
closes_met(struct wi_ws_conn *conn)
{
    if (conn->client == NULL) {
        wi_ws_end_stream(conn);
    } else {
        conn->ending_ns = weir_loop_now_ns(conn->home->loop);
        wi_home_look_at(conn->home, &conn->seat, conn->ending_ns + conn->side->limits.close_ns);
    }
}

static void
on_close_left(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct wi_ws_conn *conn = arg;

    (void)stream;
    if (result->status != 0) {
        wi_ws_note(conn, result->status, result->origin);
        abort_stream(conn);
        return;
    }
    conn->flags |= WI_WS_CLOSE_LEFT;
    if (conn->flags & WI_WS_FAILED) {
        wi_ws_end_stream(conn);
    } else if (conn->flags & WI_WS_CLOSE_CAME) {
        closes_met(conn);
    } else {
        conn->ending_ns = weir_loop_now_ns(conn->home->loop);
        wi_home_look_at(conn->home, &conn->seat, conn->ending_ns + conn->side->limits.close_ns);
    }
}

static_assert(sizeof(void *) >= sizeof(weir_ws), "a handle is passed as a pointer");

static void
retry_close(struct weir_loop *loop, void *arg)
{
    (void)loop;
    wi_ws_retry_close((weir_ws){.bits = (uintptr_t)arg});
}

// The stream's queue is full: on the loop `writable` will be told. Another thread cannot know
// whether that has been while it looked, so it asks the loop to try.
static bool
wait_for_room(struct wi_ws_conn *conn)
{
    struct weir_loop *loop = (struct weir_loop *)wi_load_relaxed(&conn->seat.loop);

    return loop == weir_loop_current() ||
           weir_post(loop, retry_close, (void *)(uintptr_t)wi_ws_handle(conn).bits) == 0;
}

void
wi_ws_submit_close(struct wi_ws_conn *conn)
{
    struct weir_write write = {
        .done = on_close_left,
        .arg = conn,
        .deadline_ns = weir_deadline_after(conn->close_ns),
    };

    int result =
        wi_ws_send_control(conn, WI_WS_CLOSE, conn->closing.data, conn->closing.size, &write);

    conn->has_closing = false;
    if (result == -WEIR_ESTREAMFULL && wait_for_room(conn)) {
        conn->has_closing = true;
    } else if (result < 0) {
        abort_stream(conn);
    }
}

void
wi_ws_retry_close(weir_ws ws)
{
    struct wi_ws_conn *conn;

    if (wi_ws_enter_to_look(ws, &conn)) {
        wi_ws_leave(conn); // as the last one inside it submits what is due
    }
}

int
wi_ws_say_close(weir_ws ws, unsigned code, const char *reason, size_t size)
{
    struct wi_ws_conn *conn;
    int result = wi_ws_enter_to_close(ws, &conn);

    if (result < 0) {
        return result;
    }
    wi_store_relaxed(&conn->sent_code, code);
    if (code != WEIR_WS_NO_CODE) {
        conn->closing.data[0] = (unsigned char)(code >> 8);
        conn->closing.data[1] = (unsigned char)code;
        if (size != 0) {
            memcpy(conn->closing.data + 2, reason, size);
        }
        conn->closing.size = (uint8_t)(2 + size);
    }
    conn->has_closing = true;
    wi_ws_leave(conn);
    return 0;
}

void
wi_ws_fail(struct wi_ws_conn *conn, enum weir_ws_code code, int status, enum weir_origin origin)
{
    if (conn->flags & WI_WS_FAILED) {
        return;
    }
    wi_ws_note(conn, status, origin);
    conn->flags |= WI_WS_FAILED | WI_WS_DEAF;
    // It was said before: nobody waits for the peer's any more.
    if (wi_ws_say_close(wi_ws_handle(conn), code, NULL, 0) < 0 &&
        (conn->flags & WI_WS_CLOSE_LEFT)) {
        wi_ws_end_stream(conn);
    }
}

static bool
may_be_sent(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static bool
is_utf8(const void *data, size_t size)
{
    struct wi_utf8 utf8 = {0};

    return wi_utf8_check(&utf8, data, size) && wi_utf8_is_whole(&utf8);
}

int
weir_ws_close(weir_ws ws, unsigned code, const char *reason, size_t size)
{
    if (size > WEIR_WS_REASON_MAX || (reason == NULL && size != 0) ||
        (code == WEIR_WS_NO_CODE ? size != 0 : !may_be_sent(code))) {
        return -EINVAL;
    }
    if (!is_utf8((const unsigned char *)reason, size)) {
        return -EILSEQ;
    }
    return wi_ws_say_close(ws, code, reason, size);
}

static void
take_close(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    unsigned code = WEIR_WS_NO_CODE;
    size_t reason_size = event->size > 2 ? event->size - 2 : 0;
    const struct weir_ws_handlers *handlers = conn->side->handlers;

    if (event->size != 0) {
        code = event->size == 1 ? 0 : (unsigned)event->data[0] << 8 | event->data[1];
    }
    if (code != WEIR_WS_NO_CODE || event->size != 0) {
        if (!may_be_sent(code)) {
            wi_ws_fail(conn, WEIR_WS_PROTOCOL_ERROR, -EPROTO, WEIR_ORIGIN_TRANSPORT);
            return;
        }
        if (!is_utf8(event->data + 2, reason_size)) {
            wi_ws_fail(conn, WEIR_WS_BAD_DATA, -EILSEQ, WEIR_ORIGIN_TRANSPORT);
            return;
        }
    }
    conn->flags |= WI_WS_CLOSE_CAME | WI_WS_DEAF;
    conn->code = (uint16_t)code;
    if (handlers->closing != NULL) {
        handlers->closing(wi_ws_handle(conn), code, (const char *)event->data + 2, reason_size,
                          conn->user);
    }
    if (wi_ws_say_close(wi_ws_handle(conn), WI_PLANT(109) ? WEIR_WS_NORMAL : code, NULL, 0) < 0 &&
        (conn->flags & WI_WS_CLOSE_LEFT)) {
        closes_met(conn);
    }
}

/* ---- pings ---- */

static void send_pong(struct wi_ws_conn *conn, const void *data, size_t size);

static void
on_pong_left(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct wi_ws_conn *conn = arg;

    (void)stream;
    conn->flags &= ~(uint32_t)WI_WS_PONGING;
    if (result->status == 0) {
        wi_ws_send_kept(conn);
    }
}

void
wi_ws_send_kept(struct wi_ws_conn *conn)
{
    if ((conn->flags & (WI_WS_PONGING | WI_WS_PONG_WAITS)) == WI_WS_PONG_WAITS) {
        conn->flags &= ~(uint32_t)WI_WS_PONG_WAITS;
        send_pong(conn, conn->pong->data, conn->pong->size);
    }
}

static void
keep_pong(struct wi_ws_conn *conn, const void *data, size_t size)
{
    if (conn->pong == NULL) {
        conn->pong = wi_heap_alloc(sizeof(*conn->pong));
    }
    if (conn->pong == NULL) {
        return; // who asks again will be answered
    }
    memmove(conn->pong->data, data, size);
    conn->pong->size = (uint8_t)size;
    conn->flags |= WI_WS_PONG_WAITS;
}

static void
send_pong(struct wi_ws_conn *conn, const void *data, size_t size)
{
    struct weir_write write = {.done = on_pong_left, .arg = conn, .deadline_ns = WEIR_NEVER};
    struct wi_ws_conn *same;

    if (wi_ws_enter(wi_ws_handle(conn), &same) < 0) {
        return; // Close was said
    }
    if (wi_ws_send_control(conn, WI_WS_PONG, data, size, &write) == 0) {
        conn->flags |= WI_WS_PONGING;
    } else {
        keep_pong(conn, data, size); // there was no room: `writable` tells when there is
    }
    wi_ws_leave(conn);
}

// One pong is on its way at most, and one waits: the answer to the latest ping, which is what
// RFC 6455, section 5.5.3, allows, and no flood makes the queue grow.
static void
answer_ping(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    if (!(conn->flags & WI_WS_PONGING)) {
        send_pong(conn, event->data, event->size);
    } else {
        keep_pong(conn, event->data, event->size);
    }
}

void
wi_ws_ask(struct wi_ws_conn *conn, uint64_t now)
{
    struct weir_write write = {.deadline_ns = WEIR_NEVER};
    struct wi_ws_conn *same;

    conn->asked_ns = now;
    if (wi_ws_enter(wi_ws_handle(conn), &same) == 0) {
        if (wi_ws_send_control(conn, WI_WS_PING, NULL, 0, &write) < 0) {
            conn->asked_ns = 0;
        }
        wi_ws_leave(conn);
    }
}

int
weir_ws_ping(weir_ws ws, const void *data, size_t size)
{
    struct weir_write write = {0};
    struct wi_ws_conn *conn;
    int result;

    if (size > WEIR_WS_CONTROL_MAX || (data == NULL && size != 0)) {
        return size > WEIR_WS_CONTROL_MAX ? -EMSGSIZE : -EINVAL;
    }
    result = wi_ws_enter(ws, &conn);
    if (result == 0) {
        result = wi_ws_send_control(conn, WI_WS_PING, data, size, &write);
        wi_ws_leave(conn);
    }
    return result;
}

/* ---- what arrives ---- */

// A peer may send controls without end, and each costs us something.
static bool
is_flood(struct wi_ws_conn *conn)
{
    if (conn->heard_ns - conn->controls_ns >= SECOND_NS) {
        conn->controls_ns = conn->heard_ns;
        conn->controls = 0;
    }
    return ++conn->controls > conn->side->limits.controls_max;
}

void
wi_ws_take_control(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    const struct weir_ws_handlers *handlers = conn->side->handlers;

    if (event->opcode == WI_WS_CLOSE) {
        take_close(conn, event);
    } else if (is_flood(conn)) {
        wi_ws_fail(conn, WEIR_WS_POLICY, -EMSGSIZE, WEIR_ORIGIN_TRANSPORT);
    } else if (event->opcode == WI_WS_PING) {
        answer_ping(conn, event);
    } else if (handlers->pong != NULL) {
        handlers->pong(wi_ws_handle(conn), event->data, event->size, conn->user);
    }
}
