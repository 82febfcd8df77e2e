/* SPDX-License-Identifier: MIT */

#include "tests/lib/ws.h"

#include "netio/ws/key.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- what happens ---- */

static void
lock(struct hub *hub)
{
    pthread_mutex_lock(&hub->fixture->lock);
}

static void
unlock(struct hub *hub)
{
    pthread_cond_broadcast(&hub->fixture->changed);
    pthread_mutex_unlock(&hub->fixture->lock);
}

static struct hub_message *
log_message(struct hub_log *log, const void *data, size_t size)
{
    struct hub_message *message = &log->messages[log->message_count % HUB_MESSAGES_MAX];

    *message = (struct hub_message){.size = size, .at = log->data_size};
    if (size != 0 && size <= HUB_DATA_MAX - log->data_size) {
        memcpy(log->data + log->data_size, data, size);
        log->data_size += size;
    }
    return message;
}

static void
log_chain(struct hub_log *log, const struct weir_ws_message *message)
{
    struct weir_iter at = weir_chain_begin(&message->chain);
    struct hub_message *logged = log_message(log, NULL, 0);

    logged->size = message->size;
    if (message->size <= HUB_DATA_MAX - log->data_size) {
        log->data_size += weir_iter_copy_out(&at, log->data + log->data_size, message->size);
    }
}

static void
on_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct hub *hub = user;
    struct hub_message *logged = &hub->log.messages[hub->log.message_count % HUB_MESSAGES_MAX];

    lock(hub);
    if (message->data != NULL || message->size == 0) {
        log_message(&hub->log, message->data, message->size);
    } else {
        log_chain(&hub->log, message);
    }
    logged->is_text = message->is_text;
    logged->is_first = logged->is_last = true;
    logged->is_view = message->data != NULL;
    hub->log.message_count++;
    unlock(hub);
    if (hub->options.message != NULL) {
        hub->options.message(hub, ws, message);
    }
    if (hub->options.echo) {
        struct weir_chain chain = {NULL, NULL};
        struct weir_write write = {.chain = &chain};

        if (weir_ws_take(message, &chain) < 0 ||
            weir_ws_write(ws, message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY, &write, NULL) < 0) {
            weir_chain_return(&chain);
        }
    }
}

static void
on_piece(weir_ws ws, const struct weir_ws_piece *piece, void *user)
{
    struct hub *hub = user;
    struct hub_message *logged;

    (void)ws;
    lock(hub);
    logged = log_message(&hub->log, piece->data, piece->size);
    logged->is_text = piece->is_text;
    logged->is_first = piece->is_first;
    logged->is_last = piece->is_last;
    hub->log.message_count++;
    unlock(hub);
}

static void
on_pong(weir_ws ws, const void *data, size_t size, void *user)
{
    struct hub *hub = user;

    (void)ws;
    lock(hub);
    memcpy(hub->log.pong, data, size);
    hub->log.pong[size] = '\0';
    hub->log.pongs++;
    unlock(hub);
}

static void
on_closing(weir_ws ws, unsigned code, const char *reason, size_t size, void *user)
{
    struct hub *hub = user;

    (void)reason;
    (void)size;
    lock(hub);
    hub->log.closings++;
    hub->log.closing_code = code;
    unlock(hub);
    if (hub->options.closing != NULL) {
        hub->options.closing(hub, ws);
    }
}

static void
on_writable(weir_ws ws, void *user)
{
    struct hub *hub = user;

    (void)ws;
    lock(hub);
    hub->log.writables++;
    unlock(hub);
}

static void
on_opened(weir_ws ws, const struct weir_ws_opened *opened, void *user)
{
    struct hub *hub = user;

    (void)ws;
    lock(hub);
    hub->log.opens++;
    hub->log.opened = *opened;
    snprintf(hub->log.protocol, sizeof(hub->log.protocol), "%s", opened->protocol);
    unlock(hub);
}

