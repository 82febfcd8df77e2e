// SPDX-License-Identifier: MIT
// The scenarios of HTTP (scenario.h). Besides what all must hold: an exchange that was told ends
// once; every connection goes, and the server with it; and what a peer has got is the beginning of
// what it was to get, perhaps with a refusal for lack of memory behind a whole response: all of it,
// if nothing was refused or failed.

#include "tests/lib/scenario.h"

#include "weir/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 8u
#define GOT_MAX   65536u
#define BODY_SIZE 3000u
#define FILE_SIZE 5000u
#define PIECES    40u

struct peer {
    int fd; // -1: none
    size_t size;
    char got[GOT_MAX];
    bool has_ended;
};

// Of the run that goes on: one at a time.
static struct {
    struct torture *torture;
    struct weir_http_server *server;
    struct weir_http_client *client;
    struct weir_http_prepared *prepared; // NULL: heads are made each time
    struct peer peers[PEERS_MAX];
    weir_stream streams[PEERS_MAX];
    unsigned peer_count;
    const char *expected[PEERS_MAX];
    weir_http http; // the last one told
    unsigned told;
    atomic_bool has_failed; // something was refused, or did not go well
    bool must_fail;         // whatever else
    int file;
    int listener;
    unsigned answered; // by the peer of a client
} web;

static char borrowed[BODY_SIZE];
static char expected_all[GOT_MAX];

/* ---- results ---- */

// Any thread.
static void
note_failure(bool is_one)
{
    if (is_one) {
        web.has_failed = true;
    }
}

static int
result_at(int line, int result)
{
    note_failure(result < 0);
    return torture_result_at(web.torture, line, result);
}
#define result_of(call) result_at(__LINE__, call)

static int
accepted_at(struct torture_op *op, int line, int result)
{
    note_failure(result < 0);
    return torture_accepted_at(op, line, result);
}
#define accepted(op, call) accepted_at(op, __LINE__, call)

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    note_failure(result->status != 0);
    torture_done(stream, result, arg);
}

static void
complete(struct torture_op *op, int status, enum weir_origin origin)
{
    note_failure(status != 0);
    pthread_mutex_lock(&web.torture->fixture->lock);
    op->completions++;
    op->status = status;
    op->origin = origin;
    pthread_cond_broadcast(&web.torture->fixture->changed);
    pthread_mutex_unlock(&web.torture->fixture->lock);
}

// An exchange is an operation that was accepted when it was told, or asked.
static struct torture_op *
exchange(void)
{
    struct torture_op *op = torture_op(web.torture);

    op->accepted = true;
    op->line = __LINE__;
    return op;
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    (void)http;
    complete(user, ended->status, ended->origin);
}

static void
give_up(weir_http http)
{
    int result = weir_http_abort(http);

    web.has_failed = true;
    if (result != 0 && result != -WEIR_ESTALE) {
        torture_result(web.torture, result);
    }
}

/* ---- answers of a server ---- */

static struct weir_http_head
plain_head(void)
{
    return (struct weir_http_head){.status = 200, .flags = WEIR_HTTP_NO_DATE};
}

static void
answer_text(weir_http http, const char *text)
{
    struct weir_http_head head =
        web.prepared == NULL
            ? plain_head()
            : (struct weir_http_head){.prepared = web.prepared, .flags = WEIR_HTTP_NO_DATE};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};

    if (result_of(weir_http_respond(http, &head, &write, NULL)) < 0) {
        give_up(http);
    }
}

static int
begin_chunks(weir_http http)
{
    struct weir_http_head head = plain_head();
    struct weir_write nothing = {0};

    if (result_of(weir_http_respond(http, &head, &nothing, NULL)) < 0) {
        give_up(http);
        return -1;
    }
    return 0;
}

