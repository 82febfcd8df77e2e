// SPDX-License-Identifier: MIT
//
// A WebSocket client: what it asks, what it makes of answers, and what it sends.
#include "tests/lib/ws.h"

#include "netio/ws/deflate.h"
#include "netio/ws/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
send_hello(struct hub *hub)
{
    assert_status(weir_ws_send(hub->client, WEIR_WS_TEXT, "Hello", 5), 0);
}

static void
a_handshake_opens_the_connection(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    assert_status(hub->connect_status, 0);
    assert_status(weir_ws_send(hub->client, WEIR_WS_TEXT, "Hello", 5), -ENOTCONN);
    peer = hub_serve(hub, "");
    hub_wait_opened(hub);
    assert_status(hub->log.opened.status, 0);
    assert_int_equal(hub->log.opened.code, 101);
    hub_run(hub, send_hello);
    peer_expect_frame(hub, peer, 0x81, "Hello", 5);
    peer_send_text(hub, peer, "World");
    hub_expect_message(hub, 0, "World", 5);
    assert_status(weir_ws_close(hub->client, 1000, "bye", 3), 0);
    peer_expect_frame(hub, peer, 0x88,
                      "\x03\xe8"
                      "bye",
                      5);
    peer_send_close(hub, peer, 1000);
    peer_finish(hub->fixture, peer);
    peer_expect_eof(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
}

static void
a_refusal_is_told(void **state)
{
    static const char refusal[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    struct hub *hub = hub_client(state, &(struct hub_options){0});
    char head[1024];
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    peer = transport_accept(hub->fixture, hub->listener);
    peer_read_head(hub, peer, head, sizeof(head));
    peer_write(hub->fixture, peer, refusal, sizeof(refusal) - 1);
    hub_wait_closed(hub);
    assert_int_equal(hub->log.opens, 1);
    assert_status(hub->log.opened.status, -ECONNREFUSED);
    assert_int_equal(hub->log.opened.code, 403);
    assert_status(hub->log.closed.status, -ECONNREFUSED);
    assert_int_equal(hub->log.closed.code, WEIR_WS_ABNORMAL);
}

// ---- answers -----------------------------------------------------------------------------------

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define UP     "Upgrade: websocket\r\n"
#define CONN   "Connection: Upgrade\r\n"

// The peer answers with these lines, and %s for the key's answer.
static int
answer_with(struct hub *hub, const char *format)
{
    int peer = transport_accept(hub->fixture, hub->listener);
    char accept[WI_WS_ACCEPT_SIZE + 1];
    char head[2048];
    char answer[2048];
    const char *key;

    peer_read_head(hub, peer, head, sizeof(head));
    key = strstr(head, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    wi_ws_key_accept(key + 19, WI_WS_KEY_SIZE, accept);
    snprintf(answer, sizeof(answer), "%s", format);
    if (strstr(format, "%s") != NULL) {
        size_t before = (size_t)(strstr(format, "%s") - format);

        snprintf(answer + before, sizeof(answer) - before, "%s%s", accept, format + before + 2);
    }
    peer_write(hub->fixture, peer, answer, strlen(answer));
    peer_write(hub->fixture, peer, "\r\n", 2);
    return peer;
}

static void
an_answer_that_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *answer;
        unsigned code;
        int status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", 200, -ECONNREFUSED},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n", 302, -ECONNREFUSED},
        {"HTTP/1.1 503 No\r\nContent-Length: 5\r\n", 503, -ECONNREFUSED},
        {SWITCH CONN "Sec-WebSocket-Accept: %s\r\n", 101, -EPROTO},
        {SWITCH UP "Sec-WebSocket-Accept: %s\r\n", 101, -EPROTO},
        {SWITCH "Upgrade: h2c\r\n" CONN "Sec-WebSocket-Accept: %s\r\n", 101, -EPROTO},
        {SWITCH UP UP CONN "Sec-WebSocket-Accept: %s\r\n", 101, -EPROTO},
        {SWITCH UP CONN, 101, -EPROTO},
        {SWITCH UP CONN "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", 101, -EPROTO},
        {SWITCH UP CONN "Sec-WebSocket-Accept: x%s\r\n", 101, -EPROTO},
        {SWITCH UP CONN "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Accept: x\r\n", 101, -EPROTO},
        {SWITCH UP CONN "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: b, c\r\n", 101,
         -EPROTO},
        {SWITCH UP CONN "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: foo\r\n", 101,
         -EPROTO},
        {"HTTP/1.1 abc\r\n", 0, -EPROTO},
    };
    static const char *const protocols[] = {"b"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hub *hub =
            hub_client(state, &(struct hub_options){.protocols = protocols, .protocol_count = 1});

        hub_connect_client(hub, &(struct weir_ws_connect){0});
        answer_with(hub, cases[i].answer);
        hub_wait_closed(hub);
        if (hub->log.opens != 1 || hub->log.opened.status != cases[i].status ||
            hub->log.opened.code != cases[i].code || hub->log.closed.status != cases[i].status) {
            fixture_fail(hub->fixture, "case %zu: %u %d, code %u, then %d", i, hub->log.opens,
                         hub->log.opened.status, hub->log.opened.code, hub->log.closed.status);
        }
        fixture_end(hub->fixture);
    }
}