static void
on_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    struct hub *hub = user;

    (void)ws;
    lock(hub);
    hub->log.closes++;
    hub->log.closed = *closed;
    memcpy(hub->log.reason, closed->reason_size != 0 ? closed->reason : "", closed->reason_size);
    hub->log.reason[closed->reason_size] = '\0';
    unlock(hub);
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    struct hub *hub = user;
    weir_ws ws = {0};
    int status = weir_ws_accept(hub->server, http, request, &hub->options.accept, &ws);

    lock(hub);
    hub->ws = status == 0 ? ws : hub->ws;
    hub->accept_status = status;
    hub->accepts++;
    unlock(hub);
}

static void
set_handlers(struct hub *hub)
{
    hub->handlers = (struct weir_ws_handlers){
        .opened = on_opened,
        .message = hub->options.pieces ? NULL : on_message,
        .piece = hub->options.pieces ? on_piece : NULL,
        .pong = on_pong,
        .closing = on_closing,
        .writable = on_writable,
        .closed = on_closed,
    };
}

/* ---- the server ---- */

static struct weir_ws_options
ws_options(struct hub *hub)
{
    return (struct weir_ws_options){
        .handlers = &hub->handlers,
        .user = hub,
        .limits = hub->options.limits,
        .deflate = hub->options.deflate,
        .protocols = hub->options.protocols,
        .protocol_count = hub->options.protocol_count,
    };
}

static struct hub *
make_hub(void **state, const struct hub_options *options)
{
    struct fixture *fixture = options->threads ? fixture_threads(state, 2) : fixture_manual(state);
    struct hub *hub = fixture_memory(fixture, sizeof(*hub));

    hub->fixture = fixture;
    hub->options = *options;
    hub->accept_status = 1;
    set_handlers(hub);
    return hub;
}

static void
on_end(void *arg)
{
    struct hub *hub = arg;

    if (weir_ws_server_free(hub->server) != 0 || weir_http_server_free(hub->http) != 0) {
        print_error("a server has connections still\n");
        abort();
    }
}

struct hub *
hub_open(void **state, const struct hub_options *options)
{
    struct hub *hub = make_hub(state, options);
    struct weir_ws_server_options ws = {.ws = ws_options(hub), .origin = options->origin};
    struct weir_http_server_options http = {.handlers = &hub->http_handlers, .user = hub};
    struct weir_listen listen = {.address = transport_address(hub->fixture),
                                 .stream = options->stream};
    weir_listener listener;

    hub->http_handlers.request = on_request;
    assert_status(weir_http_server_create(hub->fixture->runtime, &http, &hub->http), 0);
    assert_status(weir_ws_server_create(hub->fixture->runtime, &ws, &hub->server), 0);
    fixture_at_end(hub->fixture, on_end, hub);
    weir_http_server_prepare(hub->http, &listen);
    if (options->small) {
        listen.stream.send_buffer = 1;
        listen.stream.receive_buffer = 1;
    }
    assert_status(weir_listen(hub->fixture->runtime, &listen, &listener), 0);
    assert_status(weir_listener_address(listener, &hub->address), 0);
    return hub;
}

// Small frames, one behind the other, are not to wait for each other.
static int
at_once(int peer)
{
    int one = 1;

    (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); // others have no such
    return peer;
}

int
hub_connect_raw(struct hub *hub)
{
    return at_once(transport_connect(hub->fixture, &hub->address, 0));
}

static int
shake_hands(struct hub *hub, int peer)
{
    static const char accept[] = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    unsigned accepts = hub->accepts;
    char head[1024];

    peer_write(hub->fixture, peer, HUB_REQUEST "\r\n", sizeof(HUB_REQUEST "\r\n") - 1);
    peer_read_head(hub, peer, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(head, accept));
    hub_wait_accepts(hub, accepts + 1);
    return peer;
}

int
hub_connect(struct hub *hub)
{
    return shake_hands(hub, hub_connect_raw(hub));
}

int
hub_connect_small(struct hub *hub)
{
    return shake_hands(hub, transport_connect(hub->fixture, &hub->address, 1));
}

/* ---- the client ---- */

