/* SPDX-License-Identifier: MIT */

#include "netio/listen.h"

#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/arrival.h"
#include "netio/hybrid.h"
#include "netio/net.h"
#include "netio/socket.h"
#include "runtime/thread.h"

#include <errno.h>

#define ACCEPT_BATCH 64u
#define REST_NS      (WI_PLANT(31) ? UINT64_C(1) << 60 : UINT64_C(100000000))

// parts_open counts open parts below this, connections on their way to other loops above it.
#define LISTENER_TRAVELLER 0x1000u

#define PART_STARTED 1u
#define PART_CLOSED  2u

static uint64_t
handle_of(const struct wi_listener *listener, uint32_t generation)
{
    return wi_handle(WI_HANDLE_LISTENER, listener->runtime->index, listener->slot, generation);
}

/* ---- accepting ---- */

// Among user code, on the stream's loop. The connection becomes a stream, and is told.
static void
welcome(struct wi_loop *loop, struct wi_listener *listener, int fd, const struct sockaddr *peer,
        socklen_t peer_size, uint32_t port)
{
    const struct weir_listen *request = &listener->request;
    uint32_t generation = wi_load_relaxed(&listener->generation) | 1u;
    struct wi_gate *gate = NULL;
    enum wi_transport transport;
    struct wi_stream *stream;
    int result;

    wi_transport_of(listener->bound.as.any.sa_family, &transport);
    wi_add_relaxed(&loop->streams, (uint32_t)-1); // counted when it was placed; joining counts it
    result = wi_socket_configure(fd, &request->stream, transport);
    if (result == 0) { // the slot last: reserving gives it back when it fails
        gate = wi_stream_take_slot(loop);
        result = gate == NULL ? -ENOMEM : wi_stream_reserve(gate, &request->stream, NULL);
    }
    if (result == 0 && (request->flags & WEIR_LISTEN_HYBRID) &&
        !wi_stream_set_hybrid_port(wi_stream_of(gate), port)) {
        wi_stream_give_back(gate);
        result = -ENOMEM;
    }
    if (result < 0) {
        wi_os_close(fd);
        wi_log(loop->runtime, WEIR_LOG_ERROR, "a connection was refused: %s",
               weir_strerror(result));
        return;
    }
    wi_stream_open(gate, &request->stream, fd, transport);
    stream = wi_stream_of(gate);
    wi_stream_join(loop, stream);
    wi_stream_set_peer(stream, peer, peer_size);
    result = wi_stream_start(loop, stream);
    if (result < 0) {
        wi_stream_die(loop, stream, result, wi_origin_of(result), 0);
    }
    if (request->accepted != NULL) {
        request->accepted((weir_listener){handle_of(listener, generation)},
                          wi_stream_handle(stream), request->arg);
    }
    wi_stream_event(loop, stream, WI_EVENT_STARTED);
}

static void
welcome_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_arrival *arrival = wi_arrival_of(task);
    struct wi_listener *listener = arrival->context;

    welcome(loop, listener, arrival->fd, (const struct sockaddr *)&arrival->peer,
            arrival->peer_size, (uint32_t)arrival->token);
    wi_sub_acq_rel(&listener->parts_open, LISTENER_TRAVELLER);
    wi_op_recycle(loop, &arrival->op);
}

static const struct wi_task_ops welcome_ops = {.run = welcome_run};

// Out of the lane: user code runs among the posted functions.
static void
accept_arrive(struct wi_loop *loop, struct wi_task *task)
{
    wi_op_arrive_quietly(wi_op_of_task(task));
    task->ops = &welcome_ops;
    wi_loop_post(loop, task);
}

static const struct wi_op_ops accept_ops = {.task.run = accept_arrive};

static struct wi_loop *
least_loaded(struct wi_loop *here)
{
    struct wi_runtime *runtime = here->runtime;
    struct wi_loop *best = here;

    for (unsigned i = 0; i < runtime->loop_count; i++) {
        if (wi_load_relaxed(&runtime->loops[i].streams) < wi_load_relaxed(&best->streams)) {
            best = &runtime->loops[i];
        }
    }
    return best;
}

