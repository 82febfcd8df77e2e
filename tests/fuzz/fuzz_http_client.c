// with: tests/fuzz/http_model.c
// SPDX-License-Identifier: MIT
// A client and whatever a server may send.
//
// The first byte chooses the methods of its requests; the rest, cut at each byte 0xff, is what is
// answered to one after another. The same bytes come whole, one by one, and cut elsewhere: what is
// told must be the same. Every exchange ends, and once. What was told is compared with a model's
// reading (http_model.c).

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_model.h"
#include "weir/http.h"
#include "weir/weir.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_MAX     4096u
#define EXCHANGES_MAX 6u
#define TURNS_MAX     20000u
#define SEPARATOR     0xff

struct heard {
    unsigned interim;
    unsigned status; // of the final head; 0: none
    unsigned fields;
    uint64_t fields_hash;
    unsigned ends; // of its body
    unsigned trailers;
    size_t body_size;
    uint64_t body_hash;
    bool is_over;
    int end_status;
};

struct run {
    unsigned asked;
    unsigned limit; // how many are asked
    unsigned methods;
    struct heard heard[EXCHANGES_MAX];
};

static struct weir_runtime *runtime;
static struct weir_loop *loop;
static struct weir_http_client *client;
static struct weir_address address;
static int listener = -1;
static int peer = -1;
static struct run *run;

static void ask_next(struct weir_loop *here, void *arg);

/* ---- what is told ---- */

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    struct heard *heard = user;

    (void)http;
    fuzz_require(!heard->is_over && heard->status == 0);
    if (response->status < 200) {
        heard->interim++;
        return;
    }
    heard->status = response->status;
    heard->fields = response->field_count;
    heard->fields_hash = MODEL_HASH;
    for (unsigned i = 0; i < response->field_count; i++) {
        const struct weir_http_field *field = &response->fields[i];

        heard->fields_hash = model_hash(heard->fields_hash, field->name, field->name_size);
        heard->fields_hash = model_hash(heard->fields_hash, field->value, field->value_size);
    }
}

static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    struct heard *heard = user;

    (void)http;
    fuzz_require(!heard->is_over && heard->status != 0 && heard->ends == 0);
    heard->body_hash = model_hash(heard->body_hash, data, size);
    heard->body_size += size;
    fuzz_require(heard->body_size <= 1024);
}

static void
on_body_end(weir_http http, const struct weir_http_field *trailers, unsigned count, void *user)
{
    struct heard *heard = user;

    (void)http;
    (void)trailers;
    fuzz_require(!heard->is_over && heard->status != 0);
    heard->ends++;
    heard->trailers = count;
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    struct heard *heard = user;

    (void)http;
    fuzz_require(!heard->is_over);
    heard->is_over = true;
    heard->end_status = ended->status;
    fuzz_require(ended->status <= 0);
    fuzz_require(ended->status != 0 || (heard->status != 0 && heard->ends == 1));
    fuzz_require(weir_post(loop, ask_next, NULL) == 0);
}

/* ---- what is asked ---- */

// Of the n-th exchange: two bits.
static unsigned
method_of(unsigned number)
{
    return run->methods >> (2 * (number % 4)) & 3;
}

static void
ask_next(struct weir_loop *here, void *arg)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "OPTIONS"};
    struct weir_http_ask ask = {.method = names[method_of(run->asked)], .target = "/"};
    struct iovec iov = {(void *)(uintptr_t) "hello", 5};
    struct weir_write body = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};
    struct heard *heard = &run->heard[run->asked];
    weir_http http;

    (void)here;
    (void)arg;
    if (run->asked == run->limit) {
        return;
    }
    *heard = (struct heard){.body_hash = MODEL_HASH};
    run->asked++;
    fuzz_require(weir_http_ask(client, &ask, method_of(run->asked - 1) == 2 ? &body : NULL, heard,
                               &http) == 0);
}

/* ---- the server's side ---- */

static void
listen_once(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t); // the kernel chooses an abstract name
    struct weir_endpoint endpoint;
    char text[128] = "unix:@";

    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    fuzz_require(listener >= 0 && bind(listener, (struct sockaddr *)&name, size) == 0);
    fuzz_require(listen(listener, 16) == 0);
    size = sizeof(name);
    fuzz_require(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
    memcpy(text + 6, name.sun_path + 1, size - sizeof(sa_family_t) - 1);
    fuzz_require(weir_endpoint_parse(&endpoint, text, NULL) == 0);
    fuzz_require(endpoint.kind == WEIR_ENDPOINT_ADDRESS);
    address = endpoint.address;
}

static void
start(void)
{
    fuzz_require(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &runtime) == 0);
    loop = weir_runtime_loop(runtime, 0);
    listen_once();
}

// What the client has sent is of no interest but that it is read. The last connection is the one.
static bool
take_requests(void)
{
    static char text[4096];
    int fresh = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fresh >= 0) {
        if (peer >= 0) {
            close(peer);
        }
        peer = fresh;
    }
    return (peer >= 0 && recv(peer, text, sizeof(text), 0) > 0) || fresh >= 0;
}

static void
turn(void)
{
    bool has_moved = true;

    for (unsigned i = 0; has_moved; i++) {
        fuzz_require(i < TURNS_MAX);
        has_moved = weir_loop_turn(loop, 0) > 0;
        has_moved |= take_requests();
    }
}

static void
send_cut(const uint8_t *data, size_t size, size_t cut)
{
    int same = peer;

    for (size_t at = 0; at < size && same == peer;) {
        size_t now = cut == 0 || cut > size - at ? size - at : cut;

        if (send(peer, data + at, now, MSG_NOSIGNAL) != (ssize_t)now) {
            return; // the client has gone
        }
        at += now;
        turn();
    }
}

