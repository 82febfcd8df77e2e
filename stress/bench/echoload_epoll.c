/* SPDX-License-Identifier: MIT */
// Load for an echo server, from one thread; every byte that comes back is compared.
//
//   closed loop   a connection keeps --depth messages under way, and begins the next when one is
//                 back: depth 1 is ping-pong, more is pipelining
//   open loop     --rate messages a second fall due whatever the server does, on the connections in
//                 turn. A message's time runs from when it was due, so a server that stalls is
//                 charged for all that waited meanwhile
//   hogs          --hogs further connections, each with --hog-size bytes under way in as many
//                 messages as --hog-depth says; their times are not in the latencies

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/histogram.h"
#include "lib/net.h"
#include "lib/options.h"
#include "lib/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define EVENTS_MAX  256
#define SIZE_MAX_B  (UINT64_C(1) << 24)
#define DEPTH_MAX   4096
#define NS_PER_S    1000000000
#define BUFFER_SIZE 262144

struct connection {
    int fd;
    unsigned index;
    bool is_hog;
    bool is_output_watched;
    uint64_t begun;     // messages
    uint64_t finished;  // messages
    uint64_t sent;      // bytes
    uint64_t received;  // bytes
    uint64_t *begun_ns; // closed loop: when message n was begun, at n % depth
};

struct load {
    uint64_t port;
    uint64_t connections;
    uint64_t size;
    uint64_t depth;
    uint64_t rate; // 0: closed loop
    uint64_t hogs;
    uint64_t hog_size;
    uint64_t hog_depth;
    double seconds;
    uint64_t messages; // 0: as many as fit into seconds
    uint64_t timeout_s;

    int poller;
    uint64_t begun; // hogs apart, as finished and latency
    uint64_t finished;
    uint64_t hogs_begun;
    uint64_t hogs_finished;
    uint64_t begin_ns;
    uint64_t end_ns;
    struct bench_histogram latency;
};

static struct load load = {
    .connections = 64,
    .size = 64,
    .depth = 1,
    .hog_size = 65536,
    .hog_depth = 16,
    .seconds = 2,
    .timeout_s = 120,
};

static char buffer[BUFFER_SIZE];

static void
parse(int argc, char **argv)
{
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &load.port, "of the server on 127.0.0.1 (required)"},
        {"connections", BENCH_OPTION_COUNT, &load.connections, "to open"},
        {"size", BENCH_OPTION_COUNT, &load.size, "bytes of a message"},
        {"depth", BENCH_OPTION_COUNT, &load.depth, "messages under way on each connection"},
        {"rate", BENCH_OPTION_COUNT, &load.rate, "messages a second in all, 0: closed loop"},
        {"hogs", BENCH_OPTION_COUNT, &load.hogs, "further connections that send all they can"},
        {"hog-size", BENCH_OPTION_COUNT, &load.hog_size, "bytes of a hog's message"},
        {"hog-depth", BENCH_OPTION_COUNT, &load.hog_depth, "messages under way on each hog"},
        {"seconds", BENCH_OPTION_SECONDS, &load.seconds, "how long to send"},
        {"messages", BENCH_OPTION_COUNT, &load.messages, "send so many instead, 0: --seconds"},
        {"timeout", BENCH_OPTION_COUNT, &load.timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv, "echo load; prints one JSON line", options,
                        sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(load.port > 0 && load.port <= UINT16_MAX, "--port is required");
    bench_require(load.connections > 0, "--connections must not be 0");
    bench_require(load.size > 0 && load.size <= SIZE_MAX_B && load.hog_size > 0 &&
                      load.hog_size <= SIZE_MAX_B,
                  "--size and --hog-size are 1 byte to 16 MiB");
    bench_require(load.depth > 0 && load.depth <= DEPTH_MAX && load.hog_depth > 0 &&
                      load.hog_depth <= DEPTH_MAX,
                  "--depth and --hog-depth are 1 to 4096");
    bench_require(load.rate <= NS_PER_S, "--rate is at most one message each nanosecond");
}

static uint64_t
size_of(const struct connection *connection)
{
    return connection->is_hog ? load.hog_size : load.size;
}

static void
watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    bench_require(epoll_ctl(load.poller, operation, connection->fd, &event) == 0, "epoll_ctl");
}

