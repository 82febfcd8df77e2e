// SPDX-License-Identifier: MIT
// The whole way of requests: bytes into a connection, exchanges, bytes out. The same bytes go in
// whole, one by one, and cut elsewhere; what comes out must be the same, and every exchange that
// was told must end. A target says how it is answered.

#include "tests/fuzz/fuzz.h"
#include "weir/http.h"
#include "weir/weir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX  4096u
#define OUTPUT_MAX 65536u
#define TURNS_MAX  20000u

static struct weir_runtime *runtime;
static struct weir_loop *loop;
static struct weir_http_server *server;
static unsigned told;
static unsigned ended;
static bool is_aborted;

static void
require(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "fuzz_http: %s\n", what);
        abort();
    }
}

/* ---- answers ---- */

static int
answer(weir_http http, const char *text, unsigned flags)
{
    struct weir_http_head head = {.status = 200, .flags = WEIR_HTTP_NO_DATE};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | flags};

    return weir_http_respond(http, &head, &write, NULL);
}

static int
piece(weir_http http, const char *text, unsigned flags)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | flags};

    return weir_http_write(http, &write, NULL);
}

static void
answer_later(struct weir_loop *here, void *arg)
{
    weir_http *http = arg;

    (void)here;
    answer(*http, "later", WEIR_CHUNK_END); // it may be over by now
    free(http);
}

static void
on_read(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct weir_http_read read = {.size = 7, .done = on_read};

    (void)arg;
    weir_chain_return(&result->chain);
    if (result->status == 0 && !result->eof) {
        require(weir_http_read(http, &read, NULL) == 0, "a read was refused");
    } else if (result->status == 0) {
        answer(http, "read", WEIR_CHUNK_END);
    }
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    struct weir_http_read read = {.size = 7, .done = on_read};
    weir_http *later;

    (void)user;
    told++;
    switch (request->target_size > 1 ? request->target[1] : 0) {
    case 'c':
        answer(http, "chunk", 0);
        piece(http, "", 0);
        piece(http, "more", 0);
        piece(http, "", WEIR_CHUNK_END);
        break;
    case 'd':
        later = malloc(sizeof(*later));
        require(later != NULL && weir_http_defer(http, NULL) == 0, "it was not deferred");
        *later = http;
        require(weir_post(loop, answer_later, later) == 0, "it was not posted");
        break;
    case 'r':
        require(weir_http_read(http, &read, NULL) == 0, "a read was refused");
        break;
    case 'n':
        is_aborted = true;
        require(weir_http_abort(http) == 0, "it was not aborted");
        break;
    default:
        answer(http, "now", WEIR_CHUNK_END);
        break;
    }
}

static void
on_ended(weir_http http, const struct weir_http_ended *how, void *user)
{
    (void)http;
    (void)how;
    (void)user;
    ended++;
}

/* ---- one connection ---- */

static void
start(void)
{
    static const struct weir_http_handlers handlers = {.request = on_request, .ended = on_ended};
    const struct weir_http_server_options options = {
        .handlers = &handlers,
        .limits = {.head_max = 1024, .line_max = 256, .fields_max = 16, .body_max = 1024},
    };

    require(weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                                &runtime) == 0,
            "no runtime");
    loop = weir_runtime_loop(runtime, 0);
    require(weir_http_server_create(runtime, &options, &server) == 0, "no server");
}

static void
attach(struct weir_loop *here, void *arg)
{
    (void)here;
    require(weir_http_attach(server, *(weir_stream *)arg) == 0, "it was not attached");
}

struct run {
    char output[OUTPUT_MAX];
    size_t size;
    bool is_reset;
};

static bool
take_output(int peer, struct run *run)
{
    ssize_t got;

    while ((got = recv(peer, run->output + run->size, sizeof(run->output) - run->size,
                       MSG_DONTWAIT)) > 0) {
        run->size += (size_t)got;
        require(run->size < sizeof(run->output), "so much output");
    }
    run->is_reset |= got < 0 && errno != EAGAIN;
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static void
turn(unsigned times)
{
    for (unsigned i = 0; i < times && weir_loop_turn(loop, 0) > 0; i++) {
    }
}

// Cut after so many bytes, again and again; 0: never.
static void
run_once(const uint8_t *data, size_t size, size_t cut, struct run *run)
{
    int fds[2];
    weir_stream stream;
    bool is_over = false;

    run->size = 0;
    run->is_reset = false;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "no sockets");
    require(weir_adopt(loop, fds[0], &(struct weir_stream_options){0}, &stream) == 0, "no stream");
    require(weir_post(loop, attach, &stream) == 0, "it was not posted");
    turn(10);
    for (size_t at = 0; at < size;) {
        size_t now = cut == 0 || cut > size - at ? size - at : cut;

        if (send(fds[1], data + at, now, MSG_NOSIGNAL) != (ssize_t)now) {
            break; // it has been refused
        }
        at += now;
        turn(20);
    }
    turn(TURNS_MAX); // an answer behind the end says so: all that can be is answered before it
    shutdown(fds[1], SHUT_WR);
    for (unsigned i = 0; !is_over; i++) {
        require(i < TURNS_MAX, "a connection does not end");
        weir_loop_turn(loop, 0);
        is_over = take_output(fds[1], run);
    }
    close(fds[1]);
    for (unsigned i = 0; weir_http_server_connections(server) != 0; i++) {
        require(i < TURNS_MAX, "a connection does not go");
        weir_loop_turn(loop, 0);
    }
    turn(20);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole;
    static struct run cut;
    const size_t cuts[] = {1, 2 + size % 7, 13};

    if (size > INPUT_MAX) {
        return 0;
    }
    if (runtime == NULL) {
        start();
    }
    is_aborted = false;
    run_once(data, size, 0, &whole);
    require(told == ended, "an exchange has not ended");
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        run_once(data, size, cuts[i], &cut);
        require(told == ended, "an exchange has not ended");
        // What a reset has thrown away differs; what came before it does not.
        require(is_aborted || whole.is_reset || cut.is_reset || whole.size == cut.size,
                "bytes cut elsewhere are answered otherwise");
        require(memcmp(whole.output, cut.output, whole.size < cut.size ? whole.size : cut.size) ==
                    0,
                "bytes cut elsewhere are answered otherwise");
    }
    return 0;
}