void
wi_listener_place(struct wi_listener_part *part, int fd, const struct sockaddr_storage *peer,
                  socklen_t peer_size, uint32_t port)
{
    struct wi_listener *listener = part->listener;
    struct wi_loop *loop = listener->part_count == 1 ? least_loaded(part->loop) : part->loop;
    struct wi_arrival *arrival;
    struct wi_lane *lane;

    // Counted here, so that the next connection of a burst finds it.
    wi_add_relaxed(&loop->streams, 1);
    if (loop != part->loop && wi_arrival_reserve(loop, &lane, &arrival) == 0) {
        arrival->fd = fd;
        arrival->peer = *peer;
        arrival->peer_size = peer_size;
        arrival->token = port;
        arrival->context = listener;
        wi_add_relaxed(&listener->parts_open, LISTENER_TRAVELLER);
        wi_arrival_send(loop, lane, arrival, &accept_ops);
        return;
    }
    if (loop != part->loop) {
        wi_add_relaxed(&loop->streams, (uint32_t)-1);
        wi_add_relaxed(&part->loop->streams, 1);
    }
    welcome(part->loop, listener, fd, (const struct sockaddr *)peer, peer_size, port);
}

// Accept at most so many. 0, -EAGAIN when there are no more, or another error.
static int
accept_some(struct wi_listener_part *part, unsigned count)
{
    while (count-- > 0) {
        struct sockaddr_storage peer;
        socklen_t peer_size = sizeof(peer);
        int fd = wi_os_accept(part->fd, (struct sockaddr *)&peer, &peer_size);

        wi_count(&part->loop->counters.accepts, 1);
        if (fd >= 0 && (part->listener->request.flags & WEIR_LISTEN_HYBRID)) {
            wi_hybrid_accept(part, fd, &peer, peer_size);
        } else if (fd >= 0) {
            wi_listener_place(part, fd, &peer, peer_size, 0);
        } else if (fd != -ECONNABORTED && fd != -EPROTO && fd != -EPERM) {
            return fd; // those were only that one connection's trouble
        }
    }
    return 0;
}

// Descriptors or memory ran out: leave the backlog to the kernel for a while. Taking it out of the
// poller needs no memory, which a change might.
static void
rest(struct wi_listener_part *part, int error)
{
    struct wi_loop *loop = part->loop;

    wi_log(loop->runtime, WEIR_LOG_WARNING, "accepting rests: %s", weir_strerror(error));
    if (!wi_timer_is_armed(&part->timer)) { // else it rests, and the poller had said so before
        wi_os_poll_remove(loop->poller, part->fd);
    }
    wi_wheel_arm(&loop->wheel, &part->timer, WI_TIMER_LISTENER, loop->now_ns + REST_NS);
}

static void
part_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct wi_listener_part *part = wi_container_of(source, struct wi_listener_part, source);
    int result;

    (void)loop;
    (void)events;
    if (part->closing) {
        return;
    }
    result = accept_some(part, ACCEPT_BATCH);
    if (wi_is_shortage(result) && !part->closing) {
        rest(part, result);
    }
}

static const struct wi_source_ops part_ops = {.ready = part_ready};

void
wi_listener_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_listener_part *part = wi_container_of(timer, struct wi_listener_part, timer);

    int result = wi_os_poll_add(loop->poller, part->fd, EPOLLIN, &part->source);

    if (result < 0) {
        wi_log(loop->runtime, WEIR_LOG_WARNING, "accepting rests on: %s", weir_strerror(result));
        wi_wheel_arm(&loop->wheel, timer, WI_TIMER_LISTENER, loop->now_ns + REST_NS);
    }
}

/* ---- closing ---- */

static void
list_part(struct wi_loop *loop, struct wi_listener_part *part)
{
    struct wi_net *net = wi_net_of(loop);

    part->prev = NULL;
    part->next = net->listeners;
    if (part->next != NULL) {
        part->next->prev = part;
    }
    net->listeners = part;
    loop->open_things++;
}

