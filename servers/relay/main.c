/* SPDX-License-Identifier: MIT */
// weir-relay: a proxy between any two addresses. See weir-relay(1).

#include "admin.h"
#include "relay.h"
#include "session.h"

#include "weir/weir.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

// What a listener's connections are told: one per route, for as long as the program runs.
struct entrance {
    struct relay *relay;
    const struct route *route;
    weir_listener listener;
};

static sem_t something_happened;
static atomic_uint asked_to_stop; // how often

static void
on_signal(weir_watch watch, int signal, void *arg)
{
    struct relay *relay = arg;

    (void)watch;
    if (signal == SIGHUP && relay->log != NULL) {
        log_reopen(relay->log);
    } else if (signal == SIGTERM || signal == SIGINT) {
        atomic_fetch_add(&asked_to_stop, 1);
        sem_post(&something_happened);
    }
}

static void
on_drained(struct relay *relay)
{
    (void)relay;
    sem_post(&something_happened);
}

static void
on_log(enum weir_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level != WEIR_LOG_INFO) {
        fprintf(stderr, "weir-relay: %s\n", line);
    }
}

static void
print_line(const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

/* ---- listening ---- */

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct entrance *entrance = arg;

    (void)listener;
    session_accept(entrance->relay, entrance->route, stream);
}

static int
listen_on(struct entrance *entrance, struct weir_address *ret_bound)
{
    const struct weir_endpoint *from = &entrance->route->from;
    struct weir_listen request = {
        .endpoint = from,
        .stream = {.flags = WEIR_STREAM_NODELAY},
        .accepted = on_accepted,
        .arg = entrance,
    };
    int family = from->address.as.any.sa_family;
    int status;

    if (family == AF_UNIX) {
        request.flags = WEIR_LISTEN_UNLINK;
    } else if (entrance->relay->options->reuseport && (family == AF_INET || family == AF_INET6)) {
        request.flags = WEIR_LISTEN_REUSEPORT;
    }
    status = weir_listen(entrance->relay->runtime, &request, &entrance->listener);
    return status == 0 ? weir_listener_address(entrance->listener, ret_bound) : status;
}

// Whoever waits for the file finds it complete or not at all.
static int
write_ports(const char *path, const unsigned *ports, unsigned count)
{
    char scratch[4096];
    bool is_written = true;
    FILE *file;

    if (snprintf(scratch, sizeof(scratch), "%s.%d", path, (int)getpid()) >= (int)sizeof(scratch)) {
        return -ENAMETOOLONG;
    }
    file = fopen(scratch, "we");
    if (file == NULL) {
        return -errno;
    }
    for (unsigned i = 0; i < count; i++) {
        is_written &= fprintf(file, "%u\n", ports[i]) > 0;
    }
    if (fclose(file) != 0 || !is_written || rename(scratch, path) != 0) {
        int status = -errno;

        unlink(scratch);
        return status;
    }
    return 0;
}

static bool
open_entrance(struct entrance *entrance, unsigned *ret_port)
{
    struct weir_address bound;
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    int status = listen_on(entrance, &bound);

    if (status != 0) {
        fprintf(stderr, "weir-relay: cannot listen on %s: %s\n", entrance->route->from_text,
                weir_strerror(status));
        return false;
    }
    weir_address_format(&bound, text, sizeof(text));
    printf("weir-relay: %s to %s\n", text, entrance->route->to_text);
    *ret_port = weir_address_port(&bound);
    return true;
}

static bool
open_admin(struct relay *relay, unsigned *ret_port)
{
    struct weir_address bound;
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    weir_listener listener;
    int status = admin_listen(relay, &relay->options->admin, &listener);

    if (status == 0) {
        status = weir_listener_address(listener, &bound);
    }
    if (status != 0) {
        weir_endpoint_format(&relay->options->admin, text, sizeof(text));
        fprintf(stderr, "weir-relay: cannot listen on %s: %s\n", text, weir_strerror(status));
        return false;
    }
    weir_address_format(&bound, text, sizeof(text));
    printf("weir-relay: /metrics at %s\n", text);
    *ret_port = weir_address_port(&bound);
    return true;
}

// The admin's port is the last.
static bool
open_all(struct relay *relay, struct entrance *entrances, unsigned *ports)
{
    const struct options *options = relay->options;
    unsigned count = options->route_count;

    for (unsigned i = 0; i < options->route_count; i++) {
        entrances[i] = (struct entrance){.relay = relay, .route = &options->routes[i]};
        if (!open_entrance(&entrances[i], &ports[i])) {
            return false;
        }
    }
    if (options->admin.kind != WEIR_ENDPOINT_NONE && !open_admin(relay, &ports[count++])) {
        return false;
    }
    fflush(stdout);
    if (options->port_file != NULL) {
        int status = write_ports(options->port_file, ports, count);

        if (status != 0) {
            fprintf(stderr, "weir-relay: cannot write %s: %s\n", options->port_file,
                    strerror(-status));
            return false;
        }
    }
    return true;
}

