// SPDX-License-Identifier: MIT
//
// Sending: every form of memory, parts, what is refused, and cancels that never spoil the stream.
#include "tests/lib/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct done {
    struct hub *hub;
    unsigned count;
    unsigned releases;
    struct weir_result result;
};

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct done *done = arg;

    (void)stream;
    pthread_mutex_lock(&done->hub->fixture->lock);
    done->count++;
    done->result = *result;
    pthread_cond_broadcast(&done->hub->fixture->changed);
    pthread_mutex_unlock(&done->hub->fixture->lock);
}

static void
on_release(void *arg)
{
    struct done *done = arg;

    done->releases++;
}

static bool
is_done(void *arg)
{
    struct done *done = arg;
    bool result;

    pthread_mutex_lock(&done->hub->fixture->lock);
    result = done->count != 0;
    pthread_mutex_unlock(&done->hub->fixture->lock);
    return result;
}

static struct done *
done_make(struct hub *hub)
{
    struct done *done = fixture_memory(hub->fixture, sizeof(*done));

    done->hub = hub;
    return done;
}

static void
await(struct done *done)
{
    fixture_turn_until(done->hub->fixture, is_done, done);
}

// ---- both roles: a connection and its plain end ------------------------------------------------

struct ends {
    struct hub *hub;
    weir_ws ws;
    int peer;
};

static struct ends
open_ends(void **state, bool is_client, const struct hub_options *options)
{
    struct ends ends = {.hub = is_client ? hub_client(state, options) : hub_open(state, options)};

    if (is_client) {
        hub_connect_client(ends.hub, &(struct weir_ws_connect){.dial.stream = options->stream});
        ends.peer = hub_serve(ends.hub, "");
        hub_wait_opened(ends.hub);
        ends.ws = ends.hub->client;
    } else {
        ends.peer = hub_connect(ends.hub);
        ends.ws = ends.hub->ws;
    }
    return ends;
}

// ---- memory ------------------------------------------------------------------------------------

static void
every_form_of_memory_arrives(struct ends ends)
{
    static const char text[] = "Hello, World";
    struct iovec iov[40];
    char wanted[40];
    size_t size = 0;
    struct done *done = done_make(ends.hub);
    struct weir_write write = {.iov = iov, .iov_count = 1, .done = on_done, .arg = done};
    struct weir_chain chain = {NULL, NULL};

    // Borrowed, copied, given.
    for (unsigned i = 0; i < 3; i++) {
        write.flags = i == 0 ? 0 : i == 1 ? WEIR_COPY : WEIR_GIVE;
        write.release = on_release;
        write.release_arg = done;
        iov[0] = (struct iovec){(void *)(uintptr_t)text, 12};
        done->count = 0;
        assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
        peer_expect_frame(ends.hub, ends.peer, 0x81, text, 12);
        await(done);
        assert_status(done->result.status, 0);
        assert_int_equal(done->result.accepted, 12);
        assert_int_equal(done->result.sent, 12);
    }
    assert_int_equal(done->releases, 1);
    // Many pieces, some of them empty.
    for (unsigned i = 0; i < 40; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)(text + i % 12), i % 3 == 0 ? 0 : 1};
        memcpy(wanted + size, text + i % 12, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    write.iov_count = 40;
    write.flags = 0;
    done->count = 0;
    assert_status(weir_ws_write(ends.ws, WEIR_WS_BINARY, &write, NULL), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x82, wanted, size);
    await(done);
    // A chain, which is taken.
    assert_status(weir_chain_append(&chain, text, 12), 0);
    write = (struct weir_write){.chain = &chain};
    assert_status(weir_ws_write(ends.ws, WEIR_WS_BINARY, &write, NULL), 0);
    assert_null(chain.head);
    peer_expect_frame(ends.hub, ends.peer, 0x82, text, 12);
    // Nothing at all is an empty message.
    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT, NULL, 0), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x81, "", 0);
}

