/* SPDX-License-Identifier: MIT */
#ifndef WI_ZEROCOPY_H
#define WI_ZEROCOPY_H

/**
 * @file
 * WEIR_ZEROCOPY on TCP: the kernel sends from the program's memory, numbers these sends, and tells
 * by ranges of numbers which of them it refers to no more. A write of which any byte went so ends
 * when the kernel has told of all its sends, whatever happened to it meanwhile, and with it
 * everything of the stream that has its place in the order behind it.
 */

#include "netio/stream.h"

/** Sends that may be untold at once; what is beyond is copied. The kernel allows fewer by default
 *  (net.core.optmem_max). */
#define WI_ZEROCOPY_WINDOW 256u

/** After so many sends in a row that the kernel copied all the same it is not asked any more. */
#define WI_ZEROCOPY_COPIED_MAX 4u

struct wi_zerocopy {
    struct wi_sendq waiting;                // ended, and to be told when their turn has come
    uint64_t next;                          // number of the next send
    uint64_t released;                      // of all before it the kernel has told
    uint64_t told[WI_ZEROCOPY_WINDOW / 64]; // of those behind, by number modulo the window
    unsigned copied;                        // reports in a row that said so
    bool is_off;
    struct wi_timer timer; // the slow look; armed only while something waits
    struct wi_stream *stream;
};

struct wi_gather;

/** Loop thread. Send what was gathered, from the caller's memory if that can be, else copied. As
 *  wi_os_send_vector(). */
ssize_t wi_zerocopy_send(struct wi_loop *loop, struct wi_stream *stream,
                         const struct wi_gather *gather);

/** Loop thread. Does something that has ended wait for the kernel to let go of memory? */
WI_INLINE bool
wi_zerocopy_waits(const struct wi_stream *stream)
{
    return stream->extra != NULL && stream->extra->zerocopy != NULL &&
           stream->extra->zerocopy->waiting.head != NULL;
}

/** Loop thread, of a stream that has sent so. Does the kernel refer to memory of the write? */
bool wi_zerocopy_reads(const struct wi_stream *stream, const struct wi_write *write);

/** Loop thread. The write has ended. True: it waits here, and is told
 *  later; at level ACCEPTED only its memory waits. @p in_order: it has a
 *  place in the order, behind what waits already. */
bool wi_zerocopy_keep(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                      bool in_order);

/** Loop thread. The kernel refers to the memory of these sends no more. */
void wi_zerocopy_note(struct wi_stream *stream, const struct wi_os_report *report);

/** Loop thread. Nothing waits here any more. */
void wi_zerocopy_free(struct wi_stream *stream);

/** Loop thread. The slow look. */
void wi_zerocopy_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

#endif /* WI_ZEROCOPY_H */
