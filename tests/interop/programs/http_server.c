/* SPDX-License-Identifier: MIT */
// A server on weir::http for programs that no one here wrote: http-server PORT-FILE [NAME=VALUE...]
//
//     /            "hello"                       /digest      the body's size and CRC, its method
//     /echo        the body, as it comes         /bytes/N     N bytes with a length
//     /chunks/N/S  N bytes in chunks of S        /trailers    two chunks and two trailers
//     /interim     a 103 before the answer       /upgrade     101, then every byte back
//     /status/N    that status                   /fields      the request's fields, one per line
//     /state       connections open and ever, other requests, how those ended
//     /page        HTML with sub-resources       /style.css, /image/N.svg, /count.js of it
//
// NAMEs: head_ms, idle_ms, grace_ms, rate, requests_max, body_max, discard_max. It ends in good
// order on SIGTERM, and says so if it cannot.

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/http.h>
#include <weir/weir.h>

#define PATTERN_SIZE 65536u
#define STOP_NS      UINT64_C(5000000000)

static unsigned char pattern[PATTERN_SIZE];
static struct weir_runtime *runtime;
static struct weir_http_server *server;
static atomic_uint requests;
static atomic_uint timed_out;
static atomic_uint failed;

/* ---- answers in one piece ---- */

static int
answer(weir_http http, unsigned status, const char *type, const char *text)
{
    struct weir_http_field field = {"Content-Type", type, 12, (uint32_t)strlen(type)};
    struct weir_http_head head = {.status = status, .fields = &field, .field_count = 1};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct weir_write body = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};

    return weir_http_respond(http, &head, &body, NULL);
}

static int
answer_text(weir_http http, const char *text)
{
    return answer(http, 200, "text/plain", text);
}

static int
answer_state(weir_http http)
{
    struct weir_stats stats = {0};
    char text[200];

    weir_stats(runtime, &stats);
    snprintf(text, sizeof(text),
             "connections=%u accepted=%llu requests=%u timed_out=%u failed=%u\n",
             weir_http_server_connections(server), (unsigned long long)stats.streams_opened,
             atomic_load(&requests), atomic_load(&timed_out), atomic_load(&failed));
    return answer_text(http, text);
}

static int
answer_fields(weir_http http, const struct weir_http_request *request)
{
    char text[16384];
    size_t size = 0;

    for (unsigned i = 0; i < request->field_count && size < sizeof(text) - 1024; i++) {
        const struct weir_http_field *field = &request->fields[i];

        size += (size_t)snprintf(
            text + size, sizeof(text) - size, "%.*s: %.*s\n", (int)field->name_size, field->name,
            field->value_size < 512 ? (int)field->value_size : 512, field->value);
    }
    text[size] = '\0';
    return answer_text(http, text);
}

static int
answer_page(weir_http http, const char *path)
{
    static const char page[] =
        "<!doctype html><title>loading</title><link rel=stylesheet href=/style.css>"
        "<p id=said></p><img src=/image/1.svg><img src=/image/2.svg><img src=/image/3.svg>"
        "<script src=/count.js></script>";
    static const char image[] =
        "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><rect width='8' "
        "height='8'/></svg>";
    static const char script[] =
        "addEventListener('load', async () => {"
        "  const images = [...document.images].filter(i => i.naturalWidth == 8).length;"
        "  const styled = getComputedStyle(document.body).color == 'rgb(1, 2, 3)';"
        "  const big = (await (await fetch('/chunks/300000/7000')).arrayBuffer()).byteLength;"
        "  const echo = await (await fetch('/echo', {method: 'POST', body: 'said'})).text();"
        "  document.getElementById('said').textContent = "
        "    `images ${images} styled ${styled} big ${big} echo ${echo}`; });";

    if (strcmp(path, "/style.css") == 0) {
        return answer(http, 200, "text/css", "body { color: rgb(1, 2, 3) }");
    }
    if (strcmp(path, "/count.js") == 0) {
        return answer(http, 200, "text/javascript", script);
    }
    return strncmp(path, "/image/", 7) == 0 ? answer(http, 200, "image/svg+xml", image)
                                            : answer(http, 200, "text/html", page);
}

/* ---- bodies that are made piece by piece ---- */

