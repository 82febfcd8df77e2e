/* SPDX-License-Identifier: MIT */
#ifndef WI_FILE_H
#define WI_FILE_H

/**
 * @file
 * Writes of a part of a file.
 */

#include "netio/stream.h"

struct wi_gather;

/** Loop thread. Send of the gather's file what can be sent now. Bytes the kernel took; -EAGAIN: no
 *  room; another -errno: the connection's. 0: @p ret_failure says why the file has no more,
 *  -ENODATA when it has ended. */
ssize_t wi_file_send(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather,
                     int *ret_failure);

#endif /* WI_FILE_H */
