// SPDX-License-Identifier: MIT
//
// A WebSocket server: handshakes, messages, and what RFC 6455 wants of both.
#include "tests/lib/ws.h"

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

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_message_comes_back),
        EACH(frames_behind_the_request_are_not_lost),
    };

    return RUN_CASES("ws_server", cases);
}
