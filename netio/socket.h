/* SPDX-License-Identifier: MIT */
#ifndef WI_SOCKET_H
#define WI_SOCKET_H

/**
 * @file
 * Socket options and addresses, as streams ask for them.
 */

#include "netio/stream.h"

/** Any thread. The transport of an address family; false: none of ours. */
bool wi_transport_of(int family, enum wi_transport *ret_transport);

/** Any thread. Set the options a stream asks for. 0 or -errno. */
int wi_socket_configure(int fd, const struct weir_stream_options *options,
                        enum wi_transport transport);

struct wi_socket_setting {
    int level;
    int name;
    uint64_t value;
};
#define WI_SOCKET_SETTINGS 5u

struct wi_socket_settings {
    struct wi_socket_setting list[WI_SOCKET_SETTINGS];
    unsigned count;
};

/** Any thread. How the options are set that wi_socket_configure() would change. 0 or -errno. */
int wi_socket_remember(int fd, const struct weir_stream_options *options,
                       enum wi_transport transport, struct wi_socket_settings *ret_before);
/** Any thread. Set them so again. */
void wi_socket_restore(int fd, const struct wi_socket_settings *before);

/** Loop thread. Remember the peer: compactly when it is IPv4, else in the extra part. */
void wi_stream_set_peer(struct wi_stream *stream, const struct sockaddr *address, socklen_t size);

/** Does the status of a send say that the connection has died? */
bool wi_socket_is_dead(int status);

#endif /* WI_SOCKET_H */
