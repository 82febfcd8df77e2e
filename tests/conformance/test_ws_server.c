// SPDX-License-Identifier: MIT
//
// A WebSocket server: handshakes, messages, and what RFC 6455 wants of both.
#include "tests/lib/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
a_message_comes_back(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.echo = true});
    int peer = hub_connect(hub);

    peer_send_text(hub, peer, "Hello");
    peer_expect_frame(hub, peer, 0x81, "Hello", 5);
    hub_expect_message(hub, 0, "Hello", 5);
    assert_true(hub->log.messages[0].is_text);
    assert_true(hub->log.messages[0].is_view);
    peer_send_frame(hub, peer, 0x82, "\0\1\2", 3);
    peer_expect_frame(hub, peer, 0x82, "\0\1\2", 3);
    assert_false(hub->log.messages[1].is_text);
    peer_send_close(hub, peer, 1000);
    peer_expect_close(hub, peer, 1000);
    peer_expect_eof(hub->fixture, peer);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
    assert_int_equal(hub->log.closed.code, 1000);
    assert_int_equal(hub->log.closings, 1);
}

static void
frames_behind_the_request_are_not_lost(void **state)
{
    static const char request[] = HUB_REQUEST "\r\n\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    struct hub *hub = hub_open(state, &(struct hub_options){.echo = true});
    int peer = hub_connect_raw(hub);
    char head[1024];

    peer_write(hub->fixture, peer, request, sizeof(request) - 1);
    peer_read_head(hub, peer, head, sizeof(head));
    peer_expect_frame(hub, peer, 0x81, "Hello", 5);
}

// ---- handshakes --------------------------------------------------------------------------------

#define LINES(version, more) \
    "GET /ws HTTP/1.1\r\nHost: x\r\n" more "Sec-WebSocket-Version: " version "\r\n"
