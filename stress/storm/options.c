/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "random.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "Usage: weir-storm [OPTION]...\n"
    "       weir-storm [echo] [OPTION]... ADDRESS\n"
    "Without an address: a storm of writes, cancels and closes from many threads on many\n"
    "connections, to a receiver in another process that verifies every byte, every order and\n"
    "every count. With the address of an echo server (tcp:HOST:PORT, unix:PATH): closed-loop\n"
    "clients that verify what comes back.\n"
    "\n"
    "  --seconds N          how long; default 8\n"
    "  --messages N         end after so many messages, if that is sooner\n"
    "  --seed N             repeat a run's choices; printed first\n"
    "  --connections N      default 64\n"
    "  --loops N            default: one per processor\n"
    "  --size-max BYTES     largest message, suffix k or m; default 1m (echo: 16k); most are "
    "small\n"
    "  --depth N            messages each writer keeps in flight; default 512 (echo: 1)\n"
    "  --json               the summary as one line of JSON, nothing else on standard output\n"
    "  --quiet              no progress lines\n"
    "  --help               this text\n"
    "\n"
    "Of the storm of writes only:\n"
    "  --producers N        threads that write to connections they do not own; default 4\n"
    "  --receivers N        threads of the receiver; default: one per processor\n"
    "  --transport KIND     tcp, unix or both; default both\n"
    "  --cancel-rate PART   part of the messages that is cancelled; default 0.05\n"
    "  --close-rate N       connections closed per second, in all modes; default 20\n"
    "  --priority           some messages pass others\n"
    "  --in-process         the receiver as threads of this process\n"
    "\n"
    "Exit status 0: it held; 1: a claim of the library broke; 2: wrong usage, or no room to "
    "test.\n";

enum option_name {
    OPT_SECONDS = 1,
    OPT_MESSAGES,
    OPT_SEED,
    OPT_CONNECTIONS,
    OPT_LOOPS,
    OPT_SIZE_MAX,
    OPT_DEPTH,
    OPT_JSON,
    OPT_QUIET,
    OPT_HELP,
    OPT_PRODUCERS,
    OPT_RECEIVERS,
    OPT_TRANSPORT,
    OPT_CANCEL_RATE,
    OPT_CLOSE_RATE,
    OPT_PRIORITY,
    OPT_IN_PROCESS,
    OPT_ADDRESS,
};

static const struct option known[] = {
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"messages", required_argument, NULL, OPT_MESSAGES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"loops", required_argument, NULL, OPT_LOOPS},
    {"size-max", required_argument, NULL, OPT_SIZE_MAX},
    {"depth", required_argument, NULL, OPT_DEPTH},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {"producers", required_argument, NULL, OPT_PRODUCERS},
    {"receivers", required_argument, NULL, OPT_RECEIVERS},
    {"transport", required_argument, NULL, OPT_TRANSPORT},
    {"cancel-rate", required_argument, NULL, OPT_CANCEL_RATE},
    {"close-rate", required_argument, NULL, OPT_CLOSE_RATE},
    {"priority", no_argument, NULL, OPT_PRIORITY},
    {"in-process", no_argument, NULL, OPT_IN_PROCESS},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {NULL, 0, NULL, 0},
};

static void
usage_error(const char *what, const char *value)
{
    fprintf(stderr, "weir-storm: %s: %s\nTry: weir-storm --help\n", what, value);
    exit(2);
}

static uint64_t
parse_count(const char *text, uint64_t min, uint64_t max)
{
    char *end;

    errno = 0;
    unsigned long long count = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || errno != 0) {
        usage_error("not a number", text);
    }
    if (*end == 'k' || *end == 'm') {
        count *= *end == 'k' ? 1024 : 1024 * 1024;
        end++;
    }
    if (*end != '\0' || count < min || count > max) {
        usage_error("out of range", text);
    }
    return count;
}

static double
parse_real(const char *text, double max)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > max) {
        usage_error("not a number in range", text);
    }
    return value;
}

static enum transport
parse_transport(const char *text)
{
    static const char *const names[] = {
        [TRANSPORT_TCP] = "tcp", [TRANSPORT_UNIX] = "unix", [TRANSPORT_BOTH] = "both"};

    for (unsigned i = TRANSPORT_TCP; i <= TRANSPORT_BOTH; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum transport)i;
        }
    }
    usage_error("not tcp, unix or both", text);
    return TRANSPORT_BOTH;
}

