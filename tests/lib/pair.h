/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PAIR_H
#define TESTS_LIB_PAIR_H

// A weir stream and, at its other end, a plain descriptor: over every transport there is.
//
// The plain end is non-blocking; the peer_… functions turn the loops while they wait.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "weir/weir.h"

struct fixture;
struct events;

// ---- transports -------------------------------------------------------------------------------

enum transport_bit {
    TRANSPORT_TCP4 = 1 << 0,
    TRANSPORT_TCP6 = 1 << 1,
    TRANSPORT_PATH = 1 << 2,     // Unix, a path
    TRANSPORT_ABSTRACT = 1 << 3, // Unix, an abstract name
    TRANSPORT_VSOCK = 1 << 4,    // to this machine itself, where the kernel can
    TRANSPORT_HYBRID = 1 << 5,   // Unix, a path, behind which ports are asked for: of flows
    TRANSPORT_TCP = TRANSPORT_TCP4 | TRANSPORT_TCP6,
    TRANSPORT_UNIX = TRANSPORT_PATH | TRANSPORT_ABSTRACT,
    TRANSPORT_ALL = TRANSPORT_TCP | TRANSPORT_UNIX | TRANSPORT_VSOCK,
};

struct transport {
    const char *name;
    enum transport_bit bit;
    int family;
};

enum { TRANSPORT_COUNT = 6 };
extern const struct transport transports[TRANSPORT_COUNT];

bool transport_is_available(const struct transport *transport);
bool transport_is_tcp(const struct transport *transport);
// The errno of a connect to where nobody listens.
int transport_refusal(const struct transport *transport);

// An address nobody listens on yet: any port for TCP and vsock, a fresh name for Unix.
struct weir_address transport_address(struct fixture *fixture);
// A plain listening socket of the fixture's transport; receive_buffer 0: the kernel's.
int transport_listen(struct fixture *fixture, int receive_buffer, struct weir_address *ret_address);
// A plain connected socket, non-blocking. Fails the test when it cannot.
int transport_connect(struct fixture *fixture, const struct weir_address *address,
                      int receive_buffer);
// Turn until the plain listening socket has a connection; non-blocking, the fixture's.
int transport_accept(struct fixture *fixture, int listener);

// ---- pairs ------------------------------------------------------------------------------------

enum pair_made {
    PAIR_ADOPTED,  // weir_adopt()
    PAIR_DIALLED,  // weir_dial() to a plain listener
    PAIR_ACCEPTED, // weir_listen(), a plain socket connects
};

// (*) On TCP its window then settles below one segment, and a sender who has more waits for the
// kernel's persist timer, 200 ms for each window. To block, that is good; to pass much through it
// is not.
struct pair_options {
    enum pair_made made;
    struct weir_stream_options stream; // without handlers: recorded in pair->events
    struct weir_loop *loop;            // NULL: the first
    bool pull;                         // record without a data function
    bool small;                        // small buffers both ways: 1 MiB blocks early
    int window;                        // if small: the peer's receive buffer; 0: the smallest (*)
    bool stuffed;                      // adopted only, implies small: no room for a single byte
    bool unstarted;                    // do not wait for `started`
};

struct pair {
    struct fixture *fixture;
    weir_stream stream;
    weir_listener listener; // PAIR_ACCEPTED
    int peer;
    struct events *events;
    size_t stuffed; // foreign bytes (0xEE) the peer will read first
};

struct pair *pair_open(struct fixture *fixture, const struct pair_options *options);

// Read the foreign bytes of a stuffed pair, so that the stream can write again.
void pair_unstuff(struct pair *pair);

// Turn until the stream's socket is full with a write in the middle: the peer holds bytes and no
// turn moves any more. Returns how many bytes the kernel has taken.
size_t pair_block(struct pair *pair);

// Turn until `closed`.
void pair_wait_closed(struct pair *pair);

// ---- the plain end ----------------------------------------------------------------------------

// Read exactly size bytes; an end before that fails.
void peer_read_exact(struct fixture *fixture, int peer, void *buffer, size_t size);
// Read and compare with a pattern.
void peer_read_pattern(struct fixture *fixture, int peer, size_t size, uint64_t offset,
                       unsigned seed);
// Write all.
void peer_write(struct fixture *fixture, int peer, const void *data, size_t size);
// Turn until the other end's kernel has everything that was written: a reset leaves nothing behind.
void peer_wait_sent(struct fixture *fixture, int peer);
// FIN.
void peer_finish(struct fixture *fixture, int peer);
// Reset: a linger of 0 and close. On Unix sockets and vsock a plain close.
void peer_reset(struct fixture *fixture, int peer);

// Bytes that can be read now, without a turn.
size_t peer_waiting(int peer);

// Read until the end: bytes read, and 0 for EOF or the negative errno.
int peer_read_to_end(struct fixture *fixture, int peer, size_t *ret_size);
// EOF, and nothing before it.
void peer_expect_eof(struct fixture *fixture, int peer);
// A reset (on Unix sockets and vsock an end of any kind), whatever was before it; returns those
// bytes.
size_t peer_expect_reset(struct fixture *fixture, int peer);
// Nothing to read after the loops came to rest. Manual loops only.
void peer_expect_silence(struct fixture *fixture, int peer);

#endif /* TESTS_LIB_PAIR_H */
