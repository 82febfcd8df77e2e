// SPDX-License-Identifier: MIT
//
// Back-pressure both ways, pauses, floods, and peers that fall silent.
#include "tests/lib/ws.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void
pause_here(struct hub *hub, weir_ws ws, struct weir_ws_message *message)
{
    (void)message;
    if (hub->log.message_count == 1) {
        assert_status(weir_ws_pause(ws), 0);
        assert_status(weir_ws_pause(ws), 0);
    }
}

static void
resume(struct hub *hub)
{
    assert_status(weir_ws_resume(hub->ws), 0);
    assert_status(weir_ws_resume(hub->ws), 0);
}

static void
a_pause_holds_what_has_come_already(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.message = pause_here});
    int peer = hub_connect(hub);
    uint8_t bytes[64];
    size_t size = put_frame(bytes, 0x81, true, "one", 3);

    size += put_frame(bytes + size, 0x81, true, "two", 3);
    size += put_frame(bytes + size, 0x89, true, "p", 1);
    peer_write(hub->fixture, peer, bytes, size);
    hub_wait_messages(hub, 1);
    peer_expect_silence(hub->fixture, peer);
    assert_int_equal(hub->log.message_count, 1);
    hub_run(hub, resume);
    hub_expect_message(hub, 1, "two", 3);
    peer_expect_frame(hub, peer, 0x8a, "p", 1);
}

static void
a_pause_holds_the_peer_back(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.message = pause_here});
    int peer = hub_connect(hub);
    uint8_t frame[4096];
    size_t size = put_frame(frame, 0x82, true, frame + 2048, 1000);
    ssize_t sent = 1;
    size_t all = 0;

    for (unsigned idle = 0; idle < 20;) {
        sent = send(peer, frame + all % size, size - all % size, MSG_NOSIGNAL | MSG_DONTWAIT);
        all += sent > 0 ? (size_t)sent : 0;
        idle = sent > 0 ? 0 : idle + 1;
        assert_true(all < 64 << 20);
        fixture_settle(hub->fixture);
    }
    assert_int_equal(hub->log.message_count, 1);
    hub_run(hub, resume);
    hub_wait_messages(hub, (unsigned)(all / size));
}

static void
a_pause_within_a_large_message_holds_its_pieces(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.pieces = true});
    int peer = hub_connect(hub);

    hub_run(hub, resume); // nothing was paused
    peer_send_frame(hub, peer, 0x02, "a", 1);
    peer_send_frame(hub, peer, 0x80, "b", 1);
    hub_wait_messages(hub, 2);
}

// ---- a queue that is full ----------------------------------------------------------------------

static void
a_refusal_is_followed_by_writable(void **state)
{
    static const struct weir_stream_options stream = {
        .queue_high = 100000, .queue_low = 1000, .send_buffer = 1};
    struct hub *hub = hub_open(state, &(struct hub_options){.stream = stream});
    int peer = hub_connect_small(hub);
    static uint8_t bytes[5000];
    static uint8_t got[5000];
    unsigned accepted = 0;
    int status;

    while ((status = weir_ws_send(hub->ws, WEIR_WS_BINARY, bytes, sizeof(bytes))) == 0) {
        accepted++;
        fixture_settle(hub->fixture);
        assert_true(accepted < 10000);
    }
    assert_status(status, -WEIR_ESTREAMFULL);
    assert_int_equal(hub->log.writables, 0);
    for (unsigned i = 0; i < accepted; i++) {
        unsigned first;

        assert_int_equal(peer_read_frame(hub, peer, &first, got), sizeof(bytes));
    }
    fixture_settle(hub->fixture);
    assert_int_equal(hub->log.writables, 1);
    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, "again", 5), 0);
    peer_expect_frame(hub, peer, 0x81, "again", 5);
}

// Close and pongs are not lost when there is no room for them.
static void
controls_wait_for_room(struct hub *hub, int peer, bool says_close)
{
    static uint8_t bytes[5000];
    static uint8_t got[5000];
    unsigned frames = 0;
    unsigned first = 0;

    while (weir_ws_send(hub->ws, WEIR_WS_BINARY, bytes, 5000 - frames % 7) == 0) {
        frames++;
        fixture_settle(hub->fixture);
        assert_true(frames < 10000);
    }
    while (weir_ws_send(hub->ws, WEIR_WS_BINARY, bytes, 1) == 0) {
        frames++;
    }
    if (says_close) {
        assert_status(weir_ws_close(hub->ws, 1000, NULL, 0), 0);
        assert_status(weir_ws_close(hub->ws, 1000, NULL, 0), -WEIR_EENDED);
    } else {
        peer_send_frame(hub, peer, 0x89, "p", 1);
    }
    fixture_settle(hub->fixture);
    for (unsigned i = 0; i < frames; i++) {
        peer_read_frame(hub, peer, &first, got);
        assert_int_equal(first, 0x82);
    }
    if (says_close) {
        peer_expect_close(hub, peer, 1000);
        peer_send_close(hub, peer, 1000);
        peer_expect_eof(hub->fixture, peer);
        fixture_close_fd(hub->fixture, peer);
    } else {
        peer_expect_frame(hub, peer, 0x8a, "p", 1);
    }
}

static void
a_close_waits_for_room(void **state)
{
    static const struct weir_stream_options stream = {.queue_high = 50000, .send_buffer = 1};
    struct hub *hub = hub_open(state, &(struct hub_options){.stream = stream});

    controls_wait_for_room(hub, hub_connect(hub), true);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
}

