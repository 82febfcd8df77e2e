/* SPDX-License-Identifier: MIT */
#ifndef WI_RACE_H
#define WI_RACE_H

/**
 * @file
 * Dialling a name: resolve it, then race its addresses (RFC 8305). They are tried in the order in
 * which the resolver gave them, but with the families taking turns; the next attempt begins when
 * one has failed, or after a delay; the first that connects wins and the others are closed. The
 * stream is CONNECTING all the while. What this takes is in the race, which goes when the stream
 * has started or is dead.
 */

#include "netio/stream.h"
#include "runtime/os_names.h"

#define WI_RACE_DELAY_NS     UINT64_C(250000000)
#define WI_RACE_DELAY_MIN_NS UINT64_C(10000000)
#define WI_RACE_DELAY_MAX_NS UINT64_C(2000000000)

/** Any thread. For a name; NULL: memory ran out. @p delay_ns 0: the default. */
struct wi_race *wi_race_create(const struct weir_endpoint *endpoint, uint64_t delay_ns);

/** Whoever created it. Never begun. */
void wi_race_free(struct wi_race *race);

/** Loop thread. The stream is CONNECTING, its deadline set. It starts, or dies of it. */
void wi_race_begin(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The stream's timer: the next attempt is due, or the deadline has come. */
void wi_race_timer_fired(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The deadline has moved. */
void wi_race_rearm(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. Over, or the stream dies: close what is open, forget the name. The race is gone. */
void wi_race_end(struct wi_loop *loop, struct wi_stream *stream);

/** Any thread. Put addresses into the order in which they are tried. */
void wi_race_interleave(union wi_ip *addresses, unsigned count);

/** Any thread. Of two failures, the one that tells more. */
int wi_race_worse(int one, int other);

#endif /* WI_RACE_H */
