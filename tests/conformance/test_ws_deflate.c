// SPDX-License-Identifier: MIT
//
// permessage-deflate on real connections: the vectors of RFC 7692, contexts, bombs, cancels.
#include "tests/lib/ws.h"

#include "netio/ws/deflate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static int
connect_with(struct hub *hub, const char *offer, char *head, size_t room)
{
    int peer = hub_connect_raw(hub);

    peer_write(hub->fixture, peer, HUB_REQUEST, sizeof(HUB_REQUEST) - 1);
    peer_write(hub->fixture, peer, offer, strlen(offer));
    peer_write(hub->fixture, peer, "\r\n", 2);
    peer_read_head(hub, peer, head, room);
    hub_wait_accepts(hub, 1);
    return peer;
}

static const struct weir_ws_deflate on = {.is_on = true};

static void
compressed_messages_are_read(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));

    assert_non_null(strstr(head, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"));
    peer_send_frame(hub, peer, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    peer_send_frame(hub, peer, 0xc1, "\xf2\x00\x11\x00\x00", 5);
    peer_send_frame(hub, peer, 0x81, "plain", 5);
    peer_send_frame(hub, peer, 0x41, "\xf2\x48\xcd", 3); // in two frames, a ping between
    peer_send_frame(hub, peer, 0x89, "p", 1);
    peer_send_frame(hub, peer, 0x80, "\xc9\xc9\x07\x00", 4);
    peer_send_frame(hub, peer, 0xc1, "\x00", 1);
    hub_expect_message(hub, 0, "Hello", 5);
    hub_expect_message(hub, 1, "Hello", 5);
    hub_expect_message(hub, 2, "plain", 5);
    hub_expect_message(hub, 3, "Hello", 5);
    hub_expect_message(hub, 4, "", 0);
    assert_true(hub->log.messages[3].is_text);
}

static void
what_was_not_agreed_on_is_1002(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){0});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));

    assert_null(strstr(head, "Extensions"));
    peer_send_frame(hub, peer, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    peer_expect_close(hub, peer, 1002);
}

static void
bad_data_fail_the_connection(void **state)
{
    static const struct {
        unsigned first;
        const char *bytes;
        size_t size;
        unsigned code;
        int status;
    } cases[] = {
        {0xc1, "\x06\xff\xff", 3, 1007, -EILSEQ},                 // no such block
        {0xc1, "\xf2\x48\xcd", 3, 1007, -EILSEQ},                 // breaks off
        {0xc1, "\xf2\x00\x11\x00\x00", 5, 1007, -EILSEQ},         // refers to nothing
        {0xc1, "\x00\x01\x00\xfe\xff\xff\x00", 7, 1007, -EILSEQ}, // good data, and no UTF-8
        {0xc9, "", 0, 1002, -EPROTO},                             // a compressed ping
        {0xc0, "", 0, 1002, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on});
        char head[1024];
        int peer = connect_with(hub, OFFER, head, sizeof(head));

        peer_send_frame(hub, peer, cases[i].first, cases[i].bytes, cases[i].size);
        peer_expect_close(hub, peer, cases[i].code);
        peer_expect_eof(hub->fixture, peer);
        fixture_close_fd(hub->fixture, peer);
        hub_wait_closed(hub);
        assert_status(hub->log.closed.status, cases[i].status);
        fixture_end(hub->fixture);
    }
}

// ---- bombs -------------------------------------------------------------------------------------

static void
a_bomb_is_1009(void **state)
{
    static const struct weir_ws_limits limits = {.message_max = 100000};
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on, .limits = limits});
    struct wi_ws_packer *packer = wi_ws_packer_make(15, false, 9);
    size_t size = 64 << 20;
    char *zeros = calloc(1, size);
    struct weir_chain chain = {NULL, NULL};
    uint8_t *bomb = malloc(1 << 20);
    struct weir_iter at;
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));

    assert_int_equal(wi_ws_pack(packer, zeros, size, &chain), 0);
    assert_int_equal(wi_ws_pack_end(packer, &chain), 0);
    at = weir_chain_begin(&chain);
    size = weir_iter_copy_out(&at, bomb, 1 << 20);
    assert_true(size < 70000);
    peer_send_frame(hub, peer, 0xc2, bomb, size);
    peer_expect_close(hub, peer, 1009);
    assert_int_equal(hub->log.message_count, 0);
    weir_chain_return(&chain);
    wi_ws_packer_free(packer);
    free(zeros);
    free(bomb);
}

