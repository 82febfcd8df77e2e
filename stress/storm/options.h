/* SPDX-License-Identifier: MIT */
#ifndef STORM_OPTIONS_H
#define STORM_OPTIONS_H

// The command line of weir-storm.

#include "weir/net.h"

#include <stdbool.h>

enum transport { TRANSPORT_TCP = 1, TRANSPORT_UNIX = 2, TRANSPORT_BOTH = 3 };

struct options {
    bool has_address; // then it is the echo scenario
    struct weir_address address;
    const char *address_text;
    double seconds;
    uint64_t messages; // 0: no such limit
    uint64_t seed;
    unsigned connections;
    unsigned producers;
    unsigned loops; // 0: one per processor
    unsigned receivers;
    unsigned depth; // messages one writer keeps in flight; 0: the scenario's default
    size_t size_max;
    double cancel_rate; // of all messages
    double close_rate;  // connections per second
    enum transport transport;
    bool is_in_process;
    bool priority;
    bool json;
    bool quiet;
};

// Ends the program with status 0 on --help, and with 2 on anything it does not understand.
void options_parse(struct options *ret_options, int argc, char **argv);

#endif /* STORM_OPTIONS_H */
