/* SPDX-License-Identifier: MIT */
// A client on weir::http for servers that no one here wrote: http-client PORT [REDIRECTS]
//
// Each line of its input is a request: METHOD TARGET [SIZE [PIECE [expect] [close]]]. A body of
// SIZE bytes has a length, or with a PIECE goes in chunks of so many. For each a line is printed:
//
//     status=200 end=0 size=5 crc=3610a686 interim=0 trailers=0 connection=1
//
// With REDIRECTS the requests are transactions, which follow so many: redirects=N is printed, too.

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/http.h>
#include <weir/weir.h>

#define PATTERN_SIZE 65536u
#define STOP_NS      UINT64_C(5000000000)
#define LINES_MAX    2000u

struct line {
    char method[16];
    char target[512];
    unsigned long long size;
    unsigned long long piece;
    bool expects;
    bool closes;
    bool has_body;
};

static unsigned char pattern[PATTERN_SIZE];
static struct line lines[LINES_MAX];
static unsigned line_count;
static unsigned next_line;
static struct weir_loop *loop;
static struct weir_http_client *client;
static bool transacts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_over;

// Of the exchange that goes on.
static struct {
    weir_http http;
    unsigned status;
    unsigned interim;
    unsigned trailers;
    unsigned long long size;
    uint32_t crc;
    unsigned long long sent;
    bool is_sending;
} now;
static uint64_t last_stream;
static unsigned connections;

static void ask(struct weir_loop *here, void *arg);

static void
require_weir(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "http-client: %s: %s\n", what, weir_strerror(result));
        exit(1);
    }
}

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

/* ---- the request's body ---- */

static void send_on(void);

static void
on_sent(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    now.is_sending = result->status == 0;
    if (now.is_sending) {
        send_on();
    }
}

static void
send_on(void)
{
    const struct line *line = &lines[next_line];
    unsigned long long offset = now.sent % PATTERN_SIZE;
    unsigned long long left = line->size - now.sent;
    unsigned long long size = line->piece != 0 && line->piece < left ? line->piece : left;
    struct weir_write write = {.iov_count = 1, .done = on_sent};
    struct iovec iov;

    size = size < PATTERN_SIZE - offset ? size : PATTERN_SIZE - offset;
    iov = (struct iovec){pattern + offset, size};
    write.iov = &iov;
    now.sent += size;
    if (now.sent == line->size) {
        write.flags = WEIR_CHUNK_END;
        write.done = NULL;
    }
    if (weir_http_write(now.http, &write, NULL) < 0) {
        now.is_sending = false; // the answer came first
    }
}

/* ---- the response ---- */

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    (void)user;
    if (response->status == 100 && lines[next_line].expects && !now.is_sending) {
        now.is_sending = true;
        send_on();
    }
    if (response->status < 200) {
        now.interim++;
        return;
    }
    if (weir_http_stream(http).bits != last_stream) {
        last_stream = weir_http_stream(http).bits;
        connections++;
    }
    now.status = response->status;
}

static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    (void)http;
    (void)user;
    now.crc = crc32_of(now.crc, data, size);
    now.size += size;
}

static void
on_body_end(weir_http http, const struct weir_http_field *trailers, unsigned count, void *user)
{
    (void)http;
    (void)trailers;
    (void)user;
    now.trailers = count;
}

static void
go_on(void)
{
    next_line++;
    if (next_line < line_count) {
        require_weir(weir_post(loop, ask, NULL), "going on");
        return;
    }
    pthread_mutex_lock(&lock);
    is_over = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    (void)http;
    (void)user;
    printf("status=%u end=%d size=%llu crc=%08x interim=%u trailers=%u connection=%u\n", now.status,
           ended->status, now.size, now.crc, now.interim, now.trailers, connections);
    go_on();
}

static void
on_transacted(struct weir_http_client *same, struct weir_http_transacted *result, void *arg)
{
    struct weir_iter at = weir_chain_begin(&result->body);
    struct weir_iter end = weir_chain_end(&result->body);
    struct weir_segment segment;

    (void)same;
    (void)arg;
    while (result->body.head != NULL && weir_iter_segment(&at, end, &segment)) {
        now.crc = crc32_of(now.crc, segment.data, segment.size);
    }
    printf("status=%u end=%d size=%zu crc=%08x redirects=%u\n",
           result->response != NULL ? result->response->status : 0, result->status,
           result->body_size, now.crc, result->redirects);
    weir_chain_return(&result->body);
    go_on();
}

