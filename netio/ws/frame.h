/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_FRAME_H
#define WI_WS_FRAME_H

/**
 * @file
 * The head of a WebSocket frame (RFC 6455, section 5.2), from bytes and to bytes. Knows neither
 * stream nor message: which frame may follow which is the connection's to judge.
 *
 *      byte 0            byte 1
 *      F R R R opcode    M length      [16 or 64 bits of length] [key, 4 bytes, if M]
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wi_ws_opcode {
    WI_WS_CONTINUATION = 0x0,
    WI_WS_TEXT = 0x1,
    WI_WS_BINARY = 0x2,
    WI_WS_CLOSE = 0x8,
    WI_WS_PING = 0x9,
    WI_WS_PONG = 0xA,
};

enum {
    WI_WS_FRAME_MAX = 14,   // of a head
    WI_WS_CONTROL_MAX = 125 // of a control frame's payload
};

struct wi_ws_frame {
    uint64_t size; // of the payload
    enum wi_ws_opcode opcode;
    bool is_final;
    bool is_compressed; // RSV1, as permessage-deflate uses it (RFC 7692, section 6)
    bool is_masked;
    unsigned char key[4];
};

/** Who is reading, and what was agreed on. */
struct wi_ws_rules {
    bool is_server;    // frames have to be masked; a client's must not be
    bool may_compress; // RSV1 has a meaning
};

static inline bool
wi_ws_is_control(enum wi_ws_opcode opcode)
{
    return (opcode & 0x8) != 0;
}

/**
 * Read a head.
 *
 * @return its size in bytes; -EAGAIN: @p size bytes are not all of it, and the first of them are
 *   not wrong yet; -EPROTO: no endpoint may send this.
 */
int wi_ws_frame_read(struct wi_ws_frame *ret_frame, const unsigned char *bytes, size_t size,
                     const struct wi_ws_rules *rules);

/** Write a head, the length in its shortest form. @return its size, at most WI_WS_FRAME_MAX. */
size_t wi_ws_frame_write(unsigned char *ret_bytes, const struct wi_ws_frame *frame);

#endif /* WI_WS_FRAME_H */
