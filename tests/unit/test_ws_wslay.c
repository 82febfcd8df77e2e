// SPDX-License-Identifier: MIT
//
// The codec beside one that no one here wrote: libwslay reads what we write, and both make the same
// of the same bytes, good and bad.
#include "netio/ws/receiver.h"

#include "tests/lib/ws.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

enum { BYTES_MAX = 1 << 17, TOLD_MAX = 256 };

// What came, as one reader tells it.
struct story {
    struct {
        unsigned opcode;
        size_t at;
        size_t size;
    } events[TOLD_MAX];
    unsigned count;
    unsigned code; // with which it fails; 0: it does not
    uint8_t data[BYTES_MAX];
    size_t size;
};

struct input {
    uint8_t bytes[BYTES_MAX];
    size_t size;
    size_t at; // of wslay
    uint64_t seed;
};

static uint64_t
next_number(struct input *input)
{
    input->seed ^= input->seed << 13;
    input->seed ^= input->seed >> 7;
    input->seed ^= input->seed << 17;
    return input->seed >> 11;
}

static void
add(struct story *story, unsigned opcode, bool goes_on, const uint8_t *data, size_t size)
{
    if (!goes_on) {
        assert_true(story->count < TOLD_MAX);
        story->events[story->count].opcode = opcode;
        story->events[story->count].at = story->size;
        story->events[story->count++].size = 0;
    }
    assert_true(size <= BYTES_MAX - story->size);
    if (size != 0) {
        memcpy(story->data + story->size, data, size);
    }
    story->size += size;
    story->events[story->count - 1].size += size;
}

// ---- wslay -------------------------------------------------------------------------------------

static struct {
    struct story *story;
    struct input *input;
} judge;

static ssize_t
judge_recv(wslay_event_context_ptr context, uint8_t *buffer, size_t size, int flags, void *user)
{
    size_t left = judge.input->size - judge.input->at;
    size_t part = left < size ? left : size;

    (void)flags;
    (void)user;
    if (part == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(buffer, judge.input->bytes + judge.input->at, part);
    judge.input->at += part;
    return (ssize_t)part;
}

static ssize_t
judge_send(wslay_event_context_ptr context, const uint8_t *data, size_t size, int flags, void *user)
{
    (void)context;
    (void)data;
    (void)flags;
    (void)user;
    return (ssize_t)size;
}

static int
judge_mask(wslay_event_context_ptr context, uint8_t *buffer, size_t size, void *user)
{
    (void)context;
    (void)user;
    memset(buffer, 1, size);
    return 0;
}

static void
judge_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message,
              void *user)
{
    (void)context;
    (void)user;
    add(judge.story, message->opcode, false, message->msg, message->msg_length);
}

static void
read_by_wslay(struct story *story, struct input *input, bool is_server)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = judge_recv,
        .send_callback = judge_send,
        .genmask_callback = judge_mask,
        .on_msg_recv_callback = judge_message,
    };
    wslay_event_context_ptr context;

    story->count = story->code = 0;
    story->size = 0;
    input->at = 0;
    judge.story = story;
    judge.input = input;
    assert_int_equal(is_server ? wslay_event_context_server_init(&context, &callbacks, NULL)
                               : wslay_event_context_client_init(&context, &callbacks, NULL),
                     0);
    (void)wslay_event_recv(context);
    (void)wslay_event_send(context);
    if (wslay_event_get_close_sent(context) && !wslay_event_get_close_received(context)) {
        story->code = wslay_event_get_status_code_sent(context);
    }
    wslay_event_context_free(context);
}

// ---- ours --------------------------------------------------------------------------------------

static void
read_by_us(struct story *story, struct input *input, bool is_server, size_t step)
{
    static const struct weir_ws_limits limits = {
        .message_max = BYTES_MAX, .frame_max = BYTES_MAX, .fragments_max = 1000};
    static uint8_t bytes[BYTES_MAX];
    struct wi_ws_receiver receiver;
    struct wi_ws_event event;
    static uint8_t message[BYTES_MAX]; // wslay tells messages behind the controls within them
    size_t message_size = 0;

    story->count = story->code = 0;
    story->size = 0;
    memcpy(bytes, input->bytes, input->size);
    wi_ws_receiver_init(&receiver, is_server, &limits, NULL);
    for (size_t at = 0; at < input->size && story->code == 0;) {
        size_t part = step < input->size - at ? step : input->size - at;

        at += wi_ws_receive(&receiver, bytes + at, part, &event);
        if (event.kind == WI_WS_FAIL) {
            story->code = event.code;
        } else if (event.kind == WI_WS_CONTROL) {
            add(story, event.opcode, false, event.data, event.size);
        } else if (event.kind == WI_WS_PIECE) {
            message_size = event.is_first ? 0 : message_size;
            memcpy(message + message_size, event.data, event.size);
            message_size += event.size;
            if (event.is_last) {
                add(story, event.is_text ? 1 : 2, false, message, message_size);
            }
        }
    }
}

