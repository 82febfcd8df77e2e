// SPDX-License-Identifier: MIT
//
// The client: what it sends and what it makes of answers, against a plain socket that plays the
// server in text; and against the library's own server.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <stdlib.h>
#include <string.h>

enum { TRANSACTIONS_MAX = 8 };

struct answer {
    int status;
    unsigned code;
    unsigned redirects;
    size_t body_size;
    char body[256];
    char a[32]; // the field A
};

struct agent {
    struct fixture *fixture;
    struct weir_http_client *client;
    struct weir_http_handlers handlers;
    int listener;
    struct answer answers[TRANSACTIONS_MAX];
    unsigned answer_count;

    // What the next call on the loop does.
    struct weir_http_ask ask;
    const char *body;
    uint64_t deadline_ns;
    unsigned times;
    int result;
    bool is_called;

    // Of exchanges.
    weir_http http;
    unsigned responses;
    unsigned code;
    unsigned ends;
    struct weir_http_ended ended;
    char received[256];
    size_t received_size;
};

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    struct agent *agent = user;

    (void)http;
    agent->responses++;
    agent->code = response->status;
}

static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    struct agent *agent = user;

    (void)http;
    assert_true(size <= sizeof(agent->received) - agent->received_size);
    memcpy(agent->received + agent->received_size, data, size);
    agent->received_size += size;
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    struct agent *agent = user;

    (void)http;
    agent->ended = *ended;
    agent->ends++;
}

static void
free_client(struct weir_loop *loop, void *arg)
{
    (void)loop;
    weir_http_client_free(arg);
}

static void
end_agent(void *arg)
{
    weir_http_client_free(((struct agent *)arg)->client);
}

static struct agent *
agent_open_at(struct fixture *fixture, const struct weir_address *address,
              struct weir_http_client_options options)
{
    struct agent *agent = fixture_memory(fixture, sizeof(*agent));

    agent->fixture = fixture;
    agent->handlers =
        (struct weir_http_handlers){.response = on_response, .body = on_body, .ended = on_ended};
    options.host = "example";
    options.handlers = &agent->handlers;
    options.user = agent;
    options.dial.address = *address;
    assert_status(weir_http_client_create(fixture->loop, &options, &agent->client), 0);
    fixture_at_end(fixture, end_agent, agent);
    return agent;
}

static struct agent *
agent_open(void **state, struct weir_http_client_options options)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct agent *agent = agent_open_at(fixture, &address, options);

    agent->listener = listener;
    return agent;
}

// ---- on the loop -------------------------------------------------------------------------------

static void
on_transacted(struct weir_http_client *client, struct weir_http_transacted *result, void *arg)
{
    struct agent *agent = arg;
    struct answer *answer = &agent->answers[agent->answer_count];
    struct weir_iter iter = weir_chain_begin(&result->body);

    (void)client;
    answer->status = result->status;
    answer->body_size = result->body_size;
    answer->redirects = result->redirects;
    if (result->response != NULL) {
        const struct weir_http_field *a =
            weir_http_find(result->response->fields, result->response->field_count, "A");

        answer->code = result->response->status;
        if (a != NULL) {
            memcpy(answer->a, a->value, a->value_size);
        }
    }
    weir_iter_copy_out(&iter, answer->body, sizeof(answer->body) - 1);
    weir_chain_return(&result->body);
    agent->answer_count++;
}

static void
post_transact(struct weir_loop *loop, void *arg)
{
    struct agent *agent = arg;

    (void)loop;
    for (unsigned i = 0; i < agent->times; i++) {
        agent->result = weir_http_transact(
            agent->client, &(struct weir_http_transaction){
                               .ask = &agent->ask,
                               .body = agent->body,
                               .body_size = agent->body != NULL ? strlen(agent->body) : 0,
                               .deadline_ns = agent->deadline_ns,
                               .done = on_transacted,
                               .arg = agent,
                           });
    }
    agent->is_called = true;
}

static void
post_ask(struct weir_loop *loop, void *arg)
{
    struct agent *agent = arg;
    struct iovec iov = {(void *)(uintptr_t)agent->body,
                        agent->body != NULL ? strlen(agent->body) : 0};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};

    (void)loop;
    agent->result = weir_http_ask(agent->client, &agent->ask, agent->body != NULL ? &write : NULL,
                                  NULL, &agent->http);
    agent->is_called = true;
}

static bool
is_called(void *arg)
{
    return ((struct agent *)arg)->is_called;
}

static void
call(struct agent *agent, weir_post_fn *fn)
{
    agent->is_called = false;
    assert_status(weir_post(agent->fixture->loop, fn, agent), 0);
    fixture_turn_until(agent->fixture, is_called, agent);
}

