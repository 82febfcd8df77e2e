/* SPDX-License-Identifier: MIT */
// Echo server on libevent: a bufferevent per connection, input moved to output without a copy.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>

// Above this much unsent a connection is not read; below it, it is read again.
#define OUTPUT_MAX 65536

static void
on_write(struct bufferevent *stream, void *arg)
{
    (void)arg;
    bufferevent_setwatermark(stream, EV_WRITE, 0, 0);
    bufferevent_enable(stream, EV_READ);
}

static void
on_read(struct bufferevent *stream, void *arg)
{
    struct evbuffer *output = bufferevent_get_output(stream);

    (void)arg;
    evbuffer_add_buffer(output, bufferevent_get_input(stream));
    if (evbuffer_get_length(output) > OUTPUT_MAX) {
        bufferevent_disable(stream, EV_READ);
        bufferevent_setwatermark(stream, EV_WRITE, OUTPUT_MAX / 2, 0);
    }
}

static void
on_end(struct bufferevent *stream, short what, void *arg)
{
    (void)arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        bufferevent_free(stream);
    }
}

static void
on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
              int address_size, void *arg)
{
    struct event_base *base = arg;
    struct bufferevent *stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)listener;
    (void)address;
    (void)address_size;
    bench_require(stream != NULL, "bufferevent_socket_new");
    bench_set_nodelay(fd);
    bufferevent_setcb(stream, on_read, on_write, on_end, NULL);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static void
on_term(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    event_base_loopbreak(arg);
}

int
main(int argc, char **argv)
{
    bench_server_begin(argc, argv);
    struct event_base *base = event_base_new();
    bench_require(base != NULL, "event_base_new");
    struct event *term = evsignal_new(base, SIGTERM, on_term, base);
    bench_require(term != NULL && event_add(term, NULL) == 0, "evsignal_new");

    int listener_fd = bench_listen();
    bench_set_nonblocking(listener_fd);
    struct evconnlistener *listener = evconnlistener_new(
        base, on_connection, base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener_fd);
    bench_require(listener != NULL, "evconnlistener_new");
    bench_server_ready(bench_local_port(listener_fd));

    event_base_dispatch(base);
    bench_server_report();
    evconnlistener_free(listener);
    event_free(term);
    event_base_free(base);
    return 0;
}
