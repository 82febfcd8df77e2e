/* SPDX-License-Identifier: MIT */

#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/acks.h"
#include "netio/arrival.h"
#include "netio/endpoint.h"
#include "netio/net.h"
#include "netio/race.h"
#include "netio/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define DIAL_TIMEOUT_NS UINT64_C(30000000000)
#define DIAL_RETRY_NS   UINT64_C(50000000) // a Unix backlog was full

/* ---- connecting, on the loop ---- */

// It is connected: what was waiting for that goes on.
void
wi_dial_begin(struct wi_loop *loop, struct wi_stream *stream)
{
    const struct wi_dialling *dialling = stream->extra->dialling;
    int result;

    wi_wheel_disarm(&loop->wheel, &stream->timer);
    wi_stream_set_peer(stream, &dialling->address.as.any, dialling->address.size);
    if (stream->phase == WI_PHASE_CONNECTING && dialling->is_polled) {
        result = wi_load_relaxed(&wi_gate_of(stream)->options) & WI_GATE_ACKED
                     ? wi_acks_enable(stream)
                     : 0;
        stream->phase = result < 0 ? stream->phase : WI_PHASE_OPEN;
        wi_stream_judge(stream);
        if (stream->flags & WI_S_DISCARD) {
            wi_vsock_stop_reading(loop, stream);
        }
    } else {
        result = wi_stream_start(loop, stream);
    }
    wi_stream_event(loop, stream, WI_EVENT_STARTED);
    if (result < 0) {
        wi_stream_die(loop, stream, result, wi_origin_of(result), 0);
        return;
    }
    wi_stream_needs_work(loop, stream);
    wi_stream_event(loop, stream, WI_EVENT_READ);
    wi_stream_close_on_start(loop, stream);
}

static void
fail(struct wi_loop *loop, struct wi_stream *stream, int status)
{
    wi_stream_die(loop, stream, status, wi_origin_of(status), 0);
}

int
wi_dial_socket(const struct wi_dialling *dialling, enum wi_transport transport, int family)
{
    int fd = wi_os_socket(family);
    int result;

    if (fd < 0) {
        return fd;
    }
    result = wi_socket_configure(fd, &dialling->options, transport);
    if (result == 0 && transport == WI_TRANSPORT_VSOCK) {
        result = wi_vsock_set_timeout(fd, dialling->timeout_ns != 0 ? dialling->timeout_ns
                                                                    : DIAL_TIMEOUT_NS);
    }
    if (result == 0 && dialling->bind.size != 0) {
        result = wi_os_bind(fd, &dialling->bind.as.any, dialling->bind.size);
    }
    if (result < 0) {
        wi_os_close(fd);
        return result;
    }
    return fd;
}

static void
set_socket(struct wi_stream *stream, int fd)
{
    stream->fd = fd;
    wi_gate_of(stream)->fd = fd;
}

static int
make_socket(struct wi_stream *stream)
{
    struct wi_dialling *dialling = stream->extra->dialling;
    int fd = wi_dial_socket(dialling, (enum wi_transport)stream->transport,
                            dialling->address.as.any.sa_family);

    if (fd < 0) {
        return fd;
    }
    if (dialling->fast_open && !wi_sendq_is_empty(&stream->queue) &&
        wi_os_set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) < 0) {
        dialling->fast_open = false; // not allowed here: an ordinary connect
    }
    set_socket(stream, fd);
    return 0;
}

void
wi_dial_connected(struct wi_loop *loop, struct wi_stream *stream, int fd,
                  const struct weir_address *peer, bool is_polled)
{
    struct wi_dialling *dialling = stream->extra->dialling;

    set_socket(stream, fd);
    dialling->address = *peer;
    dialling->is_polled = is_polled;
    wi_dial_begin(loop, stream);
}

// The kernel goes on connecting: the poller will say how it ended.
static void
connect_in_progress(struct wi_loop *loop, struct wi_stream *stream)
{
    int result = wi_os_poll_add(loop->poller, stream->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                &stream->source);

    wi_count(&loop->counters.polls, 1);
    if (result < 0) {
        fail(loop, stream, result);
        return;
    }
    stream->flags |= WI_S_POLL_OUT;
    stream->extra->dialling->is_polled = true;
    wi_stream_arm(loop, stream, WI_PLANT(24) ? WEIR_NEVER : stream->extra->dialling->deadline_ns);
}

