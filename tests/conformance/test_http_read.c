// SPDX-License-Identifier: MIT
//
// Reading received bodies, upgrades, and nng's operations by what they do: read, read_all, write,
// write_all, write_res, hijack. N34 to N38 and N42 were faults there.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

#define POST_5 "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"

static void
defer(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)request;
    assert_int_equal(weir_http_defer(http, NULL), 0);
    site->http = http;
}

static int
open_reading(void **state, const char *text, struct site **ret_site)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);

    peer_write_text(site, peer, text);
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    *ret_site = site;
    return peer;
}

static int
read_into(struct site *site, void *buffer, size_t size, size_t size_min, weir_op *ret_op)
{
    struct weir_http_read read = {
        .buffer = buffer, .size = size, .size_min = size_min, .done = site_read_done, .arg = site};

    return weir_http_read(site->http, &read, ret_op);
}

// ---- read and read_all (N43) -------------------------------------------------------------------

static void
read_gives_what_there_is_and_read_all_waits(void **state)
{
    struct site *site;
    int peer = open_reading(state, POST_5 "he", &site);
    char buffer[8] = {0};

    assert_status(read_into(site, buffer, 8, 0, NULL), 0);
    site_wait_reads(site, 1);
    assert_int_equal(site->reads[0].size, 2);
    assert_false(site->reads[0].eof);
    assert_memory_equal(buffer, "he", 2);
    assert_status(read_into(site, buffer, 3, 3, NULL), 0);
    peer_write_text(site, peer, "l");
    fixture_settle(site->fixture);
    assert_int_equal(site->read_count, 1);
    peer_write_text(site, peer, "lo");
    site_wait_reads(site, 2);
    assert_int_equal(site->reads[1].size, 3);
    assert_memory_equal(buffer, "llo", 3);
    assert_status(read_into(site, buffer, 8, 0, NULL), 0);
    site_wait_reads(site, 3);
    assert_int_equal(site->reads[2].size, 0);
    assert_true(site->reads[2].eof);
}

static void
reads_queue_and_chunks_are_decoded_across_them(void **state)
{
    struct site *site;
    int peer = open_reading(
        state, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", &site);
    char first[4] = {0};
    char second[8] = {0};

    assert_status(read_into(site, first, 4, 4, NULL), 0);
    assert_status(read_into(site, second, 8, 8, NULL), 0);
    peer_write_text(site, peer, "3\r\nabc\r\n2;x=1\r\nde\r\n");
    site_wait_reads(site, 1);
    assert_memory_equal(first, "abcd", 4);
    peer_write_text(site, peer, "1\r\nf\r\n0\r\n\r\n");
    site_wait_reads(site, 2);
    assert_int_equal(site->reads[1].size, 2);
    assert_true(site->reads[1].eof);
    assert_memory_equal(second, "ef", 2);
}

static void
a_body_can_be_read_as_blocks(void **state)
{
    struct site *site;
    struct weir_http_read read = {.done = site_read_done};

    open_reading(state, POST_5 "hello", &site);
    read.arg = site;
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    site_wait_reads(site, 1);
    assert_int_equal(site->reads[0].size, 5);
    assert_true(site->reads[0].eof);
}

static void
a_body_that_nobody_reads_is_not_taken_from_the_peer(void **state) // K-T22
{
    struct site *site =
        site_open(state, &(struct site_options){.request = defer,
                                                .pulls = true,
                                                .small = false,
                                                .limits = {.body_max = 65 * (uint64_t)MIB}});
    int peer = site_connect(site);
    char *data = fixture_memory(site->fixture, MIB);
    size_t sent = 0;
    struct weir_http_read read = {.buffer = data, .size = MIB, .size_min = MIB};

    peer_write_text(site, peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\n");
    site_wait_requests(site, 1);
    for (int still = 0; still < 3;) {
        ssize_t now = send(peer, data, MIB, MSG_NOSIGNAL | MSG_DONTWAIT);

        fixture_settle(site->fixture);
        still = now > 0 ? 0 : still + 1;
        sent += now > 0 ? (size_t)now : 0;
    }
    assert_true(sent < 48 * MIB);
    read.done = site_read_done;
    read.arg = site;
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    while (site->read_count == 0) {
        ssize_t now = send(peer, data, MIB, MSG_NOSIGNAL | MSG_DONTWAIT);

        sent += now > 0 ? (size_t)now : 0;
        fixture_breathe(site->fixture);
    }
    assert_int_equal(site->reads[0].size, MIB);
}

// ---- what were faults in nng -------------------------------------------------------------------

static int
write_as(struct site *site, char *data, size_t size, unsigned flags, struct recorder *recorder,
         unsigned tag, weir_op *ret_op)
{
    struct iovec iov = {data, size};
    struct weir_write write = {.iov = &iov,
                               .iov_count = 1,
                               .flags = flags,
                               .done = recorder_done,
                               .arg = recorder_tag(recorder, tag)};

    return weir_http_write(site->http, &write, ret_op);
}

// An open body of 4 MiB, on a connection that is soon full.
static int
open_writing(void **state, struct site **ret_site, struct recorder **ret_recorder)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .small = true});
    int peer = site_connect_small(site);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};

    head.flags |= WEIR_HTTP_HAS_LENGTH;
    head.length = 4 * MIB;
    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
    *ret_site = site;
    *ret_recorder = recorder_make(site->fixture);
    return peer;
}