static void
shared_memory_arrives(struct ends ends)
{
    struct weir_shared *shared = weir_shared_create(NULL, 100000);
    struct weir_write write = {.shared = shared};
    uint8_t *bytes = weir_shared_data(shared);

    for (size_t i = 0; i < 100000; i++) {
        bytes[i] = (uint8_t)(i + i / 251);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_status(weir_ws_write(ends.ws, WEIR_WS_BINARY, &write, NULL), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        peer_expect_frame(ends.hub, ends.peer, 0x82, bytes, 100000);
    }
    weir_shared_unref(shared);
}

static void
a_server_sends_every_form_of_memory(void **state)
{
    struct ends ends = open_ends(state, false, &(struct hub_options){0});

    every_form_of_memory_arrives(ends);
    shared_memory_arrives(ends);
}

static void
a_client_masks_every_form_of_memory(void **state)
{
    struct ends ends = open_ends(state, true, &(struct hub_options){0});

    every_form_of_memory_arrives(ends);
    shared_memory_arrives(ends);
}

static void
a_clients_memory_is_never_altered(void **state)
{
    struct ends ends = open_ends(state, true, &(struct hub_options){0});
    static const char text[] = "unchanged";
    char bytes[sizeof(text)];
    struct iovec iov = {bytes, sizeof(bytes) - 1};
    struct weir_write write = {.iov = &iov, .iov_count = 1};

    memcpy(bytes, text, sizeof(text));
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
    assert_string_equal(bytes, text);
    peer_expect_frame(ends.hub, ends.peer, 0x81, text, 9);
    assert_string_equal(bytes, text);
}

static void
masks_are_never_the_same(void **state)
{
    struct ends ends = open_ends(state, true, &(struct hub_options){0});
    uint8_t keys[64][4];
    unsigned same = 0;

    for (unsigned i = 0; i < 64; i++) {
        uint8_t bytes[7];

        assert_status(weir_ws_send(ends.ws, WEIR_WS_BINARY, "\0", 1), 0);
        peer_read_exact(ends.hub->fixture, ends.peer, bytes, sizeof(bytes));
        assert_int_equal(bytes[1], 0x81);
        assert_int_equal(bytes[6], bytes[2]); // a zero shows the key
        memcpy(keys[i], bytes + 2, 4);
        for (unsigned j = 0; j < i; j++) {
            same += memcmp(keys[i], keys[j], 4) == 0;
        }
    }
    assert_true(same < 3); // of 2016 pairs, each by chance once in 2^32
}

// ---- other ways of writing ---------------------------------------------------------------------

static void
a_message_may_leave_inside_the_call(void **state)
{
    static const struct weir_stream_options stream = {.flags = WEIR_STREAM_INLINE};
    struct ends ends =
        open_ends(state, false, &(struct hub_options){.threads = true, .stream = stream});
    struct iovec iov = {(void *)(uintptr_t) "inline", 6};
    unsigned inlined = 0;

    for (unsigned i = 0; i < 200; i++) {
        struct done *done = done_make(ends.hub);
        struct weir_write write = {.iov = &iov,
                                   .iov_count = 1,
                                   .flags = WEIR_INLINE_OK | (i % 2 ? WEIR_GIVE : WEIR_COPY),
                                   .done = on_done,
                                   .arg = done,
                                   .release = i % 2 ? on_release : NULL,
                                   .release_arg = done};
        int result = weir_ws_write(ends.ws, WEIR_WS_TEXT, &write, NULL);

        assert_true(result == 0 || result == 1);
        peer_expect_frame(ends.hub, ends.peer, 0x81, "inline", 6);
        if (result == 0) {
            await(done);
            assert_int_equal(done->result.sent, 6);
        } else {
            inlined++;
            assert_int_equal(done->count, 0);
            assert_int_equal(done->releases, i % 2);
        }
    }
    assert_true(inlined != 0);
}

static void
accepted_messages_are_done_before_they_are_sent(struct ends ends)
{
    struct iovec iov = {(void *)(uintptr_t) "accepted", 8};
    struct done *done = done_make(ends.hub);
    struct weir_write write = {.iov = &iov,
                               .iov_count = 1,
                               .flags = WEIR_COPY,
                               .level = WEIR_ACCEPTED,
                               .done = on_done,
                               .arg = done};

    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
    await(done);
    assert_status(done->result.status, 0);
    assert_int_equal(done->result.accepted, 8);
    peer_expect_frame(ends.hub, ends.peer, 0x81, "accepted", 8);
}

static void
a_server_may_be_told_early(void **state)
{
    accepted_messages_are_done_before_they_are_sent(
        open_ends(state, false, &(struct hub_options){0}));
}

static void
a_client_may_be_told_early(void **state)
{
    accepted_messages_are_done_before_they_are_sent(
        open_ends(state, true, &(struct hub_options){0}));
}

static void
messages_may_be_corked(void **state)
{
    struct ends ends = open_ends(state, false, &(struct hub_options){0});
    struct iovec iov = {(void *)(uintptr_t) "one", 3};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_MORE};

    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
    fixture_turn(ends.hub->fixture);
    assert_int_equal(peer_waiting(ends.peer), 0);
    assert_status(weir_ws_ping(ends.ws, NULL, 0), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x81, "one", 3);
    peer_expect_frame(ends.hub, ends.peer, 0x89, "", 0);
}

