/* SPDX-License-Identifier: MIT */
#ifndef WI_PULL_H
#define WI_PULL_H

/**
 * @file
 * Reading on demand: pulls, which are operations, and provided buffers.
 */

#include "netio/stream.h"

struct wi_read_op {
    struct wi_op op; // op.task.next, op.prev: in the stream's queue of pulls
    struct wi_gate *gate;
    weir_read_fn *done;
    void *arg;
    unsigned char *buffer;
    size_t size;
    size_t size_min;
    size_t filled;
    uint32_t ticket;
    bool eof;
    uint8_t origin;
    int16_t status;
    struct wi_op_extra extra;
    uint64_t deadline_ns;
    uint64_t token;
    struct weir_chain chain;
};
static_assert(offsetof(struct wi_read_op, extra) == WI_OP_EXTRA_OFFSET, "where the runtime looks");
static_assert(sizeof(struct wi_read_op) <= WI_OP_SIZE, "an operation's slot must hold it");

struct wi_provided {
    struct wi_provided *next;
    unsigned char *buffer;
    size_t size;
};

#endif /* WI_PULL_H */