static void
try_connect(struct wi_loop *loop, struct wi_stream *stream)
{
    const struct wi_dialling *dialling = stream->extra->dialling;
    // With Fast Open this returns at once, and the first send carries the SYN.
    int result = wi_os_connect(stream->fd, &dialling->address.as.any, dialling->address.size);

    if (result == 0 && !dialling->hybrid.is_wanted) {
        wi_dial_begin(loop, stream);
    } else if (result == 0 || result == -EINPROGRESS) {
        connect_in_progress(loop, stream);
        if (result == 0 && stream->phase == WI_PHASE_CONNECTING) {
            wi_hybrid_dial(loop, stream, 0);
        }
    } else if (result == -EAGAIN && dialling->deadline_ns > loop->now_ns) {
        // A Unix socket's backlog is full, and nothing tells when it has room: try again.
        uint64_t next = loop->now_ns + DIAL_RETRY_NS;

        wi_stream_arm(loop, stream, next < dialling->deadline_ns ? next : dialling->deadline_ns);
    } else {
        fail(loop, stream, result == -EAGAIN ? -ETIMEDOUT : result);
    }
}

void
wi_stream_connect(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_dialling *dialling = stream->extra->dialling;
    uint64_t timeout = dialling->timeout_ns != 0 ? dialling->timeout_ns : DIAL_TIMEOUT_NS;
    int result;

    dialling->deadline_ns =
        timeout < WEIR_NEVER - loop->now_ns ? loop->now_ns + timeout : WEIR_NEVER;
    stream->phase = WI_PHASE_CONNECTING;
    if (dialling->race != NULL) {
        wi_race_begin(loop, stream);
        return;
    }
    result = make_socket(stream);
    if (result < 0) {
        fail(loop, stream, result);
    } else {
        try_connect(loop, stream);
    }
}

void
wi_dial_bound(struct wi_loop *loop, struct wi_stream *stream, uint64_t deadline_ns)
{
    struct wi_dialling *dialling = stream->extra->dialling;

    if (deadline_ns < dialling->deadline_ns) {
        dialling->deadline_ns = deadline_ns;
        if (dialling->race != NULL) {
            wi_race_rearm(loop, stream);
        } else if (dialling->is_polled) {
            wi_stream_arm(loop, stream, deadline_ns);
        } // else the next try looks at it
    }
}

void
wi_dial_timer_fired(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->extra->dialling->race != NULL) {
        wi_race_timer_fired(loop, stream);
    } else if (!stream->extra->dialling->is_polled) {
        try_connect(loop, stream);
    } else {
        wi_stream_die(loop, stream, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    }
}

void
wi_dial_finish_waiting(struct wi_stream *stream)
{
    struct wi_dialling *dialling = stream->extra == NULL ? NULL : stream->extra->dialling;

    if (dialling != NULL && dialling->waiting != NULL) {
        struct wi_dial_waiting *waiting = dialling->waiting;

        dialling->waiting = NULL;
        waiting->status = stream->phase != WI_PHASE_DEAD ? 0
                          : stream->status != 0          ? stream->status
                                                         : -WEIR_EENDED;
        // ORDER(waiting) publish: pairs with has_started(); its memory may be gone after this.
        wi_store_release(&waiting->over, true);
    }
}

void
wi_stream_connected(struct wi_loop *loop, struct wi_stream *stream, uint32_t events)
{
    int error = 0;
    int result;

    if (stream->extra->dialling->hybrid.is_wanted) {
        wi_hybrid_dial(loop, stream, events);
        return;
    }
    result = wi_os_get_option(stream->fd, SOL_SOCKET, SO_ERROR, &error);
    if (result < 0 || error != 0) {
        fail(loop, stream, result < 0 ? result : -error);
        return;
    }
    if (!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
        stream->flags |=
            WI_S_READABLE | (events & (EPOLLRDHUP | EPOLLHUP) ? (uint32_t)WI_S_RDHUP : 0);
    }
    wi_dial_begin(loop, stream);
}

/* ---- dialling, from any thread ---- */