static void
transact(struct agent *agent, const char *method, const char *target, unsigned times)
{
    agent->ask.method = method;
    agent->ask.target = target;
    agent->times = times;
    call(agent, post_transact);
    assert_status(agent->result, 0);
}

static bool
has_answers(void *arg)
{
    const unsigned *wanted = ((void **)arg)[1];

    return ((struct agent *)((void **)arg)[0])->answer_count >= *wanted;
}

static void
wait_answers(struct agent *agent, unsigned count)
{
    void *arg[2] = {agent, &count};

    fixture_turn_until(agent->fixture, has_answers, arg);
}

static bool
has_ends(void *arg)
{
    return ((struct agent *)arg)->ends != 0;
}

// ---- the plain server --------------------------------------------------------------------------

static void
expect(struct agent *agent, int peer, const char *text)
{
    char got[512] = {0};

    peer_read_exact(agent->fixture, peer, got, strlen(text));
    if (strcmp(got, text) != 0) {
        fixture_fail(agent->fixture, "got\n%s\nnot\n%s", got, text);
    }
}

static void
answer(struct agent *agent, int peer, const char *text)
{
    peer_write(agent->fixture, peer, text, strlen(text));
}

// ---- cases -----------------------------------------------------------------------------------

static void
a_connection_is_used_again(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});
    int peer;

    transact(agent, NULL, "/1", 2);
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello");
    wait_answers(agent, 1);
    assert_status(agent->answers[0].status, 0);
    assert_int_equal(agent->answers[0].code, 200);
    assert_string_equal(agent->answers[0].body, "hello");
    assert_string_equal(agent->answers[0].a, "b");
    expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    wait_answers(agent, 2);
    assert_int_equal(agent->answers[1].code, 204);
    assert_int_equal(agent->answers[1].body_size, 0);
}

static void
chunks_are_decoded_and_a_body_may_end_with_the_connection(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});
    int peer;

    agent->body = "abc";
    transact(agent, "POST", "/1", 2);
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer, "POST /1 HTTP/1.1\r\nHost: example\r\nContent-Length: 3\r\n\r\nabc");
    answer(agent, peer,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: u\r\n\r\n");
    wait_answers(agent, 1);
    assert_string_equal(agent->answers[0].body, "hello");
    expect(agent, peer, "POST /1 HTTP/1.1\r\nHost: example\r\nContent-Length: 3\r\n\r\nabc");
    answer(agent, peer, "HTTP/1.1 200 OK\r\n\r\nto the ");
    answer(agent, peer, "end");
    peer_finish(agent->fixture, peer);
    wait_answers(agent, 2);
    assert_status(agent->answers[1].status, 0);
    assert_string_equal(agent->answers[1].body, "to the end");
}

static void
head_and_304_have_no_body_whatever_they_say(void **state)
{
    static const char *const bodiless[] = {
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 x\r\n\r\n",
    };
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});
    int peer;

    transact(agent, "HEAD", "/1", 2);
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer, "HEAD /1 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    wait_answers(agent, 1);
    assert_status(agent->answers[0].status, 0);
    assert_int_equal(agent->answers[0].body_size, 0);
    expect(agent, peer, "HEAD /1 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
    wait_answers(agent, 2);
    assert_int_equal(agent->answers[1].code, 304);
    for (unsigned i = 0; i < sizeof(bodiless) / sizeof(bodiless[0]); i++) {
        transact(agent, "GET", "/1", 1);
        expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
        answer(agent, peer, bodiless[i]);
        wait_answers(agent, 3 + i);
        assert_status(agent->answers[2 + i].status, 0);
        assert_int_equal(agent->answers[2 + i].body_size, 0);
    }
}

