/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_WS_H
#define TESTS_LIB_WS_H

// WebSocket under test: a server, recording what happens on its connections, and plain sockets that
// play the client in bytes; and a client under test, with a plain socket as its server.

#include "tests/lib/fixture.h"
#include "weir/ws.h"

enum { HUB_MESSAGES_MAX = 64, HUB_DATA_MAX = 1 << 20 };

struct hub_message {
    size_t size;
    size_t at; // in the data
    bool is_text;
    bool is_first;
    bool is_last;
    bool is_view; // it came in one piece
};

// What happened, on whatever side.
struct hub_log {
    struct hub_message messages[HUB_MESSAGES_MAX];
    unsigned message_count;
    uint8_t data[HUB_DATA_MAX];
    size_t data_size;
    unsigned pongs;
    char pong[WEIR_WS_CONTROL_MAX + 1];
    unsigned closings;
    unsigned closing_code;
    unsigned writables;
    unsigned opens;
    struct weir_ws_opened opened; // without its views
    char protocol[64];
    unsigned closes;
    struct weir_ws_closed closed; // without its views
    char reason[WEIR_WS_REASON_MAX + 1];
};

struct hub;

struct hub_options {
    struct weir_ws_limits limits;
    struct weir_ws_deflate deflate;
    const char *const *protocols;
    unsigned protocol_count;
    weir_ws_origin_fn *origin;
    struct weir_ws_accept accept;
    struct weir_stream_options stream;
    bool pieces; // a `piece` function in place of `message`
    bool echo;   // messages go back
    bool threads;
    bool small; // the smallest buffers
    void (*message)(struct hub *hub, weir_ws ws, struct weir_ws_message *message);
    void (*closing)(struct hub *hub, weir_ws ws);
};

struct hub {
    struct fixture *fixture;
    struct weir_http_server *http;
    struct weir_ws_server *server;
    struct weir_address address;
    struct weir_http_handlers http_handlers;
    struct weir_ws_handlers handlers;
    struct hub_options options;
    weir_ws ws; // the last that was accepted
    unsigned accepts;
    int accept_status; // of the last try
    struct hub_log log;
    void *arg; // the test's

    // A client of ours.
    int listener;
    weir_ws client;
    int connect_status;
};

// A server that answers every request with weir_ws_accept().
struct hub *hub_open(void **state, const struct hub_options *options);
// A plain socket behind a good handshake.
int hub_connect(struct hub *hub);
int hub_connect_small(struct hub *hub);
// A plain socket before it.
int hub_connect_raw(struct hub *hub);

// A client that connects to a plain listener, or to the hub's own server.
struct hub *hub_client(void **state, const struct hub_options *options);
void hub_connect_client(struct hub *hub, const struct weir_ws_connect *request);
// The plain server: takes the connection, reads the request and answers it.
int hub_serve(struct hub *hub, const char *more_fields);

// Run on the hub's loop.
typedef void hub_fn(struct hub *hub);
void hub_run(struct hub *hub, hub_fn *fn);

void hub_wait_messages(struct hub *hub, unsigned count);
void hub_wait_closed(struct hub *hub);
void hub_wait_opened(struct hub *hub);
void hub_wait_accepts(struct hub *hub, unsigned count);
#define hub_expect_message(hub, index, text, size) \
    hub_expect_message_at(hub, index, text, size, __FILE__, __LINE__)
void hub_expect_message_at(struct hub *hub, unsigned index, const void *data, size_t size,
                           const char *file, int line);

// ---- the plain end ----------------------------------------------------------------------------

enum { FRAME_MAX = 1 << 21 };
// A frame's bytes, masked or not; how many. `first` is the first byte as it is.
size_t put_frame(uint8_t *out, unsigned first, bool is_masked, const void *data, size_t size);
void peer_send_frame(struct hub *hub, int peer, unsigned first, const void *data, size_t size);
void peer_send_text(struct hub *hub, int peer, const char *text);
// Exactly this frame comes, masked if the hub is a client.
#define peer_expect_frame(hub, peer, first, data, size) \
    peer_expect_frame_at(hub, peer, first, data, size, __FILE__, __LINE__)
void peer_expect_frame_at(struct hub *hub, int peer, unsigned first, const void *data, size_t size,
                          const char *file, int line);
// The next frame's payload, and its first byte.
size_t peer_read_frame(struct hub *hub, int peer, unsigned *ret_first, uint8_t *ret_data);
// A Close with this code (0: none), and no reason.
#define peer_expect_close(hub, peer, code) peer_expect_close_at(hub, peer, code, __FILE__, __LINE__)
void peer_expect_close_at(struct hub *hub, int peer, unsigned code, const char *file, int line);
void peer_send_close(struct hub *hub, int peer, unsigned code);
// A head up to its empty line, terminated.
void peer_read_head(struct hub *hub, int peer, char *ret_text, size_t room);

#define HUB_REQUEST                                         \
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" \
    "Connection: keep-alive, Upgrade\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"       \
    "Sec-WebSocket-Version: 13\r\n"

#endif /* TESTS_LIB_WS_H */
