/* SPDX-License-Identifier: MIT */

#include "netio/ws/receiver.h"

#include "mem/plant.h"
#include "netio/ws/deflate.h"
#include "netio/ws/mask.h"

#include <errno.h>
#include <string.h>

void
wi_ws_receiver_init(struct wi_ws_receiver *receiver, bool is_server,
                    const struct weir_ws_limits *limits, struct wi_ws_unpacker *unpacker)
{
    *receiver = (struct wi_ws_receiver){
        .limits = limits,
        .unpacker = unpacker,
        .rules = {.is_server = is_server, .may_compress = unpacker != NULL},
    };
}

// Of a compressed frame so much is taken at once: what it unpacks to, at most a thousand times as
// much, is told before the next, also if the program pauses meanwhile.
#define PACKED_STEP 256u

static void
fail(struct wi_ws_event *event, enum weir_ws_code code, int status)
{
    *event = (struct wi_ws_event){.kind = WI_WS_FAIL, .code = (uint16_t)code, .status = status};
}

/* ---- heads ---- */

// Of a data frame: may it follow what came, and is it within bounds?
static bool
begin_data(struct wi_ws_receiver *receiver, struct wi_ws_event *event)
{
    const struct wi_ws_frame *frame = &receiver->frame;
    const struct weir_ws_limits *limits = receiver->limits;

    if ((frame->opcode == WI_WS_CONTINUATION) != receiver->is_in_message && !WI_PLANT(107)) {
        fail(event, WEIR_WS_PROTOCOL_ERROR, -EPROTO);
        return false;
    }
    if (!receiver->is_in_message) {
        receiver->is_in_message = true;
        receiver->is_text = frame->opcode == WI_WS_TEXT;
        receiver->is_packed = frame->is_compressed;
        receiver->was_told = false;
        receiver->message_size = 0;
        receiver->fragments = 0;
        receiver->text = (struct wi_utf8){0};
    }
    if (++receiver->fragments > limits->fragments_max) {
        fail(event, WEIR_WS_POLICY, -EMSGSIZE);
        return false;
    }
    if (frame->size > limits->frame_max ||
        (!receiver->is_packed && frame->size > limits->message_max - receiver->message_size)) {
        fail(event, WEIR_WS_TOO_BIG, -EMSGSIZE);
        return false;
    }
    return true;
}

// Bytes taken of these for the head; the frame has begun, or more are wanted, or it failed.
static size_t
take_head(struct wi_ws_receiver *receiver, const unsigned char *bytes, size_t size,
          struct wi_ws_event *event)
{
    size_t taken = 0;
    int result;

    if (receiver->head_size == 0) {
        result = wi_ws_frame_read(&receiver->frame, bytes, size, &receiver->rules);
        taken = result > 0 ? (size_t)result : 0;
    } else {
        result = -EAGAIN;
    }
    while (result == -EAGAIN && taken < size) { // the rest of one that came in pieces
        receiver->head[receiver->head_size++] = bytes[taken++];
        result = wi_ws_frame_read(&receiver->frame, receiver->head, receiver->head_size,
                                  &receiver->rules);
    }
    if (result == -EPROTO) {
        fail(event, WEIR_WS_PROTOCOL_ERROR, -EPROTO);
    } else if (result > 0) {
        receiver->head_size = 0;
        receiver->left = receiver->frame.size;
        receiver->control_size = 0;
        receiver->is_in_frame =
            wi_ws_is_control(receiver->frame.opcode) || begin_data(receiver, event);
    }
    return taken;
}

/* ---- payload ---- */

static void
unmask(const struct wi_ws_receiver *receiver, unsigned char *to, const unsigned char *from,
       size_t size)
{
    if (receiver->frame.is_masked) {
        wi_ws_mask(to, from, size, receiver->frame.key,
                   WI_PLANT(108) ? 0 : receiver->frame.size - receiver->left);
    } else if (to != from) {
        memcpy(to, from, size);
    }
}

