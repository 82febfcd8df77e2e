/* SPDX-License-Identifier: MIT */
#ifndef WI_HYBRID_H
#define WI_HYBRID_H

/**
 * @file
 * The hybrid form of vsock, which Firecracker and cloud-hypervisor offer on the host: a Unix socket
 * for all ports of a virtual machine. Who connects first sends "CONNECT <port>\n" and is answered
 * "OK <port>\n", with a port of the other side; one who is refused sees the connection end.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct weir_address;
struct wi_listener_part;
struct wi_loop;
struct wi_stream;
struct wi_timer;

/** More than any line that is right. */
#define WI_HYBRID_LINE_MAX 32u

struct wi_hybrid_line {
    uint8_t size;
    char text[WI_HYBRID_LINE_MAX];
};

/** What a dial has asked and been answered so far. */
struct wi_hybrid_asking {
    bool is_wanted;
    uint8_t said;
    uint32_t port;
    struct wi_hybrid_line answer;
};

/** Any thread. Read on, never beyond the line's end. 1: it is whole; 0: more has to come;
 *  -ECONNREFUSED: the peer ended instead; -EPROTO: it is too long; or what the socket says. */
int wi_hybrid_hear(int fd, struct wi_hybrid_line *line);

/** Any thread. Send "WORD PORT\n" from byte *@p said on. 1: all of it; 0: when there is room again;
 *  or -errno. */
int wi_hybrid_say(int fd, const char *word, uint32_t port, uint8_t *said);

/** Any thread. A whole line must be "WORD PORT\n". 0 or -EPROTO. */
int wi_hybrid_read(const struct wi_hybrid_line *line, const char *word, uint32_t *ret_port);

/** Any thread. Where connections of a virtual machine to this port arrive: PATH_PORT. 0 or
 *  -ENAMETOOLONG. */
int wi_hybrid_guest_address(struct weir_address *address, uint32_t port);

/** Loop thread. The socket of a dial is connected, or ready again: ask, hear the answer. */
void wi_hybrid_dial(struct wi_loop *loop, struct wi_stream *stream, uint32_t events);

/** Loop thread. A connection was accepted by a listener that wants to be asked for a port. */
void wi_hybrid_accept(struct wi_listener_part *part, int fd, const struct sockaddr_storage *peer,
                      socklen_t peer_size);

/** Loop thread. The listener goes: so do those who have not asked. */
void wi_hybrid_drop(struct wi_listener_part *part);

/** Loop thread. Somebody connected and did not ask in time. */
void wi_hybrid_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

#endif /* WI_HYBRID_H */