// One chunk in each form of memory. Less than 0: one was refused.
static int
write_chunks(weir_http http)
{
    struct iovec iov[PIECES]; // more than have room on the stack
    struct weir_write write = {.iov = iov, .done = on_done};
    struct weir_chain chain = {NULL, NULL};
    struct weir_shared *shared = weir_shared_create(borrowed, 1000);
    int result = shared == NULL ? -ENOMEM : weir_chain_append(&chain, borrowed, 1000);

    for (unsigned i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){borrowed, 1000 / PIECES};
    }
    for (unsigned i = 0; i < 5 && result == 0; i++) {
        struct torture_op *op = torture_op(web.torture);

        op->gives = i == 1;
        write.arg = op;
        write.flags = i == 0 ? WEIR_COPY : i == 1 ? WEIR_GIVE : 0;
        write.release = i == 1 ? torture_release : NULL;
        write.release_arg = op;
        write.iov_count = i < 3 ? PIECES : 0;
        write.chain = i == 3 ? &chain : NULL;
        write.shared = i == 4 ? shared : NULL;
        result = accepted(op, weir_http_write(http, &write, NULL));
    }
    weir_chain_return(&chain);
    if (shared != NULL) {
        weir_shared_unref(shared); // a write has a reference of its own
    }
    return result;
}

static void
answer_in_chunks(weir_http http)
{
    static const struct weir_http_field trailers[] = {WEIR_HTTP_FIELD("X-One", "1"),
                                                      WEIR_HTTP_FIELD("X-Two", "2")};

    if (begin_chunks(http) < 0) {
        return;
    }
    if (write_chunks(http) < 0 || result_of(weir_http_end(http, trailers, 2, NULL, NULL)) < 0) {
        give_up(http);
    }
}

static void
answer_produced(weir_http http)
{
    struct weir_write write = {.flags = WEIR_CHUNK_END};
    struct weir_iter iter;

    if (begin_chunks(http) < 0) {
        return;
    }
    if (result_of(weir_http_produce(http, &iter)) < 0) {
        give_up(http);
        return;
    }
    if (result_of(weir_iter_append(&iter, borrowed, BODY_SIZE)) < 0) {
        give_up(http); // and the section ends all the same
    }
    if (result_of(weir_http_commit(http, iter, &write, NULL)) < 0) {
        give_up(http);
    }
}

// More of a head than is made on the stack.
static void
answer_with_large_heads(weir_http http)
{
    struct weir_http_field field = {"X-Large", borrowed, 7, BODY_SIZE};
    struct weir_http_head interim = {.status = 103, .fields = &field, .field_count = 1};
    struct weir_http_head head = plain_head();

    head.fields = &field;
    head.field_count = 1;
    if (result_of(weir_http_interim(http, &interim)) < 0 ||
        result_of(weir_http_respond(http, &head, NULL, NULL)) < 0) {
        give_up(http);
    }
}

static void
answer_file(weir_http http)
{
    struct weir_http_head head = plain_head();
    struct weir_file file = {.fd = web.file, .offset = 0, .size = FILE_SIZE};
    struct torture_op *op = torture_op(web.torture);
    struct weir_write write = {.file = &file, .flags = WEIR_CHUNK_END, .done = on_done, .arg = op};

    if (accepted(op, weir_http_respond(http, &head, &write, NULL)) < 0) {
        give_up(http);
    }
}

static void
answer_deferred(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    answer_text(web.http, "deferred");
}

static void
defer(weir_http http)
{
    const struct weir_http_request *request;

    if (result_of(weir_http_defer(http, &request)) < 0 ||
        result_of(weir_post(web.torture->fixture->loop, answer_deferred, NULL)) < 0) {
        give_up(http);
    }
}

/* ---- bodies that are read ---- */

static weir_http_read_fn on_read;

static void
read_body(weir_http http)
{
    struct torture_op *op = torture_op(web.torture);
    // With a deadline, so that each has a timer.
    struct weir_http_read read = {.size = 1000,
                                  .size_min = 1000,
                                  .deadline_ns = weir_deadline_after(MS(60000)),
                                  .done = on_read,
                                  .arg = op};

    if (accepted(op, weir_http_read(http, &read, NULL)) < 0) {
        give_up(http);
    }
}