static void
n34_some_and_all_do_not_change_each_other(void **state)
{
    struct site *site;
    struct recorder *recorder;
    int peer = open_writing(state, &site, &recorder);
    char *data = fixture_memory(site->fixture, MIB);

    assert_status(write_as(site, data, MIB, 0, recorder, 1, NULL), 0);         // all
    assert_status(write_as(site, data, MIB, WEIR_SOME, recorder, 2, NULL), 0); // some
    peer_read_exact(site->fixture, peer, data, MIB);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, MIB);
    assert_status(recorder_of(recorder, 2).status, 0);
    assert_true(recorder_of(recorder, 2).sent > 0 && recorder_of(recorder, 2).sent < MIB);
}

static void
n35_a_queued_write_is_cancelled_without_a_byte_and_others_go_on(void **state)
{
    struct site *site;
    struct recorder *recorder;
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    weir_op op;
    int peer;
    char *data;

    site = site_open(state, &(struct site_options){.request = defer, .small = true});
    peer = site_connect_small(site);
    recorder = recorder_make(site->fixture);
    data = fixture_memory(site->fixture, MIB);
    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    assert_status(write_as(site, data, MIB, 0, recorder, 1, NULL), 0);
    fixture_settle(site->fixture);
    assert_status(write_as(site, data, 10, 0, recorder, 2, &op), 0);
    assert_status(write_as(site, data, 20, WEIR_CHUNK_END, recorder, 3, NULL), 0);
    fixture_turn(site->fixture);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
    peer_read_exact(site->fixture, peer, data, MIB);
    peer_expect_text(site, peer, "\r\n14\r\n");
    peer_read_exact(site->fixture, peer, data, 20);
    peer_expect_text(site, peer, "\r\n0\r\n\r\n");
    recorder_wait(recorder, 3);
    expect_result(recorder_of(recorder, 2), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    expect_result(recorder_of(recorder, 3), 0, WEIR_ORIGIN_NONE, 20);
}

static void
n36_n37_a_cancel_in_flight_loses_no_count_and_stalls_nothing(void **state)
{
    struct site *site;
    struct recorder *recorder;
    int peer = open_writing(state, &site, &recorder);
    char *data = fixture_memory(site->fixture, 2 * MIB);
    weir_op op;

    assert_status(write_as(site, data, 2 * MIB, 0, recorder, 1, &op), 0);
    fixture_settle(site->fixture);
    assert_status(write_as(site, data, 2 * MIB, WEIR_CHUNK_END, recorder, 2, NULL), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    peer_read_exact(site->fixture, peer, data, 2 * MIB);
    peer_read_exact(site->fixture, peer, data, 2 * MIB);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, 2 * MIB);
    assert_true(recorder_of(recorder, 1).late_cancel);
    expect_result(recorder_of(recorder, 2), 0, WEIR_ORIGIN_NONE, 2 * MIB);
}

static void
n38_a_cancelled_read_drops_no_byte(void **state)
{
    struct site *site;
    int peer = open_reading(state, POST_5, &site);
    char buffer[8] = {0};
    weir_op op;

    assert_status(read_into(site, buffer, 5, 5, &op), 0);
    peer_write_text(site, peer, "he");
    fixture_settle(site->fixture);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    site_wait_reads(site, 1);
    assert_status(site->reads[0].status, -ECANCELED);
    assert_int_equal(site->reads[0].size, 2); // told, not lost
    assert_memory_equal(buffer, "he", 2);
    assert_status(read_into(site, buffer + 2, 3, 3, NULL), 0);
    peer_write_text(site, peer, "llo");
    site_wait_reads(site, 2);
    assert_memory_equal(buffer, "hello", 5);
}

static void
a_read_has_a_deadline_and_a_token(void **state)
{
    struct site *site;
    struct weir_http_read read = {.size = 5, .size_min = 5, .done = site_read_done};
    weir_token token;

    open_reading(state, POST_5, &site);
    read.arg = site;
    read.deadline_ns = weir_deadline_after(MS(5));
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    site_wait_reads(site, 1);
    assert_status(site->reads[0].status, -ETIMEDOUT);
    assert_status(weir_token_create(site->fixture->runtime, (weir_token){0}, &token), 0);
    read.deadline_ns = 0;
    read.token = token;
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    fixture_settle(site->fixture);
    assert_status(weir_token_fire(token, 0, 0), 0);
    site_wait_reads(site, 2);
    assert_status(site->reads[1].status, -ECANCELED);
    assert_status(weir_token_free(token), 0);
}

static void
n42_zero_bytes_are_no_end(void **state)
{
    struct site *site;
    struct recorder *recorder;
    int peer = open_reading(state, POST_5, &site);
    char buffer[8] = {0};

    recorder = recorder_make(site->fixture);
    assert_status(read_into(site, buffer, 0, 0, NULL), 0);
    site_wait_reads(site, 1);
    assert_status(site->reads[0].status, 0);
    assert_int_equal(site->reads[0].size, 0);
    assert_false(site->reads[0].eof);
    peer_write_text(site, peer, "hello");
    assert_status(read_into(site, buffer, 5, 5, NULL), 0);
    site_wait_reads(site, 2);
    assert_memory_equal(buffer, "hello", 5);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (void)recorder;
}

// ---- the error set (N47) -----------------------------------------------------------------------

static void
a_peer_that_ends_in_the_middle_ends_reads(void **state)
{
    struct site *site;
    int peer = open_reading(state, POST_5 "he", &site);
    char buffer[8] = {0};

    assert_status(read_into(site, buffer, 5, 5, NULL), 0);
    fixture_settle(site->fixture);
    peer_finish(site->fixture, peer);
    site_wait_reads(site, 1);
    assert_status(site->reads[0].status, -ENODATA);
    assert_int_equal(site->reads[0].size, 2);
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ENODATA);
}

