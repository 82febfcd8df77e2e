// SPDX-License-Identifier: MIT
// The whole way of frames: bytes into a server's connection, messages, bytes out.
//
// The first byte says what was agreed on; the rest is what a client sends behind its handshake. The
// bytes go in whole, one by one, and cut elsewhere; each time every message is sent back, and what
// was told and what came out is compared with a model's reading of the bytes (ws_model.c): each
// message and its echo, pongs for pings, a Close with the right code and nothing behind it.

#include "netio/ws/deflate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ws_model.h"
#include "weir/weir.h"
#include "weir/ws.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX  4096u
#define OUTPUT_MAX (1u << 20)
#define TURNS_MAX  20000u

#define REQUEST                                                                  \
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

enum { PACKS = 1, IN_PIECES = 2, CUT_SHIFT = 2 };

static struct weir_runtime *runtime;
static struct weir_loop *loop;
static struct weir_http_server *http_server;
static struct weir_ws_server *servers[4];
static struct weir_ws_server *server; // of this run

static uint8_t output[OUTPUT_MAX];
static size_t output_size;
static struct ws_story story;
static struct ws_story told; // events only
static struct ws_sent sent;
static struct weir_ws_closed closed;
static unsigned closes;
static bool is_inside; // a message in pieces

/* ---- events ---- */

static void
note(unsigned kind, bool goes_on, const void *data, size_t size)
{
    fuzz_require(told.count < WS_EVENTS_MAX && size <= WS_DATA_MAX - told.size);
    if (!goes_on) {
        told.events[told.count++] = (struct ws_event){(enum ws_event_kind)kind, told.size, 0};
    }
    if (size != 0) {
        memcpy(told.data + told.size, data, size);
    }
    told.size += size;
    told.events[told.count - 1].size += size;
}

static void
on_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain};
    struct weir_iter at;
    struct weir_segment segment;
    unsigned kind = message->is_text ? WS_TEXT : WS_BINARY;

    (void)user;
    fuzz_require(weir_ws_take(message, &chain) == 0);
    fuzz_require(weir_chain_size(&chain) == message->size);
    note(kind, false, NULL, 0);
    at = weir_chain_begin(&chain);
    while (chain.head != NULL && weir_iter_segment(&at, weir_chain_end(&chain), &segment)) {
        note(kind, true, segment.data, segment.size);
    }
    fuzz_require(
        weir_ws_write(ws, message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY, &write, NULL) == 0);
}

static struct {
    uint8_t bytes[WS_MESSAGE_MAX];
    size_t size;
} held;

static void
on_piece(weir_ws ws, const struct weir_ws_piece *piece, void *user)
{
    (void)user;
    fuzz_require(piece->is_first == !is_inside);
    held.size = piece->is_first ? 0 : held.size;
    fuzz_require(piece->size <= sizeof(held.bytes) - held.size);
    memcpy(held.bytes + held.size, piece->data, piece->size);
    held.size += piece->size;
    is_inside = !piece->is_last;
    if (piece->is_last) {
        note(piece->is_text ? WS_TEXT : WS_BINARY, false, held.bytes, held.size);
        fuzz_require(weir_ws_send(ws, piece->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY, held.bytes,
                                  held.size) == 0);
    }
}

static void
on_pong(weir_ws ws, const void *data, size_t size, void *user)
{
    (void)ws;
    (void)user;
    note(WS_PONG, false, data, size);
}

static void
on_closed(weir_ws ws, const struct weir_ws_closed *how, void *user)
{
    (void)ws;
    (void)user;
    closed = *how;
    closes++;
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    weir_ws ws;

    (void)user;
    fuzz_require(weir_ws_accept(server, http, request, NULL, &ws) == 0);
}

/* ---- one connection ---- */

static void
start(void)
{
    static const struct weir_http_handlers http = {.request = on_request};
    static const struct weir_ws_handlers whole = {
        .message = on_message, .pong = on_pong, .closed = on_closed};
    static const struct weir_ws_handlers in_pieces = {
        .piece = on_piece, .pong = on_pong, .closed = on_closed};
    const struct weir_http_server_options options = {.handlers = &http};

    fuzz_require(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &runtime) == 0);
    loop = weir_runtime_loop(runtime, 0);
    fuzz_require(weir_http_server_create(runtime, &options, &http_server) == 0);
    for (unsigned i = 0; i < 4; i++) {
        const struct weir_ws_server_options ws = {
            .ws = {
                .handlers = i & IN_PIECES ? &in_pieces : &whole,
                .limits = {.message_max = WS_MESSAGE_MAX,
                           .fragments_max = WS_FRAGMENTS_MAX,
                           .controls_max = 1000000},
                .deflate = {.is_on = (i & PACKS) && wi_ws_has_deflate(), .size_min = 1},
            }};

        fuzz_require(weir_ws_server_create(runtime, &ws, &servers[i]) == 0);
    }
}

static void
attach(struct weir_loop *here, void *arg)
{
    (void)here;
    fuzz_require(weir_http_attach(http_server, *(weir_stream *)arg) == 0);
}

// Until nothing moves. True: the connection has ended.
static bool
turn(int peer)
{
    ssize_t got = 0;
    bool has_moved = true;

    for (unsigned i = 0; has_moved; i++) {
        fuzz_require(i < TURNS_MAX);
        has_moved = weir_loop_turn(loop, 0) > 0;
        while ((got = recv(peer, output + output_size, sizeof(output) - output_size,
                           MSG_DONTWAIT)) > 0) {
            output_size += (size_t)got;
            has_moved = true;
        }
    }
    return got == 0 || errno != EAGAIN;
}

