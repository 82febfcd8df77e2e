/* SPDX-License-Identifier: MIT */

#include "netio/hybrid.h"

#include "mem/heap.h"
#include "netio/listen.h"
#include "netio/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASK_TIMEOUT_NS UINT64_C(5000000000)

// The ports that clients are told they have, as Firecracker numbers them.
#define TOLD_PORTS (UINT32_C(1) << 30)

/* ---- lines ---- */

int
wi_hybrid_hear(int fd, struct wi_hybrid_line *line)
{
    // One byte at a time: what comes behind the line is the stream's, and stays in the socket.
    while (line->size < sizeof(line->text)) {
        ssize_t size = wi_os_receive(fd, line->text + line->size, 1);

        if (size == -EAGAIN) {
            return 0;
        }
        if (size <= 0) {
            return size < 0 ? (int)size : -ECONNREFUSED;
        }
        if (line->text[line->size++] == '\n') {
            return 1;
        }
    }
    return -EPROTO;
}

int
wi_hybrid_say(int fd, const char *word, uint32_t port, uint8_t *said)
{
    char text[WI_HYBRID_LINE_MAX];
    int size = snprintf(text, sizeof(text), "%s %u\n", word, port);

    while (*said < size) {
        ssize_t sent = wi_os_send(fd, text + *said, (size_t)size - *said);

        if (sent == -EAGAIN) {
            return 0;
        }
        if (sent < 0) {
            return (int)sent;
        }
        *said = (uint8_t)(*said + sent);
    }
    return 1;
}

int
wi_hybrid_read(const struct wi_hybrid_line *line, const char *word, uint32_t *ret_port)
{
    size_t at = strlen(word);
    uint64_t port = 0;

    if (line->size < at + 3 || memcmp(line->text, word, at) != 0 || line->text[at] != ' ') {
        return -EPROTO;
    }
    for (at++; at + 1 < line->size; at++) {
        if (line->text[at] < '0' || line->text[at] > '9') {
            return -EPROTO;
        }
        port = port * 10 + (uint64_t)(line->text[at] - '0');
        if (port > UINT32_MAX) {
            return -EPROTO;
        }
    }
    *ret_port = (uint32_t)port;
    return 0;
}

/* ---- names ---- */

int
wi_hybrid_guest_address(struct weir_address *address, uint32_t port)
{
    char *name = address->as.un.sun_path;
    size_t room = sizeof(address->as.un.sun_path);
    size_t before = offsetof(struct sockaddr_un, sun_path);
    bool is_abstract = name[0] == '\0';
    size_t length = is_abstract ? address->size - before : strnlen(name, room);
    char suffix[sizeof("_4294967295")];
    size_t more = (size_t)snprintf(suffix, sizeof(suffix), "_%u", port);

    if (length + more + !is_abstract > room) {
        return -ENAMETOOLONG;
    }
    memcpy(name + length, suffix, more + !is_abstract); // an abstract name has no terminator
    address->size = (socklen_t)(before + length + more + !is_abstract);
    return 0;
}

bool
wi_stream_set_hybrid_port(struct wi_stream *stream, uint32_t port)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra != NULL) {
        extra->has_hybrid_port = true;
        extra->hybrid_port = port;
    }
    return extra != NULL;
}

int
weir_stream_hybrid_port(weir_stream handle, uint32_t *ret_port)
{
    struct wi_gate *gate = wi_gate_find(handle.bits);
    const struct wi_stream *stream;

    if (gate == NULL) {
        return wi_stale();
    }
    if (ret_port == NULL) {
        return -EINVAL;
    }
    if (!wi_on_loop(gate->loop)) {
        return -EXDEV;
    }
    stream = wi_stream_of(gate);
    if (stream->extra == NULL || !stream->extra->has_hybrid_port) {
        return -ENOTSUP;
    }
    *ret_port = stream->extra->hybrid_port;
    return 0;
}

/* ---- dialling ---- */

static int
ask_and_hear(struct wi_stream *stream, struct wi_hybrid_asking *asking)
{
    int result = wi_hybrid_say(stream->fd, "CONNECT", asking->port, &asking->said);
    uint32_t their_port;

    if (result > 0 || result == -EPIPE) { // a refusal that came early may still be read
        result = wi_hybrid_hear(stream->fd, &asking->answer);
    }
    return result == 1 ? (wi_hybrid_read(&asking->answer, "OK", &their_port) < 0 ? -EPROTO : 1)
                       : result;
}

