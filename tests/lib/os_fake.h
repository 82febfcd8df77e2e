/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_OS_FAKE_H
#define TESTS_LIB_OS_FAKE_H

// A scripted kernel behind runtime/os.h, for tests whose first line is `// os: fake`.
//
// Sockets are pipes in memory with a capacity, addresses are compared byte by byte, the clock moves
// when told (and over a wait that has a bound), every call that can fail can be made to. Readiness
// is epoll's: level-triggered, or edge-triggered with an edge per change. Any thread may call
// anything; a wait without a bound sleeps until something is ready, so loops may have threads.
//
// Descriptors start at OS_FAKE_FIRST_FD: nothing real has such a number.

#include "runtime/os.h"

#include <netinet/in.h>

#define OS_FAKE_FIRST_FD 5000
#define OS_FAKE_START_NS UINT64_C(1000000000000)

enum os_call {
    OS_POLLER_CREATE,
    OS_POLL_ADD,
    OS_POLL_MODIFY,
    OS_POLL_REMOVE,
    OS_WAIT, // not among "all calls"
    OS_WAKE_CREATE,
    OS_RECEIVE,
    OS_SEND, // all four kinds
    OS_SEND_FILE,
    OS_READ_FILE,
    OS_REPORT,
    OS_SOCKET,
    OS_BIND,
    OS_LISTEN,
    OS_ACCEPT,
    OS_CONNECT,
    OS_SHUTDOWN,
    OS_CLOSE, // closes all the same
    OS_SET_OPTION,
    OS_GET_OPTION,
    OS_LINGER,
    OS_ADDRESS,
    OS_NONBLOCKING,
    OS_UNSENT,
    OS_WINDOW,
    OS_UNLINK,
    OS_SIGNAL_CREATE,
    OS_SIGNAL_TAKE,
    OS_THREAD_START,
    OS_PIN,
    OS_FORK_HOOK,
    OS_CALLS,
};

// ---- the script ------------------------------------------------------------------------------

// A fresh kernel: no descriptors, no failures, OS_FAKE_START_NS. Nobody may be inside a call.
void os_fake_reset(void);
// Make the nth call from now (1: the next) fail with error, once, or from there on. 0: none. Counts
// every call but waits; resets the count.
void os_fake_fail(unsigned long nth, int error, bool forever);
// Likewise, of one call only. Both may be set.
void os_fake_fail_call(enum os_call call, unsigned long nth, int error, bool forever);
// Calls since the last os_fake_fail() or reset, and which of them failed last (OS_CALLS: none).
unsigned long os_fake_calls(void);
unsigned long os_fake_calls_of(enum os_call call); // since the reset
enum os_call os_fake_failed(void);
const char *os_fake_call_name(enum os_call call);
// The test's own calls of wi_os_…: neither counted nor failed, in this thread, until false.
void os_fake_aside(bool aside);

void os_fake_set_now(uint64_t now_ns);
void os_fake_advance(uint64_t ns);

// Of pipes made from now on; 65536 at first.
void os_fake_set_capacity(size_t bytes);
// At most so much per send and per receive; 0: no limit.
void os_fake_set_limits(size_t send_max, size_t receive_max);
// Connects over anything but Unix sockets end at once, not in a later wait.
void os_fake_connect_at_once(bool at_once);

// Some networks behave so where nobody listens: connects to 192.0.2.0/24 and 2001:db8::/32 are
// under way until this ends them (0: they connect, to who listens there now), how many it says; and
// to 198.51.100.0/24 there is no way.
unsigned os_fake_end_connects(const struct sockaddr *address, socklen_t size, int error);

// What becomes of memory that is sent from (MSG_ZEROCOPY).
enum os_fake_zerocopy {
    OS_FAKE_LETS_GO, // at once, and says so
    OS_FAKE_COPIES,  // at once, and says that it copied
    OS_FAKE_HOLDS,   // it is referred to until os_fake_let_go()
};
void os_fake_set_zerocopy(enum os_fake_zerocopy how);

// ---- looking and meddling --------------------------------------------------------------------

unsigned os_fake_open_count(void);                // descriptors open now
int os_fake_pair(int ret_fds[2]);                 // two connected Unix sockets
size_t os_fake_buffered(int fd);                  // bytes that wait to be received here
int os_fake_disk(const void *bytes, size_t size); // a file with these bytes
void os_fake_reset_peer(int fd);                  // as if the peer reset the connection
// The kernel lets go of what these sends (the first of a socket is 0) were made from.
void os_fake_let_go(int fd, uint32_t low, uint32_t high);
uint32_t os_fake_zerocopies(int fd); // sends from memory so far
unsigned os_fake_unheard(void);      // of these, those whose descriptor was closed too early
void os_fake_raise(int signal);      // for signal descriptors that want it

#endif /* TESTS_LIB_OS_FAKE_H */