// ---- what is refused ---------------------------------------------------------------------------

static void
what_makes_no_sense_is_refused(void **state)
{
    struct ends ends = open_ends(state, false, &(struct hub_options){0});
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct weir_write good = {.iov = &iov, .iov_count = 1};
    struct weir_chain chain = {NULL, NULL};
    struct weir_file file = {.size = 1};
    static const unsigned kinds[] = {0, 3, 5, 6, 7, 32, WEIR_WS_PART, WEIR_WS_TEXT | 64};
    static const unsigned flags[] = {WEIR_FIN,   WEIR_START,        WEIR_PRIORITY,
                                     WEIR_CHUNK, WEIR_CHUNK_END,    WEIR_COPY | WEIR_GIVE,
                                     WEIR_GIVE,  WEIR_FAIL_BLOCKED, WEIR_NOTIFY};
    struct weir_write bad;

    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, NULL, NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_status(weir_ws_write(ends.ws, kinds[i], &good, NULL), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        bad = good;
        bad.flags = flags[i];
        assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &bad, NULL), -EINVAL);
    }
    bad = good;
    bad.flags = WEIR_NOWAIT;
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &bad, NULL), -ENOTSUP);
    bad = (struct weir_write){.file = &file};
    assert_status(weir_ws_write(ends.ws, WEIR_WS_BINARY, &bad, NULL), -ENOTSUP);
    bad = good;
    bad.chain = &chain;
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &bad, NULL), -EINVAL);
    bad = (struct weir_write){.chain = &chain, .flags = WEIR_COPY};
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &bad, NULL), -EINVAL);
    bad = good;
    bad.level = WEIR_ACCEPTED; // of borrowed bytes
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &bad, NULL), -EINVAL);
    iov.iov_base = NULL;
    assert_status(weir_ws_write(ends.ws, WEIR_WS_TEXT, &good, NULL), -EINVAL);
    peer_expect_silence(ends.hub->fixture, ends.peer);
}

static void
text_that_is_none_is_not_sent(void **state)
{
    struct ends ends = open_ends(state, false, &(struct hub_options){0});
    static const char half[] = "\xe2\x82";

    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT, "\xff", 1), -EILSEQ);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT, half, 2), -EILSEQ);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_BINARY, half, 2), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x82, half, 2);
    // In parts a character may be cut.
    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT | WEIR_WS_PART, half, 2), 0);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE, "", 0), -EILSEQ);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE | WEIR_WS_PART, "\xff", 1), -EILSEQ);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE, "\xac", 1), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x01, half, 2);
    peer_expect_frame(ends.hub, ends.peer, 0x80, "\xac", 1);
    peer_expect_silence(ends.hub->fixture, ends.peer);
}

// ---- parts -------------------------------------------------------------------------------------

static void
a_message_in_parts_is_nobody_elses(void **state)
{
    struct ends ends = open_ends(state, false, &(struct hub_options){0});

    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE, "x", 1), -EALREADY);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_BINARY | WEIR_WS_PART, "a", 1), 0);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_BINARY, "other", 5), -EBUSY);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT | WEIR_WS_PART, "other", 5), -EBUSY);
    assert_status(weir_ws_ping(ends.ws, "p", 1), 0);
    peer_send_frame(ends.hub, ends.peer, 0x89, "q", 1);
    peer_expect_frame(ends.hub, ends.peer, 0x02, "a", 1);
    peer_expect_frame(ends.hub, ends.peer, 0x89, "p", 1);
    peer_expect_frame(ends.hub, ends.peer, 0x8a, "q", 1);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE | WEIR_WS_PART, "b", 1), 0);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE, "c", 1), 0);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_CONTINUE, "d", 1), -EALREADY);
    assert_status(weir_ws_send(ends.ws, WEIR_WS_TEXT, "next", 4), 0);
    peer_expect_frame(ends.hub, ends.peer, 0x00, "b", 1);
    peer_expect_frame(ends.hub, ends.peer, 0x80, "c", 1);
    peer_expect_frame(ends.hub, ends.peer, 0x81, "next", 4);
}

