/* SPDX-License-Identifier: MIT */
#ifndef STORM_CLIENT_H
#define STORM_CLIENT_H

// One client of a crowd: a plain socket that sends records and verifies those that come. One
// thread owns it.

#include "crowd.h"
#include "random.h"
#include "reader.h"

#define OUTBOX_RECORDS 16u

// Records on their way into the socket.
struct outbox {
    struct record heads[OUTBOX_RECORDS];
    unsigned first;
    unsigned count;
    size_t offset; // of the first one, bytes already gone
};

enum client_state {
    CLIENT_IDLE, // not connected yet
    CLIENT_CONNECTING,
    CLIENT_OPEN,
    CLIENT_ENDING, // our end is closed, the server's is awaited
    CLIENT_GONE,
};

struct client {
    int fd;
    uint32_t id;
    uint32_t group;
    enum client_state state;
    uint32_t watched; // events that the poller knows of
    bool is_blocked;  // the socket took no more
    uint32_t sequence_out;
    uint32_t sequence_in;
    uint64_t due;      // messages that an open loop wants sent by now
    unsigned position; // in its open loop's schedule
    struct outbox *outbox;
    struct reader reader;
    struct client *next; // among those that rest
};

struct crowd_loop;

// Ends the program when there is no socket; says so when the server cannot be reached.
void client_connect(struct crowd_loop *loop, struct client *client);

// The socket is connected, or could not be.
void client_connected(struct crowd_loop *loop, struct client *client);

// Send what may be sent now.
void client_send(struct crowd_loop *loop, struct client *client);

// Read and verify what has come, at most @p size_max bytes.
void client_receive(struct crowd_loop *loop, struct client *client, size_t size_max);

// The crowd ends: when nothing is out any more, end this client's side.
void client_end(struct crowd_loop *loop, struct client *client);

// Watch the socket for what this client waits for now.
void client_watch(struct crowd_loop *loop, struct client *client);

// A socket to one of the server's addresses, with a local one that depends on @p serial, so that no
// run is short of ports; connecting, or -1 and errno.
int client_dial(const struct crowd *crowd, const struct crowd_group *group, uint64_t serial);

#endif /* STORM_CLIENT_H */
