/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FAKE_KERNEL_H
#define TESTS_LIB_FAKE_KERNEL_H

// What os_fake.c makes its calls of: descriptors, pipes in memory, readiness and its edges, the
// script. Every function but fake_enter() expects the lock, which fake_enter() takes and
// fake_leave() gives back.

#include "tests/lib/os_fake.h"

#include <pthread.h>

#define FAKE_FILES   512
#define FAKE_PENDING 64
#define FAKE_REPORTS 64
#define FAKE_ITEMS   1024

enum fake_kind {
    FAKE_FILE_NONE,
    FAKE_FILE_POLLER,
    FAKE_FILE_WAKE,
    FAKE_FILE_SOCKET,
    FAKE_FILE_SIGNAL,
    FAKE_FILE_SPARE,
    FAKE_FILE_DISK, // `bytes`, `size`
};

enum fake_state {
    FAKE_SOCKET_NEW,
    FAKE_SOCKET_LISTENING,
    FAKE_SOCKET_CONNECTING, // to a network that does not answer
    FAKE_SOCKET_CONNECTED,
};

struct fake_address {
    struct sockaddr_storage any;
    socklen_t size;
};

struct fake_file {
    enum fake_kind kind;
    enum fake_state state;
    uint64_t count;               // WAKE: its value; SIGNAL: the set
    unsigned edges_in, edges_out; // changes that an edge-triggered watcher is told of
    // SOCKET.
    int family;
    int peer;             // index; -1: none, or gone
    unsigned char *bytes; // what waits to be received
    size_t capacity, begin, size;
    bool eof, reset, sent_fin, no_space, linger_reset, stamps;
    int error;
    struct fake_address local, remote;
    int pending[FAKE_PENDING]; // LISTENING: indices of connected sockets
    int pending_count, backlog;
    struct wi_os_report reports[FAKE_REPORTS];
    int report_count;
    uint64_t sent;
    bool zerocopy;       // SO_ZEROCOPY
    uint32_t zerocopies; // sends numbered so
    uint32_t let_go;     // of these, how many were reported
};

// A descriptor in a poller.
struct fake_item {
    int poller, file; // indices; poller -1: free
    uint32_t events;
    void *tag;
    bool changed; // looked at whatever the edges say
    unsigned edges_in, edges_out;
};

struct fake_script {
    unsigned long nth;
    int error;
    bool forever;
    unsigned long calls;
};

struct fake {
    struct fake_file files[FAKE_FILES];
    struct fake_item items[FAKE_ITEMS];
    struct fake_script all, each[OS_CALLS];
    unsigned long counts[OS_CALLS];
    enum os_call failed;
    uint64_t now;
    size_t capacity, send_max, receive_max;
    bool at_once;
    enum os_fake_zerocopy zerocopy;
    unsigned unheard;
    uint64_t signals; // raised and not taken
    in_port_t port;   // the next one to give out
    int item_count;   // items behind it were never used
    int first;        // of the items, where the next wait begins
    bool is_set_up;
};
extern struct fake fake;
extern pthread_mutex_t fake_lock;
extern pthread_cond_t fake_change;

void fake_enter(void);
ssize_t fake_leave(ssize_t result); // tells who waits, and passes result on

// First in every call that can fail: 0, or the scripted -errno.
int fake_script(enum os_call call);

struct fake_file *fake_file(int fd);   // NULL: not open
struct fake_file *fake_socket(int fd); // NULL: not a socket
struct fake_file *fake_peer(const struct fake_file *file);
int fake_open(enum fake_kind kind); // a descriptor, or -EMFILE
int fake_open_socket(int family);
void fake_close(struct fake_file *file);
void fake_join(struct fake_file *a, struct fake_file *b); // each the other's peer

void fake_changed(struct fake_file *file);
void fake_hang_up(struct fake_file *file, bool by_reset);
int fake_collect(int poller, struct epoll_event *events, int capacity);

size_t fake_at_most(size_t value, size_t limit); // limit 0: none
int fake_socket_error(struct fake_file *file);   // what is due, once; -ENOTCONN; 0
ssize_t fake_send(struct fake_file *file, const struct iovec *iov, size_t iov_count);
size_t fake_receive(struct fake_file *file, void *buffer, size_t size);
void fake_report(struct fake_file *file, struct wi_os_report what);
void fake_let_go(struct fake_file *file, enum os_fake_zerocopy how); // of memory it sent from

#endif /* TESTS_LIB_FAKE_KERNEL_H */