static void
on_read(weir_http http, struct weir_http_read_result *result, void *arg)
{
    int status = result->status;
    bool is_end = result->eof;

    weir_chain_return(&result->chain);
    complete(arg, status, status < 0 ? WEIR_ORIGIN_LOCAL_CANCEL : WEIR_ORIGIN_NONE);
    if (status == 0 && is_end) {
        answer_text(http, "read");
    } else if (status == 0) {
        read_body(http);
    }
}

/* ---- a server's events ---- */

static void
answer_as_asked(weir_http http, const struct weir_http_request *request)
{
    switch (request->target_size > 1 ? request->target[1] : 0) {
    case 'c':
        answer_in_chunks(http);
        break;
    case 'p':
        answer_produced(http);
        break;
    case 'l':
        answer_with_large_heads(http);
        break;
    case 'f':
        answer_file(http);
        break;
    case 'd':
        defer(http);
        break;
    case 'r':
        read_body(http);
        break;
    case 'w': // later, by who waits for it
        result_of(weir_http_defer(http, NULL));
        break;
    default:
        answer_text(http, "now");
        break;
    }
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    struct torture_op *op = exchange();

    (void)user;
    web.http = http;
    web.told++;
    if (weir_http_set_user(http, op) != 0) {
        web.torture->bad = 20;
    }
    answer_as_asked(http, request);
}

// The body comes by itself: held back for once.
static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    (void)data;
    (void)size;
    (void)user;
    result_of(weir_http_pause(http));
    result_of(weir_http_resume(http));
}

static void
on_body_end(weir_http http, const struct weir_http_field *trailers, unsigned count, void *user)
{
    (void)trailers;
    (void)user;
    if (web.told == 1) {
        answer_text(http, count == 1 ? "trailer" : "pushed");
    }
}

static void
on_pushed(weir_http http, const struct weir_http_request *request, void *user)
{
    struct torture_op *op = exchange();

    (void)request;
    (void)user;
    web.told++;
    if (weir_http_set_user(http, op) != 0) {
        web.torture->bad = 21;
    }
}

static const struct weir_http_handlers pulling = {.request = on_request, .ended = on_ended};
static const struct weir_http_handlers pushed = {
    .request = on_pushed, .body = on_body, .body_end = on_body_end, .ended = on_ended};

/* ---- peers ---- */

static void
take(struct peer *peer)
{
    ssize_t size = 0;

    while (peer->fd >= 0 && !peer->has_ended) {
        size = recv(peer->fd, peer->got + peer->size, sizeof(peer->got) - peer->size, MSG_DONTWAIT);
        if (size <= 0) {
            peer->has_ended = size == 0 || errno != EAGAIN;
            return;
        }
        peer->size += (size_t)size;
    }
}

