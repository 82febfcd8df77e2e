/* SPDX-License-Identifier: MIT */

#include "netio/ws/frame.h"

#include <errno.h>
#include <string.h>

enum { FINAL = 0x80, RSV1 = 0x40, RSV23 = 0x30, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127 };

static bool
is_opcode(unsigned opcode)
{
    return opcode <= WI_WS_BINARY || (opcode >= WI_WS_CLOSE && opcode <= WI_WS_PONG);
}

// The first byte alone: may a frame begin so?
static bool
may_begin(unsigned first, const struct wi_ws_rules *rules)
{
    unsigned opcode = first & OPCODE;

    if ((first & RSV23) != 0 || !is_opcode(opcode)) {
        return false;
    }
    if (wi_ws_is_control(opcode)) {
        return (first & FINAL) != 0 && (first & RSV1) == 0;
    }
    // RSV1 stands on the first frame of a message only (RFC 7692, section 6.1).
    return (first & RSV1) == 0 || (rules->may_compress && opcode != WI_WS_CONTINUATION);
}

static bool
may_go_on(unsigned first, unsigned second, const struct wi_ws_rules *rules)
{
    return ((second & MASKED) != 0) == rules->is_server &&
           (!wi_ws_is_control(first & OPCODE) || (second & LENGTH) <= WI_WS_CONTROL_MAX);
}

static uint64_t
big_endian(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

// Lengths have one form only, the shortest; the highest bit is never set.
static bool
is_shortest(uint64_t length, size_t extended)
{
    return (extended == 0) || (extended == 2 && length >= LENGTH_16) ||
           (extended == 8 && length > UINT16_MAX && length <= INT64_MAX);
}

int
wi_ws_frame_read(struct wi_ws_frame *ret_frame, const unsigned char *bytes, size_t size,
                 const struct wi_ws_rules *rules)
{
    size_t extended;
    size_t head;
    uint64_t length;

    if (size >= 1 && !may_begin(bytes[0], rules)) {
        return -EPROTO;
    }
    if (size < 2) {
        return -EAGAIN;
    }
    if (!may_go_on(bytes[0], bytes[1], rules)) {
        return -EPROTO;
    }
    length = bytes[1] & LENGTH;
    extended = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    if (extended != 0) {
        if (size < 2 + extended) {
            return -EAGAIN;
        }
        length = big_endian(bytes + 2, extended);
        if (!is_shortest(length, extended)) {
            return -EPROTO;
        }
    }
    head = 2 + extended + (rules->is_server ? sizeof(ret_frame->key) : 0);
    if (size < head) {
        return -EAGAIN;
    }
    *ret_frame = (struct wi_ws_frame){
        .size = length,
        .opcode = bytes[0] & OPCODE,
        .is_final = (bytes[0] & FINAL) != 0,
        .is_compressed = (bytes[0] & RSV1) != 0,
        .is_masked = rules->is_server,
    };
    if (rules->is_server) {
        memcpy(ret_frame->key, bytes + 2 + extended, sizeof(ret_frame->key));
    }
    return (int)head;
}

static size_t
write_length(unsigned char *ret_bytes, uint64_t length)
{
    size_t size = length < LENGTH_16 ? 0 : length <= UINT16_MAX ? 2 : 8;

    ret_bytes[0] = (unsigned char)(size == 0 ? length : size == 2 ? LENGTH_16 : LENGTH_64);
    for (size_t i = 0; i < size; i++) {
        ret_bytes[1 + i] = (unsigned char)(length >> (8 * (size - 1 - i)));
    }
    return 1 + size;
}

size_t
wi_ws_frame_write(unsigned char *ret_bytes, const struct wi_ws_frame *frame)
{
    size_t size;

    ret_bytes[0] = (unsigned char)((frame->is_final ? FINAL : 0) |
                                   (frame->is_compressed ? RSV1 : 0) | (unsigned)frame->opcode);
    size = 1 + write_length(ret_bytes + 1, frame->size);
    if (frame->is_masked) {
        ret_bytes[1] |= MASKED;
        memcpy(ret_bytes + size, frame->key, sizeof(frame->key));
        size += sizeof(frame->key);
    }
    return size;
}