struct made {
    weir_http http;
    uint64_t left;
    uint64_t at;
    uint64_t piece;
};

static void made_go_on(struct made *made);

static void
made_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct made *made = arg;

    (void)stream;
    if (result->status != 0 || made->left == 0) {
        free(made);
        return;
    }
    made_go_on(made);
}

// The next piece: borrowed from the pattern, which lives for ever.
static struct weir_write
made_next(struct made *made, struct iovec *iov)
{
    uint64_t offset = made->at % PATTERN_SIZE;
    uint64_t size = made->piece < made->left ? made->piece : made->left;

    size = size < PATTERN_SIZE - offset ? size : PATTERN_SIZE - offset;
    *iov = (struct iovec){pattern + offset, size};
    made->at += size;
    made->left -= size;
    return (struct weir_write){.iov = iov,
                               .iov_count = 1,
                               .flags = made->left == 0 ? WEIR_CHUNK_END : 0,
                               .done = made_done,
                               .arg = made};
}

static void
made_go_on(struct made *made)
{
    struct iovec iov;
    struct weir_write write = made_next(made, &iov);

    if (weir_http_write(made->http, &write, NULL) < 0) {
        weir_http_abort(made->http);
        free(made);
    }
}

static int
answer_made(weir_http http, uint64_t size, uint64_t piece)
{
    struct weir_http_head head = {
        .status = 200, .flags = piece == 0 ? WEIR_HTTP_HAS_LENGTH : 0, .length = size};
    struct made *made = malloc(sizeof(*made));
    struct iovec iov;
    struct weir_write write;
    int result;

    if (made == NULL) {
        return -ENOMEM;
    }
    *made = (struct made){.http = http, .left = size, .piece = piece == 0 ? PATTERN_SIZE : piece};
    write = made_next(made, &iov);
    if (piece != 0 && size != 0) { // not all at once, which would have a length
        made->at = 0;
        made->left = size;
        iov.iov_len = 0;
        write.flags = 0;
    }
    result = weir_http_respond(http, &head, &write, NULL);
    if (result < 0) {
        free(made);
    }
    return result;
}

static int
answer_trailers(weir_http http)
{
    static const struct weir_http_field names = WEIR_HTTP_FIELD("Trailer", "X-One, X-Two");
    static const struct weir_http_field trailers[] = {WEIR_HTTP_FIELD("X-One", "first"),
                                                      WEIR_HTTP_FIELD("X-Two", "second")};
    static const struct iovec one = {(void *)(uintptr_t) "one ", 4};
    static const struct iovec two = {(void *)(uintptr_t) "two", 3};
    struct weir_http_head head = {.status = 200, .fields = &names, .field_count = 1};
    struct weir_write write = {.iov = &one, .iov_count = 1};
    int result = weir_http_respond(http, &head, &write, NULL);

    write.iov = &two;
    return result < 0 ? result : weir_http_end(http, trailers, 2, &write, NULL);
}

/* ---- bodies that are read ---- */

struct body {
    weir_http http;
    bool is_echoed;
    bool is_begun;
    bool is_at_end;
    bool has_length;
    uint64_t length;
    uint64_t size;
    uint32_t crc;
    char method[16];
};

static uint32_t
crc32_of(uint32_t crc, const unsigned char *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & -(crc & 1));
        }
    }
    return ~crc;
}

static void body_read(struct body *body);

static void
body_sent(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct body *body = arg;

    (void)stream;
    if (result->status != 0 || body->is_at_end) {
        free(body);
        return;
    }
    body_read(body);
}

// What came goes back; the first piece with the head.
static int
body_echo(struct body *body, struct weir_chain *chain)
{
    struct weir_http_head head = {.status = 200,
                                  .flags = body->has_length ? WEIR_HTTP_HAS_LENGTH : 0,
                                  .length = body->length};
    struct weir_write write = {
        .flags = body->is_at_end ? WEIR_CHUNK_END : 0, .done = body_sent, .arg = body};

    write.chain = chain->head != NULL ? chain : NULL;
    if (body->is_begun) {
        return weir_http_write(body->http, &write, NULL);
    }
    body->is_begun = true;
    return weir_http_respond(body->http, &head, &write, NULL);
}