static void
take_control(struct wi_ws_receiver *receiver, const unsigned char *bytes, size_t size,
             struct wi_ws_event *event)
{
    unmask(receiver, receiver->control + receiver->control_size, bytes, size);
    receiver->control_size = (uint8_t)(receiver->control_size + size);
    receiver->left -= size;
    if (receiver->left == 0) {
        receiver->is_in_frame = false;
        *event = (struct wi_ws_event){
            .kind = WI_WS_CONTROL,
            .opcode = receiver->frame.opcode,
            .data = receiver->control,
            .size = receiver->control_size,
        };
    }
}

// Bytes of the message as its sender wrote them, the last ones or not.
static void
tell_piece(struct wi_ws_receiver *receiver, const unsigned char *data, size_t size, bool is_last,
           struct wi_ws_event *event)
{
    if (receiver->is_text && (!wi_utf8_check(&receiver->text, data, size) ||
                              (is_last && !wi_utf8_is_whole(&receiver->text)))) {
        fail(event, WEIR_WS_BAD_DATA, -EILSEQ);
        return;
    }
    receiver->message_size += size;
    if (is_last) {
        receiver->is_in_message = false;
    }
    if (size == 0 && !is_last) {
        return; // nothing to tell
    }
    *event = (struct wi_ws_event){
        .kind = WI_WS_PIECE,
        .data = data,
        .size = size,
        .is_text = receiver->is_text,
        .is_first = !receiver->was_told,
        .is_last = is_last,
    };
    receiver->was_told = true;
}

// A compressed message: what its bytes unpack to, as much as there is room for at a time.
static void
unpack(struct wi_ws_receiver *receiver, struct wi_ws_event *event)
{
    bool is_last = receiver->left == 0 && receiver->frame.is_final;
    uint64_t room = receiver->limits->message_max - receiver->message_size;
    struct wi_ws_unpacked out;
    int result = wi_ws_unpack(receiver->unpacker, is_last, &out);

    receiver->is_unpacking = out.has_more;
    if (result < 0) {
        fail(event, result == -ENOMEM ? WEIR_WS_INTERNAL_ERROR : WEIR_WS_BAD_DATA, result);
    } else if (out.size > room) {
        fail(event, WEIR_WS_TOO_BIG, -EMSGSIZE);
    } else {
        tell_piece(receiver, out.data, out.size, is_last && !out.has_more, event);
    }
}

static void
take_data(struct wi_ws_receiver *receiver, unsigned char *bytes, size_t size,
          struct wi_ws_event *event)
{
    unmask(receiver, bytes, bytes, size);
    receiver->left -= size;
    receiver->is_in_frame = receiver->left != 0;
    if (receiver->is_packed) {
        wi_ws_unpacker_give(receiver->unpacker, bytes, size);
        unpack(receiver, event);
    } else {
        tell_piece(receiver, bytes, size, receiver->left == 0 && receiver->frame.is_final, event);
    }
}

size_t
wi_ws_receive(struct wi_ws_receiver *receiver, unsigned char *bytes, size_t size,
              struct wi_ws_event *ret_event)
{
    size_t taken = 0;
    size_t payload;

    *ret_event = (struct wi_ws_event){.kind = WI_WS_NOTHING};
    if (receiver->is_unpacking) {
        unpack(receiver, ret_event);
        return 0;
    }
    if (!receiver->is_in_frame) {
        taken = take_head(receiver, bytes, size, ret_event);
        if (!receiver->is_in_frame || (taken == size && receiver->left != 0)) {
            return taken;
        }
    }
    payload = size - taken < receiver->left ? size - taken : (size_t)receiver->left;
    if (receiver->is_packed && payload > PACKED_STEP && receiver->is_in_message) {
        payload = PACKED_STEP;
    }
    if (wi_ws_is_control(receiver->frame.opcode)) {
        take_control(receiver, bytes + taken, payload, ret_event);
    } else {
        take_data(receiver, bytes + taken, payload, ret_event);
    }
    return taken + payload;
}
