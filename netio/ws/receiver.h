/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_RECEIVER_H
#define WI_WS_RECEIVER_H

/**
 * @file
 * What arrives, made into pieces of messages and control frames: bytes in, events out. Knows no
 * stream. Every rule for one side's frames is judged here, and by frame.h.
 */

#include "netio/ws/frame.h"
#include "netio/ws/utf8.h"
#include "weir/ws.h"

struct wi_ws_unpacker;

enum wi_ws_event_kind {
    WI_WS_NOTHING, // more bytes are wanted
    WI_WS_PIECE,
    WI_WS_CONTROL,
    WI_WS_FAIL, // the connection is to be failed, with the code; do not go on
};

struct wi_ws_event {
    enum wi_ws_event_kind kind;
    enum wi_ws_opcode opcode; // of CONTROL
    const unsigned char *data;
    size_t size;
    bool is_text;
    bool is_first;
    bool is_last;
    uint16_t code; // of FAIL
    int status;    // of FAIL: the same as an errno
};

struct wi_ws_receiver {
    const struct weir_ws_limits *limits;
    struct wi_ws_unpacker *unpacker; // NULL: compressed messages were not agreed on
    struct wi_ws_rules rules;
    struct wi_ws_frame frame;
    uint64_t left; // of the frame's payload
    uint64_t message_size;
    uint32_t fragments;
    uint8_t head_size; // of one that is incomplete
    uint8_t control_size;
    bool is_in_frame;
    bool is_in_message;
    bool is_text;
    bool is_packed;
    bool was_told; // a piece of the message
    bool is_unpacking;
    struct wi_utf8 text;
    unsigned char head[WI_WS_FRAME_MAX];
    unsigned char control[WI_WS_CONTROL_MAX];
};

/** Zero, and this, is one at the beginning. */
void wi_ws_receiver_init(struct wi_ws_receiver *receiver, bool is_server,
                         const struct weir_ws_limits *limits, struct wi_ws_unpacker *unpacker);

/**
 * Take bytes, up to the next event. Payload is unmasked where it lies, and the event's data is
 * there, or in the receiver: valid until the next call.
 *
 * @return how many were taken. Go on with the rest; with none left, as long as
 *   wi_ws_receiver_has_more().
 */
size_t wi_ws_receive(struct wi_ws_receiver *receiver, unsigned char *bytes, size_t size,
                     struct wi_ws_event *ret_event);

/** There are events without further bytes. */
static inline bool
wi_ws_receiver_has_more(const struct wi_ws_receiver *receiver)
{
    return receiver->is_unpacking;
}

#endif /* WI_WS_RECEIVER_H */
