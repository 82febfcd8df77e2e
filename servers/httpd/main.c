/* SPDX-License-Identifier: MIT */
// weir-httpd: a web server. See weir-httpd(1).

#include "httpd.h"
#include "serve.h"
#include "sockets.h"
#include "visit.h"

#include "common/ending.h"
#include "common/ports.h"
#include "common/program.h"
#include "common/systemd.h"

#include "weir/weir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NS_PER_S UINT64_C(1000000000)

const char program_name[] = "weir-httpd";

static void
on_hangup(void *arg)
{
    struct httpd *httpd = arg;

    hosts_reopen(&httpd->options->hosts);
    if (httpd->log != NULL) {
        log_reopen(httpd->log);
    }
}

/* ---- listening ---- */

// With a limit of connections: those beyond it are closed at once.
static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct httpd *httpd = arg;

    (void)listener;
    if (weir_http_server_connections(httpd->server) + sockets_count(httpd) >=
        httpd->connections_max) {
        count(&httpd_here(httpd)->counts.turned_away, 1);
        weir_close(stream, WEIR_CLOSE_FLUSH, 0, 0);
    } else if (weir_http_attach(httpd->server, stream) < 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

static bool
open_one(struct httpd *httpd, struct weir_http_server *server, const struct place *place,
         const char *what, weir_listener *ret_listener, unsigned *ret_port)
{
    struct weir_listen request = {.backlog = 0};
    struct weir_address bound;
    char text[WEIR_ENDPOINT_TEXT_SIZE];

    weir_http_server_prepare(server, &request);
    if (server == httpd->server && httpd->connections_max != 0) {
        request.accepted = on_accepted;
        request.arg = httpd;
    }
    if (!ports_listen(httpd->runtime, &request, place, httpd->options->reuseport, ret_listener,
                      &bound)) {
        return false;
    }
    weir_address_format(&bound, text, sizeof(text));
    printf("weir-httpd: %s %s\n", what, text);
    *ret_port = weir_address_port(&bound);
    return true;
}

// The admin's port is the last.
static bool
open_all(struct httpd *httpd, weir_listener *listeners)
{
    const struct options *options = httpd->options;
    unsigned ports[OPTIONS_LISTEN_MAX + 1];
    unsigned opened = 0;

    for (; opened < options->listen_count; opened++) {
        if (!open_one(httpd, httpd->server, &options->listen[opened], "listening on",
                      &listeners[opened], &ports[opened])) {
            return false;
        }
    }
    if (httpd->admin != NULL) {
        weir_listener admin;

        if (!open_one(httpd, httpd->admin, &options->admin, "/metrics at", &admin,
                      &ports[opened])) {
            return false;
        }
        opened++;
    }
    fflush(stdout);
    return ports_write(options->port_file, ports, opened);
}

/* ---- ending ---- */

static bool
is_drained(void *arg)
{
    struct httpd *httpd = arg;

    return weir_http_server_connections(httpd->server) + sockets_count(httpd) == 0;
}

// Listen no more; exchanges may end by themselves, until the time is over or they are told again.
static void
drain(struct httpd *httpd, const weir_listener *listeners)
{
    atomic_store(&httpd->is_draining, true);
    for (unsigned i = 0; i < httpd->options->listen_count; i++) {
        weir_listener_close(listeners[i]);
    }
    weir_http_server_drain(httpd->server);
    sockets_drain(httpd);
    if (!ending_drain(weir_deadline_after(httpd->options->drain_ns), is_drained, httpd)) {
        complain("%u connections are cut off",
                 weir_http_server_connections(httpd->server) + sockets_count(httpd));
    }
}

static bool
serve(struct httpd *httpd)
{
    weir_listener listeners[OPTIONS_LISTEN_MAX] = {{0}};
    bool serves = false;
    int status = ending_begin(httpd->runtime, on_hangup, httpd);

    if (status != 0) {
        complain("cannot begin: %s", weir_strerror(status));
    } else if (open_all(httpd, listeners)) {
        serves = true;
        systemd_notify("READY=1");
        ending_wait();
        systemd_notify("STOPPING=1");
        drain(httpd, listeners);
    }
    status = weir_runtime_stop(httpd->runtime, weir_deadline_after(NS_PER_S / 4));
    if (status != 0) {
        complain("cannot stop: %s", weir_strerror(status));
        serves = false;
    }
    return serves;
}

/* ---- beginning ---- */

// Of the descriptors three quarters are for connections, and one for files: else connections alone
// could take them all, and every answer would be 503.
static void
share_descriptors(struct httpd *httpd)
{
    struct rlimit limit;
    rlim_t files;

    httpd->connections_max = httpd->options->connections;
    httpd->cache_entries = httpd->options->cache_entries;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return;
    }
    files = limit.rlim_cur / 4;
    if (files / httpd->loop_count < httpd->cache_entries) {
        httpd->cache_entries = (unsigned)(files / httpd->loop_count);
    }
    if (httpd->connections_max == 0 && limit.rlim_cur - files < UINT_MAX) {
        httpd->connections_max = (unsigned)(limit.rlim_cur - files);
    }
}

