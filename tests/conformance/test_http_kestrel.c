// SPDX-License-Identifier: MIT
//
// Kestrel's tests of its output, by their names, through a response: the write-behind budget, what
// a failure and a cancel do to writes that wait, what a peer that does not read costs.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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

// ---- sends (K-T8, K-T9) ------------------------------------------------------------------------

// In place of three writes under way: a turn sends so much of one connection, whoever wrote it.
static void
a_turn_sends_no_more_of_a_response_than_its_budget(void **state)
{
    enum { BUDGET = 256 * KIB, SLACK = 128 * KIB };
    struct site *site =
        site_open(state, &(struct site_options){.request = defer, .stream.send_buffer = 16 * MIB});
    int peer = site_connect(site);
    struct recorder *recorder = recorder_make(site->fixture);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    uint64_t before;
    uint64_t most = 0;

    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    for (unsigned tag = 1; tag <= 4; tag++) {
        assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, tag), 0);
    }
    before = fixture_stats(site->fixture).bytes_sent;
    for (unsigned turn = 0; turn < 20; turn++) {
        uint64_t after;

        fixture_turn(site->fixture);
        after = fixture_stats(site->fixture).bytes_sent;
        most = after - before > most ? after - before : most;
        before = after;
    }
    assert_true(most > 0 && most <= BUDGET + SLACK);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned tag = 1; tag <= 4; tag++) {
        read_chunk(site, peer, "200000\r\n", 2 * MIB);
    }
    recorder_wait(recorder, 4);
}

static void
writes_are_aggregated(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer});
    int peer = site_connect(site);
    struct recorder *recorder = recorder_make(site->fixture);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    uint64_t before;

    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    before = fixture_stats(site->fixture).system_sends;
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    for (unsigned tag = 1; tag <= 5; tag++) {
        assert_status(write_at(site, 10, WEIR_SENT, (weir_token){0}, recorder, tag), 0);
    }
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    recorder_wait(recorder, 5);
    assert_int_equal(fixture_stats(site->fixture).system_sends - before, 1);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned tag = 1; tag <= 5; tag++) {
        read_chunk(site, peer, "a\r\n", 10);
    }
    peer_expect_text(site, peer, "0\r\n\r\n");
}

// ---- more of the budget (K-T3, K-T6) -----------------------------------------------------------

static void
writes_dont_complete_immediately_including_non_immediate(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);
    struct weir_iter iter;

    assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(weir_http_produce(site->http, &iter), 0);
    assert_status(weir_iter_append(&iter, fixture_memory(site->fixture, 40 * KIB), 40 * KIB), 0);
    assert_status(weir_http_commit(site->http, iter,
                                   &(struct weir_write){.level = WEIR_ACCEPTED,
                                                        .done = recorder_done,
                                                        .arg = recorder_tag(recorder, 2)},
                                   NULL),
                  0);
    assert_status(write_at(site, 40 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 3), 0);
    fixture_settle(site->fixture);
    assert_true(recorder_has(recorder, 2));
    assert_false(recorder_has(recorder, 3)); // what was produced counts
    read_chunk(site, peer, "200000\r\n", 2 * MIB);
    read_chunk(site, peer, "a000\r\n", 40 * KIB);
    read_chunk(site, peer, "a000\r\n", 40 * KIB);
    recorder_wait(recorder, 3);
}

static void
writes_dont_get_completed_too_quickly(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);

    assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    assert_status(write_at(site, 40 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 2), 0);
    assert_status(write_at(site, 500 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 3), 0);
    assert_status(write_at(site, 10 * KIB, WEIR_ACCEPTED, (weir_token){0}, recorder, 4), 0);
    fixture_settle(site->fixture);
    assert_true(recorder_has(recorder, 2));
    assert_false(recorder_has(recorder, 3));
    read_chunk(site, peer, "200000\r\n", 2 * MIB);
    read_chunk(site, peer, "a000\r\n", 40 * KIB);
    fixture_settle(site->fixture);
    assert_false(recorder_has(recorder, 3)); // larger than the budget: when it is out itself
    assert_false(recorder_has(recorder, 4));
    read_chunk(site, peer, "7d000\r\n", 500 * KIB);
    recorder_wait(recorder, 4);
    read_chunk(site, peer, "2800\r\n", 10 * KIB);
}

