/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_DEFLATE_H
#define WI_WS_DEFLATE_H

/**
 * @file
 * Messages compressed (RFC 7692): one packer for what is sent, one unpacker for what arrives.
 * zlib's memory is allocated with the first compressed message, and goes with each where no context
 * is kept. In a build without zlib neither can be made.
 */

#include "mem/heap.h"
#include "weir/pool.h"

#include <stdbool.h>
#include <stddef.h>

struct wi_ws_packer;
struct wi_ws_unpacker;

/** Is there zlib in this build? */
bool wi_ws_has_deflate(void);

struct wi_ws_packer *wi_ws_packer_make(unsigned window_bits, bool keeps_context, int level);
void wi_ws_packer_free(struct wi_ws_packer *packer);

struct wi_ws_unpacker *wi_ws_unpacker_make(unsigned window_bits, bool keeps_context);
void wi_ws_unpacker_free(struct wi_ws_unpacker *unpacker);

/** A message was unpacked and told: without a context to keep, zlib's memory goes. */
void wi_ws_unpacker_rest(struct wi_ws_unpacker *unpacker);

/** Input for wi_ws_unpack(): borrowed until that says that it has no more. */
void wi_ws_unpacker_give(struct wi_ws_unpacker *unpacker, const unsigned char *data, size_t size);

struct wi_ws_unpacked {
    const unsigned char *data; // valid until the next call
    size_t size;
    bool has_more; // call again, without input
};

/**
 * Unpack, a bounded step. @p is_last: the input is the end of a message.
 *
 * @return 0, -EILSEQ: no deflated data, or they do not end where the message does; -ENOMEM.
 */
int wi_ws_unpack(struct wi_ws_unpacker *unpacker, bool is_last, struct wi_ws_unpacked *ret_out);

/** Add bytes of a message, compressed, to a chain. 0 or -ENOMEM. */
int wi_ws_pack(struct wi_ws_packer *packer, const void *data, size_t size,
               struct weir_chain *chain);

/** The message's end, likewise. */
int wi_ws_pack_end(struct wi_ws_packer *packer, struct weir_chain *chain);

/** What was packed is not sent: the context is as new. */
void wi_ws_packer_reset(struct wi_ws_packer *packer);

/** Is a context kept from one message to the next? */
bool wi_ws_packer_keeps(const struct wi_ws_packer *packer);

#endif /* WI_WS_DEFLATE_H */
