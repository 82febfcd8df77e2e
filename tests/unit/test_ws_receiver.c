// SPDX-License-Identifier: MIT
//
// Bytes in, events out: every rule of RFC 6455 for frames in their order, whole, byte by byte and
// cut anywhere.
#include "netio/ws/receiver.h"

#include "tests/lib/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct weir_ws_limits limits = {
    .message_max = 64, .frame_max = 40, .fragments_max = 5};

// What a receiver made of bytes, as text: messages "t(…)" or "b(…)", controls "9(…)", "!1002".
struct told {
    char text[512];
    size_t size;
    bool is_inside;
};

static void
tell(struct told *told, const struct wi_ws_event *event)
{
    char *at = told->text + told->size;
    size_t room = sizeof(told->text) - told->size;
    int size = 0;

    if (event->kind == WI_WS_FAIL) {
        size = snprintf(at, room, "!%u", event->code);
    } else if (event->kind == WI_WS_CONTROL) {
        size = snprintf(at, room, "%s%x(%.*s)", told->is_inside ? "~" : "", event->opcode,
                        (int)event->size, (const char *)event->data);
    } else if (event->kind == WI_WS_PIECE) {
        assert_int_equal(event->is_first, !told->is_inside);
        size = snprintf(at, room, "%s%.*s%s",
                        !event->is_first ? ""
                        : event->is_text ? "t("
                                         : "b(",
                        (int)event->size, (const char *)event->data, event->is_last ? ")" : "");
        told->is_inside = !event->is_last;
    }
    told->size += (size_t)size;
}

// `step` bytes at a time; the bytes are spoiled behind each call, as the blocks are another's then.
static void
feed(struct told *told, const uint8_t *bytes, size_t size, size_t step)
{
    struct wi_ws_receiver receiver;
    struct wi_ws_event event = {.kind = WI_WS_NOTHING};
    uint8_t part[4096];

    wi_ws_receiver_init(&receiver, true, &limits, NULL);
    *told = (struct told){.size = 0};
    for (size_t at = 0; at < size && event.kind != WI_WS_FAIL; at += step) {
        size_t left = step < size - at ? step : size - at;
        uint8_t *next = part;

        memcpy(part, bytes + at, left);
        while (left != 0 && event.kind != WI_WS_FAIL) {
            size_t taken = wi_ws_receive(&receiver, next, left, &event);

            assert_true(taken <= left && (taken != 0 || event.kind == WI_WS_FAIL));
            tell(told, &event);
            next += taken;
            left -= taken;
        }
        memset(part, 0xee, sizeof(part));
    }
}

struct frame {
    unsigned first;
    const char *text;
};

static void
expect(const struct frame *frames, const char *wanted)
{
    uint8_t bytes[4096];
    size_t size = 0;

    for (; frames->text != NULL; frames++) {
        size += put_frame(bytes + size, frames->first, true, frames->text, strlen(frames->text));
    }
    for (size_t step = 1; step <= size; step++) {
        struct told told;

        feed(&told, bytes, size, step);
        if (strcmp(told.text, wanted) != 0) {
            fail_msg("by %zu bytes: '%s', not '%s'", step, told.text, wanted);
        }
    }
}

#define EXPECT(wanted, ...) expect((const struct frame[]){__VA_ARGS__, {0, NULL}}, wanted)
#define FORTY               "0123456789012345678901234567890123456789"

static void
messages_are_put_together(void **state)
{
    (void)state;
    EXPECT("t(Hello)", {0x81, "Hello"});
    EXPECT("b()t()", {0x82, ""}, {0x81, ""});
    EXPECT("t(Hello World)b(x)", {0x01, "Hello"}, {0x00, " "}, {0x80, "World"}, {0x82, "x"});
    EXPECT("b(abc)", {0x02, ""}, {0x00, "a"}, {0x00, ""}, {0x00, "bc"}, {0x80, ""});
    EXPECT("b()", {0x02, ""}, {0x80, ""});
}

static void
controls_come_between_fragments(void **state)
{
    (void)state;
    EXPECT("t(He~9(p)l~a()lo)8()", {0x01, "He"}, {0x89, "p"}, {0x00, "l"}, {0x8a, ""}, {0x80, "lo"},
           {0x88, ""});
    EXPECT("9(" FORTY FORTY FORTY "01234)", {0x89, FORTY FORTY FORTY "01234"});
}

