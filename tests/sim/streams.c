// SPDX-License-Identifier: MIT

// Streams: how they come to be, their events, what their peers do.

#include "tests/sim/world.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

// ---- events -------------------------------------------------------------------------------------

static void
event_begins(struct sim_stream *stream, const char *name)
{
    sim_callback_begins(stream, name);
    sim_say((uint64_t)stream->number, strlen(name), "    stream %d: %s", stream->number, name);
    if (stream->closed) {
        sim_fail("events: %s of stream %d comes behind `closed`", name, stream->number);
    }
    if (!stream->started) {
        sim_fail("events: %s of stream %d comes before `started`", name, stream->number);
    }
}

static void
event_ends(void)
{
    if (sim_world.calls_from_callbacks && !sim_world.quiet && sim_chance(200)) {
        sim_any_call();
    }
    sim_callback_ends();
}

static void provide(struct sim_stream *stream);

static void
started(weir_stream handle, int status, void *user)
{
    struct sim_stream *stream = user;

    sim_callback_begins(stream, "started");
    sim_say((uint64_t)stream->number, (uint64_t)status, "    stream %d: started %d", stream->number,
            status);
    if (stream->started || stream->closed) {
        sim_fail("events: stream %d starts twice", stream->number);
    }
    if (handle.bits != stream->handle.bits) {
        sim_fail("events: stream %d is told with another handle", stream->number);
    }
    stream->started = true;
    stream->started_status = status;
    if (status != 0 && stream->dialled) {
        SIM_HIT(connect_failed);
        if (status == -ETIMEDOUT) {
            SIM_HIT(connect_timeout);
        }
    }
    if (status == 0 && stream->is_lazy) {
        SIM_HIT(lazy_start);
    }
    if (stream->file != NULL && stream->file->owner == stream && stream->file->out != NULL) {
        stream->out = stream->file->out;
        stream->in = stream->file->in;
    }
    if (stream->is_provided && status == 0) {
        stream->wants_buffer = true;
        if (sim_chance(700)) {
            provide(stream);
        }
    }
    event_ends();
}

// What was shown must be what the other side sent, from where the last answer ended.
static void
check_bytes(struct sim_stream *stream, const unsigned char *bytes, size_t size)
{
    if (stream->in == NULL || stream->delivered + size > stream->in->taken) {
        sim_fail("reading: stream %d is shown %zu bytes, more than were received", stream->number,
                 size);
    }
    if (!sim_pipe_has(stream->in, stream->delivered, bytes, size)) {
        sim_fail("reading: stream %d is shown other bytes than were sent", stream->number);
    }
}

// Blocks taken out of what is shown; the rest is then what the answer speaks of.
static size_t
take_some(struct sim_stream *stream, size_t size)
{
    struct weir_chain chain = {0};
    size_t part = sim_below((unsigned)size + 1);
    int result;

    sim_call_begins();
    result = weir_take(stream->handle, part, &chain);
    sim_call_ends();
    if (result == -ENOMEM && sim_out_of_memory) {
        return 0;
    }
    if (result != 0 || weir_chain_size(&chain) != part) {
        sim_fail("reading: %zu of %zu shown bytes cannot be taken (%d)", part, size, result);
    }
    SIM_HIT(taken);
    weir_chain_return(&chain);
    stream->delivered += part;
    return part;
}

static struct weir_consumed
data(weir_stream handle, struct weir_iter begin, struct weir_iter end, void *user)
{
    static unsigned char bytes[1 << 20];
    struct sim_stream *stream = user;
    struct weir_consumed answer;
    size_t size = 0;

    (void)handle;
    event_begins(stream, "data");
    if (weir_iter_length(begin, end, &size) != 0 || size > sizeof(bytes)) {
        sim_fail("reading: stream %d is shown a range that is none", stream->number);
    }
    if (stream->consume_pending) {
        sim_fail("reading: stream %d is shown more while an answer is pending", stream->number);
    }
    weir_iter_copy_out(&begin, bytes, size);
    check_bytes(stream, bytes, size);
    stream->shown = stream->delivered + size;
    if (!sim_world.quiet && size != 0 && sim_chance(60)) {
        size -= take_some(stream, size);
    }
    answer = (struct weir_consumed){.consumed = size, .examined = size};
    if (!sim_world.quiet && sim_chance(150)) {
        SIM_HIT(partial_consume);
        answer.consumed = sim_below((unsigned)size + 1);
    } else if (!sim_world.quiet && sim_chance(50)) {
        stream->consume_pending = true;
        stream->pending_shown = size;
        answer.consumed = WEIR_CONSUME_PENDING;
    }
    if (answer.consumed != WEIR_CONSUME_PENDING) {
        stream->delivered += answer.consumed;
    }
    event_ends();
    return answer;
}

