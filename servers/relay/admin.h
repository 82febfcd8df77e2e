/* SPDX-License-Identifier: MIT */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

// A few answers by HTTP/1.1 at an address of their own: /metrics and /health. One request per
// connection.

#include "relay.h"

// 0 and the listener, or -errno.
int admin_listen(struct relay *relay, const struct weir_endpoint *endpoint,
                 weir_listener *ret_listener);

#endif /* RELAY_ADMIN_H */
