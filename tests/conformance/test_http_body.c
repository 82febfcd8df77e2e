// SPDX-License-Identifier: MIT
//
// Bodies: how they are framed, and what a cancel, a close or a peer that does not read does to
// them. The test's thread is another one than the loop's: what it writes comes over a lane.
#include "netio/http/conn.h"
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

#define GET          "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// ---- the test's end ----------------------------------------------------------------------------

static void
defer(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)request;
    assert_int_equal(weir_http_defer(http, NULL), 0);
    site->http = http;
}

// A server whose exchange waits for the test.
static int
open_deferred(void **state, struct site_options options, struct site **ret_site)
{
    struct site *site;
    int peer;

    options.request = defer;
    site = site_open(state, &options);
    peer = options.small ? site_connect_small(site) : site_connect(site);
    peer_write_text(site, peer, GET);
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    *ret_site = site;
    return peer;
}

static int
write_text_as(struct site *site, const char *text, unsigned flags, struct recorder *recorder,
              unsigned tag, weir_op *ret_op)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = flags};

    if (recorder != NULL) {
        write.done = recorder_done;
        write.arg = recorder_tag(recorder, tag);
    }
    return weir_http_write(site->http, &write, ret_op);
}

static int
write_text(struct site *site, const char *text, unsigned flags)
{
    return write_text_as(site, text, flags, NULL, 0, NULL);
}

// The head alone, the body open.
static int
begin(struct site *site, unsigned flags, uint64_t length)
{
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};

    head.flags |= flags;
    head.length = length;
    return weir_http_respond(site->http, &head, &nothing, NULL);
}

// ---- chunks (K-T15, K-T16) ---------------------------------------------------------------------

static void
responses_are_chunked_automatically(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);

    assert_status(begin(site, 0, 0), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD);
    assert_status(write_text(site, "Hello ", 0), 0);
    peer_expect_text(site, peer, "6\r\nHello \r\n"); // flushed prior to the response's completion
    assert_status(write_text(site, "World!", WEIR_CHUNK_END), 0);
    peer_expect_text(site, peer, "6\r\nWorld!\r\n0\r\n\r\n");
    site_wait_ended(site, 1);
    assert_status(site->ended.status, 0);
    assert_int_equal(site->ended.sent, 12);
    assert_status(write_text(site, "more", 0), -WEIR_ESTALE);
    peer_write_text(site, peer, GET);
    site_wait_requests(site, 2);
    assert_status(site_answer(site->http, 200, "2"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
}

static void
head_and_first_chunk_leave_in_one_send(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_http_head head = site_head();
    struct iovec iov = {"Hello", 5};
    struct weir_write first = {.iov = &iov, .iov_count = 1};
    uint64_t before = fixture_stats(site->fixture).system_sends;

    assert_status(weir_http_respond(site->http, &head, &first, NULL), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD "5\r\nHello\r\n");
    assert_int_equal(fixture_stats(site->fixture).system_sends - before, 1);
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
}

static void
zero_length_writes_flush_and_end_nothing(void **state)
{
    struct site *site;
    struct recorder *recorder;
    int peer = open_deferred(state, (struct site_options){0}, &site);

    recorder = recorder_make(site->fixture);
    assert_status(begin(site, 0, 0), 0);
    assert_status(write_text_as(site, "", 0, recorder, 1, NULL), 0);
    recorder_wait(recorder, 1);
    peer_expect_text(site, peer, CHUNKED_HEAD);
    assert_status(write_text(site, "", WEIR_CHUNK), 0);
    assert_status(write_text(site, "a", WEIR_CHUNK), 0);
    peer_expect_text(site, peer, "1\r\na\r\n");
    peer_expect_silence(site->fixture, peer);
    assert_status(write_text(site, "", WEIR_CHUNK_END), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
}

static void
chunked_prefix_must_be_hex_crlf_without_leading_zeros(void **state)
{
    static const struct {
        size_t size;
        const char *prefix;
    } sizes[] = {{1, "1\r\n"},       {10, "a\r\n"},        {0x10, "10\r\n"},      {0xff, "ff\r\n"},
                 {0x100, "100\r\n"}, {0x1000, "1000\r\n"}, {0x10000, "10000\r\n"}};
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    char *zeros = fixture_memory(site->fixture, 0x10000);
    char *got = fixture_memory(site->fixture, 0x10000);

    assert_status(begin(site, 0, 0), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct iovec iov = {zeros, sizes[i].size};
        struct weir_write write = {.iov = &iov, .iov_count = 1};

        assert_status(weir_http_write(site->http, &write, NULL), 0);
        peer_expect_text(site, peer, sizes[i].prefix);
        peer_read_exact(site->fixture, peer, got, sizes[i].size);
        peer_expect_text(site, peer, "\r\n");
    }
}

static void
no_terminator_after_an_abort(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);

    assert_status(begin(site, 0, 0), 0);
    assert_status(write_text(site, "Hello", 0), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD "5\r\nHello\r\n");
    assert_status(weir_http_abort(site->http), 0);
    assert_int_equal(peer_expect_reset(site->fixture, peer), 0);
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ECONNABORTED);
}