struct hub *
hub_client(void **state, const struct hub_options *options)
{
    struct hub *hub = make_hub(state, options);

    hub->listener = transport_listen(hub->fixture, 0, &hub->address);
    hub->connect_status = 1;
    return hub;
}

struct job {
    struct hub *hub;
    hub_fn *fn;
    const struct weir_ws_connect *request;
    bool is_done;
};

static void
run_job(struct weir_loop *loop, void *arg)
{
    struct job *job = arg;
    struct hub *hub = job->hub;

    if (job->fn != NULL) {
        job->fn(hub);
    } else {
        hub->connect_status = weir_ws_connect(loop, job->request, &hub->client);
    }
    lock(hub);
    job->is_done = true;
    unlock(hub);
}

static bool
job_is_done(void *arg)
{
    struct job *job = arg;
    bool is_done;

    pthread_mutex_lock(&job->hub->fixture->lock);
    is_done = job->is_done;
    pthread_mutex_unlock(&job->hub->fixture->lock);
    return is_done;
}

void
hub_run(struct hub *hub, hub_fn *fn)
{
    struct weir_loop *loop = weir_stream_loop(weir_ws_stream(hub->ws));
    struct job job = {.hub = hub, .fn = fn};

    assert_status(weir_post(loop != NULL ? loop : hub->fixture->loop, run_job, &job), 0);
    fixture_turn_until(hub->fixture, job_is_done, &job);
}

void
hub_connect_client(struct hub *hub, const struct weir_ws_connect *request)
{
    struct weir_ws_connect own = *request;
    struct job job = {.hub = hub, .request = &own};

    own.ws = ws_options(hub);
    own.host = own.host != NULL ? own.host : "example";
    own.dial.address = own.dial.address.size != 0 ? own.dial.address : hub->address;
    assert_status(weir_post(hub->fixture->loop, run_job, &job), 0);
    fixture_turn_until(hub->fixture, job_is_done, &job);
}

int
hub_serve(struct hub *hub, const char *more_fields)
{
    int peer = at_once(transport_accept(hub->fixture, hub->listener));
    char head[2048];
    char accept[WI_WS_ACCEPT_SIZE + 1];
    char answer[1024];
    const char *key;

    peer_read_head(hub, peer, head, sizeof(head));
    key = strstr(head, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    wi_ws_key_accept(key + 19, WI_WS_KEY_SIZE, accept);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s\r\n",
             accept, more_fields);
    peer_write(hub->fixture, peer, answer, strlen(answer));
    return peer;
}

/* ---- waiting ---- */

struct wanted {
    struct hub *hub;
    const unsigned *counter;
    unsigned count;
};

static bool
is_reached(void *arg)
{
    struct wanted *wanted = arg;
    bool result;

    pthread_mutex_lock(&wanted->hub->fixture->lock);
    result = *wanted->counter >= wanted->count;
    pthread_mutex_unlock(&wanted->hub->fixture->lock);
    return result;
}

static void
await_count(struct hub *hub, const unsigned *counter, unsigned count)
{
    struct wanted wanted = {hub, counter, count};

    fixture_turn_until(hub->fixture, is_reached, &wanted);
}

void
hub_wait_messages(struct hub *hub, unsigned count)
{
    await_count(hub, &hub->log.message_count, count);
}

void
hub_wait_closed(struct hub *hub)
{
    await_count(hub, &hub->log.closes, 1);
}

void
hub_wait_opened(struct hub *hub)
{
    await_count(hub, &hub->log.opens, 1);
}

void
hub_wait_accepts(struct hub *hub, unsigned count)
{
    await_count(hub, &hub->accepts, count);
}

void
hub_expect_message_at(struct hub *hub, unsigned index, const void *data, size_t size,
                      const char *file, int line)
{
    const struct hub_message *message = &hub->log.messages[index % HUB_MESSAGES_MAX];

    hub_wait_messages(hub, index + 1);
    if (message->size != size || memcmp(hub->log.data + message->at, data, size) != 0) {
        fixture_fail_at(hub->fixture, file, line, "got %zu bytes '%.*s', not %zu", message->size,
                        message->size < 60 ? (int)message->size : 60,
                        (const char *)hub->log.data + message->at, size);
    }
}