static void
a_reset_is_told_as_one(void **state)
{
    struct site *site;
    int peer = open_reading(state, POST_5 "he", &site);
    char buffer[8] = {0};

    assert_status(read_into(site, buffer, 5, 5, NULL), 0);
    fixture_settle(site->fixture);
    peer_reset(site->fixture, peer);
    site_wait_ended(site, 1);
    assert_int_equal(site->read_count, 1);
    assert_true(site->reads[0].status == -ECONNRESET || site->reads[0].status == -ENODATA);
    assert_status(read_into(site, buffer, 5, 5, NULL), -WEIR_ESTALE);
    assert_status(site_answer(site->http, 200, "ok"), -WEIR_ESTALE);
    assert_status(weir_http_abort(site->http), -WEIR_ESTALE);
}

static void
bad_reads_are_refused(void **state)
{
    struct site *site;
    char buffer[8];
    struct weir_http_read read = {.buffer = buffer, .size = 8};

    open_reading(state, POST_5, &site);
    assert_status(weir_http_read(site->http, &read, NULL), -EINVAL); // no function
    assert_status(weir_http_read(site->http, NULL, NULL), -EINVAL);
    assert_status(read_into(site, buffer, 4, 5, NULL), -EINVAL);
    assert_status(weir_http_read((weir_http){0}, &read, NULL), -EINVAL);
    read.done = site_read_done;
    assert_status(weir_http_read((weir_http){0}, &read, NULL), -WEIR_ESTALE);
    assert_status(weir_http_abort(site->http), 0);
}

// ---- upgrade (K-T20, N44) ----------------------------------------------------------------------

#define UPGRADE "GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

static const struct weir_http_field upgrade_fields[] = {WEIR_HTTP_FIELD("Connection", "Upgrade"),
                                                        WEIR_HTTP_FIELD("Upgrade", "echo")};
static const struct weir_http_head switching = {
    .status = 101, .fields = upgrade_fields, .field_count = 2, .flags = WEIR_HTTP_NO_DATE};

struct taken {
    struct events *events;
    weir_stream stream;
    int results[4];
};

static void
hijack_at_once(struct site *site, weir_http http, const struct weir_http_request *request)
{
    struct taken *taken = site->arg;

    assert_true(request->flags & WEIR_HTTP_UPGRADE);
    assert_true(
        weir_http_has_token(request->fields, request->field_count, "connection", "upgrade"));
    taken->results[0] =
        weir_http_hijack(http, &switching, events_handlers(), taken->events, &taken->stream);
    taken->results[1] =
        weir_http_hijack(http, &switching, events_handlers(), taken->events, &taken->stream);
    taken->results[2] = site_answer(http, 200, "no");
}

