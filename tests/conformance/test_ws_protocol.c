// SPDX-License-Identifier: MIT
//
// What RFC 6455 says of frames, on a real connection: each error with its code, whole and byte by
// byte; fragments, controls between them; the matrix of closes.
#include "tests/lib/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// ---- errors ------------------------------------------------------------------------------------

struct vector {
    const char *what;
    unsigned code;
    int status;
    const char *bytes; // as on the wire, masked with zeros
    size_t size;
};

#define MASK "\0\0\0\0"
#define VECTOR(what_, code_, status_, bytes_)             \
    {                                                     \
        what_, code_, status_, bytes_, sizeof(bytes_) - 1 \
    }

static const struct vector vectors[] = {
    VECTOR("reserved bit 1", 1002, -EPROTO, "\xc1\x80" MASK),
    VECTOR("reserved bit 2", 1002, -EPROTO, "\xa1\x80" MASK),
    VECTOR("reserved bit 3", 1002, -EPROTO, "\x91\x80" MASK),
    VECTOR("opcode 3", 1002, -EPROTO, "\x83\x80" MASK),
    VECTOR("opcode 7", 1002, -EPROTO, "\x87\x80" MASK),
    VECTOR("opcode b", 1002, -EPROTO, "\x8b\x80" MASK),
    VECTOR("opcode f", 1002, -EPROTO, "\x8f\x80" MASK),
    VECTOR("not masked", 1002, -EPROTO, "\x81\x01x"),
    VECTOR("a fragmented ping", 1002, -EPROTO, "\x09\x80" MASK),
    VECTOR("a fragmented close", 1002, -EPROTO, "\x08\x80" MASK),
    VECTOR("a long ping", 1002, -EPROTO, "\x89\xfe\x00\x7e" MASK),
    VECTOR("a long form of 125", 1002, -EPROTO, "\x82\xfe\x00\x7d" MASK),
    VECTOR("a long form of 65535", 1002, -EPROTO, "\x82\xff\0\0\0\0\0\0\xff\xff" MASK),
    VECTOR("a length with its highest bit", 1002, -EPROTO, "\x82\xff\x80\0\0\0\0\0\0\0" MASK),
    VECTOR("continues nothing", 1002, -EPROTO, "\x80\x80" MASK),
    VECTOR("continues nothing, and goes on", 1002, -EPROTO, "\x00\x80" MASK),
    VECTOR("a message within another", 1002, -EPROTO, "\x01\x81" MASK "x\x81\x81" MASK "y"),
    VECTOR("not UTF-8", 1007, -EILSEQ, "\x81\x81" MASK "\xff"),
    VECTOR("UTF-8 that breaks off", 1007, -EILSEQ, "\x81\x82" MASK "\xe2\x82"),
    VECTOR("a surrogate", 1007, -EILSEQ, "\x81\x83" MASK "\xed\xa0\x80"),
    VECTOR("not UTF-8, known early", 1007, -EILSEQ, "\x01\x85" MASK "\xf4\x90"),
    VECTOR("UTF-8 that breaks off behind a fragment", 1007, -EILSEQ,
           "\x01\x81" MASK "\xe2\x80\x81" MASK "\x82"),
    VECTOR("a message too big", 1009, -EMSGSIZE, "\x82\xfe\x10\x01" MASK),
    VECTOR("two fragments too big", 1009, -EMSGSIZE, "\x02\x81" MASK "x\x80\xfe\x10\x00" MASK),
    VECTOR("too many fragments", 1008, -EMSGSIZE,
           "\x02\x80" MASK "\x00\x80" MASK "\x00\x80" MASK "\x00\x80" MASK "\x80\x80" MASK),
    VECTOR("a close of one byte", 1002, -EPROTO, "\x88\x81" MASK "\x03"),
    VECTOR("a close with 999", 1002, -EPROTO, "\x88\x82" MASK "\x03\xe7"),
    VECTOR("a close with 0", 1002, -EPROTO, "\x88\x82" MASK "\x00\x00"),
    VECTOR("a close with 1004", 1002, -EPROTO, "\x88\x82" MASK "\x03\xec"),
    VECTOR("a close with 1005", 1002, -EPROTO, "\x88\x82" MASK "\x03\xed"),
    VECTOR("a close with 1006", 1002, -EPROTO, "\x88\x82" MASK "\x03\xee"),
    VECTOR("a close with 1015", 1002, -EPROTO, "\x88\x82" MASK "\x03\xf7"),
    VECTOR("a close with 2999", 1002, -EPROTO, "\x88\x82" MASK "\x0b\xb7"),
    VECTOR("a close with 5000", 1002, -EPROTO, "\x88\x82" MASK "\x13\x88"),
    VECTOR("a close whose reason is no text", 1007, -EILSEQ, "\x88\x83" MASK "\x03\xe8\xff"),
};