static void
parse_address(struct options *options, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    int status = -EINVAL;

    if (strncmp(text, "unix:", 5) == 0) {
        status = weir_address_unix(&options->address, text + 5);
    } else if (strncmp(text, "tcp:", 4) == 0 && colon > text + 3) {
        bool has_brackets = text[4] == '[' && colon[-1] == ']';
        const char *begin = text + 4 + has_brackets;
        size_t size = (size_t)(colon - has_brackets - begin);

        snprintf(host, sizeof(host), "%.*s", (int)size, begin);
        status = weir_address_ip(&options->address, host,
                                 (uint16_t)parse_count(colon + 1, 1, UINT16_MAX));
    }
    if (status != 0) {
        usage_error("not an address (tcp:HOST:PORT or unix:PATH)", text);
    }
    options->address_text = text;
    options->has_address = true;
}

static void
take_scenario_option(struct options *options, int option)
{
    switch (option) {
    case OPT_PRODUCERS:
        options->producers = (unsigned)parse_count(optarg, 1, 256);
        break;
    case OPT_RECEIVERS:
        options->receivers = (unsigned)parse_count(optarg, 1, 64);
        break;
    case OPT_TRANSPORT:
        options->transport = parse_transport(optarg);
        break;
    case OPT_CANCEL_RATE:
        options->cancel_rate = parse_real(optarg, 1);
        break;
    case OPT_CLOSE_RATE:
        options->close_rate = parse_real(optarg, 100000);
        break;
    case OPT_PRIORITY:
        options->priority = true;
        break;
    case OPT_IN_PROCESS:
        options->is_in_process = true;
        break;
    case OPT_ADDRESS:
        parse_address(options, optarg);
        break;
    default:
        fputs("Try: weir-storm --help\n", stderr);
        exit(2);
    }
}

static void
take_option(struct options *options, int option)
{
    switch (option) {
    case OPT_SECONDS:
        options->seconds = parse_real(optarg, 1e7);
        break;
    case OPT_MESSAGES:
        options->messages = parse_count(optarg, 1, UINT64_MAX);
        break;
    case OPT_SEED:
        options->seed = parse_count(optarg, 0, UINT64_MAX);
        break;
    case OPT_CONNECTIONS:
        options->connections = (unsigned)parse_count(optarg, 1, 20000);
        break;
    case OPT_LOOPS:
        options->loops = (unsigned)parse_count(optarg, 1, 256);
        break;
    case OPT_SIZE_MAX:
        options->size_max = (size_t)parse_count(optarg, 0, UINT64_C(256) * 1024 * 1024);
        break;
    case OPT_DEPTH:
        options->depth = (unsigned)parse_count(optarg, 1, 65536);
        break;
    case OPT_JSON:
        options->json = true;
        options->quiet = true;
        break;
    case OPT_QUIET:
        options->quiet = true;
        break;
    case OPT_HELP:
        fputs(help, stdout);
        exit(0);
    default:
        take_scenario_option(options, option);
        break;
    }
}

static uint64_t
fresh_seed(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return random_mix((uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^
                      (uint64_t)getpid() << 48) >>
           24;
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    struct options options = {
        .seconds = 8,
        .seed = fresh_seed(),
        .connections = 64,
        .producers = 4,
        .size_max = SIZE_MAX,
        .cancel_rate = 0.05,
        .close_rate = 20,
        .transport = TRANSPORT_BOTH,
    };
    bool is_echo = false;
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        take_option(&options, option);
    }
    for (int i = optind; i < argc; i++) {
        if (i == optind && strcmp(argv[i], "echo") == 0) {
            is_echo = true;
        } else if (options.has_address) {
            usage_error("one address is enough", argv[i]);
        } else {
            parse_address(&options, argv[i]);
        }
    }
    if (is_echo && !options.has_address) {
        usage_error("echo needs an address", "echo");
    }
    if (options.size_max == SIZE_MAX) {
        options.size_max = options.has_address ? 16384 : 1024 * 1024;
    }
    *ret_options = options;
}