/* ---- asking ---- */

static void
transact(const struct line *line)
{
    struct weir_http_ask head = {.method = line->method, .target = line->target};
    struct weir_http_transaction request = {
        .ask = &head,
        .body = pattern,
        .body_size = line->size < PATTERN_SIZE ? line->size : PATTERN_SIZE,
        .deadline_ns = weir_deadline_after(UINT64_C(20000000000)),
        .done = on_transacted,
    };

    require_weir(weir_http_transact(client, &request), "a transaction");
}

static void
ask(struct weir_loop *here, void *arg)
{
    const struct line *line = &lines[next_line];
    struct weir_http_ask head = {.method = line->method, .target = line->target};
    struct weir_write nothing = {0};

    (void)here;
    (void)arg;
    memset(&now, 0, sizeof(now));
    if (transacts) {
        transact(line);
        return;
    }
    head.flags = (line->expects ? WEIR_HTTP_CONTINUE : 0) | (line->closes ? WEIR_HTTP_CLOSE : 0);
    if (line->has_body && line->piece == 0) {
        head.flags |= WEIR_HTTP_HAS_LENGTH;
        head.length = line->size;
    }
    require_weir(weir_http_ask(client, &head, line->has_body ? &nothing : NULL, NULL, &now.http),
                 "asking");
    if (line->has_body && !line->expects) {
        now.is_sending = true;
        send_on();
    }
}

static void
read_lines(void)
{
    char text[640];

    while (line_count < LINES_MAX && fgets(text, sizeof(text), stdin) != NULL) {
        struct line *line = &lines[line_count];
        int words = sscanf(text, "%15s %511s %llu %llu", line->method, line->target, &line->size,
                           &line->piece);

        line->has_body = words >= 3;
        line->expects = strstr(text, " expect") != NULL;
        line->closes = strstr(text, " close") != NULL;
        line_count += words >= 2;
    }
}

static void
free_client(struct weir_loop *here, void *arg)
{
    (void)here;
    (void)arg;
    weir_http_client_free(client);
}

static void
make_client(const char *port, unsigned redirects)
{
    static const struct weir_http_handlers handlers = {
        .response = on_response, .body = on_body, .body_end = on_body_end, .ended = on_ended};
    struct weir_http_client_options options = {
        .host = "127.0.0.1",
        .handlers = &handlers,
        .redirects_max = redirects,
        .limits = {.body_max = WEIR_HTTP_UNLIMITED},
    };

    require_weir(
        weir_address_ip(&options.dial.address, "127.0.0.1", (uint16_t)strtoul(port, NULL, 10)),
        "the address");
    require_weir(weir_http_client_create(loop, &options, &client), "the client");
}

int
main(int argc, char **argv)
{
    struct weir_runtime *runtime;

    if (argc < 2) {
        fprintf(stderr, "usage: http-client PORT [REDIRECTS] <REQUESTS\n");
        return 2;
    }
    for (unsigned i = 0; i < PATTERN_SIZE; i++) {
        pattern[i] = (unsigned char)(i * 31 + (i >> 8));
    }
    transacts = argc > 2;
    read_lines();
    if (line_count == 0) {
        return 0;
    }
    require_weir(weir_runtime_create(&(struct weir_runtime_options){.loops = 1}, &runtime),
                 "the runtime");
    loop = weir_runtime_loop(runtime, 0);
    make_client(argv[1], transacts ? (unsigned)strtoul(argv[2], NULL, 10) : 0);
    require_weir(weir_post(loop, ask, NULL), "the first request");
    pthread_mutex_lock(&lock);
    while (!is_over) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    require_weir(weir_post(loop, free_client, NULL), "freeing the client");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "stopping");
    require_weir(weir_runtime_free(runtime), "freeing the runtime");
    return 0;
}
