/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "weir/address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct peer
peer_of(const struct weir_address *address)
{
    struct peer peer = {.family = (uint8_t)address->as.any.sa_family};

    switch (peer.family) {
    case AF_INET:
        memcpy(peer.host, &address->as.in.sin_addr, sizeof(address->as.in.sin_addr));
        peer.port = ntohs(address->as.in.sin_port);
        break;
    case AF_INET6:
        memcpy(peer.host, &address->as.in6.sin6_addr, sizeof(peer.host));
        peer.port = ntohs(address->as.in6.sin6_port);
        break;
    case AF_VSOCK:
        memcpy(peer.host, &address->as.vm.svm_cid, sizeof(address->as.vm.svm_cid));
        peer.port = address->as.vm.svm_port;
        break;
    default:
        break;
    }
    return peer;
}

void
peer_format(const struct peer *peer, char text[PEER_TEXT_SIZE])
{
    struct weir_address address = {.as.any.sa_family = peer->family};

    switch (peer->family) {
    case AF_INET:
        address.size = sizeof(address.as.in);
        memcpy(&address.as.in.sin_addr, peer->host, sizeof(address.as.in.sin_addr));
        address.as.in.sin_port = htons((uint16_t)peer->port);
        break;
    case AF_INET6:
        address.size = sizeof(address.as.in6);
        memcpy(&address.as.in6.sin6_addr, peer->host, sizeof(peer->host));
        address.as.in6.sin6_port = htons((uint16_t)peer->port);
        break;
    case AF_VSOCK:
        address.size = sizeof(address.as.vm);
        memcpy(&address.as.vm.svm_cid, peer->host, sizeof(address.as.vm.svm_cid));
        address.as.vm.svm_port = peer->port;
        break;
    default:
        snprintf(text, PEER_TEXT_SIZE, "%s", peer->family == AF_UNIX ? "unix:" : "unknown");
        return;
    }
    weir_address_format(&address, text, PEER_TEXT_SIZE);
}