static void
send_rest(struct connection *connection)
{
    uint64_t end = connection->begun * size_of(connection);

    while (connection->sent < end) {
        uint64_t left = end - connection->sent;
        size_t part = left < BENCH_PATTERN_PART ? left : BENCH_PATTERN_PART;
        ssize_t sent = send(connection->fd, bench_pattern(connection->index, connection->sent),
                            part, MSG_NOSIGNAL);

        bench_require(sent >= 0 || errno == EAGAIN, "send");
        if (sent < 0) {
            break;
        }
        connection->sent += (size_t)sent;
    }
    bool is_waiting = connection->sent < end;
    if (is_waiting != connection->is_output_watched) {
        connection->is_output_watched = is_waiting;
        watch(EPOLL_CTL_MOD, connection, is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

// At least one, however short the time.
static bool
may_begin(uint64_t now_ns)
{
    if (load.messages > 0) {
        return load.begun < load.messages;
    }
    return load.begun == 0 || now_ns < load.end_ns;
}

// Hogs go on for as long as anybody else does.
static bool
may_hog(uint64_t now_ns)
{
    return load.messages > 0 ? load.finished < load.messages : now_ns < load.end_ns;
}

// Closed loop, and hogs: as many as may be under way.
static void
begin_more(struct connection *connection, uint64_t now_ns)
{
    if (connection->is_hog) {
        while (connection->begun - connection->finished < load.hog_depth && may_hog(now_ns)) {
            connection->begun++;
            load.hogs_begun++;
        }
    } else if (load.rate == 0) {
        while (connection->begun - connection->finished < load.depth && may_begin(now_ns)) {
            connection->begun_ns[connection->begun++ % load.depth] = now_ns;
            load.begun++;
        }
    }
    send_rest(connection);
}

// Open loop: when the message of this number falls due.
static uint64_t
due_ns(uint64_t number)
{
    return load.begin_ns + (uint64_t)((double)number * (double)NS_PER_S / (double)load.rate);
}

// Open loop: begins what is due.
static void
begin_due(struct connection *connections, uint64_t now_ns)
{
    while (may_begin(due_ns(load.begun)) && due_ns(load.begun) <= now_ns) {
        struct connection *connection = &connections[load.begun % load.connections];

        load.begun++;
        connection->begun++;
        send_rest(connection);
    }
}

static uint64_t
begun_ns_of(const struct connection *connection, uint64_t message)
{
    if (load.rate == 0) {
        return connection->begun_ns[message % load.depth];
    }
    return due_ns(message * load.connections + connection->index);
}

static void
finish_messages(struct connection *connection)
{
    uint64_t now_ns = bench_now_ns();

    while (connection->received >= (connection->finished + 1) * size_of(connection)) {
        if (connection->is_hog) {
            load.hogs_finished++;
        } else {
            load.finished++;
            bench_histogram_add(&load.latency,
                                now_ns - begun_ns_of(connection, connection->finished));
        }
        connection->finished++;
    }
    begin_more(connection, now_ns);
}

static void
receive(struct connection *connection)
{
    ssize_t got = recv(connection->fd, buffer, sizeof(buffer), 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    bench_require(got >= 0, "recv");
    errno = 0;
    bench_require(got > 0, "the server closed the connection");
    bench_require(connection->received + (size_t)got <= connection->sent,
                  "the server sent more than it got");
    bench_require(bench_pattern_holds(connection->index, connection->received, buffer, (size_t)got),
                  "the server sent other bytes than it got");
    connection->received += (size_t)got;
    if (connection->received >= (connection->finished + 1) * size_of(connection)) {
        finish_messages(connection);
    }
}

// Until something arrives, or in an open loop the next message falls due.
static int
wait_for_events(struct epoll_event *events)
{
    struct timespec rest = {0};
    bool is_bounded = load.rate > 0 && may_begin(due_ns(load.begun));

    if (is_bounded) {
        uint64_t now_ns = bench_now_ns();
        uint64_t next_ns = due_ns(load.begun);
        uint64_t left_ns = next_ns > now_ns ? next_ns - now_ns : 0;

        rest.tv_sec = (time_t)(left_ns / NS_PER_S);
        rest.tv_nsec = (long)(left_ns % NS_PER_S);
    }
    int ready = epoll_pwait2(load.poller, events, EVENTS_MAX, is_bounded ? &rest : NULL, NULL);
    bench_require(ready >= 0 || errno == EINTR, "epoll_pwait2");
    return ready;
}

static bool
is_over(void)
{
    bool has_more = load.rate > 0 && may_begin(due_ns(load.begun));

    return !has_more && load.finished == load.begun && load.hogs_finished == load.hogs_begun;
}

static void
run(struct connection *connections)
{
    struct epoll_event events[EVENTS_MAX];

    load.begin_ns = bench_now_ns();
    load.end_ns = load.begin_ns + (uint64_t)(load.seconds * NS_PER_S);
    for (uint64_t i = 0; i < load.connections + load.hogs; i++) {
        begin_more(&connections[i], bench_now_ns());
    }
    while (!is_over()) {
        int ready = wait_for_events(events);

        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection->is_output_watched) {
                send_rest(connection);
            }
            receive(connection);
        }
        if (load.rate > 0) {
            begin_due(connections, bench_now_ns());
        }
    }
}

static struct connection *
open_connections(void)
{
    uint64_t count = load.connections + load.hogs;
    struct connection *connections = calloc(count, sizeof(*connections));
    uint64_t *times = calloc(load.connections * load.depth, sizeof(*times));

    bench_require(connections != NULL && times != NULL, "calloc");
    bench_allow_files(count + 16);
    load.poller = epoll_create1(EPOLL_CLOEXEC);
    bench_require(load.poller >= 0, "epoll_create1");
    for (uint64_t i = 0; i < count; i++) {
        connections[i].fd = bench_connect((uint16_t)load.port);
        connections[i].index = (unsigned)i;
        connections[i].is_hog = i >= load.connections;
        connections[i].begun_ns = connections[i].is_hog ? NULL : times + i * load.depth;
        bench_set_nonblocking(connections[i].fd);
        watch(EPOLL_CTL_ADD, &connections[i], EPOLLIN);
    }
    return connections;
}

static void
print_report(double seconds)
{
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"bytes\": %llu, "
           "\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f",
           (unsigned long long)load.finished, seconds, (double)load.finished / seconds,
           (unsigned long long)(load.finished * load.size + load.hogs_finished * load.hog_size),
           bench_histogram_quantile_us(&load.latency, 0.5),
           bench_histogram_quantile_us(&load.latency, 0.99),
           bench_histogram_quantile_us(&load.latency, 0.999));
    if (load.hogs > 0) {
        printf(", \"hog_bytes_per_s\": %.0f",
               (double)(load.hogs_finished * load.hog_size) / seconds);
    }
    printf("}\n");
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)load.timeout_s);
    bench_require(prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) == 0, "PR_SET_TIMERSLACK");
    bench_pattern_init();
    struct connection *connections = open_connections();

    run(connections);
    print_report((double)(bench_now_ns() - load.begin_ns) / (double)NS_PER_S);
    free(connections[0].begun_ns);
    free(connections);
    return 0;
}