static void
send_text(struct peer *peer, const char *text)
{
    size_t size = strlen(text);

    if (send(peer->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
        web.has_failed = true; // it was closed meanwhile
    }
}

static bool
all_have_gone(void *arg)
{
    bool has_gone = true;

    (void)arg;
    for (unsigned i = 0; i < web.peer_count; i++) {
        take(&web.peers[i]);
        has_gone = has_gone && (web.peers[i].fd < 0 || web.peers[i].has_ended);
    }
    return has_gone && (web.server == NULL || weir_http_server_connections(web.server) == 0);
}

static void
await(predicate_fn *predicate, void *arg, const char *what)
{
    uint64_t deadline = test_deadline();

    while (!predicate(arg)) {
        if (test_now_ns() > deadline) {
            torture_fail(web.torture, what, (long)web.told);
        }
        fixture_breathe(web.torture->fixture);
    }
}

// All of it, or the beginning and perhaps a refusal at the end of a response.
static void
check_peer(const struct peer *peer, const char *expected)
{
    static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                  "Connection: close\r\n\r\n";
    size_t size = strlen(expected);
    size_t same = 0;

    while (same < size && same < peer->size && expected[same] == peer->got[same]) {
        same++;
    }
    if (same == peer->size && (same == size || (web.has_failed && !web.torture->seam->idle))) {
        return;
    }
    for (size_t back = 0; back <= same && back < sizeof(refusal) && !web.torture->seam->idle;
         back++) {
        size_t rest = peer->size - (same - back);

        if (rest < sizeof(refusal) && memcmp(peer->got + same - back, refusal, rest) == 0) {
            return;
        }
    }
    print_error("the peer got\n%.*s\nnot\n%s\n", (int)peer->size, peer->got, expected);
    torture_fail(web.torture, "not what was answered", (long)same);
}

static void
finish_peers(struct torture *torture)
{
    for (unsigned i = 0; i < web.peer_count; i++) {
        if (web.peers[i].fd >= 0) {
            shutdown(web.peers[i].fd, SHUT_WR);
        }
    }
    torture_settle(torture);
    for (unsigned i = 0; i < web.peer_count && !all_have_gone(NULL) && !torture->seam->idle; i++) {
        if (web.peers[i].fd >= 0) { // the end was hidden by what fails: another event tells it
            web.has_failed = true;
            shutdown(web.peers[i].fd, SHUT_RDWR);
        }
    }
    await(all_have_gone, NULL, "connections that do not end");
}

static void
check_peers(struct torture *torture)
{
    if (torture->seam->idle && web.has_failed != web.must_fail) {
        torture_fail(torture, "something was refused though nothing fails, or nothing was", 0);
    }
    for (unsigned i = 0; i < web.peer_count; i++) {
        if (web.expected[i] != NULL && web.peers[i].fd >= 0) {
            check_peer(&web.peers[i], web.expected[i]);
        }
        fixture_close_fd(torture->fixture, web.peers[i].fd);
        web.peers[i].fd = -1;
    }
}

/* ---- making a server ---- */

static void
free_server(void *arg)
{
    (void)arg;
    if (web.server != NULL && weir_http_server_free(web.server) != 0) {
        print_error("the server cannot be freed\n");
        abort();
    }
    weir_http_prepared_free(web.prepared);
    if (web.file >= 0) {
        close(web.file);
    }
}

static void
prepare(struct torture *torture)
{
    web.torture = torture;
    web.server = NULL;
    web.client = NULL;
    web.prepared = NULL;
    web.peer_count = 0;
    web.told = 0;
    web.answered = 0;
    web.has_failed = false;
    web.must_fail = false;
    web.file = -1;
    memset(borrowed, 'b', sizeof(borrowed));
    fixture_at_end(torture->fixture, free_server, NULL);
    torture->settled = finish_peers;
    torture->settled_late = check_peers;
}

// A stream that is there already, and its other end.
static struct peer *
add_peer(const char *expected)
{
    struct fixture *fixture = web.torture->fixture;
    struct weir_stream_options options = {0};
    struct peer *peer = &web.peers[web.peer_count];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer->fd = fixture_own_fd(fixture, fds[1]);
    peer->size = 0;
    peer->has_ended = false;
    web.expected[web.peer_count] = expected;
    assert_status(weir_adopt(fixture->loop, fds[0], &options, &web.streams[web.peer_count]), 0);
    web.peer_count++;
    fixture_settle(fixture);
    return peer;
}

static void
make_server(const struct weir_http_handlers *handlers)
{
    struct weir_http_server_options options = {.handlers = handlers};
    int result =
        result_of(weir_http_server_create(web.torture->fixture->runtime, &options, &web.server));

    web.server = result < 0 ? NULL : web.server;
    for (unsigned i = 0; i < web.peer_count; i++) {
        if (result < 0 || result_of(weir_http_attach(web.server, web.streams[i])) < 0) {
            weir_close(web.streams[i], WEIR_CLOSE_ABORT, 0, 0);
        }
    }
}

/* ---- a server ---- */

#define OK_TEXT(size) "HTTP/1.1 200 OK\r\nContent-Length: " size "\r\n\r\n"
#define CHUNK_HEAD    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void
append(char **at, const char *text, const char *filler, size_t size)
{
    size_t length = strlen(text);

    memcpy(*at, text, length);
    *at += length;
    if (filler != NULL) {
        memset(*at, *filler, size);
        *at += size;
    }
    **at = '\0';
}

static void
prepare_serve(struct torture *torture)
{
    static const char requests[] =
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /p HTTP/1.1\r\nHost: x\r\n\r\nGET /l HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /d HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    char *at = expected_all;
    struct peer *peer;

    prepare(torture);
    append(&at, OK_TEXT("3") "now" CHUNK_HEAD, NULL, 0);
    for (unsigned i = 0; i < 5; i++) {
        append(&at, "3e8\r\n", "b", 1000);
        append(&at, "\r\n", NULL, 0);
    }
    append(&at, "0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n" CHUNK_HEAD "bb8\r\n", "b", BODY_SIZE);
    append(&at, "\r\n0\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Large: ", "b", BODY_SIZE);
    append(&at, "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: ", "b", BODY_SIZE);
    append(&at, "\r\n\r\n" OK_TEXT("8") "deferred" OK_TEXT("3") "now", NULL, 0);
    peer = add_peer(expected_all);
    send_text(peer, requests);
}

static void
serve(struct torture *torture)
{
    struct weir_http_head head = {.status = 200};

    (void)torture;
    if (result_of(weir_http_prepare(&head, &web.prepared)) < 0) {
        web.prepared = NULL;
    }
    make_server(&pulling);
}

/* Heads and bodies that come in pieces. */

static void
send_pieces(struct torture *torture)
{
    static const char *const pieces[] = {
        "GET / HTTP/1.1\r\nHos",
        "t: x\r\nAccept: any",
        "thing\r\n\r\n",
        "POST /r HTTP/1.1\r\nHost: x\r\nContent-Length: 1500\r\n\r\n",
        "POST /r HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhel",
        "lo\r\n0\r\nX-T: v",
        "alue\r\n\r\n"};
    static const char filler[1501] = {0};
    char body[sizeof(filler)];

    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        send_text(&web.peers[0], pieces[i]);
        if (i == 3) {
            send_text(&web.peers[0], body);
        }
        torture_settle(torture);
    }
    finish_peers(torture);
}