static void
peer_fin(weir_stream handle, bool ambiguous, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    (void)ambiguous;
    event_begins(stream, "peer_fin");
    SIM_HIT(peer_fin);
    if (stream->eof_told || stream->in == NULL || !stream->in->fin) {
        sim_fail("events: stream %d is told of an end that was not sent", stream->number);
    }
    if (!stream->is_pull && !stream->stopped_reading && stream->shown != stream->in->sent) {
        sim_fail("reading: stream %d is told of the end behind %zu of %zu bytes", stream->number,
                 stream->shown, stream->in->sent);
    }
    stream->eof_told = true;
    event_ends();
}

static void
peer_reset(weir_stream handle, uint64_t code, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    (void)code;
    event_begins(stream, "peer_reset");
    SIM_HIT(peer_reset);
    if (stream->reset_told) {
        sim_fail("events: stream %d is told of a reset twice", stream->number);
    }
    stream->reset_told = true;
    event_ends();
}

static void
peer_stop(weir_stream handle, uint64_t code, void *user)
{
    (void)handle;
    (void)code;
    event_begins(user, "peer_stop");
    event_ends();
}

static void
writable(weir_stream handle, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    event_begins(stream, "writable");
    SIM_HIT(writable);
    stream->was_refused_full = false;
    event_ends();
}

static void
send_closed(weir_stream handle, bool graceful, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    event_begins(stream, "send_closed");
    if (stream->send_closed) {
        sim_fail("events: stream %d says send_closed twice", stream->number);
    }
    if (graceful && !stream->fin_sent && stream->started_status == 0) {
        sim_fail("events: stream %d says it ended gracefully, and sent no end", stream->number);
    }
    stream->send_closed = true;
    event_ends();
}

static void
count_closed(const struct sim_stream *stream, const struct weir_closed *closed)
{
    if (closed->status == 0 && stream->drained && !stream->flushed) {
        SIM_HIT(drained);
    } else if (closed->status == 0 && stream->flushed) {
        SIM_HIT(flushed);
    } else if (closed->status == -ECONNABORTED) {
        SIM_HIT(aborted);
        if (!stream->aborted && stream->bound) {
            SIM_HIT(token_abort);
        }
    } else if (closed->status == -ETIMEDOUT && stream->started_status == 0) {
        SIM_HIT(close_timeout);
    }
}

static void
closed(weir_stream handle, const struct weir_closed *closed, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    event_begins(stream, "closed");
    sim_say((uint64_t)closed->status, closed->bytes_lost, "      %s, %llu sent, %llu lost",
            weir_strerror(closed->status), (unsigned long long)closed->bytes_sent,
            (unsigned long long)closed->bytes_lost);
    sim_check_closed(stream, closed);
    if (stream->buffers_out != 0) {
        sim_fail("reading: stream %d closes and keeps %u buffers", stream->number,
                 stream->buffers_out);
    }
    count_closed(stream, closed);
    stream->closed = true;
    event_ends();
}

// ---- provided buffers ---------------------------------------------------------------------------

#define BUFFER_MAX 3000u

static void
provide(struct sim_stream *stream)
{
    size_t size = 1 + sim_below(sim_chance(500) ? 60 : BUFFER_MAX);
    int result;

    if (stream->closed) {
        return;
    }
    sim_call_begins();
    result = weir_provide(stream->handle, sim_alloc(size), size);
    sim_call_ends();
    sim_say(size, (uint64_t)result, "  stream %d: a buffer of %zu bytes is provided = %d",
            stream->number, size, result);
    if (result == 0) {
        stream->buffers_out++;
        stream->wants_buffer = false;
    } else if (result != -WEIR_ESTALE && !(result == -ENOMEM && sim_out_of_memory)) {
        sim_fail("reading: a buffer for stream %d is refused (%d)", stream->number, result);
    }
}

static void
filled(weir_stream handle, void *buffer, size_t size, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    event_begins(stream, "filled");
    if (stream->buffers_out == 0) {
        sim_fail("reading: stream %d gives back more buffers than it has", stream->number);
    }
    stream->buffers_out--;
    if (size != 0) {
        check_bytes(stream, buffer, size);
        stream->delivered += size;
        stream->shown = stream->delivered;
        SIM_HIT(provided);
        if (sim_world.quiet || sim_chance(700)) {
            provide(stream);
        }
    }
    event_ends();
}