// ---- cancels and deadlines ---------------------------------------------------------------------

enum { LARGE = 1 << 20 };

// A message that the peer does not read stands in the way; what is behind it has not begun.
struct jam {
    struct ends ends;
    uint8_t *bytes;
    struct done *done; // of the large one
    weir_op op;
};

static struct jam
make_jam(void **state, bool is_client)
{
    static const struct weir_stream_options small = {.send_buffer = 1};
    struct jam jam = {.ends = open_ends(state, is_client, &(struct hub_options){.stream = small})};
    struct hub *hub = jam.ends.hub;
    struct iovec iov;
    struct weir_write write = {.iov = &iov, .iov_count = 1, .done = on_done};

    jam.bytes = fixture_memory(hub->fixture, LARGE);
    memset(jam.bytes, 'L', LARGE);
    jam.done = done_make(hub);
    iov = (struct iovec){jam.bytes, LARGE};
    write.arg = jam.done;
    assert_status(weir_ws_write(jam.ends.ws, WEIR_WS_BINARY, &write, &jam.op), 0);
    fixture_settle(hub->fixture);
    assert_int_equal(jam.done->count, 0);
    return jam;
}

static weir_op
queue_text(struct jam *jam, unsigned flags, const char *text, struct done *done)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write write = {
        .iov = &iov, .iov_count = 1, .flags = WEIR_COPY, .done = on_done, .arg = done};
    weir_op op;

    assert_status(weir_ws_write(jam->ends.ws, flags, &write, &op), 0);
    return op;
}

static void
a_cancelled_message_is_left_out(struct jam jam)
{
    struct hub *hub = jam.ends.hub;
    struct done *first = done_make(hub);
    struct done *second = done_make(hub);
    weir_op op = queue_text(&jam, WEIR_WS_TEXT, "left out", first);

    queue_text(&jam, WEIR_WS_TEXT, "kept", second);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    await(first);
    assert_status(first->result.status, -ECANCELED);
    assert_int_equal(first->result.sent, 0);
    assert_int_equal(first->result.accepted, 8);
    peer_expect_frame(hub, jam.ends.peer, 0x82, jam.bytes, LARGE);
    peer_expect_frame(hub, jam.ends.peer, 0x81, "kept", 4);
    await(second);
    assert_status(second->result.status, 0);
}

static void
a_servers_cancelled_message_is_left_out(void **state)
{
    a_cancelled_message_is_left_out(make_jam(state, false));
}

static void
a_clients_cancelled_message_is_left_out(void **state)
{
    a_cancelled_message_is_left_out(make_jam(state, true));
}

static void
a_message_that_has_begun_runs_to_its_end(void **state)
{
    struct jam jam = make_jam(state, false);
    struct hub *hub = jam.ends.hub;

    assert_int_equal(weir_cancel(jam.op), WEIR_CANCEL_PENDING);
    assert_status(weir_ws_send(jam.ends.ws, WEIR_WS_TEXT, "behind", 6), 0);
    peer_expect_frame(hub, jam.ends.peer, 0x82, jam.bytes, LARGE);
    peer_expect_frame(hub, jam.ends.peer, 0x81, "behind", 6);
    await(jam.done);
    assert_status(jam.done->result.status, 0);
    assert_true(jam.done->result.late_cancel);
    assert_int_equal(jam.done->result.sent, LARGE);
}

