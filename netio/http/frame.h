/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_FRAME_H
#define WI_HTTP_FRAME_H

/**
 * @file
 * One piece of a message: the caller's bytes with framing in front of them and behind, as one
 * operation of the stream where the bytes are in memory, as neighbours where they are in a file.
 */

#include "netio/http/conn.h"

struct wi_http_frame {
    const char *prefix; // copied
    size_t prefix_size;
    const char *suffix; // copied
    size_t suffix_size;
    uint64_t payload; // the caller's bytes
    bool is_end;      // of the message
    bool is_needed;   // the rest makes no sense without it
    bool is_counted;  // off `left`
    bool is_dropped;  // the caller's bytes are counted and not sent
};

/** Any thread. Is the request one for a body, and how many bytes has it? 0 or -EINVAL. */
int wi_http_check_body(const struct weir_write *request, uint64_t *ret_size);

/** Any thread, which has the exchange as the frame wants it. As weir_write(). */
int wi_http_send(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
                 const struct weir_write *request, weir_op *ret_op);

/** Any thread. Bytes of the library's own, copied, without which the rest makes no sense. */
int wi_http_send_own(struct wi_http_conn *conn, const char *data, size_t size, unsigned flags);

#define WI_HTTP_CHUNK_HEAD_MAX 18u

/** A message's beginning: its head, and what is known of its body. */
struct wi_http_begin {
    char *text; // the head, with room for a chunk's behind it
    size_t text_size;
    enum wi_http_mode mode;
    bool is_complete;
    uint64_t size; // of the piece of body that goes with it
    uint64_t length;
};

/** Any thread, which has the exchange for itself (respond.c). Send it and move on. As weir_write().
 */
int wi_http_begin_message(struct wi_http_conn *conn, uint64_t entered, struct wi_http_begin *begin,
                          const struct weir_write *body, weir_op *ret_op);

#endif /* WI_HTTP_FRAME_H */
