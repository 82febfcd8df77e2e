/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_PULL_H
#define WI_HTTP_PULL_H

/**
 * @file
 * Reads of a received body. Loop thread.
 */

#include "netio/http/conn.h"

/** How many bytes of body may be taken now: what the first read has room for. */
size_t wi_http_pull_room(const struct wi_http_conn *conn);

/** Bytes of body for the first read; never more than its room. */
void wi_http_pull_put(struct wi_http_conn *conn, const char *data, size_t size);

/** No more bytes for now: complete the reads that have enough. */
void wi_http_pull_settle(struct wi_http_conn *conn);

/** The body is complete, or will never be (@p status < 0): complete all reads. */
void wi_http_pull_end(struct wi_http_conn *conn, int status);

#endif /* WI_HTTP_PULL_H */