static void
unlist_part(struct wi_loop *loop, struct wi_listener_part *part)
{
    if (part->next != NULL) {
        part->next->prev = part->prev;
    }
    if (part->prev != NULL) {
        part->prev->next = part->next;
    } else {
        wi_net_of(loop)->listeners = part->next;
    }
    loop->open_things--;
}

static void
unlink_path(const struct wi_listener *listener)
{
    if (listener->request.flags & WEIR_LISTEN_UNLINK) {
        wi_listen_remove_ours(&listener->bound);
    }
}

// Take a batch of what was in the backlog when the close came; what comes later is not waited for,
// or a crowd of clients would keep the listener open. Without descriptors the rest is given up, and
// said so: nobody knows when there will be some. True: there may be more.
static bool
take_backlog(struct wi_listener_part *part)
{
    struct wi_listener *listener = part->listener;
    unsigned count = part->last_left < ACCEPT_BATCH ? part->last_left : ACCEPT_BATCH;
    int result = accept_some(part, count);

    part->last_left -= count;
    if (result == 0) {
        return part->last_left != 0;
    }
    if (result != -EAGAIN) {
        wi_log(part->loop->runtime, WEIR_LOG_WARNING,
               "a closing listener drops what is left of its backlog: %s", weir_strerror(result));
        wi_store_relaxed(&listener->failed, (uint32_t)-result); // the last part sees it
    }
    return false;
}

// Among user code. Take what is in the backlog, then go. Connections on their way to other loops
// keep the listener until they have been welcomed.
static void
part_last(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_listener_part *part = wi_container_of(task, struct wi_listener_part, last);
    struct wi_listener *listener = part->listener;
    uint32_t open;

    if (part->fd >= 0) {
        if (take_backlog(part)) {
            wi_loop_post(loop, task); // for the next turn
            return;
        }
        wi_wheel_disarm(&loop->wheel, &part->timer);
        wi_loop_forget(loop, &part->source);
        wi_hybrid_drop(part);
        wi_os_close(part->fd);
        part->fd = -1;
    }
    open = wi_load_acquire(&listener->parts_open);
    if (open % LISTENER_TRAVELLER == 1 && open / LISTENER_TRAVELLER != 0) {
        wi_loop_post(loop, task); // the last part waits for the travellers
        return;
    }
    unlist_part(loop, part);
    // ORDER(listener) both ways: the last part sees what the others did.
    if (wi_sub_acq_rel(&listener->parts_open, 1) % LISTENER_TRAVELLER == 1) {
        unlink_path(listener);
        if (listener->request.closed != NULL) {
            listener->request.closed(
                (weir_listener){handle_of(listener, wi_load_relaxed(&listener->generation) - 1)},
                -(int)wi_load_relaxed(&listener->failed), listener->request.arg);
        }
        wi_listener_free(listener);
    }
}

static const struct wi_task_ops last_ops = {.run = part_last};

// It cannot be watched: better gone, and said so, than deaf.
static void
give_up(struct wi_listener *listener, int status)
{
    wi_log(listener->runtime, WEIR_LOG_ERROR, "a listener cannot be watched: %s",
           weir_strerror(status));
    wi_store_relaxed(&listener->failed, (uint32_t)-status); // the close publishes it
    weir_listener_close(
        (weir_listener){handle_of(listener, wi_load_relaxed(&listener->generation))});
}

static void
part_asked(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_listener_part *part = wi_container_of(control, struct wi_listener_part, control);
    uint32_t pending = wi_swap_acq_rel(&part->pending, 0);

    if (pending & PART_STARTED) {
        int result = wi_os_poll_add(loop->poller, part->fd, EPOLLIN, &part->source);

        list_part(loop, part);
        if (result < 0) {
            give_up(part->listener, result);
        }
    }
    if ((pending & PART_STARTED) && loop->stopping) { // the stop has not seen it
        weir_listener_close((weir_listener){
            handle_of(part->listener, wi_load_relaxed(&part->listener->generation))});
    }
    if ((pending & PART_CLOSED) && !part->closing) {
        part->closing = true;
        // The kernel takes one more than it was told.
        part->last_left = wi_listen_backlog(&part->listener->request) + 1;
        part->last.ops = &last_ops;
        wi_loop_post(loop, &part->last);
    }
}

