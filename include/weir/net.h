/* SPDX-License-Identifier: MIT */
#ifndef WEIR_NET_H
#define WEIR_NET_H

/**
 * @file
 * How streams come to be: listening and dialling, over TCP (IPv4, IPv6), Unix sockets and vsock.
 */

#include "weir/address.h"
#include "weir/base.h"
#include "weir/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_listen_flag {
    /** One SO_REUSEPORT socket per loop, the kernel spreads (TCP only). Default: one socket whose
     *  connections are placed on the loop with the fewest streams. */
    WEIR_LISTEN_REUSEPORT = 1 << 0,
    WEIR_LISTEN_V6ONLY = 1 << 1,
    WEIR_LISTEN_FAST_OPEN = 1 << 2, /* accept TCP Fast Open where the kernel allows it */
    WEIR_LISTEN_UNLINK = 1 << 3,    /* Unix path: remove a dead socket before, ours afterwards */
    /** Unix only: clients ask for a port first, as of Firecracker's socket ("CONNECT 80\n"), and
     *  are answered; weir_stream_hybrid_port() tells which. Other questions, and none within 5 s,
     *  end the connection, and are not told. */
    WEIR_LISTEN_HYBRID = 1 << 4,
    /** `fd` is a socket that listens already, as a service manager hands it over. */
    WEIR_LISTEN_ADOPT = 1 << 5,
};

/** A connection was accepted; the stream is open. Runs on the stream's loop before other events. */
typedef void weir_accept_fn(weir_listener listener, weir_stream stream, void *arg);

/** Last and once: the listener is gone. @p status 0: all that was in the backlog at the close has
 *  been accepted; -EMFILE and the like: what was left of it was dropped, and logged; otherwise why
 *  the listener could not go on. */
typedef void weir_listener_closed_fn(weir_listener listener, int status, void *arg);

struct weir_listen {
    struct weir_address address; /* port 0: the kernel chooses; see weir_listener_address() */
    const struct weir_endpoint *endpoint; /* in place of `address`; borrowed until return */
    unsigned flags;                       /* enum weir_listen_flag */
    int backlog;                          /* 0: 1024 */
    int fd;                               /* with ADOPT, in place of an address */
    struct weir_stream_options stream;    /* of every accepted stream */
    weir_accept_fn *accepted;             /* may be NULL */
    weir_listener_closed_fn *closed;      /* may be NULL */
    void *arg;
};

/**
 * Listen. When descriptors run out accepting rests and tries again; it never spins.
 *
 * Threads: any.
 * Blocks:  never (binding is immediate).
 * Memory:  copies @p request. Takes request->fd on success: weir makes it non-blocking and closes
 *          it. After a refusal it is the caller's.
 * @return 0, or -EINVAL (also an endpoint that is a name, which may have several addresses; ADOPT
 *   with another flag than HYBRID, or of a socket that does not listen), -EBADF, -ENOTSOCK (ADOPT),
 *   -ENOTSUP (an endpoint of a kind that cannot be listened on), -EADDRINUSE, -EADDRNOTAVAIL,
 *   -EACCES, -EAFNOSUPPORT, -EMFILE, -ENOMEM, -WEIR_ELANEFULL, -WEIR_EENDED (stopping), -ECHILD;
 *   nothing stays open, and no socket file.
 */
WEIR_API WEIR_NODISCARD int weir_listen(struct weir_runtime *runtime,
                                        const struct weir_listen *request,
                                        weir_listener *ret_listener);

/**
 * The address the listener is bound to.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EINVAL, -ECHILD.
 */
WEIR_API int weir_listener_address(weir_listener listener, struct weir_address *ret_address);

/**
 * Stop listening: what is in the backlog is accepted first, a batch per turn, then the socket
 * closes. What connects after the call may be accepted or not. When descriptors run out meanwhile
 * the rest is dropped, which request->closed tells. Streams live on.
 *
 * Threads: any.
 * Blocks:  never.
 * Calls:   request->closed once, on a loop.
 * @return 0, -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_listener_close(weir_listener listener);

enum weir_dial_flag {
    /** Do not connect yet: the first write with WEIR_START does. */
    WEIR_DIAL_LAZY = 1 << 0,
    WEIR_DIAL_FAST_OPEN =
        1 << 1, /* with LAZY on TCP: send the first bytes with the SYN if allowed */
};

struct weir_dial {
    struct weir_address address;
    const struct weir_endpoint *endpoint; /* in place of `address`; borrowed until return */
    struct weir_address bind;             /* size 0: the kernel chooses */
    unsigned flags;                       /* enum weir_dial_flag */
    uint64_t timeout_ns; /* relative, from the connect on, or from a name's look-up on; 0: 30 s;
                            WEIR_NEVER: the kernel's */
    uint64_t attempt_delay_ns; /* until a name's next address is tried beside those under way; 0:
                                  250 ms; 10 ms to 2 s */
    struct weir_stream_options stream;
};

/**
 * Dial. The stream can be written to at once; its writes run when it has started, and end in order
 * with the reason if it cannot.
 *
 * A name is resolved by threads of the runtime that do nothing else. Its addresses race (RFC 8305):
 * the first to connect is the stream's, the others are closed before `started`. If none does, the
 * reason is the failure that tells most; without an address it is -WEIR_ENONAME, -WEIR_ENAMEFAIL or
 * -WEIR_ENAMESFULL. Fast Open is for addresses in numbers.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p request.
 * Calls:   `started` once, then as any stream.
 * @return 0, or -EINVAL, -EAFNOSUPPORT, -ENOTSUP (an endpoint of a kind that cannot be dialled),
 *   -WEIR_ELANEFULL, -ENOMEM, -WEIR_EENDED (stopping), -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_dial(struct weir_loop *loop, const struct weir_dial *request,
                                      weir_stream *ret_stream);

/**
 * weir_dial() and wait until the stream has started.
 *
 * Threads: plain threads; -EDEADLK on a loop.
 * Blocks:  until started or failed.
 * @return 0, or why it failed: no stream is left then.
 */
WEIR_API int weir_dial_wait(struct weir_loop *loop, const struct weir_dial *request,
                            weir_stream *ret_stream);

/**
 * The port a client of a listener with WEIR_LISTEN_HYBRID asked for.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EINVAL, -EXDEV (another thread), -ENOTSUP (no such stream), -ECHILD.
 */
WEIR_API int weir_stream_hybrid_port(weir_stream stream, uint32_t *ret_port);

/**
 * The context id of this machine, by which its host and, where the host allows that, other virtual
 * machines reach it over vsock: 2 on a host.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -EINVAL, -ECHILD, or why the kernel cannot be asked: -ENOENT, -ENODEV (it has no
 *   vsock), -EACCES (/dev/vsock is not for this user), -EMFILE and the like.
 */
WEIR_API int weir_vsock_local_cid(uint32_t *ret_cid);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_NET_H */
