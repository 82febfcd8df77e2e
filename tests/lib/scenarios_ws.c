// SPDX-License-Identifier: MIT
// The scenarios of WebSocket (scenario.h). Besides what all must hold: a connection that was given
// is closed once, on either side; both servers can be freed in the end; and what came was what was
// sent, in its order, as far as it came.

#include "tests/lib/scenario.h"

#include "weir/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 4500u

// Of the run that goes on: one at a time.
static struct {
    struct torture *torture;
    struct weir_http_server *http;
    struct weir_ws_server *server;
    struct weir_ws_options options;
    struct torture_op *accepted; // the server's connection; NULL: none
    struct torture_op *connected;
    weir_ws client;
    weir_ws served;
    unsigned opened;
    unsigned echoes;
    bool drains; // in the middle
    bool has_failed;
} talk;

static char text[TEXT_SIZE];

static int
result_at(int line, int result)
{
    talk.has_failed |= result < 0;
    return torture_result_at(talk.torture, line, result);
}
#define result_of(call) result_at(__LINE__, call)

// A connection is an operation: accepted when it was given, complete when it has closed.
static struct torture_op *
connection(int line)
{
    struct torture_op *op = torture_op(talk.torture);

    op->accepted = true;
    op->line = line;
    return op;
}

static void
complete(struct torture_op *op, const struct weir_ws_closed *closed)
{
    pthread_mutex_lock(&talk.torture->fixture->lock);
    op->completions++;
    op->status = closed->status;
    op->origin = closed->origin;
    pthread_cond_broadcast(&talk.torture->fixture->changed);
    pthread_mutex_unlock(&talk.torture->fixture->lock);
    talk.has_failed |= closed->status != 0;
}

/* ---- the server ---- */

static void
on_question(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain};
    int result = weir_ws_take(message, &chain);

    (void)user;
    result_of(weir_ws_pause(ws));
    result_of(weir_ws_resume(ws));
    if (result == 0) {
        result = weir_ws_write(ws, message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY, &write, NULL);
    }
    weir_chain_return(&chain);
    if (result_of(result) < 0) {
        weir_ws_abort(ws);
    }
}

static void
on_server_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    (void)ws;
    (void)user;
    complete(talk.accepted, closed);
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    weir_ws ws;

    (void)user;
    if (result_of(weir_ws_accept(talk.server, http, request, NULL, &ws)) == 0) {
        talk.served = ws;
        talk.accepted = connection(__LINE__);
    }
}

/* ---- the client ---- */

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    talk.has_failed |= result->status != 0;
    torture_done(stream, result, arg);
}

static int
send_with_memory(weir_ws ws, unsigned flags)
{
    struct torture_op *op = torture_op(talk.torture);
    struct iovec iov = {text, TEXT_SIZE};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = flags, .done = on_done};

    op->gives = (flags & WEIR_GIVE) != 0;
    write.arg = write.release_arg = op;
    write.release = torture_release;
    return torture_accepted(op, weir_ws_write(ws, WEIR_WS_TEXT, &write, NULL));
}

// Every form, as long as nothing is refused; Close is said in any case.
static void
on_opened(weir_ws ws, const struct weir_ws_opened *opened, void *user)
{
    (void)user;
    talk.opened++;
    if (opened->status != 0) {
        talk.has_failed = true;
        return;
    }
    if (result_of(weir_ws_send(ws, WEIR_WS_BINARY, text, 100)) < 0 ||
        result_of(send_with_memory(ws, 0)) < 0 || result_of(send_with_memory(ws, WEIR_COPY)) < 0 ||
        result_of(send_with_memory(ws, WEIR_GIVE)) < 0 || result_of(weir_ws_ping(ws, "p", 1)) < 0 ||
        result_of(weir_ws_send(ws, WEIR_WS_TEXT | WEIR_WS_PART, text, 50)) < 0 ||
        result_of(weir_ws_send(ws, WEIR_WS_CONTINUE, text, TEXT_SIZE)) < 0) {
        weir_ws_abort(ws);
    }
}

static void
on_answer(weir_ws ws, struct weir_ws_message *message, void *user)
{
    static const size_t sizes[] = {100, TEXT_SIZE, TEXT_SIZE, TEXT_SIZE, TEXT_SIZE + 50};

    (void)user;
    if (talk.echoes == 5 || message->size != sizes[talk.echoes]) {
        torture_result(talk.torture, -EBADMSG); // which nothing that fails may cause
    }
    talk.echoes++;
    if (talk.drains && talk.echoes == 2 && result_of(weir_ws_server_drain(talk.server)) < 0) {
        result_of(weir_ws_server_drain(talk.server)); // as it says
    }
    if (talk.echoes == 5 && result_of(weir_ws_close(ws, 1000, "done", 4)) < 0) {
        weir_ws_abort(ws);
    }
}

static void
on_client_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    (void)ws;
    (void)user;
    complete(talk.connected, closed);
}