static void
prepare_pieces(struct torture *torture)
{
    prepare(torture);
    add_peer(OK_TEXT("3") "now" OK_TEXT("4") "read"
                                             "HTTP/1.1 100 Continue\r\n\r\n" OK_TEXT("4") "read");
    torture->settled = send_pieces;
}

static void
prepare_pushed(struct torture *torture)
{
    prepare(torture);
    send_text(add_peer(OK_TEXT("7") "trailer"),
              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
              "5\r\nhello\r\n0\r\nX-T: value\r\n\r\n");
}

static void
serve_pushed(struct torture *torture)
{
    (void)torture;
    make_server(&pushed);
}

static void
prepare_files(struct torture *torture)
{
    char name[] = "/tmp/weir-torture-XXXXXX";
    char *at = expected_all;

    prepare(torture);
    web.file = mkostemp(name, O_CLOEXEC);
    assert_true(web.file >= 0);
    unlink(name);
    for (unsigned i = 0; i < FILE_SIZE / 1000; i++) {
        assert_true(write(web.file, borrowed, 1000) == 1000);
    }
    append(&at, OK_TEXT("5000"), "b", FILE_SIZE);
    append(&at, OK_TEXT("5000"), "b", FILE_SIZE);
    send_text(add_peer(expected_all),
              "GET /f HTTP/1.1\r\nHost: x\r\n\r\nGET /f HTTP/1.1\r\nHost: x\r\n\r\n");
}

/* ---- an exchange that is answered by another thread ---- */

static void
make_server_here(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    make_server(&pulling);
}

// Nothing fails yet: the server is there, and each peer's request has been told.
static void
prepare_told(struct torture *torture)
{
    assert_status(weir_post(torture->fixture->loop, make_server_here, NULL), 0);
    fixture_settle(torture->fixture);
    assert_int_equal(web.told, 1);
}