static size_t
segment_size(const uint8_t *data, size_t size)
{
    const uint8_t *stop = size == 0 ? NULL : memchr(data, SEPARATOR, size);

    return stop == NULL ? size : (size_t)(stop - data);
}

static unsigned
count_segments(const uint8_t *data, size_t size)
{
    unsigned count = 1;

    for (size_t i = 0; i < size; i++) {
        count += data[i] == SEPARATOR;
    }
    return count < EXCHANGES_MAX ? count : EXCHANGES_MAX;
}

static void
answer_all(const uint8_t *data, size_t size, size_t cut)
{
    for (unsigned i = 0; i < run->limit && peer >= 0; i++) {
        size_t now = segment_size(data, size);
        bool is_last = i + 1 == run->limit;
        int same = peer;

        send_cut(data, now, cut);
        // A response that goes on to the end of its connection has one; so has the last.
        if (same == peer && (is_last || !run->heard[i].is_over)) {
            shutdown(peer, SHUT_WR);
            turn();
        }
        data += now < size ? now + 1 : now;
        size -= now < size ? now + 1 : now;
    }
}

static void
run_once(const uint8_t *data, size_t size, size_t cut, struct run *fresh)
{
    static const struct weir_http_handlers handlers = {
        .response = on_response, .body = on_body, .body_end = on_body_end, .ended = on_ended};
    struct weir_http_client_options options = {
        .dial = {.address = address},
        .host = "x",
        .handlers = &handlers,
        .limits = {.head_max = 1024, .line_max = 256, .fields_max = 16, .body_max = 1024},
    };

    run = fresh;
    *fresh = (struct run){.methods = size == 0 ? 0 : data[0]};
    data += size != 0;
    size -= size != 0;
    fresh->limit = count_segments(data, size);
    fuzz_require(weir_http_client_create(loop, &options, &client) == 0);
    fuzz_require(weir_post(loop, ask_next, NULL) == 0);
    turn();
    answer_all(data, size, cut);
    fresh->limit = fresh->asked; // no more
    turn();
    weir_http_client_free(client);
    turn();
    if (peer >= 0) {
        close(peer);
        peer = -1;
    }
    turn();
    for (unsigned i = 0; i < fresh->asked; i++) {
        fuzz_require(fresh->heard[i].is_over);
    }
}

/* ---- what must hold ---- */

static void
check_same(const struct run *one, const struct run *other)
{
    fuzz_require(one->asked == other->asked);
    for (unsigned i = 0; i < one->asked; i++) {
        const struct heard *mine = &one->heard[i];
        const struct heard *theirs = &other->heard[i];

        fuzz_require(mine->status == theirs->status && mine->interim == theirs->interim);
        fuzz_require(mine->fields == theirs->fields && mine->fields_hash == theirs->fields_hash);
        fuzz_require(mine->trailers == theirs->trailers);
        fuzz_require(mine->ends == theirs->ends);
        fuzz_require((mine->end_status == 0) == (theirs->end_status == 0));
        // Of a body that goes beyond its bound, as much is told as pieces came before that.
        fuzz_require(mine->end_status == -EMSGSIZE || (mine->body_size == theirs->body_size &&
                                                       mine->body_hash == theirs->body_hash));
    }
}

// The final response of a segment, behind those of 1xx, which are counted.
static struct model_message
final_response(const uint8_t *data, size_t size, bool is_head, unsigned *ret_interim)
{
    struct model_message message;

    *ret_interim = 0;
    for (;;) {
        message = model_response((const char *)data, size, is_head);
        if (message.head != MODEL_ACCEPT || message.status >= 200) {
            message.end = size - message.end; // bytes behind it
            return message;
        }
        ++*ret_interim;
        data += message.end;
        size -= message.end;
    }
}

// False: behind this one nothing is sure.
static bool
check_heard(const struct heard *heard, const struct model_message *message, unsigned interim)
{
    fuzz_require(heard->interim == interim);
    if (message->head != MODEL_ACCEPT) {
        fuzz_require(heard->status == 0 && heard->end_status < 0);
        return false;
    }
    fuzz_require(heard->status == message->status && heard->fields == message->fields);
    fuzz_require(heard->fields_hash == message->fields_hash);
    if (message->body != MODEL_ACCEPT) {
        fuzz_require(message->body == MODEL_UNKNOWN || heard->end_status < 0);
        return false;
    }
    if (message->end != 0) { // more than was asked for
        return false;
    }
    fuzz_require(heard->end_status == 0);
    fuzz_require(heard->body_size == message->body_size && heard->body_hash == message->body_hash);
    return true;
}

static void
check_model(const uint8_t *data, size_t size)
{
    bool goes_on = true;

    data += size != 0;
    size -= size != 0;
    for (unsigned i = 0; i < run->asked && goes_on; i++) {
        size_t now = segment_size(data, size);
        unsigned interim;
        struct model_message message = final_response(data, now, method_of(i) == 1, &interim);

        if (message.head == MODEL_UNKNOWN) {
            return;
        }
        goes_on = check_heard(&run->heard[i], &message, interim);
        data += now < size ? now + 1 : now;
        size -= now < size ? now + 1 : now;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole;
    static struct run cut;
    const size_t cuts[] = {1, 2 + size % 7};

    if (size > INPUT_MAX) {
        return 0;
    }
    if (runtime == NULL) {
        start();
    }
    run_once(data, size, 0, &whole);
    check_model(data, size);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        run_once(data, size, cuts[i], &cut);
        check_same(&whole, &cut);
    }
    return 0;
}
