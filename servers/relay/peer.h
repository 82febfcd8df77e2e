/* SPDX-License-Identifier: MIT */
#ifndef RELAY_PEER_H
#define RELAY_PEER_H

// Who is at a connection's other end, as small as it can be kept.

#include "weir/net.h"

#include <stddef.h>
#include <stdint.h>

struct peer {
    uint8_t host[16]; // IPv4: the first four; vsock: the context
    uint32_t port;
    uint8_t family;
};

struct peer peer_of(const struct weir_address *address);

// As an endpoint's text; "unix:" for any Unix peer.
#define PEER_TEXT_SIZE 80
void peer_format(const struct peer *peer, char text[PEER_TEXT_SIZE]);

#endif /* RELAY_PEER_H */