static void
prepare_waiting(struct torture *torture)
{
    char *at = expected_all;

    prepare(torture);
    append(&at, "HTTP/1.1 103 Early Hints\r\n\r\n" CHUNK_HEAD, NULL, 0);
    for (unsigned i = 0; i < 5; i++) {
        append(&at, "3e8\r\n", "b", 1000);
        append(&at, "\r\n", NULL, 0);
    }
    append(&at, "0\r\n\r\n", NULL, 0);
    send_text(add_peer(expected_all),
              "POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    prepare_told(torture);
}

static void
on_read_apart(weir_http http, struct weir_http_read_result *result, void *arg)
{
    (void)http;
    weir_chain_return(&result->chain);
    complete(arg, result->status, result->status < 0 ? WEIR_ORIGIN_LOCAL_CANCEL : WEIR_ORIGIN_NONE);
}

static void
answer_apart(struct torture *torture)
{
    struct torture_op *op = torture_op(torture);
    struct weir_http_read read = {.size_min = 5, .size = 5, .done = on_read_apart, .arg = op};
    struct weir_http_head interim = {.status = 103};

    if (accepted(op, weir_http_read(web.http, &read, NULL)) < 0 ||
        result_of(weir_http_interim(web.http, &interim)) < 0 || begin_chunks(web.http) < 0) {
        give_up(web.http);
        return;
    }
    if (write_chunks(web.http) < 0 || result_of(weir_http_end(web.http, NULL, 0, NULL, NULL)) < 0) {
        give_up(web.http);
    }
}

/* ---- an upgrade ---- */

static struct weir_consumed
on_raw(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain bytes = {NULL, NULL};

    (void)begin;
    (void)end;
    (void)user;
    if (result_of(weir_take(stream, SIZE_MAX, &bytes)) < 0 ||
        result_of(weir_write_chain(stream, &bytes, NULL, NULL)) < 0) {
        weir_chain_return(&bytes);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_raw_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_DRAIN, weir_deadline_after(MS(2000)), 0);
}

static void
on_raw_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    complete(user, closed->status, closed->origin);
}

static void
on_upgrade(weir_http http, const struct weir_http_request *request, void *user)
{
    static const struct weir_handlers raw = {
        .data = on_raw, .peer_fin = on_raw_fin, .closed = on_raw_closed};
    static const struct weir_http_field fields[] = {WEIR_HTTP_FIELD("Connection", "Upgrade"),
                                                    WEIR_HTTP_FIELD("Upgrade", "raw")};
    struct weir_http_head head = {
        .status = 101, .flags = WEIR_HTTP_NO_DATE, .fields = fields, .field_count = 2};
    struct torture_op *op = exchange();
    struct torture_op *stream_op = torture_op(web.torture);
    weir_stream stream;

    (void)request;
    (void)user;
    web.told++;
    if (weir_http_set_user(http, op) != 0) {
        web.torture->bad = 22;
    }
    if (accepted(stream_op, weir_http_hijack(http, &head, &raw, stream_op, &stream)) < 0) {
        give_up(http);
    }
}

static void
prepare_upgrade(struct torture *torture)
{
    prepare(torture);
    send_text(add_peer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                       "Upgrade: raw\r\n\r\nraw bytes"),
              "GET / HTTP/1.1\r\nHost: x\r\n\r\nraw bytes");
}

static void
serve_upgrade(struct torture *torture)
{
    static const struct weir_http_handlers upgrading = {.request = on_upgrade, .ended = on_ended};

    (void)torture;
    make_server(&upgrading);
}

/* ---- draining ---- */

static void
prepare_drain(struct torture *torture)
{
    prepare(torture);
    add_peer("");
    send_text(add_peer("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ndrained"),
              "GET /w HTTP/1.1\r\nHost: x\r\n\r\n");
    prepare_told(torture);
}

static void
drain(struct torture *torture)
{
    (void)torture;
    if (result_of(weir_http_server_drain(web.server)) < 0) {
        result_of(weir_http_server_drain(web.server)); // as it says
    }
    answer_text(web.http, "drained");
}

/* ---- a client ---- */

static void
transacted(struct weir_http_client *client, struct weir_http_transacted *result, void *arg)
{
    (void)client;
    weir_chain_return(&result->body);
    complete(arg, result->status, result->status < 0 ? WEIR_ORIGIN_TRANSPORT : WEIR_ORIGIN_NONE);
}

static void read_response(weir_http http);

