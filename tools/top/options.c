/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INTERVAL_MAX_S 3600.0

static const char help[] =
    "Usage: weir-top [OPTION]... [PROCESS | NAME]\n"
    "Show what the loops of a running program do, from outside: rates, queues, and how long\n"
    "writes take to the wire. The program must have named its statistics\n"
    "(weir_runtime_options.stats_name). Without PROCESS or NAME: the only such program.\n"
    "\n"
    "  --list            which programs there are\n"
    "  --interval S      seconds between views; default 1\n"
    "  --count N         end after so many views; default: when the program ends\n"
    "  --plain           lines behind each other; what a file or a pipe gets anyway\n"
    "  --help            this text\n"
    "\n"
    "Exit status 0; 1 when there is no such program, it may not be looked at, or it does not\n"
    "answer; 2 on wrong usage.\n";

static void
usage_error(const char *what, const char *value)
{
    fprintf(stderr, "weir-top: %s: %s\nTry: weir-top --help\n", what, value);
    exit(2);
}

static uint64_t
parse_interval(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0.01 ||
        seconds > INTERVAL_MAX_S) {
        usage_error("--interval wants seconds from 0.01 to 3600", text);
    }
    return (uint64_t)(seconds * 1e9);
}

static uint64_t
parse_count(const char *text)
{
    char *end;
    unsigned long long count = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || count == 0) {
        usage_error("--count wants a number from 1", text);
    }
    return count;
}

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    static const struct option known[] = {
        {"list", no_argument, NULL, 'l'},        {"interval", required_argument, NULL, 'i'},
        {"count", required_argument, NULL, 'c'}, {"plain", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    int option;

    *ret_options = (struct options){.interval_ns = UINT64_C(1000000000)};
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'l':
            ret_options->list = true;
            break;
        case 'i':
            ret_options->interval_ns = parse_interval(optarg);
            break;
        case 'c':
            ret_options->count = parse_count(optarg);
            break;
        case 'p':
            ret_options->plain = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            fputs("Try: weir-top --help\n", stderr);
            exit(2);
        }
    }
    if (optind + 1 < argc) {
        usage_error("one program at a time", argv[optind + 1]);
    }
    ret_options->whom = argv[optind];
    ret_options->plain |= isatty(STDOUT_FILENO) == 0;
}