static void
trailers_come_behind_the_last_chunk(void **state)
{
    const struct weir_http_field trailer = WEIR_HTTP_FIELD("X-Sum", "42");
    struct iovec iov = {"end", 3};
    struct weir_write last = {.iov = &iov, .iov_count = 1};
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);

    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_end(site->http, &trailer, 1, &last, NULL), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD "3\r\nend\r\n0\r\nX-Sum: 42\r\n\r\n");
}

static void
memory_of_every_form_is_framed_uncopied(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct recorder *recorder = recorder_make(site->fixture);
    struct released *released = released_make(site->fixture);
    struct weir_chain chain = {0};
    struct weir_shared *shared = weir_shared_create("shared", 6);
    struct iovec iov[2] = {{"gi", 2}, {"ven", 3}};
    struct weir_write chained = {.chain = &chain, .done = recorder_done};
    struct weir_write common = {.shared = shared, .done = recorder_done};
    struct weir_write given = {.iov = iov,
                               .iov_count = 2,
                               .flags = WEIR_GIVE,
                               .done = recorder_done,
                               .release = request_release,
                               .release_arg = released};

    chained.arg = recorder_tag(recorder, 1);
    common.arg = recorder_tag(recorder, 2);
    given.arg = recorder_tag(recorder, 3);
    assert_status(weir_chain_append(&chain, "chain", 5), 0);
    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_write(site->http, &chained, NULL), 0);
    assert_null(chain.head);
    assert_status(weir_http_write(site->http, &common, NULL), 0);
    assert_status(weir_http_write(site->http, &given, NULL), 0);
    weir_shared_unref(shared);
    peer_expect_text(site, peer, CHUNKED_HEAD "5\r\nchain\r\n6\r\nshared\r\n5\r\ngiven\r\n");
    recorder_wait(recorder, 3);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, 5);
    expect_result(recorder_of(recorder, 2), 0, WEIR_ORIGIN_NONE, 6);
    expect_result(recorder_of(recorder, 3), 0, WEIR_ORIGIN_NONE, 5);
    assert_int_equal(recorder_of(recorder, 3).accepted, 5);
    assert_int_equal(released_count(released), 1);
}

// ---- produce and commit (K-T3, K-T7, K-T10) ----------------------------------------------------

static void
producing_start_and_producing_complete_can_be_used_directly(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_iter iter;

    assert_status(begin(site, 0, 0), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD);
    assert_status(weir_http_produce(site->http, &iter), 0);
    assert_status(weir_iter_append_ascii(&iter, "produced"), 0);
    assert_status(weir_http_commit(site->http, iter, NULL, NULL), 0);
    fixture_turn(site->fixture);
    assert_status(write_text(site, "", 0), 0); // the flush that sends it
    peer_expect_text(site, peer, "8\r\nproduced\r\n");
    assert_status(weir_http_produce(site->http, &iter), 0);
    assert_status(weir_iter_append_ascii(&iter, "end"), 0);
    assert_status(
        weir_http_commit(site->http, iter, &(struct weir_write){.flags = WEIR_CHUNK_END}, NULL), 0);
    peer_expect_text(site, peer, "3\r\nend\r\n0\r\n\r\n");
}

static void
producing_start_and_complete_can_be_called_after_connection_close(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_iter iter;

    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_produce(site->http, &iter), 0);
    assert_status(weir_iter_append_ascii(&iter, "lost"), 0);
    peer_reset(site->fixture, peer);
    site_wait_ended(site, 1);
    assert_status(weir_http_commit(site->http, iter, NULL, NULL), -WEIR_ESTALE);
    assert_status(weir_http_produce(site->http, &iter), -WEIR_ESTALE);
}

