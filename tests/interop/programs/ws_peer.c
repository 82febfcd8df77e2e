/* SPDX-License-Identifier: MIT */
// Both ends of weir::ws for programs that no one here wrote.
//
//     ws-peer serve PORT-FILE [OPTION...]   every message goes back as it came, until SIGTERM
//     ws-peer ask PORT [OPTION...]          messages of many sizes, in one frame and in parts, to a
//                                           server that sends them back, a ping, and a close
//
// OPTIONs: deflate, no_context, window=BITS, pieces (an echo that does not wait for the whole).

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/weir.h>
#include <weir/ws.h>

#define SECOND_NS UINT64_C(1000000000)
#define TEXT_SIZE 300000u

static struct weir_runtime *runtime;
static struct weir_http_server *http_server;
static struct weir_ws_server *ws_server;
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t open_changed = PTHREAD_COND_INITIALIZER;
static unsigned open_count;

static void
require(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "ws-peer: %s: %s\n", what, weir_strerror(result));
        exit(1);
    }
}

static void
read_options(int argc, char **argv, struct weir_ws_options *options, bool *ret_pieces)
{
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "deflate") == 0) {
            options->deflate.is_on = true;
        } else if (strcmp(argv[i], "no_context") == 0) {
            options->deflate.no_context = options->deflate.no_peer_context = true;
        } else if (strncmp(argv[i], "window=", 7) == 0) {
            options->deflate.window_bits = (unsigned)strtoul(argv[i] + 7, NULL, 10);
            options->deflate.peer_window_bits = options->deflate.window_bits;
        } else if (strcmp(argv[i], "pieces") == 0) {
            *ret_pieces = true;
        } else {
            fprintf(stderr, "ws-peer: no option '%s'\n", argv[i]);
            exit(2);
        }
    }
}

/* ---- the server ---- */

static void
echo_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain};
    unsigned kind = message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY;
    int result = weir_ws_take(message, &chain);

    (void)user;
    result = result == 0 ? weir_ws_write(ws, kind, &write, NULL) : result;
    if (result < 0 && result != -WEIR_EENDED) {
        weir_ws_abort(ws);
    }
    weir_chain_return(&chain);
}

static void
echo_piece(weir_ws ws, const struct weir_ws_piece *piece, void *user)
{
    unsigned kind = !piece->is_first ? WEIR_WS_CONTINUE
                    : piece->is_text ? WEIR_WS_TEXT
                                     : WEIR_WS_BINARY;
    unsigned more = piece->is_last ? 0 : WEIR_WS_PART;

    (void)user;
    if (weir_ws_send(ws, kind | more, piece->data, piece->size) < 0) {
        weir_ws_abort(ws);
    }
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    weir_ws ws;
    int result;

    (void)user;
    pthread_mutex_lock(&open_lock);
    result = weir_ws_accept(ws_server, http, request, NULL, &ws);
    open_count += result == 0;
    pthread_mutex_unlock(&open_lock);
    if (result < 0) {
        fprintf(stderr, "ws-peer: a request was refused: %s\n", weir_strerror(result));
    }
}

static void
write_port(const char *path, weir_listener listener)
{
    struct weir_address address;
    char text[128];
    char temporary[4096];
    FILE *file;

    require(weir_listener_address(listener, &address), "the address");
    require(weir_address_format(&address, text, sizeof(text)), "the address");
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    file = fopen(temporary, "w");
    if (file == NULL || fprintf(file, "%s\n", strrchr(text, ':') + 1) < 0 || fclose(file) != 0 ||
        rename(temporary, path) != 0) {
        require(-EIO, path);
    }
}

static void
on_server_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    (void)ws;
    (void)closed;
    (void)user;
    pthread_mutex_lock(&open_lock);
    open_count--;
    pthread_cond_signal(&open_changed);
    pthread_mutex_unlock(&open_lock);
}