static void
write_slowly(struct hub *hub, int peer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (send(peer, bytes + i, 1, MSG_NOSIGNAL) != 1) {
            return; // it was refused before: what was answered says so
        }
        fixture_settle(hub->fixture);
    }
}

static void
expect_failure(void **state, bool slowly)
{
    static const struct weir_ws_limits limits = {.message_max = 4096, .fragments_max = 4};
    struct hub *hub = hub_open(state, &(struct hub_options){.limits = limits});

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *vector = &vectors[i];
        int peer = hub_connect(hub);

        peer_send_text(hub, peer, "good");
        peer_send_text(hub, peer, "better"); // what was before is told
        hub->log.closes = 0;
        hub->log.message_count = 0;
        if (slowly) {
            write_slowly(hub, peer, vector->bytes, vector->size);
        } else {
            peer_write(hub->fixture, peer, vector->bytes, vector->size);
        }
        peer_send_text(hub, peer, "not heard");
        peer_expect_close(hub, peer, vector->code);
        peer_expect_eof(hub->fixture, peer);
        fixture_close_fd(hub->fixture, peer);
        hub_wait_closed(hub);
        if (hub->log.closed.status != vector->status || hub->log.message_count > 2 ||
            hub->log.closed.sent_code != vector->code) {
            fixture_fail(hub->fixture, "%s: %d, %u messages", vector->what, hub->log.closed.status,
                         hub->log.message_count);
        }
        assert_int_equal(hub->log.closed.code, WEIR_WS_ABNORMAL);
        hub->log.data_size = 0;
    }
}

static void
every_error_has_its_code(void **state)
{
    expect_failure(state, false);
}

static void
every_error_has_its_code_byte_by_byte(void **state)
{
    expect_failure(state, true);
}

static void
a_client_fails_likewise(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        unsigned code;
    } cases[] = {
        {"\x81\x80\0\0\0\0", 6, 1002}, // masked
        {"\xc1\x00", 2, 1002},
        {"\x81\x01\xff", 3, 1007},
        {"\x82\x7f\0\0\0\0\xff\0\0\0", 10, 1009},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hub *hub = hub_client(state, &(struct hub_options){0});
        int peer;

        hub_connect_client(hub, &(struct weir_ws_connect){0});
        peer = hub_serve(hub, "");
        hub_wait_opened(hub);
        peer_write(hub->fixture, peer, cases[i].bytes, cases[i].size);
        peer_expect_close(hub, peer, cases[i].code);
        peer_expect_eof(hub->fixture, peer); // it waits for nothing
        fixture_close_fd(hub->fixture, peer);
        hub_wait_closed(hub);
        assert_int_equal(hub->log.closed.sent_code, cases[i].code);
        fixture_end(hub->fixture);
    }
}

// ---- messages ----------------------------------------------------------------------------------

static void
fragments_and_controls_between_them(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    peer_send_frame(hub, peer, 0x01, "Hel", 3);
    peer_send_frame(hub, peer, 0x89, "ping", 4);
    peer_expect_frame(hub, peer, 0x8a, "ping", 4);
    peer_send_frame(hub, peer, 0x00, "", 0);
    peer_send_frame(hub, peer, 0x8a, "nobody asked", 12);
    peer_send_frame(hub, peer, 0x80, "lo", 2);
    hub_expect_message(hub, 0, "Hello", 5);
    assert_true(hub->log.messages[0].is_text);
    assert_int_equal(hub->log.pongs, 1);
    assert_string_equal(hub->log.pong, "nobody asked");
}

static void
sizes_around_every_form_come_back(void **state)
{
    static const size_t sizes[] = {0,    1,    125,  126,  127,   4017,  4018,  4019,
                                   4031, 4032, 4033, 8064, 65535, 65536, 65537, 300000};
    struct hub *hub = hub_open(state, &(struct hub_options){.echo = true});
    int peer = hub_connect(hub);
    uint8_t *bytes = fixture_memory(hub->fixture, 300000);

    for (size_t i = 0; i < 300000; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        hub->log.data_size = 0;
        peer_send_frame(hub, peer, 0x82, bytes, sizes[i]);
        peer_expect_frame(hub, peer, 0x82, bytes, sizes[i]);
    }
}