// The blocks go back, and whoever has the connection's place by then is not touched.
static void
a_section_outlives_its_connection(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    weir_http gone = site->http;
    struct weir_iter iter, other;

    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_produce(gone, &iter), 0);
    assert_status(weir_iter_append_ascii(&iter, "lost"), 0);
    peer_reset(site->fixture, peer);
    site_wait_ended(site, 1);
    peer = site_connect(site);
    peer_write_text(site, peer, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 2);
    fixture_settle(site->fixture);
    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_produce(site->http, &other), 0);
    assert_status(weir_http_commit(gone, iter, NULL, NULL), -WEIR_ESTALE);
    assert_status(weir_http_commit(gone, other, NULL, NULL), -WEIR_ESTALE);
    assert_status(weir_iter_append_ascii(&other, "kept"), 0);
    assert_status(weir_http_commit(site->http, other, &(struct weir_write){0}, NULL), 0);
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nkept\r\n");
}

// ---- a length, or the end of the connection ----------------------------------------------------

static void
a_body_with_a_length_must_match_it(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);

    assert_status(begin(site, WEIR_HTTP_HAS_LENGTH, 10), 0);
    assert_status(write_text(site, "12345", 0), 0);
    assert_status(write_text(site, "678901", 0), -EMSGSIZE);
    assert_status(write_text(site, "6789", WEIR_CHUNK_END), -EMSGSIZE);
    assert_status(write_text(site, "", WEIR_CHUNK_END), -EMSGSIZE);
    assert_status(write_text(site, "1", WEIR_CHUNK), -EINVAL);
    assert_status(weir_http_end(site->http, &(struct weir_http_field)WEIR_HTTP_FIELD("A", "b"), 1,
                                NULL, NULL),
                  -EINVAL);
    assert_status(write_text(site, "67890", WEIR_CHUNK_END), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234567890");
    site_wait_ended(site, 1);
    assert_status(site->ended.status, 0);
}

static void
an_old_client_gets_a_body_up_to_the_end_of_the_connection(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer});
    int peer = site_connect(site);

    peer_write_text(site, peer, "GET / HTTP/1.0\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(begin(site, 0, 0), 0);
    assert_status(write_text(site, "Hello ", 0), 0);
    assert_status(write_text(site, "World", WEIR_CHUNK_END), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHello World");
    peer_expect_eof(site->fixture, peer);
}

static void
some_may_be_written_and_the_rest_again(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){.small = true}, &site);
    struct recorder *recorder = recorder_make(site->fixture);
    char *data = fixture_memory(site->fixture, MIB);
    char *got = fixture_memory(site->fixture, MIB);
    struct iovec iov = {data, MIB};
    struct weir_write write = {
        .iov = &iov, .iov_count = 1, .flags = WEIR_SOME, .done = recorder_done};
    uint64_t sent;

    for (size_t i = 0; i < MIB; i++) {
        data[i] = (char)(i * 31 >> 3);
    }
    write.arg = recorder_tag(recorder, 1);
    assert_status(begin(site, WEIR_HTTP_HAS_LENGTH, MIB), 0);
    assert_status(weir_http_write(site->http, &write, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    recorder_wait(recorder, 1);
    sent = recorder_of(recorder, 1).sent;
    assert_true(sent > 0 && sent < MIB);
    iov = (struct iovec){data + sent, MIB - sent};
    write.flags = WEIR_CHUNK_END;
    write.arg = recorder_tag(recorder, 2);
    assert_status(weir_http_write(site->http, &write, NULL), 0);
    peer_read_exact(site->fixture, peer, got, MIB);
    assert_memory_equal(got, data, MIB);
}

// ---- files -----------------------------------------------------------------------------------

static int
file_of(struct site *site, size_t size)
{
    char path[] = "/tmp/weir-http-XXXXXX";
    int fd = fixture_own_fd(site->fixture, mkstemp(path));
    char *data = fixture_memory(site->fixture, size);

    unlink(path);
    memset(data, 'f', size);
    assert_int_equal(write(fd, data, size), size);
    return fd;
}

static void
a_file_is_a_body(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_file file = {.fd = file_of(site, 300), .offset = 10, .size = 4};
    struct recorder *recorder = recorder_make(site->fixture);
    struct weir_http_head head = site_head();
    struct weir_write write = {.file = &file, .flags = WEIR_CHUNK_END, .done = recorder_done};

    write.arg = recorder_tag(recorder, 1);
    assert_status(weir_http_respond(site->http, &head, &write, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nffff");
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, 4);
    site_wait_ended(site, 1);
    peer_write_text(site, peer, GET);
    site_wait_requests(site, 2);
    fixture_settle(site->fixture);
    write.flags = 0;
    write.done = NULL;
    assert_status(weir_http_respond(site->http, &head, &write, NULL), 0);
    write.flags = WEIR_CHUNK_END;
    assert_status(weir_http_write(site->http, &write, NULL), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD "4\r\nffff\r\n4\r\nffff\r\n0\r\n\r\n");
}

static void
a_file_that_ends_too_soon_ends_the_connection(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_file file = {.fd = file_of(site, 10), .size = 20};
    struct weir_http_head head = site_head();
    struct weir_write write = {.file = &file, .flags = WEIR_CHUNK_END};

    assert_status(weir_http_respond(site->http, &head, &write, NULL), 0);
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ENODATA);
    peer_expect_reset(site->fixture, peer);
}

// ---- cancel ------------------------------------------------------------------------------------

static void
a_chunk_cancelled_before_its_first_byte_is_left_out(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct recorder *recorder = recorder_make(site->fixture);
    weir_op op;

    assert_status(begin(site, 0, 0), 0);
    assert_status(write_text(site, "a", 0), 0);
    assert_status(write_text_as(site, "b", 0, recorder, 1, &op), 0);
    assert_status(write_text(site, "c", 0), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    peer_expect_text(site, peer, CHUNKED_HEAD "1\r\na\r\n1\r\nc\r\n");
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 1), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
}

static void
a_cancel_inside_a_chunk_finishes_it(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){.small = true}, &site);
    struct recorder *recorder = recorder_make(site->fixture);
    char *data = fixture_memory(site->fixture, MIB);
    struct iovec iov = {data, MIB};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .done = recorder_done};
    weir_op op;

    write.arg = recorder_tag(recorder, 1);
    assert_status(begin(site, 0, 0), 0);
    assert_status(weir_http_write(site->http, &write, &op), 0);
    fixture_settle(site->fixture);
    assert_true(peer_waiting(peer) > sizeof(CHUNKED_HEAD));
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, CHUNKED_HEAD "100000\r\n");
    peer_read_exact(site->fixture, peer, data, MIB);
    peer_expect_text(site, peer, "\r\n0\r\n\r\n");
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, MIB);
    assert_true(recorder_of(recorder, 1).late_cancel);
}