// The stop closes streams at once: what is to say Close first needs a moment.
static void
await_no_connection(void)
{
    struct timespec until;
    int result = 0;

    timespec_get(&until, TIME_UTC);
    until.tv_sec += 5;
    pthread_mutex_lock(&open_lock);
    while (open_count != 0 && result == 0) {
        result = pthread_cond_timedwait(&open_changed, &open_lock, &until);
    }
    pthread_mutex_unlock(&open_lock);
}

static void
serve(const char *port_file, struct weir_ws_options *ws, bool pieces)
{
    static const struct weir_http_handlers http_handlers = {.request = on_request};
    static const struct weir_ws_handlers whole = {.message = echo_message,
                                                  .closed = on_server_closed};
    static const struct weir_ws_handlers in_pieces = {.piece = echo_piece,
                                                      .closed = on_server_closed};
    struct weir_http_server_options http = {.handlers = &http_handlers};
    struct weir_ws_server_options options = {.ws = *ws};
    struct weir_listen listen = {.backlog = 128};
    weir_listener listener;
    sigset_t signals;
    int number;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    options.ws.handlers = pieces ? &in_pieces : &whole;
    require(weir_runtime_create(&(struct weir_runtime_options){.loops = 2}, &runtime), "runtime");
    require(weir_http_server_create(runtime, &http, &http_server), "the server");
    require(weir_ws_server_create(runtime, &options, &ws_server), "the server");
    weir_http_server_prepare(http_server, &listen);
    require(weir_address_ip(&listen.address, "127.0.0.1", 0), "an address");
    require(weir_listen(runtime, &listen, &listener), "listening");
    write_port(port_file, listener);
    sigwait(&signals, &number);
    weir_listener_close(listener);
    require(weir_ws_server_drain(ws_server), "draining");
    await_no_connection();
    require(weir_http_server_drain(http_server), "draining");
    require(weir_runtime_stop(runtime, weir_deadline_after(5 * SECOND_NS)), "stopping");
    require(weir_ws_server_free(ws_server), "freeing");
    require(weir_http_server_free(http_server), "freeing");
}

/* ---- the client ---- */

static const size_t sizes[] = {0, 1, 5, 125, 126, 127, 1000, 4032, 65535, 65536, TEXT_SIZE};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), MESSAGES = SIZES * 3 };

static struct {
    struct weir_ws_connect request;
    char text[TEXT_SIZE + 1];
    unsigned at; // the message that is awaited
    bool is_ponged;
    int status;
    bool is_over;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} client = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
fail_client(weir_ws ws, const char *what)
{
    fprintf(stderr, "ws-peer: message %u: %s\n", client.at, what);
    client.status = -EPROTO;
    weir_ws_abort(ws);
}

static int
send_in_parts(weir_ws ws, size_t size)
{
    size_t half = size / 2;
    int result = weir_ws_send(ws, WEIR_WS_BINARY | WEIR_WS_PART, client.text, half);

    if (result == 0) {
        result = weir_ws_send(ws, WEIR_WS_CONTINUE | WEIR_WS_PART, NULL, 0);
    }
    return result < 0 ? result
                      : weir_ws_send(ws, WEIR_WS_CONTINUE, client.text + half, size - half);
}

static void
send_next(weir_ws ws)
{
    size_t size = sizes[client.at / 3 % SIZES];
    int result;

    if (client.at == MESSAGES) {
        result = weir_ws_ping(ws, "still there", 11);
    } else if (client.at % 3 == 2) {
        result = send_in_parts(ws, size);
    } else {
        result =
            weir_ws_send(ws, client.at % 3 == 0 ? WEIR_WS_TEXT : WEIR_WS_BINARY, client.text, size);
    }
    if (result < 0) {
        fail_client(ws, weir_strerror(result));
    }
}

