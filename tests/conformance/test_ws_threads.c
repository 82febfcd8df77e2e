// SPDX-License-Identifier: MIT
//
// Several threads send on one connection at once, and one of them closes it.
#include "tests/lib/ws.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { WRITERS = 4, MESSAGES = 400, SIZE_MAX_SENT = 3000 };

struct writer {
    struct hub *hub;
    weir_ws ws;
    unsigned number;
    unsigned sent;
    int status;
};

// All bytes of a message are its writer's letter.
static void *
send_messages(void *arg)
{
    struct writer *writer = arg;
    char text[SIZE_MAX_SENT];

    memset(text, (int)('a' + writer->number), sizeof(text));
    for (unsigned i = 0; i < MESSAGES && writer->status == 0; i++) {
        unsigned kind = i % 2 == 0 ? WEIR_WS_TEXT : WEIR_WS_BINARY;

        do {
            writer->status = weir_ws_send(writer->ws, kind, text, (i * 37) % SIZE_MAX_SENT + 1);
            if (writer->status == -EBUSY) {
                sched_yield(); // someone sends a message in parts
            }
        } while (writer->status == -EBUSY);
        writer->sent += writer->status == 0;
    }
    return NULL;
}

static void *
send_in_parts(void *arg)
{
    struct writer *writer = arg;
    char text[100];

    memset(text, (int)('a' + writer->number), sizeof(text));
    for (unsigned i = 0; i < MESSAGES / 4 && writer->status == 0; i++) {
        unsigned part = 0;

        while (part < 4 && writer->status == 0) {
            unsigned flags = (part == 0 ? WEIR_WS_BINARY : WEIR_WS_CONTINUE) |
                             (part < 3 ? (unsigned)WEIR_WS_PART : 0);
            int status = weir_ws_send(writer->ws, flags, text, sizeof(text));

            if (status == -EBUSY && part == 0) {
                sched_yield();
                continue;
            }
            writer->status = status;
            part++;
        }
        writer->sent += writer->status == 0;
    }
    return NULL;
}

// Reads messages until all have come; each is one writer's from its first byte to its last.
static void
read_messages(struct hub *hub, int peer, unsigned count, unsigned *counts)
{
    static uint8_t data[4 * SIZE_MAX_SENT];

    for (unsigned i = 0; i < count;) {
        unsigned first = 0;
        size_t size = peer_read_frame(hub, peer, &first, data);

        while (!(first & 0x80)) {
            unsigned next;
            size_t more = peer_read_frame(hub, peer, &next, data + size);

            if (next == 0x89) {
                continue; // a ping between
            }
            assert_int_equal(next & 0x0f, 0);
            size += more;
            first |= next & 0x80;
        }
        if (first == 0x89) {
            continue;
        }
        assert_true(first == 0x81 || first == 0x82);
        for (size_t j = 1; j < size; j++) {
            assert_int_equal(data[j], data[0]);
        }
        counts[data[0] - 'a']++;
        i++;
    }
}

static void
messages_of_several_threads_never_mix(struct hub *hub, weir_ws ws, int peer)
{
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned counts[WRITERS] = {0};
    unsigned wanted = (WRITERS - 1) * MESSAGES + MESSAGES / 4;

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.hub = hub, .ws = ws, .number = i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? send_in_parts : send_messages, &writers[i]),
            0);
    }
    for (unsigned i = 0; i < 50; i++) {
        assert_status(weir_ws_ping(ws, "between", 7), 0);
    }
    read_messages(hub, peer, wanted, counts);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_status(writers[i].status, 0);
        assert_int_equal(counts[i], writers[i].sent);
    }
}

static void
a_servers_messages_never_mix(void **state)
{
    struct hub *hub = hub_open(state, &(struct hub_options){.threads = true});
    int peer = hub_connect(hub);

    messages_of_several_threads_never_mix(hub, hub->ws, peer);
}

static void
a_clients_messages_never_mix(void **state)
{
    struct hub *hub = hub_client(state, &(struct hub_options){.threads = true});
    int peer;

    hub_connect_client(hub, &(struct weir_ws_connect){0});
    peer = hub_serve(hub, "");
    hub_wait_opened(hub);
    messages_of_several_threads_never_mix(hub, hub->client, peer);
}

// ---- Close is behind everything ----------------------------------------------------------------

static void *
send_until_the_end(void *arg)
{
    struct writer *writer = arg;
    char text[64];

    memset(text, (int)('a' + writer->number), sizeof(text));
    do {
        writer->status = weir_ws_send(writer->ws, WEIR_WS_TEXT, text, sizeof(text));
        writer->sent += writer->status == 0;
        if (writer->status == -WEIR_ESTREAMFULL) {
            sched_yield();
        }
    } while (writer->status == 0 || writer->status == -EBUSY ||
             writer->status == -WEIR_ESTREAMFULL);
    return NULL;
}

static void
no_frame_follows_a_close(void **state)
{
    static const struct weir_stream_options stream = {.queue_high = 20000};
    struct hub *hub = hub_open(state, &(struct hub_options){.threads = true, .stream = stream});

    for (unsigned round = 0; round < 200; round++) {
        int peer = hub_connect(hub);
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];
        unsigned counts[WRITERS] = {0};
        uint8_t data[256];
        unsigned first = 0;

        for (unsigned i = 0; i < WRITERS; i++) {
            writers[i] = (struct writer){.hub = hub, .ws = hub->ws, .number = i};
            assert_int_equal(pthread_create(&threads[i], NULL, send_until_the_end, &writers[i]), 0);
        }
        for (unsigned i = 0; i < 4 + round % 32; i++) {
            peer_read_frame(hub, peer, &first, data);
            counts[data[0] - 'a']++;
        }
        assert_status(weir_ws_close(hub->ws, 1000, NULL, 0), 0);
        while (peer_read_frame(hub, peer, &first, data) != 0 && first == 0x81) {
            counts[data[0] - 'a']++;
        }
        assert_int_equal(first, 0x88);
        for (unsigned i = 0; i < WRITERS; i++) {
            pthread_join(threads[i], NULL);
            assert_status(writers[i].status, -WEIR_EENDED);
            assert_int_equal(counts[i], writers[i].sent); // what was accepted was sent, before it
        }
        peer_send_close(hub, peer, 1000);
        peer_expect_eof(hub->fixture, peer);
        fixture_close_fd(hub->fixture, peer);
    }
}

static void
old_handles_never_reach_another_connection(void **state)
{
    static const struct weir_stream_options stream = {.queue_high = 20000};
    struct hub *hub = hub_open(state, &(struct hub_options){.threads = true, .stream = stream});
    struct writer writer = {.hub = hub};

    for (unsigned round = 0; round < 50; round++) {
        int peer = hub_connect(hub);
        pthread_t thread;

        writer.ws = hub->ws;
        assert_int_equal(pthread_create(&thread, NULL, send_until_the_end, &writer), 0);
        peer_reset(hub->fixture, peer);
        pthread_join(thread, NULL);
        assert_true(writer.status != 0);
        assert_status(weir_closed_wait(weir_ws_stream(writer.ws), test_deadline()), 0);
    }
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(a_servers_messages_never_mix),
        ONCE(a_clients_messages_never_mix),
        ONCE(no_frame_follows_a_close),
        ONCE(old_handles_never_reach_another_connection),
    };

    return RUN_CASES("ws_threads", cases);
}
