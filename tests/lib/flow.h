/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FLOW_H
#define TESTS_LIB_FLOW_H

// Both ends of one connection, each the library's, through whatever layer is under test: what the
// flow contract is tested with. A case knows neither the transport nor the layer.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/reader.h"
#include "tests/lib/recorder.h"
#include "tests/lib/request.h"
#include "weir/weir.h"

struct fixture;
struct flow_end;

// The calls of a flow. Each is the layer's own function, bracketed as a call of the test.
struct flow_layer {
    const char *name;
    int (*attach)(struct flow_end *end, const struct weir_handlers *handlers, void *user);
    int (*write)(struct flow_end *end, const struct weir_write *request, weir_op *ret_op);
    int (*end)(struct flow_end *end);
    int (*read)(struct flow_end *end, const struct weir_read *request);
    int (*take)(struct flow_end *end, size_t size, struct weir_chain *ret_chain);
    int (*pause)(struct flow_end *end);
    int (*resume)(struct flow_end *end);
    int (*stop_reading)(struct flow_end *end);
    int (*close)(struct flow_end *end, enum weir_close_mode mode, uint64_t deadline_ns);
    int (*status)(struct flow_end *end);
    bool tells_stop; // shutting reading down makes the peer's writes end
};

extern const struct flow_layer flow_plain;  // streams as they are
extern const struct flow_layer flow_inband; // their half-close in band

struct flow_end {
    struct fixture *fixture;
    const struct flow_layer *layer;
    weir_stream stream;
    struct weir_inband *inband;
    struct reader *reader; // its events come first
    struct events *events;
    struct recorder *recorder;
    struct weir_handlers handlers; // what is attached; may be changed before flow_open_ends()
    bool opened;                   // under the fixture's lock
    int failed;                    // why it could not be attached
};

struct flow_options {
    bool pull;         // without data functions
    bool small;        // the smallest buffers: a write of 1 MiB is blocked by who does not read
    bool other_thread; // the ends on two loops
};

struct flow {
    struct fixture *fixture;
    struct flow_options options;
    struct flow_end ends[2];
    weir_listener listener;
};

// What end `side` sends is the pattern of this seed, and tag.
enum { FLOW_LEFT = 1, FLOW_RIGHT = 2 };
unsigned flow_seed(unsigned side);

// Two ends of one connection, started. Or in two steps, so that handlers can be changed.
struct flow *flow_open(struct fixture *fixture, const struct flow_layer *layer,
                       struct flow_options options);
struct flow *flow_make(struct fixture *fixture, const struct flow_layer *layer,
                       struct flow_options options);
void flow_open_ends(struct flow *flow);

// What one end may send in all.
#define FLOW_SIZE_MAX ((size_t)11 * 1024 * 1024)

// A write of the end's pattern, from its beginning, recorded under its seed.
int flow_send(struct flow *flow, unsigned side, size_t size);
// With flags; from `offset` of the pattern on; recorded under `tag`.
int flow_send_part(struct flow *flow, unsigned side, unsigned tag, size_t offset, size_t size,
                   unsigned flags);
int flow_close(struct flow *flow, unsigned side, enum weir_close_mode mode, uint64_t deadline_ns);
// Both closed.
void flow_wait_closed(struct flow *flow);
// Close what is still open and wait; nobody is asked how it went.
void flow_close_anyhow(struct flow *flow);

#endif /* TESTS_LIB_FLOW_H */