static void
buffer_needed(weir_stream handle, void *user)
{
    struct sim_stream *stream = user;

    (void)handle;
    event_begins(stream, "buffer_needed");
    SIM_HIT(buffer_needed);
    stream->wants_buffer = true;
    if (sim_world.quiet || sim_chance(700)) {
        provide(stream);
    }
    event_ends();
}

static void
provide_late(struct weir_loop *loop, void *arg)
{
    struct sim_stream *stream = arg;

    (void)loop;
    sim_callback_begins(NULL, "a posted function");
    if (stream->buffers_out == 0 && !stream->eof_told) {
        provide(stream);
    }
    sim_callback_ends();
}

// From any thread: on its loop, later.
void
sim_provide_to(struct sim_stream *stream)
{
    if (stream->is_provided && stream->wants_buffer && stream->started) {
        stream->wants_buffer = false;
        sim_call_begins();
        if (weir_post(sim_world.loops[stream->loop], provide_late, stream) < 0) {
            stream->wants_buffer = true;
        }
        sim_call_ends();
    }
}

static const struct weir_handlers push_handlers = {
    .started = started,
    .data = data,
    .peer_fin = peer_fin,
    .peer_reset = peer_reset,
    .peer_stop = peer_stop,
    .writable = writable,
    .send_closed = send_closed,
    .closed = closed,
};
static const struct weir_handlers provided_handlers = {
    .started = started,
    .peer_fin = peer_fin,
    .peer_reset = peer_reset,
    .peer_stop = peer_stop,
    .writable = writable,
    .filled = filled,
    .buffer_needed = buffer_needed,
    .send_closed = send_closed,
    .closed = closed,
};
static const struct weir_handlers pull_handlers = {
    .started = started,
    .peer_fin = peer_fin,
    .peer_reset = peer_reset,
    .peer_stop = peer_stop,
    .writable = writable,
    .send_closed = send_closed,
    .closed = closed,
};

// ---- options ------------------------------------------------------------------------------------

static size_t
one_of(const size_t *sizes, unsigned count)
{
    return sizes[sim_below(count)];
}

static void
choose_options(struct sim_stream *stream)
{
    static const size_t highs[] = {0, 0, 0, 1, 100, 400, 5000, 100000};
    static const size_t behinds[] = {0,  0,    WEIR_WRITE_BEHIND_NONE,
                                     50, 3000, WEIR_WRITE_BEHIND_UNLIMITED};
    static const size_t inputs[] = {0, 0, 0, 100, 5000};
    struct weir_stream_options *options = &stream->options;
    bool limits = sim_world.theme == SIM_THEME_LIMITS;

    stream->is_pull = sim_chance(350);
    stream->is_provided = stream->is_pull && sim_chance(350);
    options->handlers = stream->is_provided ? &provided_handlers
                        : stream->is_pull   ? &pull_handlers
                                            : &push_handlers;
    options->user = stream;
    options->flags |= sim_chance(limits ? 800 : 500) ? (unsigned)WEIR_STREAM_INLINE : 0;
    options->flags |= sim_chance(sim_world.theme == SIM_THEME_TEARS ? 400 : 60)
                          ? (unsigned)WEIR_STREAM_SWALLOW
                          : 0;
    options->flags |= sim_chance(60) ? (unsigned)WEIR_STREAM_FIN_IS_ABORT : 0;
    options->flags |= sim_chance(100) ? (unsigned)WEIR_STREAM_PAUSE_ON_PARTIAL : 0;
    options->flags |= sim_chance(150) ? (unsigned)WEIR_STREAM_ACKED : 0;
    options->flags |= sim_chance(100) ? (unsigned)WEIR_STREAM_NODELAY : 0;
    options->flags |= sim_chance(60) ? (unsigned)WEIR_STREAM_REST : 0;
    options->queue_high = one_of(highs, limits ? 8 : 3 + sim_below(5));
    if (limits && sim_chance(500)) {
        options->queue_high = 1 + sim_below(2000);
    }
    options->write_behind = one_of(behinds, 6);
    options->input_high = one_of(inputs, 5);
    options->write_deadline_ns = sim_chance(100) ? 1000000 * (uint64_t)(1 + sim_below(500)) : 0;
    options->cork_ns = sim_chance(300) ? 1000000 * (uint64_t)(1 + sim_below(50)) : 0;
    stream->early_max = options->write_behind == 0 ? 65536 : options->write_behind;
    if (options->write_behind == WEIR_WRITE_BEHIND_NONE) {
        stream->early_max = 0;
    }
}

// ---- opening ------------------------------------------------------------------------------------