static void
a_pong_waits_for_room(void **state)
{
    // The low mark is so high that the server reads all the same (WEIR_STREAM_REST).
    static const struct weir_stream_options stream = {
        .queue_high = 50000, .queue_low = 50000, .send_buffer = 1};
    struct hub *hub = hub_open(state, &(struct hub_options){.stream = stream});

    controls_wait_for_room(hub, hub_connect(hub), false);
}

// ---- pings -------------------------------------------------------------------------------------

static void
a_ping_is_answered_and_told(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    assert_status(weir_ws_ping(hub->ws, "are you there", 13), 0);
    peer_expect_frame(hub, peer, 0x89, "are you there", 13);
    peer_send_frame(hub, peer, 0x8a, "are you there", 13);
    peer_send_text(hub, peer, "x");
    hub_wait_messages(hub, 1);
    assert_string_equal(hub->log.pong, "are you there");
}

// While one pong waits to be sent the latest ping takes the place of those before.
static void
a_flood_of_pings_has_few_answers(void **state)
{
    static const struct weir_stream_options small = {.send_buffer = 1};
    static const struct weir_ws_limits limits = {.controls_max = 100000};
    struct hub *hub = hub_open(state, &(struct hub_options){.stream = small, .limits = limits});
    int peer = hub_connect(hub);
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain};
    size_t large = 60000; // little enough that the server still reads (WEIR_STREAM_REST)
    uint8_t *bytes = fixture_memory(hub->fixture, FRAME_MAX);
    unsigned pongs = 0;
    unsigned first = 0;
    size_t queued;

    for (unsigned i = 0; i < 40; i++) { // until the kernel takes no more
        assert_status(weir_chain_append(&chain, bytes, large), 0);
        assert_status(weir_ws_write(hub->ws, WEIR_WS_BINARY, &write, NULL), 0);
        fixture_settle(hub->fixture);
        if (weir_queued(weir_ws_stream(hub->ws)) != 0) {
            break;
        }
    }
    queued = weir_queued(weir_ws_stream(hub->ws));
    assert_true(queued != 0 && queued <= 65536);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t payload[125] = {(uint8_t)(i >> 8), (uint8_t)i};

        peer_send_frame(hub, peer, 0x89, payload, sizeof(payload));
        fixture_settle(hub->fixture);
    }
    assert_true(weir_queued(weir_ws_stream(hub->ws)) < queued + 300);
    peer_send_close(hub, peer, 1000);
    do {
        size_t size = peer_read_frame(hub, peer, &first, bytes);

        if (first == 0x8a) {
            pongs++;
            assert_int_equal(size, 125);
        }
    } while (first != 0x88);
    assert_true(pongs >= 1 && pongs <= 3);
}

static void
too_many_controls_are_1008(void **state)
{
    static const struct weir_ws_limits limits = {.controls_max = 10};
    struct hub *hub = hub_open(state, &(struct hub_options){.limits = limits});
    int peer = hub_connect(hub);
    uint8_t bytes[512];
    size_t size = 0;

    for (unsigned i = 0; i < 30; i++) {
        size += put_frame(bytes + size, 0x8a, true, NULL, 0);
    }
    peer_write(hub->fixture, peer, bytes, size);
    peer_expect_close(hub, peer, 1008);
    peer_expect_eof(hub->fixture, peer);
    assert_int_equal(hub->log.pongs, 10);
}

// ---- silence -----------------------------------------------------------------------------------

static void
a_silent_peer_is_asked_and_then_left(void **state)
{
    static const struct weir_ws_limits limits = {.ping_ns = MS(60), .pong_ns = MS(120)};
    struct hub *hub = hub_open(state, &(struct hub_options){.limits = limits});
    int peer = hub_connect(hub);

    peer_expect_frame(hub, peer, 0x89, "", 0);
    peer_send_frame(hub, peer, 0x8a, "", 0); // it is there
    peer_expect_frame(hub, peer, 0x89, "", 0);
    peer_expect_reset(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, -ETIMEDOUT);
    assert_int_equal(hub->log.closed.origin, WEIR_ORIGIN_DEADLINE);
    assert_int_equal(hub->log.closed.code, WEIR_WS_ABNORMAL);
}

static void
a_server_that_never_answers_is_left(void **state)
{
    static const struct weir_ws_limits limits = {.open_ns = MS(80)};
    struct hub *hub = hub_client(state, &(struct hub_options){.limits = limits});

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    transport_accept(hub->fixture, hub->listener);
    hub_wait_closed(hub);
    assert_int_equal(hub->log.opens, 1);
    assert_status(hub->log.opened.status, -ETIMEDOUT);
    assert_status(hub->log.closed.status, -ETIMEDOUT);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_pause_holds_what_has_come_already),
        ONCE(a_pause_holds_the_peer_back),
        ONCE(a_pause_within_a_large_message_holds_its_pieces),
        EACH_TCP(a_refusal_is_followed_by_writable),
        EACH_TCP(a_close_waits_for_room),
        EACH_TCP(a_pong_waits_for_room),
        EACH(a_ping_is_answered_and_told),
        ONCE(a_flood_of_pings_has_few_answers),
        EACH(too_many_controls_are_1008),
        EACH_WITH_RESETS(a_silent_peer_is_asked_and_then_left),
        EACH(a_server_that_never_answers_is_left),
    };

    return RUN_CASES("ws_flow", cases);
}