static void
on_asked_read(weir_http http, struct weir_http_read_result *result, void *arg)
{
    bool goes_on = result->status == 0 && !result->eof;

    on_read_apart(http, result, arg);
    if (goes_on) {
        read_response(http);
    }
}

static void
read_response(weir_http http)
{
    struct torture_op *op = torture_op(web.torture);
    struct weir_http_read read = {.size = 4096, .size_min = 4096, .done = on_asked_read, .arg = op};

    if (accepted(op, weir_http_read(http, &read, NULL)) < 0) {
        give_up(http);
    }
}

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    (void)user;
    if (response->status >= 200) {
        read_response(http);
    }
}

// A request whose body is written piece by piece.
static void
ask_now(struct weir_loop *loop, void *arg)
{
    struct weir_http_ask ask = {.method = "PUT", .target = "/asked"};
    struct weir_write nothing = {0};
    struct torture_op *op = torture_op(web.torture);
    weir_http http;

    (void)loop;
    if (accepted(op, weir_http_ask(web.client, &ask, &nothing, op, &http)) == 0) {
        if (write_chunks(http) < 0 || result_of(weir_http_end(http, NULL, 0, NULL, NULL)) < 0) {
            give_up(http);
        }
    }
    complete(arg, 0, WEIR_ORIGIN_NONE);
}

static void
transacted_last(struct weir_http_client *client, struct weir_http_transacted *result, void *arg)
{
    struct torture_op *op = torture_op(web.torture);

    transacted(client, result, arg);
    accepted(op, weir_post(web.torture->fixture->loop, ask_now, op));
}

// What two failures have hidden for good is given up.
static uint64_t
patience(void)
{
    return web.torture->seam->idle ? MS(60000) : MS(500);
}

static void
transact(const char *method, const char *target, const char *body, weir_http_transact_fn *done)
{
    struct weir_http_ask ask = {.method = method, .target = target};
    struct torture_op *op = torture_op(web.torture);
    struct weir_http_transaction request = {
        .ask = &ask,
        .body = body,
        .body_size = strlen(body),
        .deadline_ns = weir_deadline_after(patience()),
        .done = done,
        .arg = op,
    };

    accepted(op, weir_http_transact(web.client, &request));
}

static void
be_client(struct torture *torture)
{
    static const struct weir_http_handlers handlers = {.response = on_response, .ended = on_ended};
    struct weir_http_client_options options = {
        .dial = {.address = torture->address},
        .host = "x",
        .handlers = &handlers,
        .redirects_max = 1,
        .response_ns = patience(),
        .limits = {.grace_ns = patience()},
    };

    if (result_of(weir_http_client_create(torture->fixture->loop, &options, &web.client)) < 0) {
        web.client = NULL;
        return;
    }
    transact("POST", "/1", "body", transacted);
    transact("GET", "/3", "", transacted_last);
}

// Has the peer a request to its end?
static bool
has_request(const struct peer *peer)
{
    const char *text = peer->got;
    size_t size = peer->size;

    return (size > 4 && strncmp(text, "POST", 4) == 0 && memcmp(text + size - 4, "body", 4) == 0) ||
           (size > 4 && strncmp(text, "GET", 3) == 0 &&
            memcmp(text + size - 4, "\r\n\r\n", 4) == 0) ||
           (size > 5 && strncmp(text, "PUT", 3) == 0 &&
            memcmp(text + size - 5, "0\r\n\r\n", 5) == 0);
}

static void
answer_client(struct peer *peer)
{
    static const char *const answers[] = {
        "HTTP/1.1 302 Found\r\nLocation: /2\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nasked",
    };

    take(peer);
    if (has_request(peer)) {
        peer->size = 0;
        send_text(peer, answers[web.answered % 4]);
        web.answered++;
    }
}