static void
pieces_are_told_as_they_come(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.pieces = true});
    int peer = hub_connect(hub);
    const struct hub_message *pieces = hub->log.messages;

    peer_send_frame(hub, peer, 0x01, "Hel", 3);
    hub_wait_messages(hub, 1);
    assert_true(pieces[0].is_first && !pieces[0].is_last && pieces[0].is_text);
    peer_send_frame(hub, peer, 0x80, "", 0);
    hub_wait_messages(hub, 2);
    assert_true(!pieces[1].is_first && pieces[1].is_last && pieces[1].size == 0);
    peer_send_frame(hub, peer, 0x82, "x", 1);
    hub_wait_messages(hub, 3);
    assert_true(pieces[2].is_first && pieces[2].is_last && !pieces[2].is_text);
    assert_memory_equal(hub->log.data, "Helx", 4);
}

// ---- closes ------------------------------------------------------------------------------------

static void
a_close_is_answered_with_its_code(void **state)
{
    static const unsigned codes[] = {0,    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    struct hub *hub = hub_open(state, &(struct hub_options){0});

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        int peer = hub_connect(hub);

        hub->log.closes = 0;
        peer_send_close(hub, peer, codes[i]);
        peer_expect_close(hub, peer, codes[i]);
        peer_expect_eof(hub->fixture, peer); // the server is the first to go
        fixture_close_fd(hub->fixture, peer);
        hub_wait_closed(hub);
        assert_status(hub->log.closed.status, 0);
        assert_int_equal(hub->log.closed.code, codes[i] == 0 ? WEIR_WS_NO_CODE : codes[i]);
        assert_int_equal(hub->log.closing_code, hub->log.closed.code);
    }
}

static void
a_reason_is_told(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    peer_send_frame(hub, peer, 0x88,
                    "\x0f\xa0"
                    "because \xe2\x82\xac",
                    13);
    peer_expect_close(hub, peer, 4000);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_string_equal(hub->log.reason, "because \xe2\x82\xac");
}

static void
after_our_close_messages_still_come_and_none_goes(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, "before", 6), 0);
    assert_status(weir_ws_close(hub->ws, 4001, "enough", 6), 0);
    assert_status(weir_ws_close(hub->ws, 4001, NULL, 0), -WEIR_EENDED);
    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, "behind", 6), -WEIR_EENDED);
    assert_status(weir_ws_ping(hub->ws, NULL, 0), -WEIR_EENDED);
    peer_expect_frame(hub, peer, 0x81, "before", 6);
    peer_expect_frame(hub, peer, 0x88,
                      "\x0f\xa1"
                      "enough",
                      8);
    peer_send_text(hub, peer, "on its way");
    peer_send_frame(hub, peer, 0x89, "ping", 4); // not answered
    hub_expect_message(hub, 0, "on its way", 10);
    peer_send_close(hub, peer, 4001);
    peer_expect_eof(hub->fixture, peer);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
    assert_int_equal(hub->log.closed.sent_code, 4001);
}

static void
both_may_close_at_once(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    assert_status(weir_ws_close(hub->ws, 1001, NULL, 0), 0);
    peer_send_close(hub, peer, 1000);
    peer_expect_close(hub, peer, 1001);
    peer_expect_eof(hub->fixture, peer);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
    assert_int_equal(hub->log.closed.code, 1000);
    assert_int_equal(hub->log.closed.sent_code, 1001);
}

static void
close_in_closing(struct hub *hub, weir_ws ws)
{
    hub->log.pongs = weir_ws_send(ws, WEIR_WS_TEXT, "last words", 10) == 0;
    (void)weir_ws_close(ws, 4005, "x", 1);
}

static void
the_answer_may_be_the_programs(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.closing = close_in_closing});
    int peer = hub_connect(hub);

    peer_send_close(hub, peer, 1000);
    peer_expect_frame(hub, peer, 0x81, "last words", 10);
    peer_expect_frame(hub, peer, 0x88, "\x0f\xa5x", 3);
    peer_expect_eof(hub->fixture, peer);
}

