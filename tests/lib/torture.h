/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_TORTURE_H
#define TESTS_LIB_TORTURE_H

// Scenarios over every public entry point, to be run while something under the library fails: an
// allocation, a system call. A scenario is run once in full, then again for each thing in it that
// can fail; whatever fails, this holds:
//
// - what was refused has no completion, and its memory is the caller's still;
// - what was accepted has exactly one, and its memory was given back once;
// - streams, listeners and watches that were accepted end, and say so once;
// - the peer has exactly the bytes that were reported sent, in order, unless the stream failed;
// - nothing stays leased, open or queued, and afterwards the runtime still works.

#include "tests/lib/fixture.h"

struct torture;

enum torture_place {
    TORTURE_MAIN,  // the test's thread, which has been here before
    TORTURE_FRESH, // a thread that never called the library
    TORTURE_LOOP,  // the loop's thread
};

struct scenario {
    const char *name;
    unsigned loops; // 0: one
    bool threads;   // the loops have threads
    bool bare;      // makes its own runtime
    enum torture_place place;
    void (*prepare)(struct torture *torture); // nothing fails yet; may be NULL
    void (*act)(struct torture *torture);
};

// What fails. begin() makes it fail from there on, end() stops that.
struct seam {
    void (*begin)(void *arg);
    void (*end)(void *arg);
    void *arg;
    int status; // what a refusal may say
    int status_also;
    bool lasting;  // it goes on failing: the runtime is stopped meanwhile
    bool idle;     // nothing fails this time
    bool deceives; // the kernel does other than it says: bytes and ends are not compared
};

// One run: the runtime, the scenario, the end. Fails the test with `what` in the message.
void torture_run(struct fixture *fixture, const struct scenario *scenario, const struct seam *seam,
                 const char *what);

// Every scenario, and how many; each is a sentence's worth of calls.
extern const struct scenario scenarios[];
extern const unsigned scenario_count;
// Those of HTTP (scenarios_http.c), for tests that link it.
extern const struct scenario http_scenarios[];
extern const unsigned http_scenario_count;
// Those of WebSocket (scenarios_ws.c), likewise.
extern const struct scenario ws_scenarios[];
extern const unsigned ws_scenario_count;

// Each of these scenarios again for every allocation: it fails, or it and all after it (forever).
void torture_allocations(struct fixture *fixture, const struct scenario *list, unsigned count,
                         bool forever);
// With only so many pool blocks left, from none on.
void torture_blocks(struct fixture *fixture, const struct scenario *list, unsigned count);
// For tests on os_count.c: for each system call and error; for a call and one more, or an
// allocation. WEIR_STEPS=all makes all of these, else a sample by WEIR_SEED (docs/testing.md).
void torture_calls(struct fixture *fixture, const struct scenario *list, unsigned count,
                   bool forever);
void torture_two_calls(struct fixture *fixture, const struct scenario *list, unsigned count);

#endif /* TESTS_LIB_TORTURE_H */
