/* SPDX-License-Identifier: MIT */
#ifndef STORM_STORM_OPTIONS_H
#define STORM_STORM_OPTIONS_H

// What a storm is like.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport { TRANSPORT_TCP = 1, TRANSPORT_UNIX = 2, TRANSPORT_BOTH = 3 };

struct options {
    double seconds;
    uint64_t messages; // end when so many were delivered; 0: no such limit
    uint64_t cancels;  // end when so many cancels were made; 0: no such limit
    uint64_t seed;
    unsigned connections;
    unsigned producers;
    unsigned loops;     // 0: one per processor
    unsigned receivers; // 0: one per processor
    unsigned depth;     // messages one producer keeps in flight
    size_t size_max;    // of a payload
    double cancel_rate; // of all messages
    double close_rate;  // connections per second
    enum transport transport;
    bool is_in_process;
    bool priority;
    bool is_plain; // copied messages of size_max, no flags, from threads only
};

struct run;

// What the parameters say that every scenario of a storm has.
struct options storm_options_of(const struct run *run);

#endif /* STORM_STORM_OPTIONS_H */