// ---- bodies over many blocks (K-T13) -----------------------------------------------------------

enum { FRAGMENTS = 67 };

struct fragments {
    size_t size;
    uint8_t bytes[512];
    struct weir_chain chain;
    bool has_come;
};

static size_t
fragment_size(unsigned index)
{
    static const size_t first[] = {34, 25, 197};

    return index < 3 ? first[index] : 4;
}

static void
on_fragments(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct fragments *fragments = arg;

    (void)http;
    fragments->chain = result->chain;
    fragments->has_come = result->status == 0;
}

static bool
fragments_came(void *arg)
{
    return ((struct fragments *)arg)->has_come;
}

// Every byte value, in pieces, each a chunk of its own and shown to the loop alone; then iterators
// over what was read find, measure and copy as over one piece of memory.
static void
a_body_in_fragments_is_one_body(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);
    struct fragments *fragments = fixture_memory(site->fixture, sizeof(*fragments));
    struct weir_http_read read = {
        .size = 512, .size_min = 512, .done = on_fragments, .arg = fragments};
    struct weir_iter begin, end;
    uint8_t copy[512];
    size_t length;

    for (unsigned i = 0; i < sizeof(fragments->bytes); i++) {
        fragments->bytes[i] = (uint8_t)i;
    }
    peer_write_text(site, peer, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_read(site->http, &read, NULL), 0);
    for (unsigned i = 0; i < FRAGMENTS; i++) {
        char line[8];

        snprintf(line, sizeof(line), "%zx\r\n", fragment_size(i));
        peer_write_text(site, peer, line);
        peer_write(site->fixture, peer, fragments->bytes + fragments->size, fragment_size(i));
        peer_write_text(site, peer, "\r\n");
        fragments->size += fragment_size(i);
        fixture_settle(site->fixture);
    }
    assert_int_equal(fragments->size, 512);
    peer_write_text(site, peer, "0\r\n\r\n");
    fixture_turn_until(site->fixture, fragments_came, fragments);
    begin = weir_chain_begin(&fragments->chain);
    end = weir_chain_end(&fragments->chain);
    assert_status(weir_iter_length(begin, end, &length), 0);
    assert_int_equal(length, 512);
    for (unsigned value = 0; value < 256; value++) {
        struct weir_iter at = begin;
        size_t before;

        assert_int_equal(weir_iter_seek(&at, (uint8_t)value, (uint8_t)value, (uint8_t)value),
                         value);
        assert_status(weir_iter_length(begin, at, &before), 0);
        assert_int_equal(before, value); // the first of the two
    }
    assert_int_equal(weir_iter_copy_out(&begin, copy, sizeof(copy)), 512);
    assert_memory_equal(copy, fragments->bytes, 512);
    weir_chain_return(&fragments->chain);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

// ---- methods and versions (K-T14) --------------------------------------------------------------

static void
gets_known_method(void **state)
{
    static const char *const methods[] = {
        "GET",       "HEAD",  "POST", "PUT",  "DELETE", "OPTIONS", "TRACE",  "PATCH", "PROPFIND",
        "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK",   "UNLOCK",  "REPORT", "MERGE", "M-SEARCH"};
    static const char *const unknown[] = {"get", "GETT", "GE", "FOO", "Post", "HEADER"};
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);
    char text[96];

    for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
        peer_write_text(site, peer, text);
        peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Path: /\r\n\r\n");
        if (strcmp(methods[i], "HEAD") != 0) {
            peer_expect_text(site, peer, "/");
        }
        assert_string_equal(site->method, methods[i]);
    }
    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        int other = site_connect(site);

        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: x\r\n\r\n", unknown[i]);
        peer_write_text(site, other, text);
        peer_expect_text(site, other, "HTTP/1.1 400 ");
    }
}

