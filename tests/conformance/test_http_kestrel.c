// SPDX-License-Identifier: MIT
//
// Kestrel's tests of its output, by their names, through a response: the write-behind budget, what
// a failure and a cancel do to writes that wait, what a peer that does not read costs.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static void
defer(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)request;
    assert_int_equal(weir_http_defer(http, NULL), 0);
    site->http = http;
}

// A response whose body is open, in chunks, on a connection that is soon full.
static int
open_blocked(void **state, struct site_options options, struct site **ret_site,
             struct recorder **ret_recorder)
{
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    struct site *site;
    int peer;

    options.request = defer;
    options.small = true;
    site = site_open(state, &options);
    peer = site_connect_small(site);
    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    *ret_site = site;
    *ret_recorder = recorder_make(site->fixture);
    return peer;
}

static int
write_at(struct site *site, size_t size, enum weir_level level, weir_token token,
         struct recorder *recorder, unsigned tag)
{
    struct iovec iov = {fixture_memory(site->fixture, size), size};
    struct weir_write write = {.iov = &iov,
                               .iov_count = 1,
                               .flags = WEIR_COPY,
                               .level = level,
                               .token = token,
                               .done = recorder_done,
                               .arg = recorder_tag(recorder, tag)};

    return weir_http_write(site->http, &write, NULL);
}

static void
read_chunk(struct site *site, int peer, const char *line, size_t size)
{
    char *data = fixture_memory(site->fixture, size);

    peer_expect_text(site, peer, line);
    peer_read_exact(site->fixture, peer, data, size);
    peer_expect_text(site, peer, "\r\n");
}

// ---- the budget (K-T1, K-T2, K-T6, K-T11) ------------------------------------------------------

static void
can_write_1mb(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);

    assert_status(write_at(site, MIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 1), 0);
    fixture_settle(site->fixture);
    assert_false(recorder_has(recorder, 1)); // above the whole budget: when it is written
    read_chunk(site, peer, "100000\r\n", MIB);
    recorder_wait(recorder, 1);
    assert_status(recorder_of(recorder, 1).status, 0);
}

static void
writes_dont_complete_when_too_many_bytes_are_already_pre_completed(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);

    assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0); // it blocks
    assert_status(write_at(site, 60 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 2), 0);
    assert_status(write_at(site, 60 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 3), 0);
    assert_status(write_at(site, 1, WEIR_ACCEPTED, (weir_token){0}, recorder, 4), 0);
    fixture_settle(site->fixture);
    assert_true(recorder_has(recorder, 2));
    assert_false(recorder_has(recorder, 3));
    assert_false(recorder_has(recorder, 4)); // first come, first served
    read_chunk(site, peer, "200000\r\n", 2 * MIB);
    read_chunk(site, peer, "f000\r\n", 60 * KIB);
    read_chunk(site, peer, "f000\r\n", 60 * KIB);
    read_chunk(site, peer, "1\r\n", 1);
    recorder_wait(recorder, 4);
}

static void
null_max_response_buffer_size_allows_unlimited_buffer(void **state)
{
    struct recorder *recorder;
    struct site *site;

    open_blocked(state, (struct site_options){.stream.write_behind = WEIR_WRITE_BEHIND_UNLIMITED},
                 &site, &recorder);
    assert_status(write_at(site, 2 * MIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 2 * MIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 2), 0);
    recorder_wait(recorder, 2);
    assert_status(recorder_of(recorder, 2).status, 0);
}

static void
zero_max_response_buffer_size_disables_buffering(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer =
        open_blocked(state, (struct site_options){.stream.write_behind = WEIR_WRITE_BEHIND_NONE},
                     &site, &recorder);

    assert_status(write_at(site, MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 1, WEIR_ACCEPTED, (weir_token){0}, recorder, 2), 0);
    fixture_settle(site->fixture);
    assert_int_equal(recorder_count(recorder), 0);
    read_chunk(site, peer, "100000\r\n", MIB);
    read_chunk(site, peer, "1\r\n", 1);
    recorder_wait(recorder, 2);
}

// ---- cancel and failure (K-T4, K-T5, K-T12) ----------------------------------------------------