static int
make_loops(struct httpd *httpd)
{
    size_t size;

    httpd->loop_count = weir_runtime_loop_count(httpd->runtime);
    share_descriptors(httpd);
    size = httpd->loop_count * sizeof(httpd->loops[0]);
    httpd->loops = aligned_alloc(_Alignof(struct here), size);
    if (httpd->loops == NULL) {
        return -ENOMEM;
    }
    memset(httpd->loops, 0, size);
    for (unsigned i = 0; i < httpd->loop_count; i++) {
        httpd->loops[i].cache = cache_create(httpd->cache_entries, httpd->options->cache_valid_ns);
        if (httpd->loops[i].cache == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int
make_servers(struct httpd *httpd)
{
    struct weir_http_server_options public = {
        .handlers = &serve_public, .user = httpd, .limits = httpd->options->limits};
    struct weir_http_server_options admin = {.handlers = &serve_admin, .user = httpd};
    int status = weir_http_server_create(httpd->runtime, &public, &httpd->server);

    if (status == 0 && httpd->options->has_admin) {
        status = weir_http_server_create(httpd->runtime, &admin, &httpd->admin);
    }
    return status;
}

static int
make_parts(struct httpd *httpd)
{
    int status = make_loops(httpd);

    if (status == 0) {
        status = make_servers(httpd);
    }
    if (status == 0) {
        status = sockets_begin(httpd);
    }
    if (status == 0) {
        status = disk_create(httpd->options->disk_threads, &httpd->disk);
    }
    return status;
}

static bool
prepare(struct httpd *httpd)
{
    const struct options *options = httpd->options;
    struct weir_runtime_options runtime_options = {
        .loops = options->loops,
        .flags = options->pin ? WEIR_PIN : 0,
        .stats_name = options->show,
        .stall_ns = options->stall_ms * UINT64_C(1000000),
        .log = program_log,
    };
    int status = weir_runtime_create(&runtime_options, &httpd->runtime);

    if (status == 0) {
        status = make_parts(httpd);
    }
    if (status != 0) {
        complain("cannot start: %s", weir_strerror(status));
        return false;
    }
    if (options->log != NULL) {
        status = log_create(options->log, httpd->loop_count, &httpd->log);
    }
    if (status != 0) {
        complain("cannot begin to log to %s: %s", options->log, strerror(-status));
    }
    return status == 0;
}

static void
release(struct httpd *httpd)
{
    disk_free(httpd->disk);
    sockets_end(httpd);
    weir_http_server_free(httpd->server);
    weir_http_server_free(httpd->admin);
    log_free(httpd->log);
    for (unsigned i = 0; httpd->loops != NULL && i < httpd->loop_count; i++) {
        cache_free(httpd->loops[i].cache);
        visit_free_all(&httpd->loops[i]);
    }
    free(httpd->loops);
    weir_runtime_free(httpd->runtime);
}

int
main(int argc, char **argv)
{
    struct options options;
    struct httpd httpd = {.options = &options, .begun_ns = weir_now_ns()};
    enum options_answer answer = options_parse(&options, argc, argv);
    bool has_served = false;

    if (answer != OPTIONS_GOOD) {
        options_free(&options);
        return answer == OPTIONS_DONE ? 0 : 2;
    }
    program_raise_descriptors();
    if (prepare(&httpd)) {
        has_served = serve(&httpd);
    } else if (httpd.runtime != NULL) {
        weir_runtime_stop(httpd.runtime, weir_deadline_after(NS_PER_S));
    }
    if (httpd.runtime != NULL) {
        release(&httpd);
    }
    options_free(&options);
    return has_served ? 0 : 1;
}