/* ---- the plain end ---- */

size_t
put_frame(uint8_t *out, unsigned first, bool is_masked, const void *data, size_t size)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;

    out[at++] = (uint8_t)first;
    if (size < 126) {
        out[at++] = (uint8_t)size;
    } else {
        unsigned width = size <= 65535 ? 2 : 8;

        out[at++] = width == 2 ? 126 : 127;
        while (width-- > 0) {
            out[at++] = (uint8_t)((uint64_t)size >> (8 * width));
        }
    }
    if (is_masked) {
        out[1] |= 0x80;
        memcpy(out + at, key, 4);
        at += 4;
    }
    for (size_t i = 0; i < size; i++) {
        out[at + i] = ((const uint8_t *)data)[i] ^ (is_masked ? key[i % 4] : 0);
    }
    return at + size;
}

void
peer_send_frame(struct hub *hub, int peer, unsigned first, const void *data, size_t size)
{
    uint8_t *bytes = malloc(size + 14);

    assert_non_null(bytes);
    peer_write(hub->fixture, peer, bytes, put_frame(bytes, first, hub->listener == 0, data, size));
    free(bytes);
}

void
peer_send_text(struct hub *hub, int peer, const char *text)
{
    peer_send_frame(hub, peer, 0x81, text, strlen(text));
}

size_t
peer_read_frame(struct hub *hub, int peer, unsigned *ret_first, uint8_t *ret_data)
{
    uint8_t head[2];
    uint8_t more[8];
    uint8_t key[4] = {0};
    size_t size;

    peer_read_exact(hub->fixture, peer, head, 2);
    size = head[1] & 0x7f;
    if (size >= 126) {
        unsigned width = size == 126 ? 2 : 8;

        peer_read_exact(hub->fixture, peer, more, width);
        size = 0;
        for (unsigned i = 0; i < width; i++) {
            size = size << 8 | more[i];
        }
    }
    assert_int_equal(head[1] & 0x80, hub->listener == 0 ? 0 : 0x80);
    if (head[1] & 0x80) {
        peer_read_exact(hub->fixture, peer, key, 4);
    }
    assert_true(size <= FRAME_MAX);
    if (size != 0) {
        peer_read_exact(hub->fixture, peer, ret_data, size);
    }
    for (size_t i = 0; i < size; i++) {
        ret_data[i] ^= key[i % 4];
    }
    *ret_first = head[0];
    return size;
}

void
peer_expect_frame_at(struct hub *hub, int peer, unsigned first, const void *data, size_t size,
                     const char *file, int line)
{
    uint8_t *got = malloc(FRAME_MAX);
    unsigned got_first;
    size_t got_size = peer_read_frame(hub, peer, &got_first, got);
    bool is_same = got_first == first && got_size == size && memcmp(got, data, size) == 0;

    if (!is_same) {
        fixture_fail_at(hub->fixture, file, line, "got frame %02x of %zu bytes, not %02x of %zu",
                        got_first, got_size, first, size);
    }
    free(got);
}

void
peer_expect_close_at(struct hub *hub, int peer, unsigned code, const char *file, int line)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    peer_expect_frame_at(hub, peer, 0x88, payload, code == 0 ? 0 : 2, file, line);
}

void
peer_send_close(struct hub *hub, int peer, unsigned code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    peer_send_frame(hub, peer, 0x88, payload, code == 0 ? 0 : 2);
}

void
peer_read_head(struct hub *hub, int peer, char *ret_text, size_t room)
{
    size_t size = 0;

    do {
        assert_true(size + 1 < room);
        peer_read_exact(hub->fixture, peer, ret_text + size, 1);
        size++;
    } while (size < 4 || memcmp(ret_text + size - 4, "\r\n\r\n", 4) != 0);
    ret_text[size] = '\0';
}