static void
a_message_whose_deadline_passes_is_left_out(void **state)
{
    struct jam jam = make_jam(state, false);
    struct hub *hub = jam.ends.hub;
    struct done *done = done_make(hub);
    struct iovec iov = {(void *)(uintptr_t) "late", 4};
    struct weir_write write = {.iov = &iov,
                               .iov_count = 1,
                               .done = on_done,
                               .arg = done,
                               .deadline_ns = weir_deadline_after(MS(20))};

    assert_status(weir_ws_write(jam.ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
    await(done);
    assert_status(done->result.status, -ETIMEDOUT);
    assert_int_equal(done->result.origin, WEIR_ORIGIN_DEADLINE);
    assert_status(weir_ws_send(jam.ends.ws, WEIR_WS_TEXT, "behind", 6), 0);
    peer_expect_frame(hub, jam.ends.peer, 0x82, jam.bytes, LARGE);
    peer_expect_frame(hub, jam.ends.peer, 0x81, "behind", 6);
}

static void
a_token_takes_messages_with_it(void **state)
{
    struct jam jam = make_jam(state, false);
    struct hub *hub = jam.ends.hub;
    struct done *done = done_make(hub);
    struct iovec iov = {(void *)(uintptr_t) "gone", 4};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .done = on_done, .arg = done};
    weir_token token;

    assert_status(weir_token_create(hub->fixture->runtime, (weir_token){0}, &token), 0);
    write.token = token;
    assert_status(weir_ws_write(jam.ends.ws, WEIR_WS_TEXT, &write, NULL), 0);
    assert_status(weir_token_fire(token, -ECANCELED, 0), 0);
    await(done);
    assert_status(done->result.status, -ECANCELED);
    assert_status(weir_ws_write(jam.ends.ws, WEIR_WS_TEXT, &write, NULL), -ECANCELED);
    assert_status(weir_ws_send(jam.ends.ws, WEIR_WS_TEXT, "behind", 6), 0);
    peer_expect_frame(hub, jam.ends.peer, 0x82, jam.bytes, LARGE);
    peer_expect_frame(hub, jam.ends.peer, 0x81, "behind", 6);
    weir_token_free(token);
}

static void
a_part_that_is_cancelled_resets_the_connection(void **state)
{
    struct jam jam = make_jam(state, false);
    struct hub *hub = jam.ends.hub;
    struct done *done = done_make(hub);
    weir_op op = queue_text(&jam, WEIR_WS_TEXT | WEIR_WS_PART, "a part", done);

    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    await(done);
    assert_status(done->result.status, -ECANCELED);
    hub_wait_closed(hub);
    assert_true(hub->log.closed.status < 0);
    await(jam.done);
    assert_true(jam.done->result.status < 0);
}

static void
an_abort_ends_everything(void **state)
{
    struct jam jam = make_jam(state, false);
    struct done *done = done_make(jam.ends.hub);

    queue_text(&jam, WEIR_WS_TEXT, "lost", done);
    assert_status(weir_ws_abort(jam.ends.ws), 0);
    await(done);
    await(jam.done);
    assert_true(done->result.status < 0 && jam.done->result.status < 0);
    hub_wait_closed(jam.ends.hub);
    assert_status(jam.ends.hub->log.closed.status, -ECONNABORTED);
    assert_status(weir_ws_abort(jam.ends.ws), -WEIR_ESTALE);
}

static void
a_close_behind_what_nobody_reads_is_bounded(void **state)
{
    static const struct weir_stream_options small = {.send_buffer = 1};
    static const struct weir_ws_limits limits = {.close_ns = MS(100)};
    struct ends ends =
        open_ends(state, false, &(struct hub_options){.stream = small, .limits = limits});
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain};
    uint8_t *bytes = fixture_memory(ends.hub->fixture, LARGE);

    assert_status(weir_chain_append(&chain, bytes, LARGE), 0);
    assert_status(weir_ws_write(ends.ws, WEIR_WS_BINARY, &write, NULL), 0);
    assert_status(weir_ws_close(ends.ws, 1000, NULL, 0), 0);
    hub_wait_closed(ends.hub);
    assert_status(ends.hub->log.closed.status, -ETIMEDOUT);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_server_sends_every_form_of_memory),
        EACH(a_client_masks_every_form_of_memory),
        ONCE(a_clients_memory_is_never_altered),
        ONCE(masks_are_never_the_same),
        ONCE(a_message_may_leave_inside_the_call),
        EACH(a_server_may_be_told_early),
        EACH(a_client_may_be_told_early),
        EACH(messages_may_be_corked),
        ONCE(what_makes_no_sense_is_refused),
        ONCE(text_that_is_none_is_not_sent),
        EACH(a_message_in_parts_is_nobody_elses),
        EACH(a_servers_cancelled_message_is_left_out),
        EACH(a_clients_cancelled_message_is_left_out),
        EACH(a_message_that_has_begun_runs_to_its_end),
        EACH(a_message_whose_deadline_passes_is_left_out),
        EACH(a_token_takes_messages_with_it),
        EACH(a_part_that_is_cancelled_resets_the_connection),
        EACH(an_abort_ends_everything),
        EACH(a_close_behind_what_nobody_reads_is_bounded),
    };

    return RUN_CASES("ws_send", cases);
}
