/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "common/settings.h"

#include "weir/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S   UINT64_C(1000000000)
#define LOOPS_MAX  256
#define COUNT_MAX  100000000ul
#define ROUTES_MAX 4096u

static const char help[] =
    "Usage: weir-relay [OPTION]... FROM TO [FROM TO]...\n"
    "       weir-relay [OPTION]... --config FILE\n"
    "Accept connections at FROM and carry their bytes to TO and back.\n"
    "\n"
    "Addresses: tcp://HOST:PORT, unix:PATH, unix:@NAME, vsock://CID:PORT and others, see\n"
    "weir-relay(1). FROM may also be systemd:NAME, a socket that was handed over.\n"
    "\n"
    "  --config FILE           more of all this, one setting per line: see weir-relay(1)\n"
    "  --accept-proxy          a PROXY header, version 1 or 2, comes first at FROM\n"
    "  --send-proxy[=VERSION]  send a PROXY header first to TO; default version 2\n"
    "  --connections N         at most so many at once; more are closed\n"
    "  --per-source N          at most so many at once from one address\n"
    "  --rate N                at most so many new ones per second\n"
    "  --burst N               how many may come at once above the rate; default: the rate\n"
    "  --connect-timeout TIME  of a connect to TO; default 10s\n"
    "  --header-timeout TIME   until a PROXY header has come; default 5s\n"
    "  --idle TIME             close when nothing moves for so long; default 10m, 0: never\n"
    "  --drain TIME            how long connections may go on after SIGTERM; default 30s\n"
    "  --buffer BYTES          what may wait for a slow side; default 262144\n"
    "  --admin ADDRESS         /metrics (Prometheus) and /health by HTTP there\n"
    "  --log FILE              a line per connection there; -: standard output\n"
    "  --loops N               number of loops; default: one per processor\n"
    "  --reuseport             one TCP socket per loop, the kernel spreads connections\n"
    "  --pin                   pin each loop to a processor\n"
    "  --copy                  never splice\n"
    "  --port-file FILE        write the TCP ports there, one a line, once all listen\n"
    "  --show NAME             let weir-top show the loops under this name while it runs\n"
    "  --stall MS              report a callback that holds its loop longer\n"
    "  --help                  this text\n"
    "\n"
    "A TIME is a number and ms, s, m or h; without a unit, seconds.\n"
    "SIGTERM or SIGINT: stop listening, let connections end, at most for the time of --drain; "
    "once\n"
    "more: end now. SIGHUP: open the log anew. Exit status 0, 1 when it cannot listen or stop, 2 "
    "on\n"
    "wrong usage.\n";

/* ---- routes ---- */

static struct route *
add_route(struct options *options, const struct given *given, unsigned from)
{
    struct route *routes = options->routes;
    struct route *route;

    if (options->route_count == ROUTES_MAX) {
        given_refuse(given, from, "more than %u pairs of addresses", ROUTES_MAX);
        return NULL;
    }
    routes = realloc(routes, (options->route_count + 1) * sizeof(routes[0]));
    if (routes == NULL) {
        given_refuse(given, from, "out of memory");
        return NULL;
    }
    options->routes = routes;
    route = &routes[options->route_count];
    memset(route, 0, sizeof(*route));
    if (!given_place(given, from, &route->from) || !given_endpoint(given, from + 1, &route->to)) {
        return NULL;
    }
    options->route_count++;
    place_format(&route->from, route->from_text);
    weir_endpoint_format(&route->to, route->to_text, sizeof(route->to_text));
    return route;
}

// relay FROM TO [accept-proxy] [send-proxy[=VERSION]]
static bool
take_route(void *options, const struct given *given)
{
    struct route *route;

    if (given->count < 2) {
        return given_refuse(given, 0, "relay wants two addresses");
    }
    route = add_route(options, given, 0);
    if (route == NULL) {
        return false;
    }
    for (unsigned i = 2; i < given->count; i++) {
        if (strcmp(given->words[i], "accept-proxy") == 0) {
            route->accepts_proxy = true;
        } else if (strcmp(given->words[i], "send-proxy") == 0 ||
                   strcmp(given->words[i], "send-proxy=2") == 0) {
            route->sends_proxy = 2;
        } else if (strcmp(given->words[i], "send-proxy=1") == 0) {
            route->sends_proxy = 1;
        } else {
            return given_refuse(given, i, "\"%s\" is nothing a relay can be told", given->words[i]);
        }
    }
    return true;
}