// nng's tests of its chunk parser (N-T15), each whole and byte by byte.
static void
chunks_of_each_form_are_decoded_and_bad_ones_are_errors(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *body;
    } chunks[] = {
        {"5\r\nhello\r\n0\r\n\r\n", 0, "hello"},
        {"0\r\n\r\n", 0, ""},
        {"A\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789"}, // hex of either case
        {"00000a\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789"},
        {"2;name=value\r\nab\r\n1;x\r\nc\r\n0;y=\"z\"\r\n\r\n", 0, "abc"}, // extensions
        {"2\r\nab\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n", 0, "ab"},         // trailers
        {"5\r\nhelloX\r\n0\r\n\r\n", -EPROTO, NULL},                       // no end of the data
        {"5\r\nhell\r\n0\r\n\r\n", -EPROTO, NULL},
        {"2\nab\r\n0\r\n\r\n", -EPROTO, NULL}, // a line feed alone
        {"2;a\nab\r\n0\r\n\r\n", -EPROTO, NULL},
        {"zz\r\nab\r\n0\r\n\r\n", -EPROTO, NULL},
        {"\r\nab\r\n0\r\n\r\n", -EPROTO, NULL}, // no length
        {"-2\r\nab\r\n0\r\n\r\n", -EPROTO, NULL},
        {"2\r\nab\r\n0\r\nX One: 1\r\n\r\n", -EPROTO, NULL}, // a trailer's name
        {"2\r\nab\r\n0\r\nX-One\r\n\r\n", -EPROTO, NULL},
        {"10000000000000000\r\nab", -EPROTO, NULL}, // more than a number holds
        {"ffffffffffffffff\r\nab", -EMSGSIZE, NULL},
        {"65\r\n", -EMSGSIZE, NULL}, // above the bound
        {"64\r\n0123456789", -ENODATA, NULL},
    };
    struct agent *agent =
        agent_open(state, (struct weir_http_client_options){.limits = {.body_max = 100}});

    for (unsigned i = 0; i < 2 * sizeof(chunks) / sizeof(chunks[0]); i++) {
        const char *text = chunks[i / 2].text;
        int peer;

        agent->answer_count = 0;
        memset(agent->answers, 0, sizeof(agent->answers));
        transact(agent, NULL, "/1", 1);
        peer = transport_accept(agent->fixture, agent->listener);
        expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
        answer(agent, peer,
               "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
        if (i % 2 == 0) {
            answer(agent, peer, text);
        }
        for (; i % 2 != 0 && *text != '\0' && agent->answer_count == 0; text++) {
            peer_write(agent->fixture, peer, text, 1);
            fixture_settle(agent->fixture);
        }
        if (chunks[i / 2].status == -ENODATA) {
            peer_finish(agent->fixture, peer);
        }
        wait_answers(agent, 1);
        if (agent->answers[0].status != chunks[i / 2].status) {
            fixture_fail(agent->fixture, "%d for %s", agent->answers[0].status, chunks[i / 2].text);
        }
        if (chunks[i / 2].body != NULL) {
            assert_string_equal(agent->answers[0].body, chunks[i / 2].body);
        }
        fixture_close_fd(agent->fixture, peer);
    }
}

static void
bad_answers_are_errors(void **state)
{
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"HTTP/9.9 200 OK\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", -EPROTO},
        {"nonsense\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", -ENODATA}, // and the end
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", -ENODATA},
        {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", -EMSGSIZE}, // what is announced
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", -EMSGSIZE},
        {"HTTP/1.1 200 OK\r\n\r\n01234567890123456789012345678901234567890123456789"
         "012345678901234567890123456789012345678901234567890",
         -EMSGSIZE}, // what comes
        {"", -ENODATA},
    };
    struct agent *agent =
        agent_open(state, (struct weir_http_client_options){.limits = {.body_max = 100}});

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int peer;

        agent->answer_count = 0;
        transact(agent, NULL, "/1", 1);
        peer = transport_accept(agent->fixture, agent->listener);
        expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
        answer(agent, peer, bad[i].text);
        if (bad[i].status == -ENODATA) {
            peer_finish(agent->fixture, peer);
        }
        wait_answers(agent, 1);
        assert_status(agent->answers[0].status, bad[i].status);
        fixture_close_fd(agent->fixture, peer);
    }
}

static void
a_deadline_spans_all_of_it(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});

    agent->deadline_ns = weir_deadline_after(MS(30));
    transact(agent, NULL, "/1", 2); // one under way, one that waits
    wait_answers(agent, 2);
    assert_status(agent->answers[0].status, -ETIMEDOUT);
    assert_status(agent->answers[1].status, -ETIMEDOUT);
}

static void
a_response_that_does_not_come_is_given_up(void **state)
{
    struct agent *agent =
        agent_open(state, (struct weir_http_client_options){.response_ns = MS(200)});

    transact(agent, NULL, "/1", 1);
    wait_answers(agent, 1);
    assert_status(agent->answers[0].status, -ETIMEDOUT);
}