static void
opened(struct sim_stream *stream, int result, const char *how)
{
    sim_say((uint64_t)result, (uint64_t)stream->number, "  stream %d %s on loop %d = %d",
            stream->number, how, stream->loop, result);
    stream->exists = result == 0;
    if (result < 0) {
        stream->closed = true; // no event may come
    }
}

static void
adopt(void)
{
    struct sim_stream *stream = sim_stream_new((int)sim_below(sim_world.loop_count));
    struct sim_file *ours = NULL;
    struct sim_file *peers;
    int result;

    if (stream == NULL) {
        return;
    }
    choose_options(stream);
    sim_pair(sim_chance(400) ? AF_UNIX : AF_INET, &ours, &peers);
    if (ours == NULL) {
        stream->closed = true;
        return;
    }
    sim_stream_attach(stream, ours);
    stream->out = ours->out;
    stream->in = ours->in;
    ours->port = stream->port;
    if (ours->family == AF_UNIX) {
        stream->options.flags &= ~(unsigned)WEIR_STREAM_ACKED;
    }
    sim_call_begins();
    result = weir_adopt(sim_world.loops[stream->loop], SIM_FIRST_FD + ours->index, &stream->options,
                        &stream->handle);
    sim_call_ends();
    opened(stream, result, "adopts a socket");
    if (result < 0) {
        sim_close_file(ours);
    }
}

static void
address_of(struct weir_address *address, int family, int port)
{
    if (family == AF_INET) {
        if (weir_address_ip(address, "127.0.0.1", (uint16_t)port) < 0) {
            sim_fail("an address is refused");
        }
    } else {
        char name[32];

        snprintf(name, sizeof(name), "@%d", port);
        if (weir_address_unix(address, name) < 0) {
            sim_fail("an address is refused");
        }
    }
}

static void
dial(void)
{
    static const int ports[] = {SIM_PORT_HOST,      SIM_PORT_HOST,    SIM_PORT_HOST,
                                SIM_PORT_LISTENERS, SIM_PORT_REFUSES, SIM_PORT_SILENT};
    struct sim_stream *stream = sim_stream_new((int)sim_below(sim_world.loop_count));
    struct weir_dial request = {0};
    int port = ports[sim_below(6)];
    int family = port != SIM_PORT_SILENT && sim_chance(250) ? AF_UNIX : AF_INET;
    int result;

    if (stream == NULL) {
        return;
    }
    choose_options(stream);
    if (family == AF_UNIX) {
        stream->options.flags &= ~(unsigned)WEIR_STREAM_ACKED;
    }
    address_of(&request.address, family, port);
    address_of(&request.bind, family, stream->port);
    stream->is_lazy = sim_chance(250);
    request.flags = stream->is_lazy ? WEIR_DIAL_LAZY : 0;
    request.timeout_ns = 1000000 * (uint64_t)(1 + sim_below(3000));
    request.stream = stream->options;
    stream->dialled = true;
    sim_call_begins();
    result = weir_dial(sim_world.loops[stream->loop], &request, &stream->handle);
    sim_call_ends();
    opened(stream, result, stream->is_lazy ? "is dialled lazily" : "is dialled");
}

static void
peer_connects(void)
{
    static int connected;
    int fd = sim_open(SIM_SOCKET);

    if (fd >= 0) {
        sim_file(fd)->is_peers = true;
        sim_file(fd)->family = AF_INET;
        sim_file(fd)->port = SIM_PORT_OWN + 1000 + connected++;
        sim_peer_connect(sim_file(fd), SIM_PORT_LISTENERS);
        sim_say((uint64_t)fd, 0, "  a peer connects (%d)", fd);
    }
}

static void
accepted(weir_listener listener, weir_stream handle, void *arg)
{
    static const struct weir_handlers none;
    struct sim_stream *stream = sim_stream_new(sim_loop_running());
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);

    (void)listener;
    (void)arg;
    sim_callback_begins(stream, "accepted");
    SIM_HIT(accepted);
    if (sim_world.reuses_port) {
        SIM_HIT(reuseport);
    }
    if (stream == NULL) {
        weir_stream_set_handlers(handle, &none, NULL);
        weir_close(handle, WEIR_CLOSE_ABORT, 0, 0);
        sim_callback_ends();
        return;
    }
    sim_say((uint64_t)stream->number, 0, "  stream %d is accepted on loop %d", stream->number,
            stream->loop);
    choose_options(stream);
    stream->options.flags = 0; // the listener's
    stream->options.queue_high = 0;
    stream->options.write_deadline_ns = 0;
    stream->early_max = 65536;
    stream->handle = handle;
    stream->exists = true;
    stream->unknown_errors = true; // of what was before
    weir_stream_set_handlers(handle, stream->options.handlers, stream);
    if (weir_stream_peer_address(handle, (struct sockaddr *)&peer, &size) == 0) {
        for (int i = 0; i < sim_files_used; i++) {
            struct sim_file *file = &sim_files[i];

            if (file->kind == SIM_SOCKET && !file->is_peers && file->state == SIM_CONNECTED &&
                file->port == SIM_PORT_LISTENERS && file->remote_port == ntohs(peer.sin_port)) {
                sim_stream_attach(stream, file);
                stream->out = file->out;
                stream->in = file->in;
            }
        }
    }
    event_ends();
}