static void
what_breaks_the_protocol_is_1002(void **state)
{
    static const unsigned firsts[] = {0x83, 0x87, 0x8b, 0x8f, 0xc1, 0xa1,
                                      0x91, 0x09, 0x08, 0x0a, 0xc9, 0xc0};

    (void)state;
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        EXPECT("t(x)!1002", {0x81, "x"}, {firsts[i], "y"});
    }
    EXPECT("!1002", {0x80, "nothing to continue"});
    EXPECT("!1002", {0x00, "nothing to continue"});
    EXPECT("t(x)!1002", {0x81, "x"}, {0x80, "it was complete"});
    EXPECT("t(x!1002", {0x01, "x"}, {0x81, "a new one within"});
    EXPECT("t(x!1002", {0x01, "x"}, {0x02, "a new one within"});
    EXPECT("!1002", {0x89, FORTY FORTY FORTY "012345"}); // 126 bytes
}

static void
text_that_is_not_utf8_is_1007(void **state)
{
    (void)state;
    EXPECT("!1007", {0x81, "\xff"});
    EXPECT("t(\xe2\x82\xac)", {0x01, "\xe2\x82"}, {0x80, "\xac"});
    EXPECT("t(\xe2\x82!1007", {0x01, "\xe2\x82"}, {0x80, ""});
    EXPECT("b(\xff\xfe)", {0x82, "\xff\xfe"});
}

// Not by every step: how much of what is good is told before depends on where it is cut.
static void
it_fails_at_the_first_wrong_byte(void **state)
{
    uint8_t bytes[64];
    size_t size = put_frame(bytes, 0x01, true, "ab\xed\xa0", 4); // and no end
    struct told told;

    (void)state;
    feed(&told, bytes, size, 1);
    assert_string_equal(told.text, "t(ab\xed!1007");
    feed(&told, bytes, size, size);
    assert_string_equal(told.text, "!1007");
    size = put_frame(bytes, 0x81, true, "\xe2\x82", 2); // breaks off
    feed(&told, bytes, size, 1);
    assert_string_equal(told.text, "t(\xe2!1007");
    feed(&told, bytes, size, size);
    assert_string_equal(told.text, "!1007");
}

static void
what_is_too_much_is_refused_by_its_head(void **state)
{
    uint8_t bytes[64];
    struct told told;

    (void)state;
    EXPECT("b(" FORTY ")", {0x82, FORTY});
    EXPECT("!1009", {0x82, FORTY "x"}); // a frame
    EXPECT("b(" FORTY "012345678901234567890123)", {0x02, FORTY},
           {0x80, "012345678901234567890123"});
    EXPECT("b(" FORTY "!1009", {0x02, FORTY}, {0x80, "0123456789012345678901234"}); // a message
    EXPECT("b(abcde)", {0x02, "a"}, {0, "b"}, {0, "c"}, {0, "d"}, {0x80, "e"});
    EXPECT("b(abcde!1008", {0x02, "a"}, {0, "b"}, {0, "c"}, {0, "d"}, {0, "e"}, {0x80, "f"});
    memcpy(bytes, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14); // and no payload
    feed(&told, bytes, 14, 1);
    assert_string_equal(told.text, "!1009");
    memcpy(bytes, "\x82\xff\x80\0\0\0\0\0\0\0\1\2\3\4", 14);
    feed(&told, bytes, 14, 14);
    assert_string_equal(told.text, "!1002");
}

static void
a_client_takes_no_masked_frame(void **state)
{
    struct wi_ws_receiver receiver;
    struct wi_ws_event event;
    uint8_t bytes[64];
    size_t size = put_frame(bytes, 0x81, true, "x", 1);

    (void)state;
    wi_ws_receiver_init(&receiver, false, &limits, NULL);
    wi_ws_receive(&receiver, bytes, size, &event);
    assert_int_equal(event.kind, WI_WS_FAIL);
    assert_int_equal(event.code, 1002);
    assert_status(event.status, -EPROTO);
    wi_ws_receiver_init(&receiver, false, &limits, NULL);
    size = put_frame(bytes, 0x81, false, "x", 1);
    assert_int_equal(wi_ws_receive(&receiver, bytes, size, &event), size);
    assert_int_equal(event.kind, WI_WS_PIECE);
    assert_ptr_equal(event.data, bytes + 2); // where it arrived
    assert_false(receiver.is_in_frame || receiver.is_in_message || receiver.head_size != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_put_together),
        cmocka_unit_test(controls_come_between_fragments),
        cmocka_unit_test(what_breaks_the_protocol_is_1002),
        cmocka_unit_test(text_that_is_not_utf8_is_1007),
        cmocka_unit_test(it_fails_at_the_first_wrong_byte),
        cmocka_unit_test(what_is_too_much_is_refused_by_its_head),
        cmocka_unit_test(a_client_takes_no_masked_frame),
    };

    return cmocka_run_group_tests_name("ws_receiver", tests, NULL, NULL);
}