/* ---- ending ---- */

static void
wait_until(uint64_t deadline_ns)
{
    struct timespec until;
    uint64_t now = weir_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;

    clock_gettime(CLOCK_REALTIME, &until);
    left += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(left / NS_PER_S);
    until.tv_nsec = (long)(left % NS_PER_S);
    while (sem_timedwait(&something_happened, &until) != 0 && errno == EINTR) {
    }
}

// Listen no more; connections may end by themselves, until the time is over or they are told again.
static void
drain(struct relay *relay, struct entrance *entrances)
{
    uint64_t deadline = weir_deadline_after(relay->options->drain_ns);

    atomic_store(&relay->is_draining, true);
    for (unsigned i = 0; i < relay->options->route_count; i++) {
        weir_listener_close(entrances[i].listener);
    }
    while (limits_count(relay->limits) != 0 && weir_now_ns() < deadline &&
           atomic_load(&asked_to_stop) < 2) {
        wait_until(deadline);
    }
    if (limits_count(relay->limits) != 0) {
        fprintf(stderr, "weir-relay: %u connections are cut off\n", limits_count(relay->limits));
    }
}

static bool
serve(struct relay *relay)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    unsigned count = relay->options->route_count;
    struct entrance *entrances = calloc(count, sizeof(entrances[0]));
    unsigned *ports = calloc(count + 1, sizeof(ports[0]));
    weir_watch watch;
    bool serves = false;
    int status = entrances == NULL || ports == NULL ? -ENOMEM : 0;

    if (status == 0) {
        status = weir_signal_start(weir_runtime_loop(relay->runtime, 0), signals, 3, on_signal,
                                   relay, &watch);
    }
    if (status == 0) {
        status = weir_dump_on_signal(relay->runtime, SIGUSR1, print_line, NULL, &watch);
    }
    if (status != 0) {
        fprintf(stderr, "weir-relay: cannot begin: %s\n", weir_strerror(status));
    } else if (open_all(relay, entrances, ports)) {
        serves = true;
        while (atomic_load(&asked_to_stop) == 0) {
            sem_wait(&something_happened);
        }
        drain(relay, entrances);
    }
    status = weir_runtime_stop(relay->runtime, weir_deadline_after(NS_PER_S / 4));
    if (status != 0) {
        fprintf(stderr, "weir-relay: cannot stop: %s\n", weir_strerror(status));
        serves = false;
    }
    free(entrances);
    free(ports);
    return serves;
}

/* ---- beginning ---- */

static int
prepare(struct relay *relay)
{
    const struct options *options = relay->options;
    struct weir_runtime_options runtime_options = {
        .loops = options->loops,
        .flags = options->pin ? WEIR_PIN : 0,
        .stats_name = options->show,
        .stall_ns = options->stall_ms * UINT64_C(1000000),
        .log = on_log,
    };
    int status = weir_runtime_create(&runtime_options, &relay->runtime);

    if (status != 0) {
        fprintf(stderr, "weir-relay: cannot start: %s\n", weir_strerror(status));
        return status;
    }
    relay->limits = limits_create(&options->limits);
    relay->metrics = metrics_create(relay->runtime);
    if (relay->limits == NULL || relay->metrics == NULL) {
        status = -ENOMEM;
    } else if (options->log != NULL) {
        status = log_create(options->log, weir_runtime_loop_count(relay->runtime), &relay->log);
    }
    if (status != 0) {
        fprintf(stderr, "weir-relay: cannot begin to log to %s: %s\n",
                options->log == NULL ? "nothing" : options->log, weir_strerror(status));
        weir_runtime_stop(relay->runtime, weir_deadline_after(NS_PER_S));
    }
    return status;
}

static void
release(struct relay *relay)
{
    log_free(relay->log);
    limits_free(relay->limits);
    metrics_free(relay->metrics);
    weir_runtime_free(relay->runtime);
}

int
main(int argc, char **argv)
{
    struct options options;
    struct relay relay = {.options = &options, .drained = on_drained};
    bool has_served = false;

    options_parse(&options, argc, argv);
    sem_init(&something_happened, 0, 0);
    if (prepare(&relay) == 0) {
        has_served = serve(&relay);
    }
    if (relay.runtime != NULL) {
        release(&relay);
    }
    options_free(&options);
    return has_served ? 0 : 1;
}