#define ASKS "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void
what_is_no_handshake_is_answered_by_http(void **state)
{
    static const struct {
        const char *request;
        unsigned code;
        int status;
    } cases[] = {
        {"GET /ws HTTP/1.1\r\nHost: x\r\n", 426, -EPROTO},
        {LINES("13", "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY), 426, -EPROTO},
        {LINES("13", "Upgrade: websocket\r\n" KEY), 426, -EPROTO},
        {LINES("8", ASKS KEY), 426, -EPROTONOSUPPORT},
        {LINES("13\r\nSec-WebSocket-Version: 13", ASKS KEY), 426, -EPROTONOSUPPORT},
        {LINES("13", ASKS), 400, -EPROTO},
        {LINES("13", ASKS KEY KEY), 400, -EPROTO},
        {LINES("13", ASKS "Sec-WebSocket-Key: c2hvcnQ=\r\n"), 400, -EPROTO},
        {LINES("13", ASKS KEY "Sec-WebSocket-Protocol: a b\r\n"), 400, -EPROTO},
        {"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nSec-WebSocket-Version: 13\r\n" ASKS
             KEY,
         400, -EPROTO},
        {LINES("13", ASKS KEY "Content-Length: 4\r\n"), 400, -EPROTO}, // nothing else may come
        {LINES("13", ASKS KEY "Transfer-Encoding: chunked\r\n"), 400, -EPROTO},
        {"GET /ws HTTP/1.0\r\nHost: x\r\nSec-WebSocket-Version: 13\r\n" ASKS KEY, 400, -EPROTO},
        {LINES("13", ASKS KEY "Origin: http://evil.example\r\n"), 403, -EACCES},
        {LINES("13", ASKS KEY "Origin: null\r\n"), 403, -EACCES},
    };
    struct hub *hub = hub_open(state, &(struct hub_options){0});

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int peer = hub_connect_raw(hub);
        char head[1024];
        char wanted[32];

        snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", cases[i].code);
        peer_write(hub->fixture, peer, cases[i].request, strlen(cases[i].request));
        peer_write(hub->fixture, peer, "\r\n", 2);
        peer_read_head(hub, peer, head, sizeof(head));
        if (strncmp(head, wanted, strlen(wanted)) != 0) {
            fixture_fail(hub->fixture, "case %zu: %s", i, head);
        }
        assert_status(hub->accept_status, cases[i].status);
        assert_int_equal(strstr(head, "\r\nSec-WebSocket-Version: 13\r\n") != NULL,
                         cases[i].code == 426);
        fixture_close_fd(hub->fixture, peer);
    }
    assert_int_equal(weir_ws_server_connections(hub->server), 0);
}

static void
open_with(struct hub *hub, const char *more, char *head, size_t room)
{
    int peer = hub_connect_raw(hub);

    peer_write(hub->fixture, peer, HUB_REQUEST, sizeof(HUB_REQUEST) - 1);
    peer_write(hub->fixture, peer, more, strlen(more));
    peer_write(hub->fixture, peer, "\r\n", 2);
    peer_read_head(hub, peer, head, room);
}

static void
a_page_of_the_same_origin_is_welcome(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    char head[1024];

    open_with(hub, "Origin: http://X\r\n", head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
}

static unsigned
judge(const struct weir_http_request *request, const struct weir_http_field *origin, void *user)
{
    (void)request;
    (void)user;
    return origin == NULL ? 0 : origin->value_size == 1 ? 418 : 0;
}

static void
a_function_judges_origins(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.origin = judge});
    char head[1024];

    open_with(hub, "Origin: http://else.where\r\n", head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    open_with(hub, "Origin: x\r\n", head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 418 "));
    assert_status(hub->accept_status, -EACCES);
}

static void
a_subprotocol_is_chosen_by_the_servers_order(void **state)
{
    static const char *const protocols[] = {"chat.v2", "chat"};
    static const struct {
        const char *offer;
        const char *answer; // NULL: none
    } cases[] = {
        {"Sec-WebSocket-Protocol: soap, chat\r\n", "chat"},
        {"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat.v2\r\n", "chat.v2"},
        {"Sec-WebSocket-Protocol: CHAT\r\n", NULL},
        {"", NULL},
    };
    struct hub *hub =
        hub_open(state, &(struct hub_options){.protocols = protocols, .protocol_count = 2});

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[1024];
        char wanted[64];

        open_with(hub, cases[i].offer, head, sizeof(head));
        snprintf(wanted, sizeof(wanted), "\r\nSec-WebSocket-Protocol: %s\r\n",
                 cases[i].answer != NULL ? cases[i].answer : "");
        assert_int_equal(strstr(head, cases[i].answer != NULL ? wanted : "-Protocol:") != NULL,
                         cases[i].answer != NULL);
    }
}

static void
look_at_protocol(struct hub *hub)
{
    assert_string_equal(weir_ws_protocol(hub->ws), "chat");
}

static void
one_accept_may_say_more(void **state)
{
    static const char *const protocols[] = {"chat.v2", "chat"};
    static const struct weir_http_field fields[] = {
        WEIR_HTTP_FIELD("X-A", "1"), WEIR_HTTP_FIELD("X-B", "2"), WEIR_HTTP_FIELD("X-C", "3"),
        WEIR_HTTP_FIELD("X-D", "4"), WEIR_HTTP_FIELD("X-E", "5"), WEIR_HTTP_FIELD("X-F", "6"),
        WEIR_HTTP_FIELD("X-G", "7"), WEIR_HTTP_FIELD("X-H", "8"), WEIR_HTTP_FIELD("X-I", "9"),
        WEIR_HTTP_FIELD("X-J", "a"), WEIR_HTTP_FIELD("X-K", "b"), WEIR_HTTP_FIELD("X-L", "c"),
        WEIR_HTTP_FIELD("X-M", "d"), WEIR_HTTP_FIELD("X-N", "e"), WEIR_HTTP_FIELD("X-O", "f"),
    };
    struct hub *hub = hub_open(
        state,
        &(struct hub_options){.protocols = protocols,
                              .protocol_count = 2,
                              .accept = {.protocol = "chat", .fields = fields, .field_count = 15}});
    char head[1024];

    open_with(hub, "Sec-WebSocket-Protocol: chat.v2, chat\r\n", head, sizeof(head));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: chat\r\n"));
    assert_non_null(strstr(head, "\r\nX-A: 1\r\n"));
    assert_non_null(strstr(head, "\r\nX-O: f\r\n"));
    hub_run(hub, look_at_protocol);
}

// ---- later -------------------------------------------------------------------------------------

static weir_http deferred;

static void
on_deferred(weir_http http, const struct weir_http_request *request, void *user)
{
    struct hub *hub = user;

    (void)request;
    deferred = http;
    hub->accept_status = weir_http_defer(http, NULL);
    hub->accepts++;
}

static void
accept_deferred(struct hub *hub)
{
    const struct weir_http_request *request;

    assert_status(weir_http_defer(deferred, &request), 0);
    hub->accept_status = weir_ws_accept(hub->server, deferred, request, NULL, &hub->ws);
}

static void
a_request_may_be_accepted_later(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.echo = true});
    int peer = hub_connect_raw(hub);
    const struct weir_http_request request = {.method = "GET", .method_size = 3};
    char head[1024];
    weir_ws ws;

    hub->http_handlers.request = on_deferred;
    peer_write(hub->fixture, peer, HUB_REQUEST "\r\n", sizeof(HUB_REQUEST "\r\n") - 1);
    peer_send_text(hub, peer, "sent too early, and heard");
    hub_wait_accepts(hub, 1);
    assert_status(hub->accept_status, 0);
    peer_expect_silence(hub->fixture, peer);
    assert_status(weir_ws_accept(hub->server, deferred, &request, NULL, &ws), -EXDEV);
    hub_run(hub, accept_deferred);
    assert_status(hub->accept_status, 0);
    peer_read_head(hub, peer, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    peer_expect_frame(hub, peer, 0x81, "sent too early, and heard", 25);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_true(weir_http_stream(deferred).bits == 0); // it is no exchange any more
}

