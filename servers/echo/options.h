/* SPDX-License-Identifier: MIT */
#ifndef ECHO_OPTIONS_H
#define ECHO_OPTIONS_H

// The command line of weir-echo.

#include "common/ports.h"

#include <stdbool.h>

#define OPTIONS_LISTEN_MAX 64

struct options {
    struct place listen[OPTIONS_LISTEN_MAX];
    unsigned listen_count;
    unsigned loops; // 0: one per processor
    bool reuseport;
    bool pin;
    bool stats;
    unsigned stall_ms; // 0: do not look
    char *show;        // NULL: nobody else sees the statistics
    char *port_file;   // NULL: none
};

// Ends the program with status 0 on --help, and with 2 on anything it does not understand.
void options_parse(struct options *ret_options, int argc, char **argv);
void options_free(struct options *options);

#endif /* ECHO_OPTIONS_H */
