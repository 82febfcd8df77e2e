/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_SCENARIO_H
#define TESTS_LIB_SCENARIO_H

// What scenarios.c makes its scenarios of: operations, streams, listeners and watches that are
// checked when the run is over.

#include "tests/lib/torture.h"

#define TORTURE_OPS      64u
#define TORTURE_STREAMS  16u
#define TORTURE_ENDS     4u
#define TORTURE_PEER_MAX (256u * 1024)

struct torture_op {
    struct torture *torture;
    int line; // of the call
    bool accepted, inlined;
    bool gives; // `releases` counts
    enum weir_level level;
    unsigned completions, releases;
    unsigned place; // among the completions of writes
    int status;
    enum weir_origin origin;
    uint64_t size, sent;
    struct torture_stream *stream; // of a write
    unsigned char letter;          // its bytes
};

struct torture_stream {
    struct torture *torture;
    weir_stream stream;
    bool opened;    // the call that makes it said 0
    bool lazy;      // `started` need not come
    bool gone;      // refused late: it may have closed, or never been
    bool unchecked; // its bytes are nobody's
    int peer;       // -1: none
    bool told;      // to close
    unsigned started, send_closed, closed, shows;
    unsigned provided, filled;
    int start_status;
    size_t pending; // weir_consume() is due
    struct weir_closed close;
    uint64_t peer_size;
    unsigned char peer_bytes[TORTURE_PEER_MAX];
};

struct torture {
    struct fixture *fixture;
    const struct scenario *scenario;
    const struct seam *seam;
    bool acted;
    int bad, bad_line; // the first result that may not be
    unsigned op_count, stream_count, completed;
    struct torture_op ops[TORTURE_OPS];
    weir_listener listener[TORTURE_ENDS];
    unsigned listeners, listeners_closed;
    weir_watch watch[TORTURE_ENDS];
    unsigned watches, watches_closed;
    struct weir_address address; // for act()
    struct weir_chain chain[2];
    struct weir_shared *shared;
    weir_token token;
    bool answers; // a line asks for a port before anything else, and a line answers
    int fds[4];
    void (*settled)(struct torture *torture);      // after act(), on the test's thread
    void (*settled_late)(struct torture *torture); // when all has closed
    struct torture_stream streams[TORTURE_STREAMS];
};

void torture_fail_at(struct torture *torture, int line, const char *text, long value);
#define torture_fail(torture, text, value) torture_fail_at(torture, __LINE__, text, value)

// A fresh operation; its completion functions, its release.
struct torture_op *torture_op(struct torture *torture);
weir_done_fn torture_done;
weir_read_fn torture_read_done;
weir_timer_fn torture_timer_done;
weir_post_fn torture_posted;
weir_release_fn torture_release;

// Take down a call's result: 0 accepts the operation. Returns it.
#define torture_accepted(op, result) torture_accepted_at(op, __LINE__, result)
int torture_accepted_at(struct torture_op *op, int line, int result);
// Any other call's: refused only as what fails allows. Returns it.
#define torture_result(torture, result) torture_result_at(torture, __LINE__, result)
int torture_result_at(struct torture *torture, int line, int result);

struct torture_stream *torture_stream(struct torture *torture);
struct weir_stream_options torture_options(struct torture_stream *slot, bool push);
int torture_socket(struct torture *torture, struct torture_stream *slot);
void torture_disown(struct torture *torture, int fd);
// While nothing fails: an adopted stream that has started.
struct torture_stream *torture_adopt(struct torture *torture, bool push, unsigned flags);
// Turn until nothing moves, the peers reading.
void torture_settle(struct torture *torture);

#endif /* TESTS_LIB_SCENARIO_H */