static void
tell_parts(struct wi_listener *listener, uint32_t what)
{
    unsigned count = listener->part_count;
    struct wi_listener_part *parts = listener->parts;

    for (unsigned i = 0; i < count; i++) {
        if (wi_or_acq_rel(&parts[i].pending, what) == 0) {
            wi_loop_control(parts[i].loop, &parts[i].control);
        }
    }
}

int
weir_listener_close(weir_listener handle)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_LISTENER);
    uint32_t generation = wi_handle_generation(handle.bits);
    struct wi_listener *listener;

    if (runtime == NULL) {
        return wi_stale();
    }
    listener = wi_slots_at(&runtime->listeners, wi_handle_slot(handle.bits));
    // ORDER(listener) observe: pairs with weir_listen(). Of two closes one moves the generation on.
    if (listener == NULL || !(generation & 1) ||
        !wi_cas_acquire(&listener->generation, &generation, generation + 1)) {
        return -WEIR_ESTALE;
    }
    tell_parts(listener, PART_CLOSED);
    return 0;
}

void
wi_listeners_stop(struct wi_loop *loop)
{
    struct wi_listener_part *next;

    for (struct wi_listener_part *part = wi_net_of(loop)->listeners; part != NULL; part = next) {
        next = part->next;
        weir_listener_close((weir_listener){
            handle_of(part->listener, wi_load_relaxed(&part->listener->generation))});
    }
}

/* ---- listening ---- */

// The kernel may have chosen the port: the other sockets must have the same.
static int
note_bound(struct wi_listener *listener, int fd, struct weir_address *address)
{
    int result;

    address->size = sizeof(address->as);
    result = wi_os_local_address(fd, &address->as.any, &address->size);
    if (result < 0) {
        wi_listen_remove_ours(&listener->request.address);
        wi_os_close(fd);
    }
    listener->bound = *address;
    return result < 0 ? result : fd;
}

static int
make_parts(struct wi_listener *listener)
{
    struct weir_address address = listener->request.address;

    for (unsigned i = 0; i < listener->part_count; i++) {
        struct wi_listener_part *part = &listener->parts[i];
        bool is_adopted = (listener->request.flags & WEIR_LISTEN_ADOPT) != 0;
        int fd = is_adopted ? listener->request.fd : wi_listen_socket(&listener->request, &address);

        if (is_adopted) {
            listener->bound = address;
        } else if (fd >= 0 && i == 0) {
            fd = note_bound(listener, fd, &address);
        }
        if (fd < 0) {
            while (i-- > 0) {
                wi_os_close(listener->parts[i].fd);
            }
            return fd;
        }
        *part = (struct wi_listener_part){.source.ops = &part_ops,
                                          .control.run = part_asked,
                                          .listener = listener,
                                          .loop = &listener->runtime->loops[i],
                                          .fd = fd};
    }
    return 0;
}

static int
check_listen(const struct weir_listen *request)
{
    unsigned known = WEIR_LISTEN_REUSEPORT | WEIR_LISTEN_V6ONLY | WEIR_LISTEN_FAST_OPEN |
                     WEIR_LISTEN_UNLINK | WEIR_LISTEN_HYBRID | WEIR_LISTEN_ADOPT;
    enum wi_transport transport;

    if ((request->flags & ~known) != 0 || request->backlog < 0) {
        return -EINVAL;
    }
    if (!wi_transport_of(request->address.as.any.sa_family, &transport)) {
        return -EAFNOSUPPORT;
    }
    if ((transport != WI_TRANSPORT_TCP && (request->flags & WEIR_LISTEN_REUSEPORT)) ||
        (transport != WI_TRANSPORT_UNIX && (request->flags & WEIR_LISTEN_HYBRID))) {
        return -EINVAL;
    }
    return wi_stream_check_options(&request->stream);
}