/* ---- settings ---- */

static bool
take_version(void *options, const struct given *given)
{
    uint64_t version = 2;

    if (given->count != 0 && !given_number(given, 0, 1, 2, &version)) {
        return false;
    }
    ((struct options *)options)->sends_proxy = (unsigned)version;
    return true;
}

static bool
take_admin(void *options, const struct given *given)
{
    ((struct options *)options)->has_admin = true;
    return given_place(given, 0, &((struct options *)options)->admin);
}

#define AT(field) .offset = offsetof(struct options, field)

static const struct setting table[] = {
    {"relay", SETTING_OWN, .max = 8, .take = take_route, .scope = SETTING_IN_FILES},
    {"accept-proxy", SETTING_SWITCH, AT(accepts_proxy), .scope = SETTING_IN_ARGUMENTS},
    {"send-proxy", SETTING_OWN, .max = 1, .take = take_version, .scope = SETTING_IN_ARGUMENTS},
    {"connections", SETTING_NUMBER, AT(limits.connections), 1, COUNT_MAX},
    {"per-source", SETTING_NUMBER, AT(limits.per_source), 1, COUNT_MAX},
    {"rate", SETTING_NUMBER, AT(limits.rate), 1, COUNT_MAX},
    {"burst", SETTING_NUMBER, AT(limits.burst), 1, COUNT_MAX},
    {"connect-timeout", SETTING_TIME, AT(connect_ns)},
    {"header-timeout", SETTING_TIME, AT(header_ns)},
    {"idle", SETTING_TIME, AT(idle_ns)},
    {"drain", SETTING_TIME, AT(drain_ns)},
    {"buffer", SETTING_BYTES, AT(buffer), 1, 1ul << 30},
    {"admin", SETTING_OWN, .min = 1, .max = 1, .take = take_admin},
    {"log", SETTING_TEXT, AT(log)},
    {"loops", SETTING_NUMBER, AT(loops), 1, LOOPS_MAX},
    {"reuseport", SETTING_SWITCH, AT(reuseport)},
    {"pin", SETTING_SWITCH, AT(pin)},
    {"copy", SETTING_SWITCH, AT(copies)},
    {"port-file", SETTING_TEXT, AT(port_file)},
    {"show", SETTING_TEXT, AT(show)},
    {"stall", SETTING_NUMBER, AT(stall_ms), 1, 3600000},
};

/* ---- the command line ---- */

static bool
take_pairs(struct options *options, int count, char **words)
{
    struct given given = {.name = "relay"};

    if (count % 2 != 0) {
        return given_refuse(&given, 0,
                            "addresses come in pairs, FROM and TO: \"%s\" has none to go to",
                            words[count - 1]);
    }
    for (int i = 0; i < count; i += 2) {
        struct route *route;

        given.words[0] = words[i];
        given.words[1] = words[i + 1];
        given.count = 2;
        route = add_route(options, &given, 0);
        if (route == NULL) {
            return false;
        }
        route->accepts_proxy = options->accepts_proxy;
        route->sends_proxy = options->sends_proxy;
    }
    return options->route_count != 0 || given_refuse(&given, 0, "nothing to relay");
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    const struct settings settings = {
        .table = table, .count = sizeof(table) / sizeof(table[0]), .options = ret_options};
    int first;

    *ret_options = (struct options){
        .connect_ns = 10 * NS_PER_S,
        .header_ns = 5 * NS_PER_S,
        .idle_ns = 600 * NS_PER_S,
        .drain_ns = 30 * NS_PER_S,
    };
    switch (settings_take_arguments(&settings, argc, argv, &first)) {
    case SETTINGS_HELP:
        fputs(help, stdout);
        exit(0);
    case SETTINGS_WRONG:
        exit(2);
    default:
        break;
    }
    if (!take_pairs(ret_options, argc - first, argv + first)) {
        exit(2);
    }
}

void
options_free(struct options *options)
{
    free(options->routes);
    free(options->log);
    free(options->port_file);
    free(options->show);
}
