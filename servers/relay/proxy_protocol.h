/* SPDX-License-Identifier: MIT */
#ifndef RELAY_PROXY_PROTOCOL_H
#define RELAY_PROXY_PROTOCOL_H

// The PROXY protocol, versions 1 and 2: what a proxy says in front of a connection's bytes about
// who is at its other end. Only bytes here: no stream, no clock.

#include "weir/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proxy_header {
    unsigned version;
    bool is_known; // the addresses say something; else the connection is the proxy's own
    struct weir_address source;
    struct weir_address destination;
};

// No header is longer: version 2's length could say more, and nobody sends as much.
#define PROXY_HEADER_MAX 4096u

// No header that is written is longer: version 2 with two Unix paths.
#define PROXY_WRITE_MAX 232u

// Read a header at the front of some bytes. Its length; 0: more bytes are needed to tell; -EPROTO:
// this is no header, and *ret_why says why.
long proxy_parse(const uint8_t *bytes, size_t size, struct proxy_header *ret_header,
                 const char **ret_why);

// Write a header of version 1 or 2. Addresses of no known family make one that says nothing. Its
// length.
size_t proxy_write(unsigned version, const struct weir_address *source,
                   const struct weir_address *destination, uint8_t buffer[PROXY_WRITE_MAX]);

#endif /* RELAY_PROXY_PROTOCOL_H */