static void
compare(struct input *input, bool is_server)
{
    static struct story theirs, ours;
    size_t steps[] = {input->size, 1, 1 + next_number(input) % 97};

    read_by_wslay(&theirs, input, is_server);
    for (unsigned i = 0; i < 3; i++) {
        read_by_us(&ours, input, is_server, steps[i]);
        assert_int_equal(ours.code, theirs.code);
        assert_int_equal(ours.count, theirs.count);
        for (unsigned j = 0; j < ours.count; j++) {
            assert_int_equal(ours.events[j].opcode, theirs.events[j].opcode);
            assert_int_equal(ours.events[j].size, theirs.events[j].size);
            assert_memory_equal(ours.data + ours.events[j].at, theirs.data + theirs.events[j].at,
                                ours.events[j].size);
        }
    }
}

// ---- what they read ----------------------------------------------------------------------------

// Written by our own functions, which the reader of wslay judges so.
static void
put(struct input *input, unsigned opcode, bool is_final, bool is_masked, const uint8_t *data,
    size_t size)
{
    struct wi_ws_frame frame = {
        .size = size,
        .opcode = (enum wi_ws_opcode)opcode,
        .is_final = is_final,
        .is_masked = is_masked,
    };
    uint64_t key = next_number(input);

    assert_true(size + WI_WS_FRAME_MAX <= BYTES_MAX - input->size);
    memcpy(frame.key, &key, sizeof(frame.key));
    input->size += wi_ws_frame_write(input->bytes + input->size, &frame);
    for (size_t i = 0; i < size; i++) {
        input->bytes[input->size + i] = data[i] ^ (is_masked ? frame.key[i % 4] : 0);
    }
    input->size += size;
}

static void
put_message(struct input *input, bool is_masked)
{
    static uint8_t data[20000];
    bool is_text = next_number(input) % 2 == 0;
    size_t left = next_number(input) % (next_number(input) % 8 == 0 ? sizeof(data) : 300);
    const uint8_t *at = data;
    unsigned opcode = is_text ? 1 : 2;

    for (size_t i = 0; i < left; i++) {
        data[i] = (uint8_t)(is_text ? ' ' + next_number(input) % 90 : next_number(input));
    }
    for (bool is_last = false; !is_last; opcode = 0) {
        size_t part = next_number(input) % 3 == 0 ? left : next_number(input) % (left + 1);

        is_last = part == left;
        put(input, opcode, is_last, is_masked, at, part);
        at += part;
        left -= part;
        if (next_number(input) % 4 == 0) {
            put(input, 9 + (unsigned)(next_number(input) % 2), true, is_masked, data,
                next_number(input) % 126);
        }
    }
}

static void
both_make_the_same_of_good_frames(void **state)
{
    static struct input input;

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        bool is_server = round % 2 == 0;

        input.size = 0;
        input.seed = 88172645463325252u + round * 7919u;
        for (uint64_t i = next_number(&input) % 6 + 1; i > 0 && input.size < BYTES_MAX / 2; i--) {
            put_message(&input, is_server);
        }
        compare(&input, is_server);
    }
}

static void
both_fail_with_the_same_code(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xa1\x80\0\0\0\0", 6},                    // a reserved bit
        {"\x83\x80\0\0\0\0", 6},                    // a reserved opcode
        {"\x81\x01x", 3},                           // no mask
        {"\x09\x80\0\0\0\0", 6},                    // a fragmented ping
        {"\x89\xfe\x00\x7e\0\0\0\0", 8},            // a long one
        {"\x80\x81\0\0\0\0x", 7},                   // continues nothing
        {"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y", 14}, // a message within another
        {"\x81\x81\0\0\0\0\xff", 7},                // no UTF-8
        {"\x81\x83\0\0\0\0\xed\xa0\x80", 9},        // a surrogate
        {"\x81\x82\0\0\0\0\xe2\x82", 8},            // breaks off
        {"\x82\xfe\x00\x05\0\0\0\0hello", 13},      // a long form
    };
    static struct input input;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct story theirs, ours;

        memcpy(input.bytes, cases[i].bytes, cases[i].size);
        input.size = cases[i].size;
        read_by_wslay(&theirs, &input, true);
        read_by_us(&ours, &input, true, input.size);
        assert_int_not_equal(ours.code, 0);
        // It tells no code where its reader of heads finds the fault.
        assert_true(ours.code == theirs.code || theirs.code == WEIR_WS_NO_CODE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_make_the_same_of_good_frames),
        cmocka_unit_test(both_fail_with_the_same_code),
    };

    return cmocka_run_group_tests_name("ws_wslay", tests, NULL, NULL);
}
