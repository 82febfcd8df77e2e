/* SPDX-License-Identifier: MIT */
#ifndef WI_CONSUME_H
#define WI_CONSUME_H

/**
 * @file
 * A data function that answered PENDING, and the later answer from any thread: one word.
 *
 *      63..62   61..31      30..0
 *      state    examined    consumed (OPEN: shown)
 *
 *      IDLE ──data said PENDING──► OPEN ──weir_consume() *──► ANSWERED ──the loop──► IDLE
 *
 *      * the one contested choice: of several answers a CAS lets one through, the others are
 *        -EALREADY.
 */

#include "netio/stream.h"

/** Loop thread. False: memory ran out. */
bool wi_consume_open(struct wi_stream *stream, size_t shown);

/** Loop thread. Take an answer. False: there is none. */
bool wi_consume_take(struct wi_stream *stream, size_t *ret_consumed, size_t *ret_examined);

#endif /* WI_CONSUME_H */