// ---- sending -----------------------------------------------------------------------------------

// What the plain end makes of frames.
struct reader {
    struct hub *hub;
    int peer;
    struct wi_ws_unpacker *unpacker;
};

// The next message; was it compressed?
static bool
read_message(struct reader *reader, const void *wanted, size_t size)
{
    static uint8_t data[1 << 20];
    static uint8_t text[1 << 20];
    unsigned first;
    size_t got = peer_read_frame(reader->hub, reader->peer, &first, data);
    size_t unpacked = 0;
    struct wi_ws_unpacked out;

    assert_int_equal(first & 0xbf, 0x81);
    if (!(first & 0x40)) {
        assert_int_equal(got, size);
        assert_memory_equal(data, wanted, size);
        return false;
    }
    wi_ws_unpacker_give(reader->unpacker, data, got);
    do {
        assert_int_equal(wi_ws_unpack(reader->unpacker, true, &out), 0);
        memcpy(text + unpacked, out.data, out.size);
        unpacked += out.size;
    } while (out.has_more);
    wi_ws_unpacker_rest(reader->unpacker);
    assert_int_equal(unpacked, size);
    assert_memory_equal(text, wanted, size);
    return true;
}

static const char *
long_text(struct hub *hub, size_t size)
{
    char *text = fixture_memory(hub->fixture, size);

    for (size_t i = 0; i < size; i++) {
        text[i] = "the quick brown fox jumps over the lazy dog "[(i * i / 7) % 44];
    }
    return text;
}

static void
messages_are_compressed(struct hub *hub, weir_ws ws, int peer, bool keeps)
{
    struct reader reader = {hub, peer, wi_ws_unpacker_make(15, keeps)};
    const char *text = long_text(hub, 300000);
    static const size_t sizes[] = {64, 100, 4000, 4096, 20000, 65536, 300000};

    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            assert_status(weir_ws_send(ws, WEIR_WS_TEXT, text, sizes[i]), 0);
            assert_true(read_message(&reader, text, sizes[i]));
        }
        assert_status(weir_ws_send(ws, WEIR_WS_TEXT, text, 63), 0); // too small
        assert_false(read_message(&reader, text, 63));
        assert_status(weir_ws_send(ws, WEIR_WS_TEXT | WEIR_WS_PLAIN, text, 1000), 0);
        assert_false(read_message(&reader, text, 1000));
    }
    wi_ws_unpacker_free(reader.unpacker);
}

static void
a_server_compresses(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));

    messages_are_compressed(hub, hub->ws, peer, true);
}

static void
a_server_compresses_without_a_context(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on});
    char head[1024];
    int peer = connect_with(
        hub, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", head,
        sizeof(head));

    assert_non_null(strstr(head, "permessage-deflate; server_no_context_takeover\r\n"));
    messages_are_compressed(hub, hub->ws, peer, false);
}

static int
open_client(struct hub *hub, const char *fields)
{
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    peer = hub_serve(hub, fields);
    hub_wait_opened(hub);
    return peer;
}

static void
a_client_compresses_and_masks(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){.deflate = on});
    int peer = open_client(hub, "Sec-WebSocket-Extensions: permessage-deflate\r\n");

    assert_true(hub->log.opened.is_deflate);
    messages_are_compressed(hub, hub->client, peer, true);
    peer_send_frame(hub, peer, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    hub_expect_message(hub, 0, "Hello", 5);
}

static void
a_window_of_8_bits_is_not_compressed_for(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){.deflate = on});
    int peer = open_client(
        hub, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8\r\n");
    const char *text = long_text(hub, 1000);

    assert_status(hub->log.opened.status, 0);
    assert_status(weir_ws_send(hub->client, WEIR_WS_TEXT, text, 1000), 0);
    peer_expect_frame(hub, peer, 0x81, text, 1000);
}