static void
listener_closed(weir_listener listener, int status, void *arg)
{
    (void)listener;
    (void)arg;
    sim_callback_begins(NULL, "the listener's closed");
    sim_say(0, (uint64_t)status, "    the listener is closed: %d", status);
    if (!sim_world.listens) {
        sim_fail("events: the listener closes twice");
    }
    sim_world.listens = false;
    sim_callback_ends();
}

void
sim_listen(void)
{
    struct weir_listen request = {.accepted = accepted, .closed = listener_closed, .backlog = 4};
    struct sim_file *host;

    address_of(&request.address, AF_INET, SIM_PORT_LISTENERS);
    sim_world.reuses_port = sim_world.loop_count > 1 && sim_chance(300);
    request.flags = sim_world.reuses_port ? WEIR_LISTEN_REUSEPORT : 0;
    sim_world.listens = weir_listen(sim_world.runtime, &request, &sim_world.listener) == 0;
    host = sim_file(sim_open(SIM_SOCKET));
    host->is_peers = true;
    host->state = SIM_LISTENING;
    host->backlog = SIM_BACKLOG;
    host->port = SIM_PORT_HOST;
}

void
sim_open_stream(void)
{
    unsigned kind = sim_below(10);

    if (kind < 5) {
        adopt();
    } else if (kind < 8) {
        dial();
    } else {
        peer_connects();
    }
}

// ---- peers --------------------------------------------------------------------------------------

static struct sim_file *
any_peer(void)
{
    int first = (int)sim_below((unsigned)sim_files_used);

    for (int i = 0; i < sim_files_used; i++) {
        struct sim_file *file = &sim_files[(first + i) % sim_files_used];

        if (file->kind == SIM_SOCKET && file->is_peers && file->state == SIM_CONNECTED) {
            return file;
        }
    }
    return NULL;
}

void
sim_any_peer(void)
{
    struct sim_file *file = any_peer();
    unsigned what = sim_below(100);
    size_t size;

    if (file == NULL) {
        return;
    }
    if (sim_world.theme == SIM_THEME_CONNECTS && sim_chance(60)) {
        what = 99;
    }
    if (what < 60) {
        size = sim_peer_receive(file, 1 + sim_below(sim_chance(500) ? 100000 : 300));
        sim_say(size, what, "  peer %d reads %zu", file->index, size);
    } else if (what < 94) {
        size = sim_peer_send(file, 1 + sim_below(sim_chance(200) ? 4096 : 50));
        sim_say(size, what, "  peer %d sends %zu", file->index, size);
    } else if (what == 94) {
        if (sim_chance(200)) { // the network has: nobody says so for long
            sim_say(0, what, "  the connection of peer %d is lost", file->index);
            sim_lose(file);
        }
    } else if (what < 97) {
        sim_say(0, what, "  peer %d ends", file->index);
        sim_peer_end(file);
    } else {
        sim_say(0, what, "  peer %d %s", file->index, what == 97 ? "closes" : "resets");
        if (what == 97) {
            sim_close_file(file);
        } else {
            sim_peer_reset(file);
        }
    }
}

void
sim_peers_read_all(void)
{
    for (int i = 0; i < sim_files_used; i++) {
        if (sim_files[i].kind == SIM_SOCKET && sim_files[i].is_peers &&
            sim_files[i].state == SIM_CONNECTED) {
            sim_peer_receive(&sim_files[i], SIZE_MAX);
            if (sim_files[i].cut && !sim_files[i].reset) {
                sim_peer_end(&sim_files[i]);
            }
        }
    }
}

void
sim_check_streams_over(void)
{
    for (int i = 0; i < sim_stream_count; i++) {
        if (sim_streams[i].exists && !sim_streams[i].closed) {
            sim_fail("stuck: stream %d never says `closed`", i);
        }
    }
}
