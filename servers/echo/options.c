/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_DEFAULT "tcp://127.0.0.1:7007"
#define LOOPS_MAX      256

static const char help[] =
    "Usage: weir-echo [OPTION]...\n"
    "Send back every byte that arrives, on as many loops as there are processors.\n"
    "\n"
    "  --listen ADDRESS   where to listen: tcp://HOST:PORT (numbers, or * for all addresses;\n"
    "                     port 0: any free one), unix:PATH or unix:@NAME; may be repeated;\n"
    "                     default " LISTEN_DEFAULT "\n"
    "  --loops N          number of loops; default: one per processor\n"
    "  --reuseport        one TCP socket per loop, the kernel spreads connections\n"
    "  --pin              pin each loop to a processor\n"
    "  --port-file FILE   write the first TCP port there once it listens\n"
    "  --stats            print the loops' counters at the end\n"
    "  --show NAME        let weir-top show the loops under this name while it runs\n"
    "  --stall MS         report a callback that holds its loop longer, with its stack\n"
    "  --help             this text\n"
    "\n"
    "Ends on SIGINT or SIGTERM: connections have 5 seconds to finish. Exit status 0, 1 when it\n"
    "cannot listen or stop, 2 on wrong usage.\n";

static void
usage_error(const char *what, const char *value)
{
    fprintf(stderr, "weir-echo: %s: %s\nTry: weir-echo --help\n", what, value);
    exit(2);
}

static unsigned
parse_number(const char *text, unsigned long max, const char *wanted)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < 1 || number > max) {
        usage_error(wanted, text);
    }
    return (unsigned)number;
}

static void
add_listen(struct options *options, const char *text)
{
    struct weir_parse_error error;
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];

    if (options->listen_count == OPTIONS_LISTEN_MAX) {
        usage_error("too many --listen", text);
    }
    if (weir_endpoint_parse(&options->listen[options->listen_count], text, &error) != 0) {
        weir_parse_error_format(&error, text, lines, sizeof(lines));
        fprintf(stderr, "weir-echo: not an address:\n%s\nTry: weir-echo --help\n", lines);
        exit(2);
    }
    if (options->listen[options->listen_count].kind == WEIR_ENDPOINT_NAME) {
        usage_error("a name cannot be listened on, only its addresses in numbers, or *", text);
    }
    options->listen_count++;
}

static void
take_option(struct options *options, int option)
{
    switch (option) {
    case 'l':
        add_listen(options, optarg);
        break;
    case 'n':
        options->loops = parse_number(optarg, LOOPS_MAX, "--loops wants a number from 1 to 256");
        break;
    case 'r':
        options->reuseport = true;
        break;
    case 'p':
        options->pin = true;
        break;
    case 'f':
        options->port_file = optarg;
        break;
    case 's':
        options->stats = true;
        break;
    case 'w':
        options->show = optarg;
        break;
    case 't':
        options->stall_ms = parse_number(optarg, 3600000, "--stall wants milliseconds from 1");
        break;
    case 'h':
        fputs(help, stdout);
        exit(0);
    default:
        fputs("Try: weir-echo --help\n", stderr);
        exit(2);
    }
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},
        {"loops", required_argument, NULL, 'n'},
        {"reuseport", no_argument, NULL, 'r'},
        {"pin", no_argument, NULL, 'p'},
        {"port-file", required_argument, NULL, 'f'},
        {"stats", no_argument, NULL, 's'},
        {"show", required_argument, NULL, 'w'},
        {"stall", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    memset(ret_options, 0, sizeof(*ret_options));
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        take_option(ret_options, option);
    }
    if (optind < argc) {
        usage_error("not an option", argv[optind]);
    }
    if (ret_options->listen_count == 0) {
        add_listen(ret_options, LISTEN_DEFAULT);
    }
}
