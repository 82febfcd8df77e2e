/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "common/settings.h"

#include <stdio.h>
#include <stdlib.h>

#define LISTEN_DEFAULT "tcp://127.0.0.1:7007"
#define LOOPS_MAX      256

static const char help[] =
    "Usage: weir-echo [OPTION]...\n"
    "Send back every byte that arrives, on as many loops as there are processors.\n"
    "\n"
    "  --listen ADDRESS   where to listen: tcp://HOST:PORT (numbers, or * for all addresses;\n"
    "                     port 0: any free one), unix:PATH, unix:@NAME, or systemd:NAME, a\n"
    "                     socket that was handed over; may be repeated; default\n"
    "                     " LISTEN_DEFAULT "\n"
    "  --config FILE      more of all this, one setting per line, without the hyphens\n"
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

static bool
take_listen(void *arg, const struct given *given)
{
    struct options *options = arg;

    if (options->listen_count == OPTIONS_LISTEN_MAX) {
        return given_refuse(given, 0, "more than %d addresses", OPTIONS_LISTEN_MAX);
    }
    return given_place(given, 0, &options->listen[options->listen_count++]);
}

#define AT(field) .offset = offsetof(struct options, field)

static const struct setting table[] = {
    {"listen", SETTING_OWN, .min = 1, .max = 1, .take = take_listen},
    {"loops", SETTING_NUMBER, AT(loops), 1, LOOPS_MAX},
    {"reuseport", SETTING_SWITCH, AT(reuseport)},
    {"pin", SETTING_SWITCH, AT(pin)},
    {"port-file", SETTING_TEXT, AT(port_file)},
    {"stats", SETTING_SWITCH, AT(stats)},
    {"show", SETTING_TEXT, AT(show)},
    {"stall", SETTING_NUMBER, AT(stall_ms), 1, 3600000},
};

void
options_parse(struct options *ret_options, int argc, char **argv)
{
    const struct settings settings = {
        .table = table, .count = sizeof(table) / sizeof(table[0]), .options = ret_options};
    char address[] = LISTEN_DEFAULT;
    struct given given = {.name = "listen", .words = {address}, .count = 1};
    int first;

    *ret_options = (struct options){.loops = 0};
    switch (settings_take_arguments(&settings, argc, argv, &first)) {
    case SETTINGS_HELP:
        fputs(help, stdout);
        exit(0);
    case SETTINGS_WRONG:
        exit(2);
    default:
        break;
    }
    if (first < argc) {
        given_refuse(&given, 0, "not an option: %s", argv[first]);
        exit(2);
    }
    if (ret_options->listen_count == 0 && !take_listen(ret_options, &given)) {
        exit(2);
    }
}

void
options_free(struct options *options)
{
    free(options->port_file);
    free(options->show);
}
