/* SPDX-License-Identifier: MIT */
#ifndef STORM_CROWD_H
#define STORM_CROWD_H

// Many clients of one server, on plain sockets: they send, verify what comes, and say what they
// got. The judge does not use what it judges. They run in a process of their own, or as threads.

#include "counters.h"
#include "histogram.h"
#include "live.h"
#include "record.h"
#include "scenario.h"

#include <pthread.h>
#include <sys/types.h>

#define CROWD_GROUPS_MAX    4u
#define CROWD_THREADS_MAX   16u
#define CROWD_ADDRESSES_MAX 2u
#define CROWD_RUNS          2u // phases whose latencies are kept apart

// Only grows. Clients connect in the first, and do what they are for from their group's phase on.
enum crowd_phase {
    CROWD_WAITS,
    CROWD_CONNECTS,
    CROWD_FIRST_RUN,
    CROWD_SECOND_RUN,
    CROWD_ENDS, // nothing new is sent; what was sent is waited for
};

// Clients that do the same.
struct crowd_group {
    unsigned clients;
    unsigned address; // index of the one it connects to
    enum crowd_phase begins;
    bool says_hello; // the first record only tells who it is
    bool sends;
    bool is_echo;          // what it sends comes back, and nothing else comes
    bool may_miss;         // records may be left out of what comes
    bool rests;            // does not read before the end
    bool is_slow;          // reads little, and seldom
    bool churns;           // a new connection for each message
    bool ends_by_itself;   // churns: only the client closes
    bool drains;           // is closed by the server, with unread input on both sides
    bool may_reset;        // drains: a reset is counted, and nothing else
    size_t unread;         // drains: bytes that the server never reads
    unsigned depth;        // messages out at once; 0: as the socket takes them
    double rate;           // messages per second of all its clients together; 0: closed loop
    uint64_t messages_max; // of each client, when it churns of all; 0: no limit
    size_t size;           // of a message
    size_t size_min;       // 0: all have the same size
    bool mostly_small;     // of the sizes between, else all are as likely
    int receive_buffer;    // of the socket; 0: the kernel's
};

struct crowd_plan {
    struct crowd_group groups[CROWD_GROUPS_MAX];
    unsigned group_count;
    unsigned threads;
    uint64_t seed;
};

enum crowd_end {
    CROWD_END_NONE,  // never was connected
    CROWD_END_EOF,   // the server ended, or both did
    CROWD_END_RESET, // the server reset the connection
};

// What one client has seen, all its life.
struct crowd_account {
    uint64_t messages_sent; // put into the socket whole
    uint64_t messages_got;  // whole and verified
    uint64_t bytes_got;
    uint64_t set_got; // sum of the checks of what came
    uint32_t end;     // enum crowd_end
};

// One thread's. Only it writes.
struct crowd_counts {
    _Alignas(64) _Atomic uint64_t messages; // came back; or came, or were sent
    _Atomic uint64_t bytes;                 // both ways
    _Atomic uint64_t connections;           // open
    _Atomic uint64_t connected;             // ever
    _Atomic uint64_t closes;
    _Atomic uint64_t resets; // by the server
    _Atomic uint64_t unsent; // due, and not sent at the end
    _Atomic uint64_t group_messages[CROWD_GROUPS_MAX];
    struct histogram latency[CROWD_GROUPS_MAX][CROWD_RUNS];
};

// In memory of both processes.
struct crowd_shared {
    atomic_uint phase; // enum crowd_phase
    atomic_uint threads_done;
    _Atomic uint64_t begin_ns[CROWD_ENDS + 1]; // when each phase began
    struct weir_address addresses[CROWD_ADDRESSES_MAX];
    unsigned address_count;
    bool is_foreign;         // somebody else's server: if it is not there, nothing is broken
    _Atomic uint64_t serial; // of the next connection of those that churn
    struct crowd_counts counts[CROWD_THREADS_MAX];
    struct crowd_account accounts[]; // of each client, by its number
};

struct crowd {
    struct crowd_plan plan;
    unsigned client_count;
    struct crowd_shared *shared;
    size_t shared_size;
    pid_t process; // 0: threads of this process
    pthread_t thread;
};

// Before any thread is made. @p plan is copied; the number of threads may be 0 for one per
// processor. Ends the program with status 2 when there are not enough descriptors.
void crowd_start(struct crowd *crowd, const struct crowd_plan *plan, enum server_place place);

// Where to connect to; before the first phase.
void crowd_set_address(struct crowd *crowd, const struct weir_address *address);

void crowd_enter(struct crowd *crowd, enum crowd_phase phase);

// Sums over the threads.
uint64_t crowd_messages(const struct crowd *crowd);
uint64_t crowd_group_messages(const struct crowd *crowd, unsigned group);
uint64_t crowd_bytes(const struct crowd *crowd);
uint64_t crowd_connections(const struct crowd *crowd);
uint64_t crowd_connected(const struct crowd *crowd);
uint64_t crowd_closes(const struct crowd *crowd);
uint64_t crowd_resets(const struct crowd *crowd);
uint64_t crowd_unsent(const struct crowd *crowd);
void crowd_latency(const struct crowd *crowd, unsigned group, unsigned run,
                   struct histogram *ret_sum);

// Has the last client gone? Ends the program when the clients' process has died.
bool crowd_is_done(struct crowd *crowd);

// What a looker-on may see.
void crowd_show(const struct crowd *crowd, struct live *live);

// Now, wherever it is; for a run that has failed.
void crowd_kill(const struct crowd *crowd);

// Once it is done.
void crowd_join(struct crowd *crowd);
void crowd_free(struct crowd *crowd);

#endif /* STORM_CROWD_H */
