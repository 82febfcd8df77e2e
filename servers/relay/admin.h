/* SPDX-License-Identifier: MIT */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

// A few answers by HTTP/1.1 at an address of their own: /metrics and /health. One request per
// connection.

#include "relay.h"

// What there is to listen with, but for the place.
struct weir_listen admin_listen(struct relay *relay);

#endif /* RELAY_ADMIN_H */