static void
be_both(struct torture *torture)
{
    static const struct weir_ws_handlers handlers = {
        .opened = on_opened, .message = on_answer, .closed = on_client_closed};
    struct weir_ws_connect request = {
        .ws = talk.options,
        .dial = {.address = torture->address},
        .host = "x",
    };
    weir_ws ws;

    request.ws.handlers = &handlers;
    if (result_of(weir_ws_connect(torture->fixture->loop, &request, &ws)) == 0) {
        talk.client = ws;
        talk.connected = connection(__LINE__);
    }
}

/* ---- the run ---- */

static bool
has_gone(const struct torture_op *op)
{
    return op == NULL || op->completions != 0;
}

static void
abort_one(weir_ws ws)
{
    int result = weir_ws_abort(ws);

    talk.has_failed = true;
    if (result != -EXDEV) { // it connects still, which has a bound
        torture_result(talk.torture, result);
    }
}

// Where the kernel gives less than there is, and tells no more, the talk gets on with each ping
// only: then it is broken off.
static void
await_end(struct torture *torture)
{
    uint64_t deadline = test_deadline();
    uint64_t patience = test_now_ns() + MS(1000) * test_slow_factor();

    torture_settle(torture);
    while (!has_gone(talk.connected) || !has_gone(talk.accepted) ||
           weir_http_server_connections(talk.http) != 0) {
        torture_settle(torture);
        fixture_breathe(torture->fixture);
        if (test_now_ns() > patience) {
            patience = UINT64_MAX;
            abort_one(talk.client);
            abort_one(talk.served);
        }
        if (test_now_ns() > deadline) {
            torture_fail(torture, "a connection that does not end", (long)talk.echoes);
        }
    }
}

static void
check_end(struct torture *torture)
{
    if (talk.connected != NULL && talk.opened != 1) {
        torture_fail(torture, "told to be open so many times", (long)talk.opened);
    }
    if (!talk.has_failed && !talk.drains && talk.echoes != 5) {
        torture_fail(torture, "echoes are missing, and nothing failed", (long)talk.echoes);
    }
}

static void
free_servers(void *arg)
{
    (void)arg;
    if (weir_ws_server_free(talk.server) != 0 || weir_http_server_free(talk.http) != 0) {
        print_error("a server has connections still\n");
        abort();
    }
}

static void
prepare_talk(struct torture *torture, bool is_deflate, bool keeps_context)
{
    static const struct weir_ws_handlers ws_handlers = {.message = on_question,
                                                        .closed = on_server_closed};
    static const struct weir_http_handlers http_handlers = {.request = on_request};
    struct weir_http_server_options http = {.handlers = &http_handlers,
                                            .limits = {.head_ns = MS(300), .idle_ns = MS(300)}};
    struct weir_ws_server_options ws = {.origin = NULL};
    struct weir_listen listen = {.address = transport_address(torture->fixture)};
    struct weir_runtime *runtime = torture->fixture->runtime;
    weir_listener listener;

    memset(&talk, 0, sizeof(talk));
    memset(text, 'w', sizeof(text));
    talk.torture = torture;
    talk.options = (struct weir_ws_options){
        // Pings wake whom a failing call has put to sleep.
        .limits = {.open_ns = MS(300), .close_ns = MS(300), .ping_ns = MS(20), .pong_ns = MS(200)},
        .deflate = {.is_on = is_deflate, .no_context = !keeps_context},
    };
    ws.ws = talk.options;
    ws.ws.handlers = &ws_handlers;
    assert_status(weir_http_server_create(runtime, &http, &talk.http), 0);
    if (weir_ws_server_create(runtime, &ws, &talk.server) == -ENOTSUP) { // a build without zlib
        talk.options.deflate.is_on = ws.ws.deflate.is_on = false;
        assert_status(weir_ws_server_create(runtime, &ws, &talk.server), 0);
    }
    fixture_at_end(torture->fixture, free_servers, NULL);
    weir_http_server_prepare(talk.http, &listen);
    assert_status(weir_listen(runtime, &listen, &listener), 0);
    assert_status(weir_listener_address(listener, &torture->address), 0);
    torture->settled = await_end;
    torture->settled_late = check_end;
}

static void
prepare_plain(struct torture *torture)
{
    prepare_talk(torture, false, false);
}

static void
prepare_deflate(struct torture *torture)
{
    prepare_talk(torture, true, true);
}

static void
prepare_no_context(struct torture *torture)
{
    prepare_talk(torture, true, false);
}

static void
prepare_drain(struct torture *torture)
{
    prepare_talk(torture, false, false);
    talk.drains = true;
}

const struct scenario ws_scenarios[] = {
    {.name = "ws talk", .place = TORTURE_LOOP, .prepare = prepare_plain, .act = be_both},
    {.name = "ws deflate", .place = TORTURE_LOOP, .prepare = prepare_deflate, .act = be_both},
    {.name = "ws deflate alone",
     .place = TORTURE_LOOP,
     .prepare = prepare_no_context,
     .act = be_both},
    {.name = "ws drain", .place = TORTURE_LOOP, .prepare = prepare_drain, .act = be_both},
};
const unsigned ws_scenario_count = sizeof(ws_scenarios) / sizeof(ws_scenarios[0]);
