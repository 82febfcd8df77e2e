/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_OS_COUNT_H
#define TESTS_LIB_OS_COUNT_H

// The real kernel behind runtime/os.h, for tests whose first line is `// os: count`: every call is
// counted, and the nth of one kind can be made to fail without being made; and a clock to hold.

#include "runtime/os.h"

enum os_counted {
    COUNT_POLLER_CREATE,
    COUNT_POLL_ADD,
    COUNT_POLL_MODIFY,
    COUNT_POLL_REMOVE,
    COUNT_WAIT,
    COUNT_WAKE_CREATE,
    COUNT_RECEIVE,
    COUNT_SEND,
    COUNT_SEND_VECTOR,
    COUNT_SEND_MARKED,
    COUNT_SEND_FILE,
    COUNT_READ_FILE,
    COUNT_PIPE,
    COUNT_SPLICE_IN,
    COUNT_SPLICE_OUT,
    COUNT_RECEIVE_REPORT,
    COUNT_SOCKET,
    COUNT_BIND,
    COUNT_LISTEN,
    COUNT_ACCEPT,
    COUNT_CONNECT,
    COUNT_SHUTDOWN,
    COUNT_CLOSE, // closes all the same
    COUNT_SET_OPTION,
    COUNT_GET_OPTION,
    COUNT_LINGER,
    COUNT_LOCAL_ADDRESS,
    COUNT_PEER_ADDRESS,
    COUNT_NONBLOCKING,
    COUNT_STAMP_ACKS,
    COUNT_UNSENT,
    COUNT_WINDOW,
    COUNT_UNLINK,
    COUNT_SIGNAL_CREATE,
    COUNT_SIGNAL_TAKE,
    COUNT_THREAD_START,
    COUNT_PIN,
    COUNT_FORK_HOOK,
    COUNT_SHARE,
    COUNT_STACK_LISTEN,
    COUNT_CALLS,
};

// In place of an errno: only one byte goes or comes; no descriptor is ready.
#define COUNT_SHORT   10001
#define COUNT_NOTHING 10002

// From now on the nth call of the kind (1: the next) fails, once; 0: none. All counts start anew.
void os_count_fail(enum os_counted call, unsigned long nth, int error);
// Besides: that one from there on, or a second one. Before any call that may count.
void os_count_fail_forever(void);
void os_count_fail_also(enum os_counted call, unsigned long nth, int error);
void os_count_off(void);
unsigned long os_count_of(enum os_counted call);
const char *os_count_name(enum os_counted call);
// What the kind may plausibly fail with; ends with 0.
const int *os_count_errors(enum os_counted call);

// The library's clock stands still until it is moved or let go: nothing is late because the machine
// is. With loops that are turned by hand; a wait in the poller takes its time all the same.
void os_clock_hold(void);
void os_clock_pass(uint64_t ns);
void os_clock_go(void);

#endif /* TESTS_LIB_OS_COUNT_H */