static void
only_writes_requesting_cancellation_are_errored_on_cancellation(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);
    weir_token token;

    assert_status(weir_token_create(site->fixture->runtime, (weir_token){0}, &token), 0);
    assert_status(write_at(site, MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 10, WEIR_SENT, token, recorder, 2), 0);
    assert_status(write_at(site, 10, WEIR_SENT, (weir_token){0}, recorder, 3), 0);
    fixture_settle(site->fixture);
    assert_status(weir_token_fire(token, 0, 0), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 2), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    assert_status(write_at(site, 10, WEIR_SENT, token, recorder, 4), -ECANCELED);
    assert_status(write_at(site, 10, WEIR_SENT, (weir_token){0}, recorder, 5), 0);
    read_chunk(site, peer, "100000\r\n", MIB);
    read_chunk(site, peer, "a\r\n", 10);
    read_chunk(site, peer, "a\r\n", 10);
    recorder_wait(recorder, 4);
    assert_status(recorder_of(recorder, 5).status, 0);
    assert_status(weir_token_free(token), 0);
}

static void
failed_write_completes_or_cancels_all_pending_tasks(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);

    assert_status(write_at(site, MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 10, WEIR_SENT, (weir_token){0}, recorder, 2), 0);
    assert_status(write_at(site, MIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 3), 0);
    fixture_settle(site->fixture);
    peer_reset(site->fixture, peer);
    recorder_wait(recorder, 3);
    for (unsigned tag = 1; tag <= 3; tag++) {
        assert_true(recorder_of(recorder, tag).status < 0);
    }
    site_wait_ended(site, 1);
    assert_true(site->ended.status < 0);
    assert_int_equal(write_at(site, 1, WEIR_SENT, (weir_token){0}, recorder, 4), -WEIR_ESTALE);
}

static void
a_swallowing_connection_reports_success(void **state) // C-mode: K24 to K26
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){.stream.flags = WEIR_STREAM_SWALLOW},
                            &site, &recorder);

    assert_status(write_at(site, MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 10, WEIR_SENT, (weir_token){0}, recorder, 2), 0);
    fixture_settle(site->fixture);
    peer_reset(site->fixture, peer);
    recorder_wait(recorder, 2);
    assert_status(recorder_of(recorder, 1).status, 0);
    assert_status(recorder_of(recorder, 2).status, 0);
    site_wait_ended(site, 1);
    assert_true(site->ended.status < 0); // the reason stays readable
}

// ---- peers that hardly read (K-T21) ------------------------------------------------------------

static void
connection_closed_when_response_does_not_satisfy_minimum_data_rate(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){.limits = {.grace_ns = MS(200)}}, &site,
                            &recorder);

    assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    recorder_wait(recorder, 1);
    assert_true(recorder_of(recorder, 1).status < 0);
    assert_true(recorder_of(recorder, 1).sent < 2 * MIB);
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ETIMEDOUT);
    peer_expect_reset(site->fixture, peer);
}

static void
connection_stays_when_the_peer_reads_fast_enough(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){.limits = {.grace_ns = MS(200)}}, &site,
                            &recorder);

    assert_status(write_at(site, 256 * KIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    read_chunk(site, peer, "40000\r\n", 256 * KIB);
    recorder_wait(recorder, 1);
    assert_status(recorder_of(recorder, 1).status, 0);
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
}

// ---- ends (K-T19) ------------------------------------------------------------------------------

static void
connection_closes_when_fin_received_after_the_answer(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer});
    int peer = site_connect(site);

    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    peer_finish(site->fixture, peer); // it may still want the answer
    fixture_settle(site->fixture);
    assert_int_equal(site->fins, 1);
    assert_int_equal(site->ends, 0);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    peer_expect_eof(site->fixture, peer);
    assert_status(site->ended.status, 0);
}

static void
a_draining_server_ends_connections_in_good_order(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer});
    int idle = site_connect(site);
    int busy = site_connect(site);

    fixture_settle(site->fixture);
    peer_write_text(site, busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_server_drain(site->server), 0);
    peer_expect_eof(site->fixture, idle);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, busy,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    peer_expect_eof(site->fixture, busy);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(can_write_1mb),
        EACH(writes_dont_complete_when_too_many_bytes_are_already_pre_completed),
        ONCE(null_max_response_buffer_size_allows_unlimited_buffer),
        ONCE(zero_max_response_buffer_size_disables_buffering),
        EACH(only_writes_requesting_cancellation_are_errored_on_cancellation),
        EACH(failed_write_completes_or_cancels_all_pending_tasks),
        ONCE(a_swallowing_connection_reports_success),
        ONCE(connection_closed_when_response_does_not_satisfy_minimum_data_rate),
        ONCE(connection_stays_when_the_peer_reads_fast_enough),
        EACH(connection_closes_when_fin_received_after_the_answer),
        EACH(a_draining_server_ends_connections_in_good_order),
    };

    return RUN_CASES("http_kestrel", cases);
}
