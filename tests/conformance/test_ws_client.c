// SPDX-License-Identifier: MIT
//
// A WebSocket client: what it asks, what it makes of answers, and what it sends.
#include "tests/lib/ws.h"

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

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_handshake_opens_the_connection),
        EACH(a_refusal_is_told),
    };

    return RUN_CASES("ws_client", cases);
}