static void
gets_known_version(void **state)
{
    static const struct {
        const char *version;
        const char *answer;
    } versions[] = {
        {"HTTP/1.1", "HTTP/1.1 200 "}, {"HTTP/1.0", "HTTP/1.1 200 "}, {"HTTP/0.9", "HTTP/1.1 505 "},
        {"HTTP/2.0", "HTTP/1.1 505 "}, {"HTTP/1.2", "HTTP/1.1 505 "}, {"HTTP/3.0", "HTTP/1.1 505 "},
        {"http/1.1", "HTTP/1.1 400 "}, {"HTTP/1,1", "HTTP/1.1 "},     {"HTTP1.1", "HTTP/1.1 400 "},
    };
    struct site *site = site_open(state, &(struct site_options){0});

    for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        int peer = site_connect(site);
        char text[64];

        snprintf(text, sizeof(text), "GET / %s\r\nHost: x\r\n\r\n", versions[i].version);
        peer_write_text(site, peer, text);
        peer_expect_text(site, peer, versions[i].answer);
    }
    assert_int_equal(site->requests, 2);
}

// ---- harmless (K-T17, K-T18) -------------------------------------------------------------------

static void
pause_and_resume_twice(struct site *site, weir_http http, const struct weir_http_request *request)
{
    int *results = site->arg;

    (void)request;
    for (unsigned i = 0; i < 2; i++) {
        results[i] = weir_http_pause(http);
        results[2 + i] = i == 1 ? weir_http_resume(http) : 0;
    }
    results[4] = weir_http_resume(http);
}

static void
read_stop_is_idempotent(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = pause_and_resume_twice});
    int peer = site_connect(site);
    int results[5] = {1, 1, 1, 1, 1};

    site->arg = results;
    peer_write_text(site, peer, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    for (unsigned i = 0; i < 5; i++) {
        assert_status(results[i], 0);
    }
    assert_int_equal(site->body_size, 5);
    assert_int_equal(site->body_ends, 1);
    assert_status(site_answer(site->http, 200, "ok"), 0);
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void
does_not_throw_for_null_buffers(void **state)
{
    struct recorder *recorder;
    struct site *site;
    int peer = open_blocked(state, (struct site_options){0}, &site, &recorder);
    struct iovec empty = {NULL, 0};
    struct iovec missing = {NULL, 1};
    struct weir_write write = {.iov = &empty, .iov_count = 1};

    assert_status(weir_http_write(site->http, NULL, NULL), -EINVAL);
    assert_status(weir_http_write(site->http, &(struct weir_write){0}, NULL), 0);
    assert_status(weir_http_write(site->http, &write, NULL), 0);
    write.iov = &missing;
    assert_status(weir_http_write(site->http, &write, NULL), -EINVAL);
    write.iov = NULL;
    assert_status(weir_http_write(site->http, &write, NULL), -EINVAL);
    assert_status(weir_http_read(site->http, NULL, NULL), -EINVAL);
    assert_status(write_at(site, 3, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    read_chunk(site, peer, "3\r\n", 3); // and nothing came of the others
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
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

// The peer sends all it can and reads nothing; the program waits for its write before it reads on.
static void
connection_closed_when_both_request_and_response_experience_back_pressure(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer,
                                                                .pulls = true,
                                                                .small = true,
                                                                .limits = {.grace_ns = MS(200)}});
    int peer = site_connect_small(site);
    struct recorder *recorder = recorder_make(site->fixture);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    static const char block[16 * KIB];

    peer_write_text(site, peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 33000000\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    assert_status(write_at(site, 2 * MIB, WEIR_SENT, (weir_token){0}, recorder, 1), 0);
    while (send(peer, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        fixture_settle(site->fixture);
    }
    recorder_wait(recorder, 1);
    assert_true(recorder_of(recorder, 1).status < 0);
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
        EACH(a_turn_sends_no_more_of_a_response_than_its_budget),
        EACH(writes_are_aggregated),
        EACH(writes_dont_complete_immediately_including_non_immediate),
        EACH(writes_dont_get_completed_too_quickly),
        EACH(a_body_in_fragments_is_one_body),
        ONCE(gets_known_method),
        ONCE(gets_known_version),
        ONCE(read_stop_is_idempotent),
        ONCE(does_not_throw_for_null_buffers),
        ONCE(connection_closed_when_both_request_and_response_experience_back_pressure),
        ONCE(connection_closed_when_response_does_not_satisfy_minimum_data_rate),
        ONCE(connection_stays_when_the_peer_reads_fast_enough),
        EACH(connection_closes_when_fin_received_after_the_answer),
        EACH(a_draining_server_ends_connections_in_good_order),
    };

    return RUN_CASES("http_kestrel", cases);
}
