/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "weir/runtime.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS   UINT64_C(1000000)
#define NS_PER_S    (1000 * NS_PER_MS)
#define LOOPS_MAX   256
#define COUNT_MAX   100000000ul
#define WORDS_MAX   8u
#define ROUTES_MAX  4096u
#define SECONDS_MAX UINT64_C(31536000) // a year

static const char help[] =
    "Usage: weir-relay [OPTION]... FROM TO [FROM TO]...\n"
    "       weir-relay [OPTION]... --config FILE\n"
    "Accept connections at FROM and carry their bytes to TO and back.\n"
    "\n"
    "Addresses: tcp://HOST:PORT, unix:PATH, unix:@NAME, vsock://CID:PORT and others, see\n"
    "weir-relay(1).\n"
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

// Where a setting comes from, for what is said about it.
struct origin {
    const char *file; // NULL: the command line
    unsigned line;
};

static void usage_error(const struct origin *origin, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static void
usage_error(const struct origin *origin, const char *format, ...)
{
    va_list arguments;

    fputs("weir-relay: ", stderr);
    if (origin->file != NULL) {
        fprintf(stderr, "%s:%u: ", origin->file, origin->line);
    }
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs(origin->file != NULL ? "\n" : "\nTry: weir-relay --help\n", stderr);
    exit(2);
}

/* ---- values ---- */

static unsigned
parse_number(const struct origin *origin, const char *name, const char *text, unsigned long min,
             unsigned long max)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < min || number > max) {
        usage_error(origin, "%s wants a number from %lu to %lu, not \"%s\"", name, min, max, text);
    }
    return (unsigned)number;
}

static uint64_t
parse_time(const struct origin *origin, const char *name, const char *text)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS},
                 {"m", 60 * NS_PER_S},
                 {"h", 3600 * NS_PER_S}};
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && errno == 0) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strcmp(end, units[i].name) == 0 && number <= SECONDS_MAX * NS_PER_S / units[i].ns) {
                return number * units[i].ns;
            }
        }
    }
    usage_error(origin, "%s wants a time as 10, 500ms, 2m or 1h, of a year at most, not \"%s\"",
                name, text);
}

static void
parse_endpoint(const struct origin *origin, const char *text, struct weir_endpoint *ret_endpoint)
{
    struct weir_parse_error error;
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];

    if (weir_endpoint_parse(ret_endpoint, text, &error) != 0) {
        weir_parse_error_format(&error, text, lines, sizeof(lines));
        usage_error(origin, "not an address:\n%s", lines);
    }
}

static unsigned
parse_version(const struct origin *origin, const char *text)
{
    return text == NULL ? 2 : parse_number(origin, "send-proxy", text, 1, 2);
}

/* ---- routes ---- */

static struct route *
add_route(struct options *options, const struct origin *origin, const char *from, const char *to)
{
    struct route *route;

    if (options->route_count == ROUTES_MAX) {
        usage_error(origin, "more than %u pairs of addresses", ROUTES_MAX);
    }
    options->routes =
        realloc(options->routes, (options->route_count + 1) * sizeof(options->routes[0]));
    if (options->routes == NULL) {
        usage_error(origin, "out of memory");
    }
    route = &options->routes[options->route_count++];
    memset(route, 0, sizeof(*route));
    parse_endpoint(origin, from, &route->from);
    parse_endpoint(origin, to, &route->to);
    weir_endpoint_format(&route->from, route->from_text, sizeof(route->from_text));
    weir_endpoint_format(&route->to, route->to_text, sizeof(route->to_text));
    return route;
}

/* ---- settings ---- */

// A setting by its long name, from the command line or a file.
static void
take_limit(struct options *options, const struct origin *origin, const char *name,
           const char *value)
{
    struct limits_options *limits = &options->limits;

    if (strcmp(name, "connections") == 0) {
        limits->connections = parse_number(origin, name, value, 1, COUNT_MAX);
    } else if (strcmp(name, "per-source") == 0) {
        limits->per_source = parse_number(origin, name, value, 1, COUNT_MAX);
    } else if (strcmp(name, "rate") == 0) {
        limits->rate = parse_number(origin, name, value, 1, COUNT_MAX);
    } else if (strcmp(name, "burst") == 0) {
        limits->burst = parse_number(origin, name, value, 1, COUNT_MAX);
    } else {
        usage_error(origin, "no setting is named \"%s\"", name);
    }
}

static void
take_time(struct options *options, const struct origin *origin, const char *name, const char *value)
{
    if (strcmp(name, "connect-timeout") == 0) {
        options->connect_ns = parse_time(origin, name, value);
    } else if (strcmp(name, "header-timeout") == 0) {
        options->header_ns = parse_time(origin, name, value);
    } else if (strcmp(name, "idle") == 0) {
        options->idle_ns = parse_time(origin, name, value);
    } else if (strcmp(name, "drain") == 0) {
        options->drain_ns = parse_time(origin, name, value);
    } else {
        take_limit(options, origin, name, value);
    }
}

static char *
keep(const struct origin *origin, const char *text)
{
    char *kept = strdup(text);

    if (kept == NULL) {
        usage_error(origin, "out of memory");
    }
    return kept;
}

static void
take_setting(struct options *options, const struct origin *origin, const char *name,
             const char *value)
{
    if (strcmp(name, "admin") == 0) {
        parse_endpoint(origin, value, &options->admin);
    } else if (strcmp(name, "log") == 0) {
        options->log = keep(origin, value);
    } else if (strcmp(name, "port-file") == 0) {
        options->port_file = keep(origin, value);
    } else if (strcmp(name, "show") == 0) {
        options->show = keep(origin, value);
    } else if (strcmp(name, "loops") == 0) {
        options->loops = parse_number(origin, name, value, 1, LOOPS_MAX);
    } else if (strcmp(name, "stall") == 0) {
        options->stall_ms = parse_number(origin, name, value, 1, 3600000);
    } else if (strcmp(name, "buffer") == 0) {
        options->buffer = parse_number(origin, name, value, 1, 1ul << 30);
    } else {
        take_time(options, origin, name, value);
    }
}