static void
redirects_are_followed_only_when_asked(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){.redirects_max = 1});
    int peer;

    agent->body = "abc";
    transact(agent, "POST", "/1", 1);
    agent->body = NULL;
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer, "POST /1 HTTP/1.1\r\nHost: example\r\nContent-Length: 3\r\n\r\nabc");
    answer(agent, peer, "HTTP/1.1 303 See Other\r\nLocation: /2\r\nContent-Length: 0\r\n\r\n");
    expect(agent, peer, "GET /2 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 302 Found\r\nLocation: /3\r\nContent-Length: 0\r\n\r\n");
    wait_answers(agent, 1);
    assert_int_equal(agent->answers[0].code, 302);
    assert_int_equal(agent->answers[0].redirects, 1);
    transact(agent, NULL, "/4", 1);
    expect(agent, peer, "GET /4 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer,
           "HTTP/1.1 302 Found\r\nLocation: http://other/5\r\n"
           "Content-Length: 0\r\n\r\n");
    wait_answers(agent, 2);
    assert_int_equal(agent->answers[1].code, 302);
    assert_int_equal(agent->answers[1].redirects, 0);
}

static void
a_refused_connection_is_told(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});

    fixture_close_fd(agent->fixture, agent->listener);
    transact(agent, NULL, "/1", 1);
    wait_answers(agent, 1);
    assert_true(agent->answers[0].status == -transport_refusal(agent->fixture->transport) ||
                agent->answers[0].status == -ENOENT);
}

static void
freeing_a_client_ends_what_it_has(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});

    transact(agent, NULL, "/1", 2);
    transport_accept(agent->fixture, agent->listener);
    assert_status(weir_post(agent->fixture->loop, free_client, agent->client), 0);
    wait_answers(agent, 2);
    assert_status(agent->answers[0].status, -ECONNABORTED);
    assert_status(agent->answers[1].status, -ECONNABORTED);
    fixture_settle(agent->fixture);
    agent->client = NULL;
}

static void
freeing_a_client_ends_a_kept_connection_in_good_order(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});
    int peer;

    transact(agent, NULL, "/1", 1);
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer, "GET /1 HTTP/1.1\r\nHost: example\r\n\r\n");
    answer(agent, peer, "HTTP/1.1 204 No Content\r\n\r\n");
    wait_answers(agent, 1);
    assert_status(weir_post(agent->fixture->loop, free_client, agent->client), 0);
    peer_expect_eof(agent->fixture, peer);
    fixture_settle(agent->fixture);
    agent->client = NULL;
}

static void
a_request_body_is_written_in_pieces(void **state)
{
    struct agent *agent = agent_open(state, (struct weir_http_client_options){0});
    struct iovec iov = {"def", 3};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_CHUNK_END};
    int peer;

    agent->ask = (struct weir_http_ask){.method = "PUT", .target = "/1"};
    agent->body = "abc";
    call(agent, post_ask);
    assert_status(agent->result, 0);
    peer = transport_accept(agent->fixture, agent->listener);
    expect(agent, peer,
           "PUT /1 HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_status(weir_http_write(agent->http, &write, NULL), 0);
    expect(agent, peer, "3\r\ndef\r\n0\r\n\r\n");
    call(agent, post_ask);
    assert_status(agent->result, -EBUSY);
    answer(agent, peer, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    fixture_turn_until(agent->fixture, has_ends, agent);
    assert_status(agent->ended.status, 0);
    assert_int_equal(agent->code, 201);
    assert_memory_equal(agent->received, "ok", 2);
    assert_status(weir_http_write(agent->http, &write, NULL), -WEIR_ESTALE);
}

static void
client_and_server_understand_each_other(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.reads = true});
    struct agent *agent =
        agent_open_at(site->fixture, &site->address, (struct weir_http_client_options){0});

    agent->body = "some body";
    transact(agent, "POST", "/there", 5);
    wait_answers(agent, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_status(agent->answers[i].status, 0);
        assert_string_equal(agent->answers[i].body, "/there");
    }
    assert_memory_equal(site->body, "some body", 9);
    assert_int_equal(weir_http_server_connections(site->server), 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_connection_is_used_again),
        EACH(chunks_are_decoded_and_a_body_may_end_with_the_connection),
        ONCE(head_and_304_have_no_body_whatever_they_say),
        EACH(bad_answers_are_errors),
        ONCE(chunks_of_each_form_are_decoded_and_bad_ones_are_errors),
        ONCE(a_deadline_spans_all_of_it),
        ONCE(a_response_that_does_not_come_is_given_up),
        ONCE(redirects_are_followed_only_when_asked),
        EACH(a_refused_connection_is_told),
        EACH(freeing_a_client_ends_what_it_has),
        EACH(freeing_a_client_ends_a_kept_connection_in_good_order),
        EACH(a_request_body_is_written_in_pieces),
        EACH(client_and_server_understand_each_other),
    };

    return RUN_CASES("http_client", cases);
}
