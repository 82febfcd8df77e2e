/* SPDX-License-Identifier: MIT */
#ifndef RELAY_OPTIONS_H
#define RELAY_OPTIONS_H

#include "limits.h"

#include "common/ports.h"

#include "weir/address.h"
#include "weir/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// From where to where.
struct route {
    struct place from;
    struct weir_endpoint to;
    char from_text[WEIR_ENDPOINT_TEXT_SIZE];
    char to_text[WEIR_ENDPOINT_TEXT_SIZE];
    bool accepts_proxy;   // a PROXY header comes first
    unsigned sends_proxy; // the version of the header that goes first; 0: none
};

struct options {
    struct route *routes;
    unsigned route_count;
    struct limits_options limits;
    uint64_t connect_ns;
    uint64_t header_ns;
    uint64_t idle_ns; // 0: never
    uint64_t drain_ns;
    uint64_t buffer;    // 0: the pump's default
    bool accepts_proxy; // of routes of the command line
    unsigned sends_proxy;
    bool copies; // no splice
    struct place admin;
    bool has_admin;
    char *log; // NULL: none
    char *port_file;
    char *show;
    unsigned loops;
    unsigned stall_ms;
    bool reuseport;
    bool pin;
};

// Fills *ret_options, or ends the program: with status 0 after --help, 2 on wrong usage.
void options_parse(struct options *ret_options, int argc, char **argv);
void options_free(struct options *options);

#endif /* RELAY_OPTIONS_H */
