/* SPDX-License-Identifier: MIT */
#ifndef TOP_OPTIONS_H
#define TOP_OPTIONS_H

// The command line of weir-top.

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *whom; // a process, a name, or NULL: the only one there is
    uint64_t interval_ns;
    uint64_t count; // views; 0: until it ends
    bool plain;
    bool list;
};

// Ends the program with status 0 on --help, and with 2 on anything it does not understand.
void options_parse(struct options *ret_options, int argc, char **argv);

#endif /* TOP_OPTIONS_H */