static bool
feed(int peer, const uint8_t *data, size_t size, size_t cut)
{
    bool is_over = false;

    for (size_t at = 0; at < size && !is_over;) {
        size_t now = cut == 0 || cut > size - at ? size - at : cut;

        if (send(peer, data + at, now, MSG_NOSIGNAL) != (ssize_t)now) {
            break; // it has been refused
        }
        at += now;
        is_over = turn(peer);
    }
    return is_over;
}

static void
run(const uint8_t *data, size_t size, unsigned options, size_t cut)
{
    const char *request = options & PACKS ? REQUEST OFFER "\r\n" : REQUEST "\r\n";
    int fds[2];
    weir_stream stream;
    bool is_over;

    server = servers[options & (PACKS | IN_PIECES)];
    output_size = told.size = 0;
    told.count = closes = 0;
    is_inside = false;
    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    fuzz_require(weir_adopt(loop, fds[0], &(struct weir_stream_options){0}, &stream) == 0);
    fuzz_require(weir_post(loop, attach, &stream) == 0);
    turn(fds[1]);
    feed(fds[1], (const uint8_t *)request, strlen(request), 0);
    is_over = feed(fds[1], data, size, cut);
    shutdown(fds[1], SHUT_WR);
    for (unsigned i = 0; !is_over; i++) {
        fuzz_require(i < TURNS_MAX);
        is_over = turn(fds[1]);
    }
    close(fds[1]);
    for (unsigned i = 0; weir_ws_server_connections(server) != 0; i++) {
        fuzz_require(i < TURNS_MAX);
        weir_loop_turn(loop, 0);
    }
    fuzz_require(closes == 1);
}

/* ---- what must hold ---- */

static bool
is_same(const struct ws_event *a, const uint8_t *a_data, const struct ws_event *b,
        const uint8_t *b_data)
{
    return a->kind == b->kind && a->size == b->size &&
           (a->size == 0 || memcmp(a_data + a->at, b_data + b->at, a->size) == 0);
}

// Of the model's events those that the program is told, and no others; how many depends on where
// compressed bytes fail.
static void
check_told(void)
{
    unsigned next = 0;

    for (unsigned i = 0; i < story.count; i++) {
        if (story.events[i].kind == WS_PING) {
            continue;
        }
        if (next == told.count) {
            fuzz_require(i >= story.sure);
            return;
        }
        fuzz_require(is_same(&story.events[i], story.data, &told.events[next], told.data));
        next++;
    }
    fuzz_require(next == told.count || story.end == WS_UNKNOWN);
}

// Echoes in their order, and pongs for some of the pings, in theirs.
static void
check_sent(void)
{
    unsigned echo = 0;
    unsigned ping = 0;
    unsigned pongs = 0;

    for (unsigned i = 0; i < sent.count; i++) {
        if (sent.events[i].kind == WS_PONG) {
            struct ws_event as_ping = sent.events[i];

            as_ping.kind = WS_PING;
            while (ping < story.count &&
                   !is_same(&as_ping, sent.data, &story.events[ping], story.data)) {
                ping++;
            }
            fuzz_require(ping < story.count || story.end == WS_UNKNOWN);
            ping += ping < story.count;
            pongs++;
            continue;
        }
        while (echo < told.count && told.events[echo].kind == WS_PONG) {
            echo++;
        }
        fuzz_require(echo < told.count);
        fuzz_require(is_same(&sent.events[i], sent.data, &told.events[echo], told.data));
        echo++;
    }
    while (echo < told.count && told.events[echo].kind == WS_PONG) {
        echo++;
    }
    fuzz_require(echo == told.count);
    for (unsigned i = 0; i < story.count && story.end == WS_MORE; i++) {
        fuzz_require(story.events[i].kind != WS_PING || pongs != 0); // one at least
    }
}

static void
check_end(void)
{
    switch (story.end) {
    case WS_MORE:
        fuzz_require(!sent.has_close && closed.status == -ENODATA);
        fuzz_require(closed.code == WEIR_WS_ABNORMAL && closed.sent_code == 0);
        break;
    case WS_CLOSED:
        fuzz_require(sent.has_close && sent.code == story.code && closed.status == 0);
        fuzz_require(closed.code == story.code && closed.sent_code == story.code);
        break;
    case WS_FAILED:
        fuzz_require(sent.has_close && sent.code == story.code && closed.status < 0);
        fuzz_require(closed.code == WEIR_WS_ABNORMAL && closed.sent_code == story.code);
        break;
    case WS_BAD:
        fuzz_require(closed.status < 0 && closed.code == WEIR_WS_ABNORMAL);
        fuzz_require(sent.has_close && sent.code >= 1002 && sent.code <= 1009);
        break;
    case WS_UNKNOWN:
        break;
    }
}

static void
check(void)
{
    uint8_t *head_end = memmem(output, output_size, "\r\n\r\n", 4);

    fuzz_require(head_end != NULL);
    fuzz_require(memcmp(output, "HTTP/1.1 101 ", 13) == 0);
    head_end += 4;
    ws_model_sent(&sent, head_end, output_size - (size_t)(head_end - output));
    check_told();
    check_sent();
    check_end();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned options = size == 0 ? 0 : data[0];
    size_t cut = (options >> CUT_SHIFT) + 2;

    if (runtime == NULL) {
        start();
    }
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    data++;
    size--;
    if (!wi_ws_has_deflate()) {
        options &= ~(unsigned)PACKS;
    }
    ws_model_read(&story, data, size, options & PACKS);
    run(data, size, options, 0);
    check();
    run(data, size, options, 1);
    check();
    run(data, size, options, cut);
    check();
    return 0;
}