static bool
is_client_done(void *arg)
{
    struct torture *torture = arg;
    struct pollfd ready = {.fd = web.listener, .events = POLLIN};
    bool is_done = true;

    if (poll(&ready, 1, 0) == 1 && web.peer_count < PEERS_MAX) {
        struct peer *peer = &web.peers[web.peer_count++];

        peer->fd =
            fixture_own_fd(torture->fixture, accept4(web.listener, NULL, NULL, SOCK_CLOEXEC));
        peer->size = 0;
        peer->has_ended = false;
        web.expected[web.peer_count - 1] = NULL;
    }
    for (unsigned i = 0; i < web.peer_count; i++) {
        answer_client(&web.peers[i]);
        if (web.peers[i].has_ended) {
            shutdown(web.peers[i].fd, SHUT_WR);
        }
    }
    pthread_mutex_lock(&torture->fixture->lock);
    for (unsigned i = 0; i < torture->op_count; i++) {
        is_done = is_done && (!torture->ops[i].accepted || torture->ops[i].completions != 0);
    }
    pthread_mutex_unlock(&torture->fixture->lock);
    return is_done;
}

static void
free_client(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    weir_http_client_free(web.client);
    web.client = NULL;
}

static void
free_client_late(void *arg)
{
    (void)arg;
    weir_http_client_free(web.client); // the runtime has gone
}

static uint64_t
count_progress(const struct torture *torture)
{
    struct weir_stats stats = fixture_stats(torture->fixture);
    uint64_t count = web.answered + web.peer_count + stats.bytes_sent + stats.bytes_received;

    for (unsigned i = 0; i < torture->op_count; i++) {
        count += torture->ops[i].completions;
    }
    return count;
}

// An answer may be hidden by what fails: another event tells it.
static void
wake_client(struct torture *torture)
{
    for (unsigned i = 0; i < web.peer_count && !torture->seam->idle; i++) {
        web.has_failed = true;
        shutdown(web.peers[i].fd, SHUT_RDWR);
    }
}

static void
serve_client(struct torture *torture)
{
    uint64_t deadline = test_deadline();
    unsigned rests = 0;

    while (!is_client_done(torture)) {
        uint64_t before = count_progress(torture);

        torture_settle(torture);
        rests = count_progress(torture) == before ? rests + 1 : 0;
        if (rests > 5) {
            wake_client(torture);
        }
        if (test_now_ns() > deadline) {
            torture_fail(torture, "a client that is not done", (long)web.answered);
        }
    }
    if (web.client != NULL && weir_post(torture->fixture->loop, free_client, NULL) < 0) {
        // Once more; if it fails for ever it is freed when the runtime has gone.
        result_of(weir_post(torture->fixture->loop, free_client, NULL));
    }
    torture_settle(torture);
    finish_peers(torture);
}

static void
prepare_client(struct torture *torture)
{
    prepare(torture);
    web.listener = transport_listen(torture->fixture, 0, &torture->address);
    fixture_at_end(torture->fixture, free_client_late, NULL);
    torture->settled = serve_client;
}

static void
prepare_refused(struct torture *torture)
{
    prepare_client(torture);
    fixture_close_fd(torture->fixture, web.listener);
    web.listener = -1;
    web.must_fail = true;
}

/* ---- all of them ---- */

const struct scenario http_scenarios[] = {
    {.name = "http serve", .place = TORTURE_LOOP, .prepare = prepare_serve, .act = serve},
    {.name = "http pieces", .place = TORTURE_LOOP, .prepare = prepare_pieces, .act = serve},
    {.name = "http pushed", .place = TORTURE_LOOP, .prepare = prepare_pushed, .act = serve_pushed},
    {.name = "http files", .place = TORTURE_LOOP, .prepare = prepare_files, .act = serve},
    {.name = "http, another thread",
     .place = TORTURE_FRESH,
     .prepare = prepare_waiting,
     .act = answer_apart},
    {.name = "http upgrade",
     .place = TORTURE_LOOP,
     .prepare = prepare_upgrade,
     .act = serve_upgrade},
    {.name = "http drain", .place = TORTURE_LOOP, .prepare = prepare_drain, .act = drain},
    {.name = "http client", .place = TORTURE_LOOP, .prepare = prepare_client, .act = be_client},
    {.name = "http client refused",
     .place = TORTURE_LOOP,
     .prepare = prepare_refused,
     .act = be_client},
};
const unsigned http_scenario_count = sizeof(http_scenarios) / sizeof(http_scenarios[0]);
