/* SPDX-License-Identifier: MIT */
#ifndef WI_LISTEN_H
#define WI_LISTEN_H

/**
 * @file
 * Listeners: one socket whose connections go to the loop with the fewest streams, or one
 * SO_REUSEPORT socket per loop.
 */

#include "runtime/control.h"
#include "runtime/runtime.h"
#include "weir/net.h"

struct wi_hybrid_client;
struct wi_listener;

/** One socket of a listener, on one loop. */
struct wi_listener_part {
    struct wi_source source;
    struct wi_control control;
    wi_atomic_u32 pending; // why the control was pushed
    struct wi_listener *listener;
    struct wi_loop *loop;
    struct wi_timer timer;                // resting, for want of descriptors
    struct wi_task last;                  // the backlog of a closing listener, then its end
    struct wi_listener_part *next, *prev; // of the loop
    int fd;
    struct wi_hybrid_client *clients; // who have connected and not asked yet; see hybrid.c
    uint32_t told;                    // clients that were answered
    unsigned last_left;               // closing: so many may have been in the backlog
    bool closing;
};

struct wi_listener {
    wi_atomic_u32 generation; // odd: alive
    wi_atomic_u32 next_free;
    wi_atomic_u32 parts_open;
    wi_atomic_u32 failed; // the errno it ends with
    uint32_t slot;
    struct wi_runtime *runtime;
    struct weir_listen request;
    struct weir_address bound;
    unsigned part_count;
    struct wi_listener_part *parts;
};

#define WI_LISTENER_SEGMENT 16u

/** Any thread (listen_socket.c). A socket that listens at @p address, or -errno with none left. */
int wi_listen_socket(const struct weir_listen *request, const struct weir_address *address);
/** Any thread. Put the address of the socket that is adopted in @p request, and see that it listens
 *  and can be used. 0, or -errno: it is as it was, but perhaps non-blocking. */
int wi_listen_adopt(struct weir_listen *request);
/** Any thread. How many connections its backlog holds at most. */
unsigned wi_listen_backlog(const struct weir_listen *request);
/** Any thread. Put the address that is meant by endpoint in @p request; @p ret_any: it stands for
 *  all of this machine, by IPv6. 0, -EINVAL, -ENOTSUP. */
int wi_listen_choose(struct weir_listen *request, bool *ret_any);
/** Any thread. A socket file nobody listens on any more may go. */
void wi_listen_remove_dead(const struct weir_address *address);

/** Any thread. The socket file that binding made, of a listener that will not be. */
void wi_listen_remove_ours(const struct weir_address *address);

/** Loop thread. A connection to be made a stream, on the loop with the fewest; @p port: asked for,
 *  where that is wanted. */
void wi_listener_place(struct wi_listener_part *part, int fd, const struct sockaddr_storage *peer,
                       socklen_t peer_size, uint32_t port);

/** Any thread (listen_slots.c). A listener to be set up; NULL: memory ran out. And back. */
struct wi_listener *wi_listener_take(struct wi_runtime *runtime);
void wi_listener_free(struct wi_listener *listener);

int wi_listeners_init(struct wi_runtime *runtime);
/** Loop thread. Close what listens here: the loop is being closed down. */
void wi_listeners_stop(struct wi_loop *loop);
void wi_listener_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

#endif /* WI_LISTEN_H */
