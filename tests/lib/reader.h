/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_READER_H
#define TESTS_LIB_READER_H

// The reading side of a test: a data function that answers from a list and checks what it is
// shown, a recorder of pulls, and what the end of a stream looks like.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/pair.h"
#include "tests/lib/recorder.h"
#include "weir/weir.h"

struct fixture;

// ---- push -------------------------------------------------------------------------------------

enum { READER_ANSWERS_MAX = 32, READER_SHOWN_MAX = 1024 };

// As a `consumed` or `examined`: all that was shown.
#define READER_ALL (SIZE_MAX - 1)

// A stream's user pointer: an event log (so it comes first) and a data function with answers.
// Everything under the fixture's lock.
struct reader {
    struct events events;
    struct weir_handlers handlers;                    // may be changed before reader_open()
    struct weir_consumed answers[READER_ANSWERS_MAX]; // one per call; all is consumed after them
    unsigned answer_count;
    unsigned seed;                                             // of the pattern the peer sends
    void (*inside)(struct reader *reader, weir_stream stream); // called in data; NULL: nothing

    unsigned calls;
    size_t shown[READER_SHOWN_MAX]; // by the calls, the first so many
    size_t shown_max;
    uint64_t consumed; // bytes of the pattern behind us
    bool wrong;        // something shown was not the pattern from `consumed` on
    int status;        // for `inside`
    void *arg;         // for `inside`
};

struct reader *reader_make(struct fixture *fixture);
void reader_answer(struct reader *reader, size_t consumed, size_t examined);
// pair_open() with the reader as the stream's handlers; the pair's events are the reader's.
struct pair *reader_open(struct reader *reader, const struct pair_options *options);

unsigned reader_calls(struct reader *reader);
uint64_t reader_consumed(struct reader *reader);
// The test has consumed so many by weir_consume() or weir_take().
void reader_advance(struct reader *reader, size_t size);
#define reader_wait_calls(reader, count) reader_wait_calls_at(reader, count, __FILE__, __LINE__)
void reader_wait_calls_at(struct reader *reader, unsigned count, const char *file, int line);
// Turn until so many bytes are consumed, all of them right.
#define reader_wait_consumed(reader, size) reader_wait_consumed_at(reader, size, __FILE__, __LINE__)
void reader_wait_consumed_at(struct reader *reader, uint64_t size, const char *file, int line);
// What one call was shown.
#define reader_expect_shown(reader, call, size) \
    reader_expect_shown_at(reader, call, size, __FILE__, __LINE__)
void reader_expect_shown_at(struct reader *reader, unsigned call, size_t size, const char *file,
                            int line);

// The peer writes the pattern's bytes from offset on.
void peer_write_pattern(struct fixture *fixture, int peer, size_t size, uint64_t offset,
                        unsigned seed);
// The peer writes the pattern until neither it nor the loop gets any further; how many bytes, at
// most size. Manual loops only.
size_t peer_write_until_blocked(struct fixture *fixture, int peer, size_t size, unsigned seed);

// ---- pull -------------------------------------------------------------------------------------

struct pulled {
    unsigned tag;
    weir_stream stream;
    struct weir_read_result result; // without its chain, which was returned
    uint8_t *bytes;                 // a copy
    size_t size;                    // of the copy: bytes found in the chain or the buffer
};

struct pulls {
    struct fixture *fixture;
    struct pulled *list;
    unsigned count;
    unsigned capacity;
};

struct pulls *pulls_make(struct fixture *fixture);
weir_read_fn pulls_done;
// A pull into fresh blocks, of what there is.
struct weir_read pulls_request(struct pulls *pulls, unsigned tag);
// A pull into memory of the fixture's.
struct weir_read pulls_into(struct pulls *pulls, unsigned tag, size_t size, size_t size_min);
// weir_read() that notices a completion from inside the call.
int pull(struct pair *pair, const struct weir_read *request, weir_op *ret_op);
unsigned pulls_count(struct pulls *pulls);
#define pulls_wait(pulls, count) pulls_wait_at(pulls, count, __FILE__, __LINE__)
void pulls_wait_at(struct pulls *pulls, unsigned count, const char *file, int line);
// The only pull with the tag; fails when it is not there.
#define pulls_of(pulls, tag) pulls_of_at(pulls, tag, __FILE__, __LINE__)
struct pulled pulls_of_at(struct pulls *pulls, unsigned tag, const char *file, int line);
// Status 0 and exactly these bytes of the pattern.
#define expect_pulled(pulls, tag, size, offset, seed) \
    expect_pulled_at(pulls, tag, size, offset, seed, __FILE__, __LINE__)
void expect_pulled_at(struct pulls *pulls, unsigned tag, size_t size, uint64_t offset,
                      unsigned seed, const char *file, int line);
// Status 0, eof, nothing; a failure, with nothing.
#define expect_pulled_eof(pulls, tag) expect_pulled_eof_at(pulls, tag, __FILE__, __LINE__)
void expect_pulled_eof_at(struct pulls *pulls, unsigned tag, const char *file, int line);
#define expect_pull_failed(pulls, tag, status, origin) \
    expect_pull_failed_at(pulls, tag, status, origin, __FILE__, __LINE__)
void expect_pull_failed_at(struct pulls *pulls, unsigned tag, int status, enum weir_origin origin,
                           const char *file, int line);
// Pull until so many bytes of the pattern came; tags from first_tag on. Returns the next tag.
unsigned pull_exact(struct pair *pair, struct pulls *pulls, unsigned first_tag, size_t size,
                    uint64_t offset, unsigned seed);

// ---- ends -------------------------------------------------------------------------------------

// The entries done, send_closed and closed of a log, in their order, each as "name" or
// "name:value"; `closed` must be the last of all entries, once.
#define events_expect_ending(events, text) events_expect_ending_at(events, text, __FILE__, __LINE__)
void events_expect_ending_at(struct events *events, const char *expected, const char *file,
                             int line);
// Does the first entry named first come before the first one named second? Both must be there.
bool events_is_before(struct events *events, const char *first, const char *second);
// weir_close() that notices a callback from inside the call.
int close_stream(struct pair *pair, enum weir_close_mode mode, uint64_t deadline_ns, uint64_t code);
// Close, unless it has closed by itself because both directions have ended.
void close_if_open(struct pair *pair, enum weir_close_mode mode);
// Abort unless it has closed by itself, and wait for `closed`.
void close_anyhow(struct pair *pair);
// A fresh event log becomes part of the fixture's.
void events_join(struct fixture *fixture, struct events *events);

#endif /* TESTS_LIB_READER_H */
