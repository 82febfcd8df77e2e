/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_PORTS_H
#define SERVERS_PORTS_H

// Listening as the programs do it, and telling others where.

#include "weir/net.h"

#include <stdbool.h>

// Fill in what an endpoint's kind asks for (a dead socket file may go; @p reuseport: a socket per
// loop), listen, and answer with the address, its text as well. False: it cannot be, and was said.
bool ports_listen(struct weir_runtime *runtime, struct weir_listen *request, bool reuseport,
                  weir_listener *ret_listener, struct weir_address *ret_bound);

// Write ports to a file, one a line. Whoever waits for it finds it complete or not at all. A NULL
// path is no file. False: it cannot be, and was said.
bool ports_write(const char *path, const unsigned *ports, unsigned count);

#endif /* SERVERS_PORTS_H */
