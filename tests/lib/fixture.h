/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FIXTURE_H
#define TESTS_LIB_FIXTURE_H

// One test's world: a runtime, whatever the library may still point at, and a clean end.
//
//     static void
//     a_write_arrives(void **state)
//     {
//         struct fixture *fixture = fixture_manual(state);
//         struct pair *pair = pair_open(fixture, &(struct pair_options){0});
//         …
//     }
//
//     int main(void)
//     {
//         static const struct test_case cases[] = {EACH(a_write_arrives), ONCE(…)};
//         return RUN_CASES("write", cases);
//     }
//
// A failed assertion jumps out of a test while the library still holds its recorders and buffers,
// so all of those come from fixture_memory() and live until the runtime is gone. Assertions belong
// to the test's thread outside callbacks: callbacks record, the test asserts.
//
// The teardown closes the peers, stops and frees the runtime, and fails when a block is still
// leased, a descriptor is still open, an accepted operation has not completed, or a callback was
// nested or ran inside a submit.

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "tests/lib/pair.h"
#include "tests/lib/pattern.h"
#include "tests/lib/recorder.h"
#include "tests/lib/request.h"
#include "tests/lib/thread.h"
#include "weir/weir.h"

#define FIXTURE_FDS_MAX     4096
#define FIXTURE_THREADS_MAX 128

struct fixture {
    const struct transport *transport;
    struct weir_runtime *runtime;
    struct weir_loop *loop; // the first
    unsigned loop_count;
    bool manual;

    // Under lock: callbacks of loop threads and plain threads write, the test reads.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned nested; // callbacks that began inside another one
    unsigned inside; // callbacks that ran inside a submit, cancel or close

    pthread_mutex_t memory_lock;
    struct memory *memory;
    struct ending *endings;

    // The test's thread only.
    struct events *events; // every log, newest first
    int fds[FIXTURE_FDS_MAX];
    unsigned fd_count;
    struct thread *threads[FIXTURE_THREADS_MAX];
    unsigned thread_count;
    char directory[64]; // of Unix paths; empty until the first
    unsigned names;     // Unix names given out

    // What was so before the test.
    struct weir_ledger ledger;
    unsigned fds_before;
};

// ---- cases ------------------------------------------------------------------------------------

struct test_case {
    const char *name;
    CMUnitTestFunction function;
    unsigned transports; // set of enum transport_bit
};

// Over which a reset can be told from an end; over vsock it cannot.
#define TRANSPORT_RESETS (TRANSPORT_ALL & ~(unsigned)TRANSPORT_VSOCK)

// Registered once per transport, as "name@transport", and skipped where this machine lacks it; over
// TCP, over Unix sockets, over both or over vsock only; or once, over tcp4.
#define EACH(f)              \
    {                        \
#f, f, TRANSPORT_ALL \
    }
#define EACH_TCP(f)          \
    {                        \
#f, f, TRANSPORT_TCP \
    }
#define EACH_UNIX(f)          \
    {                         \
#f, f, TRANSPORT_UNIX \
    }
#define EACH_WITH_RESETS(f)     \
    {                           \
#f, f, TRANSPORT_RESETS \
    }
#define EACH_VSOCK(f)          \
    {                          \
#f, f, TRANSPORT_VSOCK \
    }
#define ONCE(f)               \
    {                         \
#f, f, TRANSPORT_TCP4 \
    }

int run_cases(const char *group, const struct test_case *cases, size_t count);
#define RUN_CASES(group, cases) run_cases(group, cases, sizeof(cases) / sizeof((cases)[0]))

// ---- the runtime ------------------------------------------------------------------------------

// One loop turned by hand; loops with threads; any other runtime. Once per test.
struct fixture *fixture_manual(void **state);
struct fixture *fixture_threads(void **state, unsigned loops);
struct fixture *fixture_with(void **state, const struct weir_runtime_options *options);

// Stop and free now, with the teardown's checks.
void fixture_end(struct fixture *fixture);

// Zeroed, freed when the runtime is gone.
void *fixture_memory(struct fixture *fixture, size_t size);

// Closed at teardown. Returns fd.
int fixture_own_fd(struct fixture *fixture, int fd);
// Close now.
void fixture_close_fd(struct fixture *fixture, int fd);

// Call function(arg) at teardown, when the runtime is gone. From any thread.
void fixture_at_end(struct fixture *fixture, void (*function)(void *arg), void *arg);

struct weir_stats fixture_stats(struct fixture *fixture);

// ---- time -------------------------------------------------------------------------------------

// What WEIR_TEST_SLOW says, at least 1.
unsigned test_slow_factor(void);
// The machine's clock, whatever the library is told (os_count.h), for what waits by itself.
uint64_t test_now_ns(void);
// 5 s, or WEIR_TEST_SLOW times that, from test_now_ns().
uint64_t test_deadline(void);
// Milliseconds in nanoseconds, not scaled.
#define MS(ms) ((uint64_t)(ms)*UINT64_C(1000000))

// ---- waiting ----------------------------------------------------------------------------------

typedef bool predicate_fn(void *arg);

// Turn the loops (or let their threads run) until predicate(arg); fail at the deadline.
#define fixture_turn_until(fixture, predicate, arg) \
    fixture_turn_until_at(fixture, predicate, arg, #predicate "(" #arg ")", __FILE__, __LINE__)
void fixture_turn_until_at(struct fixture *fixture, predicate_fn *predicate, void *arg,
                           const char *text, const char *file, int line);

// Every loop once, without waiting for anything. Manual loops only.
void fixture_turn(struct fixture *fixture);
// Until a turn finds nothing more to do. Manual loops only.
void fixture_settle(struct fixture *fixture);
// For a wait of the fixture's own: let something happen, at most a millisecond.
void fixture_breathe(struct fixture *fixture);

// Fail with a text, and the event logs of the test.
#define fixture_fail(fixture, ...) fixture_fail_at(fixture, __FILE__, __LINE__, __VA_ARGS__)
void fixture_fail_at(struct fixture *fixture, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// assert_int_equal() that says what it compared.
#define assert_status(call, expected) \
    assert_status_at(#call, (long)(call), (long)(expected), __FILE__, __LINE__)
void assert_status_at(const char *text, long got, long expected, const char *file, int line);

#endif /* TESTS_LIB_FIXTURE_H */
