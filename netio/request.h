/* SPDX-License-Identifier: MIT */
#ifndef WI_REQUEST_H
#define WI_REQUEST_H

/**
 * @file
 * What a write asks for: is it sound, and whose bytes become whose.
 */

#include "netio/write.h"

struct wi_gate;

/** Any thread. 0 and the size in bytes, or -EINVAL, -ENOTSUP. */
int wi_request_check(const struct weir_write *request, uint64_t *ret_size);

/** The submitter. Describe the request in an operation, copying what is to be copied. On failure
 *  (-ENOMEM) nothing of the caller's has been taken. */
int wi_request_fill(struct wi_write *write, struct wi_gate *gate, const struct weir_write *request,
                    uint64_t size);

/** The submitter. It is certain: what was the caller's is ours. */
void wi_request_keep(const struct weir_write *request);

/** The submitter. It was refused: give back what wi_request_fill() made, nothing of the caller's.
 *  */
void wi_request_drop(struct wi_write *write);

/** Any thread. Nothing but bytes, SENT, all of them: what most writes ask for. */
WI_INLINE bool
wi_request_is_plain(const struct weir_write *request)
{
    return (request->flags | (unsigned)request->level | (unsigned)request->tear |
            request->stream_priority | request->deadline_ns | request->token.bits |
            request->reliable_offset | (uintptr_t)request->file) == 0;
}

/** Any thread. The same, or with COPY. */
static inline bool
wi_request_is_plain_or_copied(const struct weir_write *request)
{
    return ((request->flags & ~(unsigned)WEIR_COPY) | (unsigned)request->level |
            (unsigned)request->tear | request->stream_priority | request->deadline_ns |
            request->token.bits | request->reliable_offset | (uintptr_t)request->file) == 0;
}

#endif /* WI_REQUEST_H */