static void
extensions_that_were_not_asked_for_are_refused(void **state)
{
    static const char *const fields[] = {
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: x-mux\r\n",
        "Sec-WebSocket-Protocol: chat\r\n",
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct hub *hub = hub_client(state, &(struct hub_options){0});

        open_client(hub, fields[i]);
        assert_status(hub->log.opened.status, -EPROTO);
        hub_wait_closed(hub);
        fixture_end(hub->fixture);
    }
}

// ---- what is cancelled -------------------------------------------------------------------------

static void
what_can_be_cancelled_does_not_touch_the_context(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));
    struct reader reader = {hub, peer, wi_ws_unpacker_make(15, true)};
    const char *text = long_text(hub, 1000);
    struct iovec iov = {(void *)(uintptr_t)text, 1000};
    struct weir_write write = {.iov = &iov, .iov_count = 1};
    weir_op op;

    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, text, 1000), 0);
    assert_status(weir_ws_write(hub->ws, WEIR_WS_TEXT, &write, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON); // before the loop's turn
    assert_status(weir_ws_write(hub->ws, WEIR_WS_TEXT, &write, &op), 0);
    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, text, 1000), 0);
    assert_true(read_message(&reader, text, 1000));
    assert_false(read_message(&reader, text, 1000));
    assert_true(read_message(&reader, text, 1000));
    wi_ws_unpacker_free(reader.unpacker);
}

static void
a_refused_message_does_not_either(void **state)
{
    static const struct weir_stream_options stream = {
        .queue_high = 20000, .queue_low = 1000, .send_buffer = 1};
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on, .stream = stream});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));
    struct reader reader = {hub, peer, wi_ws_unpacker_make(15, true)};
    const char *text = long_text(hub, 200000);
    unsigned accepted = 0;

    while (weir_ws_send(hub->ws, WEIR_WS_TEXT, text + accepted % 100, 100000) == 0) {
        accepted++;
        fixture_settle(hub->fixture);
        assert_true(accepted < 10000);
    }
    for (unsigned i = 0; i < accepted; i++) {
        assert_true(read_message(&reader, text + i % 100, 100000));
    }
    fixture_settle(hub->fixture);
    assert_status(weir_ws_send(hub->ws, WEIR_WS_TEXT, text, 5000), 0);
    assert_true(read_message(&reader, text, 5000));
    wi_ws_unpacker_free(reader.unpacker);
}

// ---- threads -----------------------------------------------------------------------------------

struct writer {
    weir_ws ws;
    const char *text;
    int status;
};

static void *
send_many(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < 300 && writer->status == 0; i++) {
        writer->status = weir_ws_send(writer->ws, WEIR_WS_TEXT, writer->text, 500);
    }
    return NULL;
}

static void
threads_share_the_context(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.deflate = on, .threads = true});
    char head[1024];
    int peer = connect_with(hub, OFFER, head, sizeof(head));
    struct reader reader = {hub, peer, wi_ws_unpacker_make(15, true)};
    struct writer writer = {.ws = hub->ws, .text = long_text(hub, 500)};
    struct writer writers[3] = {writer, writer, writer};
    pthread_t threads[3];
    unsigned packed = 0;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 900; i++) {
        packed += read_message(&reader, writer.text, 500);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_status(writers[i].status, 0);
    }
    assert_true(packed != 0);
    wi_ws_unpacker_free(reader.unpacker);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(compressed_messages_are_read),
        ONCE(what_was_not_agreed_on_is_1002),
        ONCE(bad_data_fail_the_connection),
        ONCE(a_bomb_is_1009),
        EACH(a_server_compresses),
        ONCE(a_server_compresses_without_a_context),
        EACH(a_client_compresses_and_masks),
        ONCE(a_window_of_8_bits_is_not_compressed_for),
        ONCE(extensions_that_were_not_asked_for_are_refused),
        ONCE(what_can_be_cancelled_does_not_touch_the_context),
        ONCE(a_refused_message_does_not_either),
        ONCE(threads_share_the_context),
    };

    return wi_ws_has_deflate() ? RUN_CASES("ws_deflate", cases) : 0;
}