static void
nothing_behind_a_close_is_heard(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);
    uint8_t bytes[64];
    size_t size = put_frame(bytes, 0x88, true, "\x03\xe8", 2);

    size += put_frame(bytes + size, 0x81, true, "x", 1);
    size += put_frame(bytes + size, 0xff, true, "garbage", 7);
    peer_write(hub->fixture, peer, bytes, size);
    peer_expect_close(hub, peer, 1000);
    peer_expect_eof(hub->fixture, peer);
    fixture_close_fd(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
    assert_int_equal(hub->log.message_count, 0);
}

static void
a_peer_that_ends_without_a_close_is_abnormal(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    peer_send_frame(hub, peer, 0x01, "half", 4);
    peer_finish(hub->fixture, peer);
    peer_expect_eof(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, -ENODATA);
    assert_int_equal(hub->log.closed.origin, WEIR_ORIGIN_PEER_STOP);
    assert_int_equal(hub->log.closed.code, WEIR_WS_ABNORMAL);
    assert_int_equal(hub->log.message_count, 0);
}

static void
a_reset_is_told(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    int peer = hub_connect(hub);

    peer_reset(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_true(hub->log.closed.status < 0);
    assert_int_equal(hub->log.closed.code, WEIR_WS_ABNORMAL);
}

static void
a_peer_that_does_not_answer_a_close_is_left(void **state)
{
    static const struct weir_ws_limits limits = {.close_ns = MS(100)};
    struct hub *hub = hub_open(state, &(struct hub_options){.limits = limits});
    int peer = hub_connect(hub);

    assert_status(weir_ws_close(hub->ws, 1000, NULL, 0), 0);
    peer_expect_close(hub, peer, 1000);
    peer_expect_eof(hub->fixture, peer);
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, -ETIMEDOUT);
    assert_int_equal(hub->log.closed.origin, WEIR_ORIGIN_DEADLINE);
}

static void
a_server_that_does_not_end_is_left(void **state)
{
    static const struct weir_ws_limits limits = {.close_ns = MS(100)};
    struct hub *hub = hub_client(state, &(struct hub_options){.limits = limits});
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    peer = hub_serve(hub, "");
    hub_wait_opened(hub);
    peer_send_close(hub, peer, 1000);
    peer_expect_close(hub, peer, 1000);
    peer_expect_eof(hub->fixture, peer); // in the end
    hub_wait_closed(hub);
    assert_status(hub->log.closed.status, 0);
}

static void
what_may_not_be_said_is_refused(void **state)
{
    static const unsigned codes[] = {0, 999, 1004, 1006, 1015, 2000, 2999, 5000, 70000};
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    char reason[WEIR_WS_REASON_MAX + 1] = {'x'};

    hub_connect(hub);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_status(weir_ws_close(hub->ws, codes[i], NULL, 0), -EINVAL);
    }
    assert_status(weir_ws_close(hub->ws, 1000, reason, sizeof(reason)), -EINVAL);
    assert_status(weir_ws_close(hub->ws, 1000, NULL, 1), -EINVAL);
    assert_status(weir_ws_close(hub->ws, WEIR_WS_NO_CODE, "x", 1), -EINVAL);
    assert_status(weir_ws_close(hub->ws, 1000, "\xff", 1), -EILSEQ);
    assert_status(weir_ws_ping(hub->ws, reason, 126), -EMSGSIZE);
    assert_status(weir_ws_ping(hub->ws, NULL, 1), -EINVAL);
    assert_status(weir_ws_close(hub->ws, WEIR_WS_NO_CODE, NULL, 0), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(every_error_has_its_code),
        ONCE(every_error_has_its_code_byte_by_byte),
        ONCE(a_client_fails_likewise),
        EACH(fragments_and_controls_between_them),
        EACH(sizes_around_every_form_come_back),
        EACH(pieces_are_told_as_they_come),
        ONCE(a_close_is_answered_with_its_code),
        EACH(a_reason_is_told),
        EACH(after_our_close_messages_still_come_and_none_goes),
        EACH(both_may_close_at_once),
        EACH(the_answer_may_be_the_programs),
        EACH(nothing_behind_a_close_is_heard),
        EACH(a_peer_that_ends_without_a_close_is_abnormal),
        EACH(a_reset_is_told),
        EACH(a_peer_that_does_not_answer_a_close_is_left),
        EACH(a_server_that_does_not_end_is_left),
        ONCE(what_may_not_be_said_is_refused),
    };

    return RUN_CASES("ws_protocol", cases);
}