static void
body_take(struct body *body, const struct weir_chain *chain)
{
    struct weir_iter at = weir_chain_begin(chain);
    struct weir_iter end = weir_chain_end(chain);
    struct weir_segment segment;

    while (chain->head != NULL && weir_iter_segment(&at, end, &segment)) {
        body->crc = crc32_of(body->crc, segment.data, segment.size);
        body->size += segment.size;
    }
}

static void
body_came(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct body *body = arg;
    char text[96];

    if (result->status != 0) { // its connection ends
        weir_chain_return(&result->chain);
        free(body);
        return;
    }
    body->is_at_end = result->eof;
    if (body->is_echoed) {
        if (body_echo(body, &result->chain) < 0) {
            weir_chain_return(&result->chain);
            weir_http_abort(http);
            free(body);
        }
        return;
    }
    body_take(body, &result->chain);
    weir_chain_return(&result->chain);
    if (!body->is_at_end) {
        body_read(body);
        return;
    }
    snprintf(text, sizeof(text), "%s %llu %08x", body->method, (unsigned long long)body->size,
             body->crc);
    if (answer_text(http, text) < 0) {
        weir_http_abort(http);
    }
    free(body);
}

static void
body_read(struct body *body)
{
    struct weir_http_read read = {.done = body_came, .arg = body};

    if (weir_http_read(body->http, &read, NULL) < 0) {
        weir_http_abort(body->http);
        free(body);
    }
}

static int
answer_body(weir_http http, const struct weir_http_request *request, bool is_echoed)
{
    struct body *body = calloc(1, sizeof(*body));

    if (body == NULL) {
        return -ENOMEM;
    }
    body->http = http;
    body->is_echoed = is_echoed;
    body->has_length = (request->flags & WEIR_HTTP_HAS_LENGTH) != 0;
    body->length = request->length;
    snprintf(body->method, sizeof(body->method), "%.*s", (int)request->method_size,
             request->method);
    body_read(body);
    return 0;
}

/* ---- upgrade ---- */

static struct weir_consumed
on_raw(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain bytes = {NULL, NULL};

    (void)begin;
    (void)end;
    (void)user;
    if (weir_take(stream, SIZE_MAX, &bytes) < 0 ||
        weir_write_chain(stream, &bytes, NULL, NULL) < 0) {
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
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

static int
answer_upgrade(weir_http http)
{
    static const struct weir_handlers raw = {.data = on_raw, .peer_fin = on_raw_fin};
    static const struct weir_http_field fields[] = {WEIR_HTTP_FIELD("Connection", "Upgrade"),
                                                    WEIR_HTTP_FIELD("Upgrade", "echo")};
    struct weir_http_head head = {.status = 101, .fields = fields, .field_count = 2};
    weir_stream stream;

    return weir_http_hijack(http, &head, &raw, NULL, &stream);
}

static int
answer_interim(weir_http http)
{
    static const struct weir_http_field link = WEIR_HTTP_FIELD("Link", "</style.css>");
    struct weir_http_head head = {.status = 103, .fields = &link, .field_count = 1};
    int result = weir_http_interim(http, &head);

    return result < 0 && result != -ENOTSUP ? result : answer_text(http, "hello");
}

/* ---- what is asked for ---- */

static int
answer_path(weir_http http, const struct weir_http_request *request, const char *path)
{
    unsigned long long size = 0;
    unsigned long long piece = 0;

    if (sscanf(path, "/bytes/%llu", &size) == 1 ||
        sscanf(path, "/chunks/%llu/%llu", &size, &piece) == 2) {
        return answer_made(http, size, piece);
    }
    if (sscanf(path, "/status/%llu", &size) == 1) {
        return answer(http, (unsigned)size, "text/plain", "as asked\n");
    }
    if (strcmp(path, "/echo") == 0 || strcmp(path, "/digest") == 0) {
        return answer_body(http, request, path[1] == 'e');
    }
    if (strcmp(path, "/upgrade") == 0) {
        return answer_upgrade(http);
    }
    if (strcmp(path, "/trailers") == 0) {
        return answer_trailers(http);
    }
    if (strcmp(path, "/interim") == 0) {
        return answer_interim(http);
    }
    if (strcmp(path, "/fields") == 0) {
        return answer_fields(http, request);
    }
    if (strcmp(path, "/state") == 0) {
        return answer_state(http);
    }
    if (strcmp(path, "/") == 0) {
        return answer_text(http, "hello");
    }
    return answer_page(http, path);
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    char path[256];
    size_t size = request->target_size;
    const char *query = memchr(request->target, '?', size);

    (void)user;
    size = query != NULL ? (size_t)(query - request->target) : size;
    snprintf(path, sizeof(path), "%.*s", (int)size, request->target);
    atomic_fetch_add(&requests, strcmp(path, "/state") != 0);
    if (answer_path(http, request, path) < 0) {
        weir_http_abort(http);
    }
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    (void)http;
    (void)user;
    atomic_fetch_add(&timed_out, ended->status == -ETIMEDOUT);
    atomic_fetch_add(&failed, ended->status != 0);
}

/* ---- beginning and end ---- */

static void
require_weir(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "http-server: %s: %s\n", what, weir_strerror(result));
        exit(1);
    }
}

