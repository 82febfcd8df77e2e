/* SPDX-License-Identifier: MIT */
// weir-relay: a proxy between any two addresses. See weir-relay(1).

#include "admin.h"
#include "relay.h"
#include "session.h"

#include "common/ending.h"
#include "common/ports.h"
#include "common/program.h"
#include "common/systemd.h"

#include "weir/weir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S UINT64_C(1000000000)

// What a listener's connections are told: one per route, for as long as the program runs.
struct entrance {
    struct relay *relay;
    const struct route *route;
    weir_listener listener;
};

const char program_name[] = "weir-relay";

static void
on_hangup(void *arg)
{
    struct relay *relay = arg;

    if (relay->log != NULL) {
        log_reopen(relay->log);
    }
}

static void
on_drained(struct relay *relay)
{
    (void)relay;
    ending_wake();
}

/* ---- listening ---- */

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct entrance *entrance = arg;

    (void)listener;
    session_accept(entrance->relay, entrance->route, stream);
}

static bool
open_entrance(struct entrance *entrance, unsigned *ret_port)
{
    struct relay *relay = entrance->relay;
    struct weir_listen request = {
        .stream = {.flags = WEIR_STREAM_NODELAY},
        .accepted = on_accepted,
        .arg = entrance,
    };
    struct weir_address bound;
    char text[WEIR_ENDPOINT_TEXT_SIZE];

    if (!ports_listen(relay->runtime, &request, &entrance->route->from, relay->options->reuseport,
                      &entrance->listener, &bound)) {
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
    struct weir_listen request = admin_listen(relay);
    struct weir_address bound;
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    weir_listener listener;

    if (!ports_listen(relay->runtime, &request, &relay->options->admin, false, &listener, &bound)) {
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
    if (options->has_admin && !open_admin(relay, &ports[count++])) {
        return false;
    }
    fflush(stdout);
    return ports_write(options->port_file, ports, count);
}

/* ---- ending ---- */

static bool
is_drained(void *arg)
{
    struct relay *relay = arg;

    return limits_count(relay->limits) == 0;
}

// Listen no more; connections may end by themselves, until the time is over or they are told again.
static void
drain(struct relay *relay, struct entrance *entrances)
{
    atomic_store(&relay->is_draining, true);
    for (unsigned i = 0; i < relay->options->route_count; i++) {
        weir_listener_close(entrances[i].listener);
    }
    if (!ending_drain(weir_deadline_after(relay->options->drain_ns), is_drained, relay)) {
        complain("%u connections are cut off", limits_count(relay->limits));
    }
}

static bool
serve(struct relay *relay)
{
    unsigned count = relay->options->route_count;
    struct entrance *entrances = calloc(count, sizeof(entrances[0]));
    unsigned *ports = calloc(count + 1, sizeof(ports[0]));
    bool serves = false;
    int status = entrances == NULL || ports == NULL ? -ENOMEM : 0;

    if (status == 0) {
        status = ending_begin(relay->runtime, on_hangup, relay);
    }
    if (status != 0) {
        complain("cannot begin: %s", weir_strerror(status));
    } else if (open_all(relay, entrances, ports)) {
        serves = true;
        systemd_notify("READY=1");
        ending_wait();
        systemd_notify("STOPPING=1");
        drain(relay, entrances);
    }
    status = weir_runtime_stop(relay->runtime, weir_deadline_after(NS_PER_S / 4));
    if (status != 0) {
        complain("cannot stop: %s", weir_strerror(status));
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
        .log = program_log,
    };
    int status = weir_runtime_create(&runtime_options, &relay->runtime);

    if (status != 0) {
        complain("cannot start: %s", weir_strerror(status));
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
        complain("cannot begin to log to %s: %s", options->log == NULL ? "nothing" : options->log,
                 weir_strerror(status));
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
    program_raise_descriptors();
    if (prepare(&relay) == 0) {
        has_served = serve(&relay);
    }
    if (relay.runtime != NULL) {
        release(&relay);
    }
    options_free(&options);
    return has_served ? 0 : 1;
}