static int
open_listener(struct wi_runtime *runtime, const struct weir_listen *request,
              weir_listener *ret_listener)
{
    struct wi_listener *listener = wi_listener_take(runtime);
    int result = -ENOMEM;

    if (listener == NULL) {
        return -ENOMEM;
    }
    listener->request = *request;
    listener->request.endpoint = NULL; // the caller's
    listener->part_count = request->flags & WEIR_LISTEN_REUSEPORT ? runtime->loop_count : 1;
    listener->parts = wi_heap_zalloc(listener->part_count * sizeof(listener->parts[0]));
    if (listener->parts != NULL) {
        if (request->flags & WEIR_LISTEN_UNLINK) {
            wi_listen_remove_dead(&request->address);
        }
        result = make_parts(listener);
    }
    if (result < 0) {
        wi_listener_free(listener);
        return result;
    }
    wi_store_relaxed(&listener->parts_open, listener->part_count);
    wi_store_relaxed(&listener->failed, 0);
    // ORDER(listener) publish: pairs with weir_listener_close().
    wi_store_release(&listener->generation, wi_load_relaxed(&listener->generation) + 1);
    ret_listener->bits = handle_of(listener, wi_load_relaxed(&listener->generation));
    tell_parts(listener, PART_STARTED);
    return 0;
}

// Of all this machine's addresses: IPv6's take IPv4 in, where there are any.
static int
open_any(struct wi_runtime *runtime, struct weir_listen *request, weir_listener *ret_listener)
{
    uint16_t port = (uint16_t)weir_address_port(&request->address);
    int result = open_listener(runtime, request, ret_listener);

    if ((result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL) &&
        !(request->flags & WEIR_LISTEN_V6ONLY)) {
        weir_address_ip(&request->address, "0.0.0.0", port);
        result = open_listener(runtime, request, ret_listener);
    }
    return result;
}

int
weir_listen(struct weir_runtime *public, const struct weir_listen *request,
            weir_listener *ret_listener)
{
    struct wi_runtime *runtime = wi_runtime_of(public);
    struct wi_lane *lane = NULL;
    struct weir_listen chosen;
    bool is_any = false;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || request == NULL || ret_listener == NULL) {
        return -EINVAL;
    }
    chosen = *request;
    result = chosen.flags & WEIR_LISTEN_ADOPT ? wi_listen_adopt(&chosen)
                                              : wi_listen_choose(&chosen, &is_any);
    if (result == 0) {
        result = check_listen(&chosen);
    }
    if (result < 0) {
        return result;
    }
    if (!wi_on_loop(&runtime->loops[0])) { // a stop that comes meanwhile must find it
        lane = wi_thread_lane(&runtime->loops[0]);
        if (lane == NULL) {
            return -ENOMEM;
        }
        if (!wi_lane_enter(lane)) {
            return -WEIR_EENDED;
        }
    } else if (wi_runtime_is_stopping(runtime)) {
        return -WEIR_EENDED;
    }
    result = is_any ? open_any(runtime, &chosen, ret_listener)
                    : open_listener(runtime, &chosen, ret_listener);
    if (lane != NULL) {
        wi_lane_leave(lane);
    }
    return result;
}

int
weir_listener_address(weir_listener handle, struct weir_address *ret_address)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_LISTENER);
    struct wi_listener *listener;

    if (runtime == NULL) {
        return wi_stale();
    }
    if (ret_address == NULL) {
        return -EINVAL;
    }
    listener = wi_slots_at(&runtime->listeners, wi_handle_slot(handle.bits));
    if (listener == NULL ||
        wi_load_acquire(&listener->generation) != wi_handle_generation(handle.bits)) {
        return -WEIR_ESTALE;
    }
    *ret_address = listener->bound;
    return 0;
}