void
wi_hybrid_dial(struct wi_loop *loop, struct wi_stream *stream, uint32_t events)
{
    int result = ask_and_hear(stream, &stream->extra->dialling->hybrid);

    if (result < 0) {
        wi_stream_die(loop, stream, result, wi_origin_of(result), 0);
    } else if (result == 1) {
        // The poller has told what came behind the answer, and will not say so again.
        stream->flags |= WI_S_READABLE | (events & (EPOLLRDHUP | EPOLLHUP) ? WI_S_RDHUP : 0u);
        wi_dial_begin(loop, stream);
    }
}

/* ---- being asked ---- */

/** One who has connected and not asked yet; in its part's list, the oldest last. */
struct wi_hybrid_client {
    struct wi_source source;
    struct wi_timer timer;
    struct wi_listener_part *part;
    struct wi_hybrid_client *next, *prev;
    int fd;
    socklen_t peer_size;
    struct sockaddr_storage peer;
    struct wi_hybrid_line question;
};

static void
forget(struct wi_hybrid_client *client)
{
    struct wi_listener_part *part = client->part;

    wi_wheel_disarm(&part->loop->wheel, &client->timer);
    wi_loop_forget(part->loop, &client->source);
    if (client->next != NULL) {
        client->next->prev = client->prev;
    }
    if (client->prev != NULL) {
        client->prev->next = client->next;
    } else {
        part->clients = client->next;
    }
    wi_heap_free(client);
}

static void
refuse(struct wi_hybrid_client *client)
{
    wi_os_close(client->fd);
    forget(client);
}

// The question is there: answer it, and the connection is as any other.
static void
answer(struct wi_hybrid_client *client, uint32_t port)
{
    struct wi_listener_part *part = client->part;
    struct sockaddr_storage peer = client->peer;
    socklen_t peer_size = client->peer_size;
    int fd = client->fd;
    uint8_t said = 0;

    // Another poller will watch it, or this one as another's. No bytes have gone its way: there is
    // room, or nobody to read it.
    if (wi_os_poll_remove(part->loop->poller, fd) < 0 ||
        wi_hybrid_say(fd, "OK", TOLD_PORTS + part->told++, &said) != 1) {
        refuse(client);
        return;
    }
    forget(client);
    wi_listener_place(part, fd, &peer, peer_size, port);
}

static void
hear(struct wi_hybrid_client *client)
{
    uint32_t port;
    int result = wi_hybrid_hear(client->fd, &client->question);

    if (result == 1) {
        result = wi_hybrid_read(&client->question, "CONNECT", &port);
        if (result == 0) {
            answer(client, port);
            return;
        }
    }
    if (result < 0) {
        refuse(client);
    }
}

static void
client_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    (void)loop;
    (void)events;
    hear(wi_container_of(source, struct wi_hybrid_client, source));
}

static const struct wi_source_ops client_ops = {.ready = client_ready};

void
wi_hybrid_accept(struct wi_listener_part *part, int fd, const struct sockaddr_storage *peer,
                 socklen_t peer_size)
{
    struct wi_loop *loop = part->loop;
    struct wi_hybrid_client *client = wi_heap_zalloc(sizeof(*client));
    int result = client == NULL ? -ENOMEM : 0;

    if (result == 0) {
        client->source.ops = &client_ops;
        result = wi_os_poll_add(loop->poller, fd, EPOLLIN, &client->source);
    }
    if (result < 0) {
        wi_os_close(fd);
        wi_heap_free(client);
        wi_log(loop->runtime, WEIR_LOG_ERROR, "a connection was refused: %s",
               weir_strerror(result));
        return;
    }
    client->part = part;
    client->fd = fd;
    client->peer = *peer;
    client->peer_size = peer_size;
    client->next = part->clients;
    if (client->next != NULL) {
        client->next->prev = client;
    }
    part->clients = client;
    wi_wheel_arm(&loop->wheel, &client->timer, WI_TIMER_HYBRID, loop->now_ns + ASK_TIMEOUT_NS);
    hear(client); // mostly the question came with the connection
}

void
wi_hybrid_drop(struct wi_listener_part *part)
{
    while (part->clients != NULL) {
        refuse(part->clients);
    }
}

void
wi_hybrid_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    (void)loop;
    refuse(wi_container_of(timer, struct wi_hybrid_client, timer));
}
