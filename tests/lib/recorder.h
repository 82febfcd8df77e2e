/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_RECORDER_H
#define TESTS_LIB_RECORDER_H

// What the library called back: completions in order with their results, and a stream's events as
// one line of text.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/weir.h"

struct fixture;

// ---- completions ------------------------------------------------------------------------------

struct recorded {
    unsigned tag;
    weir_stream stream;
    struct weir_result result;
};

struct recorder {
    struct fixture *fixture;
    struct events *events; // also put "done:<status>" into this log, or NULL
    struct recorded *list; // in the order of the calls
    unsigned count;
    unsigned capacity;
};

struct recorder *recorder_make(struct fixture *fixture);

// A write's done function, and its arg.
weir_done_fn recorder_done;
void *recorder_tag(struct recorder *recorder, unsigned tag);

unsigned recorder_count(struct recorder *recorder);

// Turn until so many have come; fails when there are more.
#define recorder_wait(recorder, count) recorder_wait_at(recorder, count, __FILE__, __LINE__)
void recorder_wait_at(struct recorder *recorder, unsigned count, const char *file, int line);

// The index-th completion, or the only one with the tag; fails when it is not there.
#define recorder_at(recorder, index) recorder_at_at(recorder, index, __FILE__, __LINE__)
struct recorded recorder_at_at(struct recorder *recorder, unsigned index, const char *file,
                               int line);
#define recorder_of(recorder, tag) recorder_of_at(recorder, tag, __FILE__, __LINE__)
struct weir_result recorder_of_at(struct recorder *recorder, unsigned tag, const char *file,
                                  int line);
// Has the tag completed?
bool recorder_has(struct recorder *recorder, unsigned tag);

// Status, origin and bytes sent of a result, with both sides printed when they differ.
#define expect_result(result, status, origin, sent) \
    expect_result_at(result, status, origin, sent, __FILE__, __LINE__)
void expect_result_at(struct weir_result result, int status, enum weir_origin origin, uint64_t sent,
                      const char *file, int line);

// ---- events -----------------------------------------------------------------------------------

enum { EVENTS_MAX = 4096 };

struct event {
    const char *name; // a literal
    int64_t value;
    bool has_value;
};

// The log of one stream, e.g. "started data:5 peer_fin send_closed:1 closed:0". Data that comes
// in pieces is one entry. ideal_size is counted, not logged.
struct events {
    struct fixture *fixture;
    struct events *next;
    struct event list[EVENTS_MAX];
    unsigned count;
    unsigned ideal_sizes;
    weir_stream stream;    // as the last event said
    bool fin_is_ambiguous; // as peer_fin said
    struct weir_closed closed;
    uint8_t *input; // what data presented, in order
    size_t input_size;
    size_t input_capacity;
    char text[8192];
};

struct events *events_make(struct fixture *fixture);

// With a data function that keeps and consumes all; without one, for pulls and provided buffers.
const struct weir_handlers *events_handlers(void);
const struct weir_handlers *events_handlers_pull(void);

// Add an entry from a callback of the test's own.
void events_add(struct events *events, const char *name);
void events_add_value(struct events *events, const char *name, int64_t value);

// The line so far; valid until the next call for this log.
const char *events_text(struct events *events);
// How many entries of that name.
unsigned events_count(struct events *events, const char *name);
// Bytes that data has presented.
size_t events_input_size(struct events *events);

// Turn until there is an entry of that name.
#define events_wait(events, name) events_wait_at(events, name, 1, __FILE__, __LINE__)
#define events_wait_count(events, name, count) \
    events_wait_at(events, name, count, __FILE__, __LINE__)
void events_wait_at(struct events *events, const char *name, unsigned count, const char *file,
                    int line);
// The whole line, at the end of the stream or wherever the test has come to rest.
#define events_expect(events, line_text) events_expect_at(events, line_text, __FILE__, __LINE__)
void events_expect_at(struct events *events, const char *expected, const char *file, int line);

#endif /* TESTS_LIB_RECORDER_H */
