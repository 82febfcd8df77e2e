/* SPDX-License-Identifier: MIT */
#ifndef WI_REPORTS_H
#define WI_REPORTS_H

/**
 * @file
 * A socket's error queue: what the kernel has to say of sends that it took before. Whoever reads
 * it reads for both, acknowledgements (acks.h) and memory that it let go (zerocopy.h).
 */

#include "netio/stream.h"

/** Loop thread. Read all there is and note it. True: there was something. Writes that waited for
 *  their memory only are told in this turn; acknowledged ones are not completed here. */
bool wi_reports_take(struct wi_stream *stream);

/** Loop thread. The poller said that there is something, or it is time to look: take it, complete
 *  what it completes. As wi_reports_take(). */
bool wi_reports_collect(struct wi_loop *loop, struct wi_stream *stream);

#endif /* WI_REPORTS_H */