static void
on_opened(weir_ws ws, const struct weir_ws_opened *opened, void *user)
{
    (void)user;
    if (opened->status == 0 && opened->is_deflate != client.request.ws.deflate.is_on) {
        fail_client(ws, "compression was not agreed on");
    } else if (opened->status == 0) {
        send_next(ws);
    }
}

static void
on_answer(weir_ws ws, struct weir_ws_message *message, void *user)
{
    size_t size = sizes[client.at / 3 % SIZES];
    char *got = malloc(message->size + 1);
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter at;

    (void)user;
    if (got == NULL || weir_ws_take(message, &chain) < 0) {
        fail_client(ws, "memory ran out");
        free(got);
        return;
    }
    at = weir_chain_begin(&chain);
    if (message->size != size || message->is_text != (client.at % 3 == 0) ||
        (size != 0 && weir_iter_copy_out(&at, got, size) != size) ||
        memcmp(got, client.text, size) != 0) {
        fail_client(ws, "is not what was sent");
    } else {
        client.at++;
        send_next(ws);
    }
    weir_chain_return(&chain);
    free(got);
}

static void
on_pong(weir_ws ws, const void *data, size_t size, void *user)
{
    (void)user;
    client.is_ponged = size == 11 && memcmp(data, "still there", 11) == 0;
    if (weir_ws_close(ws, 1000, "done", 4) < 0) {
        fail_client(ws, "cannot close");
    }
}

static void
on_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    (void)ws;
    (void)user;
    pthread_mutex_lock(&client.lock);
    client.status = client.status != 0 ? client.status : closed->status;
    if (client.status == 0 && (!client.is_ponged || closed->code != 1000)) {
        fprintf(stderr, "ws-peer: the end: code %u\n", closed->code);
        client.status = -EPROTO;
    }
    client.is_over = true;
    pthread_cond_signal(&client.changed);
    pthread_mutex_unlock(&client.lock);
}

static void
connect_here(struct weir_loop *loop, void *arg)
{
    weir_ws ws;

    (void)arg;
    require(weir_ws_connect(loop, &client.request, &ws), "connecting");
}

static void
ask(const char *port, const struct weir_ws_options *ws)
{
    static const struct weir_ws_handlers handlers = {
        .opened = on_opened, .message = on_answer, .pong = on_pong, .closed = on_closed};

    for (unsigned i = 0; i < TEXT_SIZE; i++) {
        client.text[i] = "the quick brown fox jumps over the lazy dog. "[(i * 7 + i / 300) % 45];
    }
    client.request.ws = *ws;
    client.request.ws.handlers = &handlers;
    client.request.host = "127.0.0.1";
    client.request.target = "/echo";
    require(weir_address_ip(&client.request.dial.address, "127.0.0.1",
                            (uint16_t)strtoul(port, NULL, 10)),
            "an address");
    require(weir_runtime_create(&(struct weir_runtime_options){.loops = 1}, &runtime), "runtime");
    require(weir_post(weir_runtime_loop(runtime, 0), connect_here, NULL), "posting");
    pthread_mutex_lock(&client.lock);
    while (!client.is_over) {
        pthread_cond_wait(&client.changed, &client.lock);
    }
    pthread_mutex_unlock(&client.lock);
    require(weir_runtime_stop(runtime, weir_deadline_after(5 * SECOND_NS)), "stopping");
    require(client.status, "the conversation");
}

int
main(int argc, char **argv)
{
    struct weir_ws_options options = {.user = NULL};
    bool pieces = false;

    if (argc < 3 || (strcmp(argv[1], "serve") != 0 && strcmp(argv[1], "ask") != 0)) {
        fprintf(stderr, "usage: ws-peer serve PORT-FILE | ask PORT [OPTION...]\n");
        return 2;
    }
    read_options(argc, argv, &options, &pieces);
    if (argv[1][0] == 's') {
        serve(argv[2], &options, pieces);
    } else {
        ask(argv[2], &options);
    }
    require(weir_runtime_free(runtime), "freeing");
    return 0;
}