static bool
take_switch(struct options *options, const char *name)
{
    if (strcmp(name, "reuseport") == 0) {
        options->reuseport = true;
    } else if (strcmp(name, "pin") == 0) {
        options->pin = true;
    } else if (strcmp(name, "copy") == 0) {
        options->copies = true;
    } else {
        return false;
    }
    return true;
}

/* ---- a file ---- */

static void
take_route_line(struct options *options, const struct origin *origin, char **words, unsigned count)
{
    struct route *route;

    if (count < 3) {
        usage_error(origin, "relay wants two addresses");
    }
    route = add_route(options, origin, words[1], words[2]);
    for (unsigned i = 3; i < count; i++) {
        if (strcmp(words[i], "accept-proxy") == 0) {
            route->accepts_proxy = true;
        } else if (strcmp(words[i], "send-proxy") == 0) {
            route->sends_proxy = 2;
        } else if (strncmp(words[i], "send-proxy=", 11) == 0) {
            route->sends_proxy = parse_version(origin, words[i] + 11);
        } else {
            usage_error(origin, "\"%s\" is nothing a relay can be told", words[i]);
        }
    }
}

static void
take_line(struct options *options, const struct origin *origin, char *line)
{
    char *words[WORDS_MAX];
    char *rest = NULL;
    unsigned count = 0;

    line[strcspn(line, "#\r\n")] = '\0';
    for (char *word = strtok_r(line, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (count == WORDS_MAX) {
            usage_error(origin, "too many words");
        }
        words[count++] = word;
    }
    if (count == 0) {
        return;
    }
    if (strcmp(words[0], "relay") == 0) {
        take_route_line(options, origin, words, count);
    } else if (count == 1 && !take_switch(options, words[0])) {
        usage_error(origin, "\"%s\" is no switch, or wants a value", words[0]);
    } else if (count == 2) {
        take_setting(options, origin, words[0], words[1]);
    } else if (count > 2) {
        usage_error(origin, "%s wants one value", words[0]);
    }
}

static void
take_file(struct options *options, const char *path)
{
    struct origin origin = {.file = path};
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;

    if (file == NULL) {
        usage_error(&(struct origin){0}, "cannot read %s: %s", path, strerror(errno));
    }
    while (getline(&line, &room, file) >= 0) {
        origin.line++;
        take_line(options, &origin, line);
    }
    if (ferror(file)) {
        usage_error(&origin, "cannot be read on: %s", strerror(errno));
    }
    free(line);
    fclose(file);
}

/* ---- the command line ---- */

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'},
    {"accept-proxy", no_argument, NULL, 'a'},
    {"send-proxy", optional_argument, NULL, 'p'},
    {"connections", required_argument, NULL, 'v'},
    {"per-source", required_argument, NULL, 'v'},
    {"rate", required_argument, NULL, 'v'},
    {"burst", required_argument, NULL, 'v'},
    {"connect-timeout", required_argument, NULL, 'v'},
    {"header-timeout", required_argument, NULL, 'v'},
    {"idle", required_argument, NULL, 'v'},
    {"drain", required_argument, NULL, 'v'},
    {"buffer", required_argument, NULL, 'v'},
    {"admin", required_argument, NULL, 'v'},
    {"log", required_argument, NULL, 'v'},
    {"loops", required_argument, NULL, 'v'},
    {"reuseport", no_argument, NULL, 's'},
    {"pin", no_argument, NULL, 's'},
    {"copy", no_argument, NULL, 's'},
    {"port-file", required_argument, NULL, 'v'},
    {"show", required_argument, NULL, 'v'},
    {"stall", required_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void
take_option(struct options *options, int option, const char *name)
{
    static const struct origin here;

    switch (option) {
    case 'c':
        take_file(options, optarg);
        break;
    case 'a':
        options->accepts_proxy = true;
        break;
    case 'p':
        options->sends_proxy = parse_version(&here, optarg);
        break;
    case 'v':
        take_setting(options, &here, name, optarg);
        break;
    case 's':
        take_switch(options, name);
        break;
    case 'h':
        fputs(help, stdout);
        exit(0);
    default:
        fputs("Try: weir-relay --help\n", stderr);
        exit(2);
    }
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct origin here;
    int index = 0;
    int option;

    *ret_options = (struct options){
        .connect_ns = 10 * NS_PER_S,
        .header_ns = 5 * NS_PER_S,
        .idle_ns = 600 * NS_PER_S,
        .drain_ns = 30 * NS_PER_S,
    };
    while ((option = getopt_long(argc, argv, "", known, &index)) != -1) {
        take_option(ret_options, option, option == '?' ? "" : known[index].name);
    }
    if ((argc - optind) % 2 != 0) {
        usage_error(&here, "addresses come in pairs, FROM and TO: \"%s\" has none to go to",
                    argv[argc - 1]);
    }
    for (int i = optind; i < argc; i += 2) {
        struct route *route = add_route(ret_options, &here, argv[i], argv[i + 1]);

        route->accepts_proxy = ret_options->accepts_proxy;
        route->sends_proxy = ret_options->sends_proxy;
    }
    if (ret_options->route_count == 0) {
        usage_error(&here, "nothing to relay");
    }
}

void
options_free(struct options *options)
{
    free(options->routes);
    free((char *)(uintptr_t)options->log);
    free((char *)(uintptr_t)options->port_file);
    free((char *)(uintptr_t)options->show);
}