static void
dial_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_arrival *arrival = wi_arrival_of(task);
    struct wi_stream *stream = wi_stream_of(arrival->gate);

    wi_op_arrive_quietly(&arrival->op);
    wi_stream_join(loop, stream);
    // A START from another thread may have come before, or a token have ended it.
    if (stream->phase == WI_PHASE_NEW && !stream->extra->dialling->is_lazy) {
        wi_stream_connect(loop, stream);
    }
    wi_gate_leave(arrival->gate); // held since it was opened
    wi_op_recycle(loop, &arrival->op);
}

static const struct wi_op_ops dial_ops = {.task.run = dial_run};

static int
check_dial(const struct weir_dial *request, const struct weir_address **ret_address,
           enum wi_transport *ret_transport)
{
    int result = wi_endpoint_address(&request->address, request->endpoint, ret_address);

    if (result < 0) {
        return result;
    }
    if (request->bind.size > sizeof(request->bind.as) ||
        (request->flags & ~(unsigned)(WEIR_DIAL_LAZY | WEIR_DIAL_FAST_OPEN)) != 0) {
        return -EINVAL;
    }
    if (request->attempt_delay_ns != 0 && (request->attempt_delay_ns < WI_RACE_DELAY_MIN_NS ||
                                           request->attempt_delay_ns > WI_RACE_DELAY_MAX_NS)) {
        return -EINVAL;
    }
    if (*ret_address == NULL) { // a name; all addresses of this machine are nobody's
        *ret_transport = WI_TRANSPORT_TCP;
        return request->endpoint->kind != WEIR_ENDPOINT_NAME
                   ? -EINVAL
                   : wi_stream_check_options(&request->stream);
    }
    if (!wi_transport_of((*ret_address)->as.any.sa_family, ret_transport)) {
        return -EAFNOSUPPORT;
    }
    return wi_stream_check_options(&request->stream);
}

static int
open_dialled(struct wi_loop *loop, const struct weir_dial *request,
             const struct weir_address *address, enum wi_transport transport,
             struct wi_dial_waiting *waiting, struct wi_gate **ret_gate)
{
    struct wi_race *race =
        address == NULL ? wi_race_create(request->endpoint, request->attempt_delay_ns) : NULL;
    struct wi_dialling *dialling =
        address == NULL && race == NULL ? NULL : wi_heap_alloc(sizeof(*dialling));
    struct wi_gate *gate = dialling == NULL ? NULL : wi_stream_take_slot(loop);
    int result;

    if (gate == NULL) {
        wi_race_free(race);
        wi_heap_free(dialling);
        return -ENOMEM;
    }
    *dialling = (struct wi_dialling){
        .waiting = waiting,
        .race = race,
        .bind = request->bind,
        .timeout_ns = request->timeout_ns,
        .is_lazy = (request->flags & WEIR_DIAL_LAZY) != 0,
        .fast_open = (request->flags & WEIR_DIAL_FAST_OPEN) != 0 && transport == WI_TRANSPORT_TCP,
        .options = request->stream,
    };
    if (address != NULL) {
        dialling->address = *address;
    }
    if (request->endpoint != NULL && request->endpoint->kind == WEIR_ENDPOINT_HYBRID) {
        dialling->hybrid =
            (struct wi_hybrid_asking){.is_wanted = true, .port = request->endpoint->port};
    }
    result = wi_stream_reserve(gate, &request->stream, dialling);
    if (result < 0) {
        wi_race_free(race);
        wi_heap_free(dialling);
        return result;
    }
    wi_stream_open(gate, &request->stream, -1, transport);
    *ret_gate = gate;
    return 0;
}

int
weir_dial(struct weir_loop *loop, const struct weir_dial *request, weir_stream *ret_stream)
{
    return wi_dial(loop, request, NULL, ret_stream);
}