static void
the_raw_stream_has_unread_bytes_first(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = hijack_at_once});
    int peer = site_connect(site);
    struct taken taken = {.events = events_make(site->fixture)};
    struct iovec iov = {"raw", 3};
    struct weir_write write = {.iov = &iov, .iov_count = 1};

    site->arg = &taken;
    peer_write_text(site, peer, UPGRADE "early");
    peer_expect_text(site, peer,
                     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: echo\r\n\r\n");
    assert_status(taken.results[0], 0);
    assert_status(taken.results[1], -WEIR_ESTALE); // it cannot be done twice
    assert_status(taken.results[2], -WEIR_ESTALE); // and nothing of HTTP behind it
    peer_write_text(site, peer, " late");
    while (events_input_size(taken.events) < 10) {
        fixture_breathe(site->fixture);
    }
    assert_memory_equal(taken.events->input, "early late", 10);
    assert_status(weir_write(taken.stream, &write, NULL), 0);
    peer_expect_text(site, peer, "raw");
    assert_int_equal(site->ends, 1);
    assert_status(site->ended.status, 0);
    assert_int_equal(weir_http_server_connections(site->server), 0);
    assert_status(weir_close(taken.stream, WEIR_CLOSE_FLUSH, 0, 0), 0);
}

struct later {
    struct taken taken;
    struct site *site;
};

static void
post_hijack(struct weir_loop *loop, void *arg)
{
    struct later *later = arg;

    (void)loop;
    later->taken.results[0] = weir_http_hijack(later->site->http, &switching, events_handlers(),
                                               later->taken.events, &later->taken.stream);
}

static void
an_upgrade_may_come_later_and_only_before_a_response(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer});
    int peer = site_connect(site);
    struct later later = {.site = site};

    later.taken.events = events_make(site->fixture);
    peer_write_text(site, peer, UPGRADE "early");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_hijack(site->http, &switching, NULL, NULL, &later.taken.stream),
                  -EXDEV);
    assert_status(weir_post(site->fixture->loop, post_hijack, &later), 0);
    peer_expect_text(site, peer,
                     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: echo\r\n\r\n");
    assert_status(later.taken.results[0], 0);
    while (events_input_size(later.taken.events) < 5) {
        fixture_breathe(site->fixture);
    }
    assert_memory_equal(later.taken.events->input, "early", 5);
    assert_status(weir_close(later.taken.stream, WEIR_CLOSE_ABORT, 0, 0), 0);
}

static void
what_has_a_body_or_a_response_is_not_upgraded(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);
    struct later later = {.site = site};

    later.taken.events = events_make(site->fixture);
    peer_write_text(site, peer,
                    "POST /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                    "Upgrade: echo\r\nContent-Length: 5\r\n\r\n");
    site_wait_requests(site, 1);
    later.taken.results[0] = 1;
    assert_status(weir_post(site->fixture->loop, post_hijack, &later), 0);
    fixture_settle(site->fixture);
    assert_status(later.taken.results[0], -EINVAL);
    peer_write_text(site, peer, "hello");
    assert_status(site_answer(site->http, 200, "ok"), 0);
    assert_status(weir_post(site->fixture->loop, post_hijack, &later), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_true(later.taken.results[0] == -WEIR_EENDED || later.taken.results[0] == -WEIR_ESTALE);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(read_gives_what_there_is_and_read_all_waits),
        EACH(reads_queue_and_chunks_are_decoded_across_them),
        ONCE(a_body_can_be_read_as_blocks),
        EACH_TCP(a_body_that_nobody_reads_is_not_taken_from_the_peer),
        EACH(n34_some_and_all_do_not_change_each_other),
        EACH(n35_a_queued_write_is_cancelled_without_a_byte_and_others_go_on),
        EACH(n36_n37_a_cancel_in_flight_loses_no_count_and_stalls_nothing),
        EACH(n38_a_cancelled_read_drops_no_byte),
        ONCE(a_read_has_a_deadline_and_a_token),
        EACH(n42_zero_bytes_are_no_end),
        EACH(a_peer_that_ends_in_the_middle_ends_reads),
        EACH(a_reset_is_told_as_one),
        ONCE(bad_reads_are_refused),
        EACH(the_raw_stream_has_unread_bytes_first),
        EACH(an_upgrade_may_come_later_and_only_before_a_response),
        ONCE(what_has_a_body_or_a_response_is_not_upgraded),
    };

    return RUN_CASES("http_read", cases);
}
