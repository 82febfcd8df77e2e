/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_PORTS_H
#define SERVERS_PORTS_H

// Listening as the programs do it, and telling others where.

#include "common/settings.h"

#include "weir/net.h"

#include <stdbool.h>

#define PLACE_NAME_SIZE 64u

// Where to listen: at an address, or on a socket that a service manager hands over, by its name.
struct place {
    struct weir_endpoint endpoint; // kind NONE: such a socket
    char name[PLACE_NAME_SIZE];    // "": any
};

// An address, or "systemd:NAME". False: it is none, or cannot be listened on, and was said.
bool given_place(const struct given *given, unsigned word, struct place *ret_place);

// As it was given.
void place_format(const struct place *place, char text[WEIR_ENDPOINT_TEXT_SIZE]);

// Fill in what the place asks for (a dead socket file may go; @p reuseport: a socket per loop),
// listen, and answer with the address. False: it cannot be, and was said.
bool ports_listen(struct weir_runtime *runtime, struct weir_listen *request,
                  const struct place *place, bool reuseport, weir_listener *ret_listener,
                  struct weir_address *ret_bound);

// Write ports to a file, one a line. Whoever waits for it finds it complete or not at all. A NULL
// path is no file. False: it cannot be, and was said.
bool ports_write(const char *path, const unsigned *ports, unsigned count);

#endif /* SERVERS_PORTS_H */