// ---- what a server is made of ------------------------------------------------------------------

static void
bad_options_are_refused(void **state)
{
    static const char *const bad[] = {"a b"};
    static const char *const twice[] = {"a", "a"};
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    struct weir_ws_handlers none = {0};
    struct weir_ws_handlers both = hub->handlers;
    struct weir_ws_server_options options = {.ws = {.handlers = &none}};
    struct weir_ws_server *server;

    both.piece = (void (*)(weir_ws, const struct weir_ws_piece *, void *))(uintptr_t)1;
    assert_status(weir_ws_server_create(NULL, &options, &server), -EINVAL);
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.handlers = &both;
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.handlers = &hub->handlers;
    options.ws.protocols = bad;
    options.ws.protocol_count = 1;
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.protocols = twice;
    options.ws.protocol_count = 2;
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.protocol_count = 33;
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.protocol_count = 0;
    options.ws.deflate = (struct weir_ws_deflate){.is_on = true, .window_bits = 8};
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.deflate = (struct weir_ws_deflate){.is_on = true, .level = 10};
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    options.ws.deflate.is_on = false;
    options.ws.deflate.level = 0;
    options.ws.limits.message_max = WEIR_WS_UNLIMITED;
    assert_status(weir_ws_server_create(hub->fixture->runtime, &options, &server), -EINVAL);
    assert_status(weir_ws_server_free(NULL), 0);
}

// ---- handles -----------------------------------------------------------------------------------

static void
use_elsewhere(struct hub *hub)
{
    assert_status(weir_ws_set_user(hub->ws, hub), 0);
    assert_status(weir_ws_pause(hub->ws), 0);
    assert_status(weir_ws_resume(hub->ws), 0);
}

static void
handles_that_name_nothing_are_refused(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);
    static const weir_ws odd[] = {{0}, {1}, {0xffffff}, {UINT64_MAX}, {UINT64_C(1) << 40}};
    weir_ws old;

    assert_status(weir_ws_set_user(hub->ws, hub), -EXDEV);
    assert_status(weir_ws_pause(hub->ws), -EXDEV);
    assert_null(weir_ws_protocol(hub->ws));
    hub_run(hub, use_elsewhere);
    old = hub->ws;
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    for (size_t i = 0; i <= sizeof(odd) / sizeof(odd[0]); i++) {
        weir_ws ws = i == 0 ? old : odd[i - 1];

        assert_status(weir_ws_send(ws, WEIR_WS_TEXT, "x", 1), -WEIR_ESTALE);
        assert_status(weir_ws_ping(ws, "x", 1), -WEIR_ESTALE);
        assert_status(weir_ws_close(ws, 1000, NULL, 0), -WEIR_ESTALE);
        assert_status(weir_ws_abort(ws), -WEIR_ESTALE);
        assert_status(weir_ws_pause(ws), -WEIR_ESTALE);
        assert_true(weir_ws_stream(ws).bits == 0);
    }
}

static void
a_drain_says_going_away(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int first = hub_connect(hub);
    int second = hub_connect(hub);
    int third;
    char head[1024];

    assert_int_equal(weir_ws_server_connections(hub->server), 2);
    assert_status(weir_ws_server_free(hub->server), -EBUSY);
    assert_status(weir_ws_server_drain(hub->server), 0);
    peer_expect_close(hub, first, 1001);
    peer_expect_close(hub, second, 1001);
    third = hub_connect_raw(hub);
    peer_write(hub->fixture, third, HUB_REQUEST "\r\n", sizeof(HUB_REQUEST "\r\n") - 1);
    peer_read_head(hub, third, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 503 "));
    assert_status(hub->accept_status, -WEIR_EENDED);
    peer_send_close(hub, first, 1001);
    peer_send_close(hub, second, 1001);
    peer_expect_eof(hub->fixture, first);
    peer_expect_eof(hub->fixture, second);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_message_comes_back),
        EACH(frames_behind_the_request_are_not_lost),
        ONCE(what_is_no_handshake_is_answered_by_http),
        ONCE(a_page_of_the_same_origin_is_welcome),
        ONCE(a_function_judges_origins),
        ONCE(a_subprotocol_is_chosen_by_the_servers_order),
        ONCE(one_accept_may_say_more),
        EACH(a_request_may_be_accepted_later),
        ONCE(bad_options_are_refused),
        EACH(handles_that_name_nothing_are_refused),
        EACH(a_drain_says_going_away),
    };

    return RUN_CASES("ws_server", cases);
}