static void
a_good_answer_may_look_odd(void **state)
{
    static const char *const protocols[] = {"a", "b"};
    struct hub *hub =
        hub_client(state, &(struct hub_options){.protocols = protocols, .protocol_count = 2});

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    answer_with(hub, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
                     "HTTP/1.1 101 Oh\r\nUPGRADE: WebSocket\r\nconnection: x, uPgRaDe\r\n"
                     "sec-websocket-accept:   %s  \r\nsec-websocket-protocol: b\r\n");
    hub_wait_opened(hub);
    assert_status(hub->log.opened.status, 0);
    assert_string_equal(hub->log.protocol, "b");
}

static void
the_question_says_what_it_has_to(void **state)
{
    static const char *const protocols[] = {"a", "b"};
    static const struct weir_http_field fields[] = {WEIR_HTTP_FIELD("Origin", "http://here")};
    static const char wanted[] = "GET /chat?x=1 HTTP/1.1\r\nHost: example:1234\r\n"
                                 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Key: ";
    static const char rest[] = "==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://here\r\n"
                               "Sec-WebSocket-Protocol: a, b\r\n\r\n";
    struct hub *hub =
        hub_client(state, &(struct hub_options){.protocols = protocols, .protocol_count = 2});
    char head[1024];
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){.host = "example:1234",
                                                      .target = "/chat?x=1",
                                                      .fields = fields,
                                                      .field_count = 1});
    peer = transport_accept(hub->fixture, hub->listener);
    peer_read_head(hub, peer, head, sizeof(head));
    assert_memory_equal(head, wanted, sizeof(wanted) - 1);
    assert_string_equal(head + sizeof(wanted) - 1 + WI_WS_KEY_SIZE - 2, rest);
}

static void
frames_behind_the_answer_are_not_lost(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    answer_with(hub, SWITCH UP CONN "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x05Hello\x81\x02");
    hub_expect_message(hub, 0, "Hello", 5);
    hub_expect_message(hub, 1, "\r\n", 2); // which the function above puts behind it
    assert_status(hub->log.opened.status, 0);
}

// ---- no connection -----------------------------------------------------------------------------

static void
nobody_listens(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});

    fixture_close_fd(hub->fixture, hub->listener);
    hub_connect_client(hub, &(struct weir_ws_connect){0});
    if (hub->connect_status != 0) { // known at once: then nothing is told
        assert_status(hub->connect_status, -transport_refusal(hub->fixture->transport));
        fixture_settle(hub->fixture);
        assert_int_equal(hub->log.opens + hub->log.closes, 0);
        return;
    }
    hub_wait_closed(hub);
    assert_int_equal(hub->log.opens, 1);
    assert_status(hub->log.opened.status, -transport_refusal(hub->fixture->transport));
    assert_int_equal(hub->log.opened.code, 0);
    assert_status(hub->log.closed.status, hub->log.opened.status);
}