int
wi_dial(struct weir_loop *public, const struct weir_dial *request, struct wi_dial_waiting *waiting,
        weir_stream *ret_stream)
{
    struct wi_loop *loop = wi_loop_of(public);
    const struct weir_address *address;
    enum wi_transport transport;
    struct wi_arrival *arrival;
    struct wi_lane *lane;
    struct wi_gate *gate;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || request == NULL || ret_stream == NULL) {
        return -EINVAL;
    }
    result = check_dial(request, &address, &transport);
    if (result == 0) {
        result = wi_arrival_reserve(loop, &lane, &arrival);
    }
    if (result != 0) {
        return result;
    }
    result = open_dialled(loop, request, address, transport, waiting, &gate);
    if (result < 0) {
        wi_arrival_drop(loop, lane, arrival);
        return result;
    }
    arrival->gate = wi_gate_held(gate); // the slot must not go before it has arrived
    *ret_stream = wi_stream_handle(wi_stream_of(gate));
    wi_arrival_send(loop, lane, arrival, &dial_ops);
    return 0;
}

/* ---- adopting ---- */

static void
adopt_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_arrival *arrival = wi_arrival_of(task);
    struct wi_stream *stream = wi_stream_of(arrival->gate);
    wi_op_arrive_quietly(&arrival->op);
    wi_stream_join(loop, stream);
    wi_stream_set_peer(stream, (const struct sockaddr *)&arrival->peer, arrival->peer_size);
    if (stream->phase == WI_PHASE_NEW) { // else a token has ended it, which tells `started` too
        int result = wi_stream_start(loop, stream);

        wi_stream_event(loop, stream, WI_EVENT_STARTED);
        if (result < 0) {
            wi_stream_die(loop, stream, result, wi_origin_of(result), 0);
        } else {
            wi_stream_close_on_start(loop, stream);
        }
    }
    wi_gate_leave(arrival->gate); // held since it was opened
    wi_op_recycle(loop, &arrival->op);
}

static const struct wi_op_ops adopt_ops = {.task.run = adopt_run};

static int
check_socket(int fd, enum wi_transport *ret_transport, struct sockaddr *ret_peer, socklen_t *size)
{
    int type = 0;
    int family = 0;
    int result = wi_os_get_option(fd, SOL_SOCKET, SO_TYPE, &type);

    if (result == 0) {
        result = wi_os_get_option(fd, SOL_SOCKET, SO_DOMAIN, &family);
    }
    if (result < 0) {
        return result;
    }
    if (type != SOCK_STREAM || !wi_transport_of(family, ret_transport)) {
        return -ENOTSUP;
    }
    return wi_os_peer_address(fd, ret_peer, size);
}

// The last that can fail: until then the descriptor is as the caller left it, and again if this
// fails.
static int
take_socket(int fd, const struct weir_stream_options *options, enum wi_transport transport)
{
    struct wi_socket_settings before;
    int result = wi_socket_remember(fd, options, transport, &before);

    if (result == 0) {
        result = wi_socket_configure(fd, options, transport);
        if (result == 0) {
            result = wi_os_set_nonblocking(fd);
        }
        if (result < 0) {
            wi_socket_restore(fd, &before);
        }
    }
    return result;
}

int
weir_adopt(struct weir_loop *public, int fd, const struct weir_stream_options *options,
           weir_stream *ret_stream)
{
    static const struct weir_stream_options defaults;
    struct wi_loop *loop = wi_loop_of(public);
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    enum wi_transport transport;
    struct wi_arrival *arrival;
    struct wi_lane *lane;
    struct wi_gate *gate;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    options = options == NULL ? &defaults : options;
    if (loop == NULL || ret_stream == NULL || wi_stream_check_options(options) < 0) {
        return -EINVAL;
    }
    result = check_socket(fd, &transport, (struct sockaddr *)&peer, &peer_size);
    if (result == 0) {
        result = wi_arrival_reserve(loop, &lane, &arrival);
    }
    if (result != 0) {
        return result;
    }
    gate = wi_stream_take_slot(loop);
    result = gate == NULL ? -ENOMEM : wi_stream_reserve(gate, options, NULL);
    if (result == 0) {
        result = take_socket(fd, options, transport);
        if (result < 0) {
            wi_stream_give_back(gate);
        }
    }
    if (result < 0) {
        wi_arrival_drop(loop, lane, arrival);
        return result;
    }
    wi_stream_open(gate, options, fd, transport);
    arrival->gate = wi_gate_held(gate); // the slot must not go before it has arrived
    arrival->peer = peer;
    arrival->peer_size = peer_size;
    *ret_stream = wi_stream_handle(wi_stream_of(gate));
    wi_arrival_send(loop, lane, arrival, &adopt_ops);
    return 0;
}