static struct weir_http_limits
limits_of(int argc, char **argv)
{
    struct weir_http_limits limits = {0};

    for (int i = 2; i < argc; i++) {
        char name[32];
        unsigned long long value;

        if (sscanf(argv[i], "%31[a-z_]=%llu", name, &value) != 2) {
            require_weir(-EINVAL, argv[i]);
        } else if (strcmp(name, "head_ms") == 0) {
            limits.head_ns = value * 1000000;
        } else if (strcmp(name, "idle_ms") == 0) {
            limits.idle_ns = value * 1000000;
        } else if (strcmp(name, "grace_ms") == 0) {
            limits.grace_ns = value * 1000000;
        } else if (strcmp(name, "rate") == 0) {
            limits.receive_rate_min = limits.send_rate_min = (uint32_t)value;
        } else if (strcmp(name, "requests_max") == 0) {
            limits.requests_max = (uint32_t)value;
        } else if (strcmp(name, "body_max") == 0) {
            limits.body_max = value;
        } else if (strcmp(name, "discard_max") == 0) {
            limits.discard_max = value;
        } else {
            require_weir(-EINVAL, argv[i]);
        }
    }
    return limits;
}

static void
write_port(const char *path, weir_listener listener)
{
    struct weir_address address;
    char part[512];
    FILE *file;

    require_weir(weir_listener_address(listener, &address), "its address");
    snprintf(part, sizeof(part), "%s.part", path);
    file = fopen(part, "w");
    if (file == NULL ||
        fprintf(file, "%u\n", ntohs(((struct sockaddr_in *)&address.as.storage)->sin_port)) < 0 ||
        fclose(file) != 0 || rename(part, path) != 0) {
        require_weir(-errno, path);
    }
}

static void
end_in_good_order(weir_listener listener)
{
    weir_listener_close(listener);
    require_weir(weir_http_server_drain(server), "draining");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "stopping");
    require_weir(weir_http_server_free(server), "freeing the server");
    require_weir(weir_runtime_free(runtime), "freeing the runtime");
}

int
main(int argc, char **argv)
{
    static const struct weir_http_handlers handlers = {.request = on_request, .ended = on_ended};
    struct weir_http_server_options options = {.handlers = &handlers};
    struct weir_listen listen = {.backlog = 1024};
    weir_listener listener;
    sigset_t signals;
    int number;

    if (argc < 2) {
        fprintf(stderr, "usage: http-server PORT-FILE [NAME=VALUE...]\n");
        return 2;
    }
    for (unsigned i = 0; i < PATTERN_SIZE; i++) {
        pattern[i] = (unsigned char)(i * 31 + (i >> 8));
    }
    options.limits = limits_of(argc, argv);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    require_weir(weir_runtime_create(&(struct weir_runtime_options){.loops = 2}, &runtime),
                 "the runtime");
    require_weir(weir_http_server_create(runtime, &options, &server), "the server");
    weir_http_server_prepare(server, &listen);
    require_weir(weir_address_ip(&listen.address, "127.0.0.1", 0), "an address");
    require_weir(weir_listen(runtime, &listen, &listener), "listening");
    write_port(argv[1], listener);
    sigwait(&signals, &number);
    end_in_good_order(listener);
    return 0;
}