static void
abort_client(struct hub *hub)
{
    assert_status(weir_ws_abort(hub->client), 0);
}

static void
connecting_may_be_given_up(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    assert_status(weir_ws_close(hub->client, 1000, NULL, 0), -ENOTCONN);
    assert_status(weir_ws_abort(hub->client), -EXDEV);
    assert_true(weir_ws_stream(hub->client).bits == 0);
    hub_run(hub, abort_client);
    hub_wait_closed(hub);
    assert_status(hub->log.opened.status, -ECONNABORTED);
    assert_status(hub->log.closed.status, -ECONNABORTED);
    assert_status(weir_ws_abort(hub->client), -WEIR_ESTALE);
}

static void
a_stop_ends_what_connects(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    fixture_end(hub->fixture); // with nothing left over
}

static void
bad_requests_are_refused(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){0});
    struct weir_ws_connect request = {.host = "x", .ws.handlers = &hub->handlers};
    weir_ws ws;

    assert_status(weir_ws_connect(hub->fixture->loop, &request, &ws), -EXDEV);
    assert_status(weir_ws_connect(NULL, &request, &ws), -EINVAL);
    request.field_count = 1;
    assert_status(weir_ws_connect(hub->fixture->loop, &request, &ws), -EINVAL);
    hub_connect_client(hub, &(struct weir_ws_connect){.host = "a\r\nb"});
    assert_status(hub->connect_status, -EINVAL);
    hub_connect_client(hub, &(struct weir_ws_connect){.target = "no path"});
    assert_status(hub->connect_status, -EINVAL);
    hub->handlers.message = NULL;
    hub_connect_client(hub, &(struct weir_ws_connect){0});
    assert_status(hub->connect_status, -EINVAL);
    assert_int_equal(hub->log.opens + hub->log.closes, 0);
}

// ---- our own server ----------------------------------------------------------------------------

static void
our_server_and_our_client_talk(void **state)
{
    static const char *const protocols[] = {"x.v1"};
    struct hub_options options = {.protocols = protocols,
                                  .protocol_count = 1,
                                  .echo = true,
                                  .deflate = {.is_on = wi_ws_has_deflate()}};
    struct hub *hub = hub_open(state, &options);
    static char text[20000];

    memset(text, 'w', sizeof(text));
    hub_connect_client(hub, &(struct weir_ws_connect){0});
    hub_wait_opened(hub);
    assert_status(hub->log.opened.status, 0);
    assert_string_equal(hub->log.protocol, "x.v1");
    assert_int_equal(hub->log.opened.is_deflate, options.deflate.is_on);
    hub->options.echo = false; // both sides have the same functions
    assert_status(weir_ws_send(hub->client, WEIR_WS_TEXT, text, sizeof(text)), 0);
    hub_expect_message(hub, 0, text, sizeof(text));
    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, "back", 4), 0);
    hub_expect_message(hub, 1, "back", 4);
    assert_status(weir_ws_close(hub->client, 3000, "done", 4), 0);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
    assert_int_equal(hub->log.closed.code, 3000);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_handshake_opens_the_connection),
        EACH(a_refusal_is_told),
        ONCE(an_answer_that_is_wrong_is_refused),
        EACH(a_good_answer_may_look_odd),
        ONCE(the_question_says_what_it_has_to),
        EACH(frames_behind_the_answer_are_not_lost),
        EACH(nobody_listens),
        EACH(connecting_may_be_given_up),
        EACH(a_stop_ends_what_connects),
        ONCE(bad_requests_are_refused),
        EACH(our_server_and_our_client_talk),
    };

    return RUN_CASES("ws_client", cases);
}