static void
a_needed_piece_that_is_cancelled_ends_the_connection(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct recorder *recorder = recorder_make(site->fixture);
    weir_op op;

    assert_status(begin(site, WEIR_HTTP_HAS_LENGTH, 10), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    assert_status(write_text_as(site, "12345", 0, recorder, 1, &op), 0);
    assert_status(write_text(site, "67890", WEIR_CHUNK_END), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    assert_int_equal(peer_expect_reset(site->fixture, peer), 0);
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ECANCELED);
}

// ---- 100-continue, HEAD, no body ---------------------------------------------------------------

static void
a_client_that_waits_is_told_to_go_on_when_its_body_is_read(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);
    char buffer[8] = {0};
    struct weir_http_read read = {.buffer = buffer, .size = 5, .size_min = 5};

    peer_write_text(site, peer,
                    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n");
    site_wait_requests(site, 1);
    peer_expect_silence(site->fixture, peer);
    assert_true(site->flags & WEIR_HTTP_CONTINUE);
    read.done = site_read_done;
    read.arg = site;
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_write_text(site, peer, "hello");
    site_wait_reads(site, 1);
    assert_string_equal(buffer, "hello");
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

// The loop cannot have the exchange for itself while the other thread is inside; nothing is lost.
static void
a_client_that_waits_is_told_to_go_on_though_another_thread_is_inside(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);
    struct weir_http_read read = {.size = 5, .size_min = 5};
    struct wi_http_conn *conn;
    uint64_t word;

    peer_write_text(site, peer,
                    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n");
    site_wait_requests(site, 1);
    read.done = site_read_done;
    read.arg = site;
    assert_status(wi_http_enter(site->http, 1u << WI_HTTP_OPEN, &conn, &word), 0);
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    for (unsigned i = 0; i < 5; i++) {
        weir_loop_turn(site->fixture->loop, 0);
    }
    wi_http_leave(conn, word);
    peer_expect_text(site, peer, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_write_text(site, peer, "hello");
    site_wait_reads(site, 1);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

// A thread of the program's own says it first, and the connection lives on.
static void
a_client_that_waits_is_told_to_go_on_once(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);
    struct weir_http_read read = {.size = 5, .size_min = 5};
    struct weir_http_head go_on = {.status = 100};

    peer_write_text(site, peer,
                    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_interim(site->http, &go_on), 0);
    assert_status(weir_http_interim(site->http, &go_on), 0);
    peer_expect_text(site, peer, "HTTP/1.1 100 Continue\r\n\r\n");
    read.done = site_read_done;
    read.arg = site;
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    peer_expect_silence(site->fixture, peer);
    peer_write_text(site, peer, "hello");
    site_wait_reads(site, 1);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 2);
}

static void
a_final_answer_to_a_client_that_waits_closes(void **state)
{
    struct site *site;
    int peer;

    site = site_open(state, &(struct site_options){0});
    peer = site_connect(site);
    peer_write_text(site, peer,
                    "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                     "X-Path: /x\r\n\r\n/x");
    peer_expect_eof(site->fixture, peer);
}

static void
what_has_no_body_has_none(void **state)
{
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_http_head head = {.status = 204, .flags = WEIR_HTTP_NO_DATE};

    assert_status(weir_http_respond(site->http, &head, NULL, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 204 No Content\r\n\r\n");
    site_wait_ended(site, 1);
    peer_write_text(site, peer, GET);
    site_wait_requests(site, 2);
    fixture_settle(site->fixture);
    head.status = 304;
    assert_status(weir_http_respond(site->http, &head, NULL, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 304 Not Modified\r\n\r\n");
}

// ---- what may not be sent ----------------------------------------------------------------------

static void
a_head_that_would_split_is_refused(void **state)
{
    static const struct weir_http_field bad[] = {
        WEIR_HTTP_FIELD("A", "b\r\nC: d"), WEIR_HTTP_FIELD("A\r\n", "b"),
        WEIR_HTTP_FIELD("", "b"),          WEIR_HTTP_FIELD("A:", "b"),
        WEIR_HTTP_FIELD("A", " b"),        WEIR_HTTP_FIELD("Content-Length", "5"),
        WEIR_HTTP_FIELD("A", "b\0c"),      WEIR_HTTP_FIELD("transfer-encoding", "chunked"),
        WEIR_HTTP_FIELD("Date", "now"),    WEIR_HTTP_FIELD("Connection", "close"),
    };
    struct site *site;
    int peer = open_deferred(state, (struct site_options){0}, &site);
    struct weir_http_head head = site_head();

    head.field_count = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        head.fields = &bad[i];
        assert_status(weir_http_respond(site->http, &head, NULL, NULL), -EINVAL);
    }
    head.field_count = 0;
    head.reason = "a\nb";
    assert_status(weir_http_respond(site->http, &head, NULL, NULL), -EINVAL);
    head.reason = NULL;
    head.status = 101;
    assert_status(weir_http_respond(site->http, &head, NULL, NULL), -EINVAL);
    assert_status(write_text(site, "x", 0), -EINVAL);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    assert_int_equal(site_answer(site->http, 200, "ok") < 0, true);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(responses_are_chunked_automatically),
        EACH(head_and_first_chunk_leave_in_one_send),
        EACH(zero_length_writes_flush_and_end_nothing),
        ONCE(chunked_prefix_must_be_hex_crlf_without_leading_zeros),
        EACH(no_terminator_after_an_abort),
        ONCE(trailers_come_behind_the_last_chunk),
        EACH(memory_of_every_form_is_framed_uncopied),
        EACH(producing_start_and_producing_complete_can_be_used_directly),
        ONCE(producing_start_and_complete_can_be_called_after_connection_close),
        ONCE(a_section_outlives_its_connection),
        ONCE(a_body_with_a_length_must_match_it),
        EACH(an_old_client_gets_a_body_up_to_the_end_of_the_connection),
        EACH(some_may_be_written_and_the_rest_again),
        EACH(a_file_is_a_body),
        ONCE(a_file_that_ends_too_soon_ends_the_connection),
        EACH(a_chunk_cancelled_before_its_first_byte_is_left_out),
        EACH(a_cancel_inside_a_chunk_finishes_it),
        EACH(a_needed_piece_that_is_cancelled_ends_the_connection),
        ONCE(a_client_that_waits_is_told_to_go_on_when_its_body_is_read),
        ONCE(a_client_that_waits_is_told_to_go_on_though_another_thread_is_inside),
        ONCE(a_client_that_waits_is_told_to_go_on_once),
        ONCE(a_final_answer_to_a_client_that_waits_closes),
        ONCE(what_has_no_body_has_none),
        ONCE(a_head_that_would_split_is_refused),
    };

    return RUN_CASES("http_body", cases);
}
