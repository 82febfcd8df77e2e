// SPDX-License-Identifier: MIT
//
// The handshake's texts: keys, lists, subprotocols, origins, and what is agreed on about deflate.
#include "netio/ws/extension.h"
#include "netio/ws/handshake.h"
#include "netio/ws/key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct weir_http_field
field(const char *name, const char *value)
{
    return (struct weir_http_field){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

// ---- keys --------------------------------------------------------------------------------------

static void
the_answer_is_that_of_the_rfc(void **state)
{
    char accept[WI_WS_ACCEPT_SIZE + 1];

    (void)state;
    wi_ws_key_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void
a_key_is_16_bytes_in_base64(void **state)
{
    unsigned char bytes[16];
    char key[WI_WS_KEY_SIZE + 1];

    (void)state;
    for (unsigned i = 0; i < 256; i += 5) {
        memset(bytes, (int)i, sizeof(bytes));
        wi_ws_key_make(bytes, key);
        assert_true(wi_ws_key_is_sound(key, strlen(key)));
    }
    assert_false(wi_ws_key_is_sound("", 0));
    assert_false(wi_ws_key_is_sound("dGhlIHNhbXBsZSBub25jZQ=", 23));
    assert_false(wi_ws_key_is_sound("dGhlIHNhbXBsZSBub25jZQAA", 24)); // 18 bytes
    assert_false(wi_ws_key_is_sound("dGhlIHNhbXBsZSBub25jZ===", 24));
    assert_false(wi_ws_key_is_sound("dGhlIHNhbXBs*SBub25jZQ==", 24));
}

// ---- lists -------------------------------------------------------------------------------------

static void
a_list_has_its_elements(void **state)
{
    static const char text[] = " a , , b;c=\"1,2\\\",\" ,\td ";
    struct wi_ws_text list = {text, sizeof(text) - 1};
    struct wi_ws_text element;

    (void)state;
    assert_true(wi_ws_next_element(&list, &element));
    assert_memory_equal(element.data, "a", element.size);
    assert_true(wi_ws_next_element(&list, &element));
    assert_int_equal(element.size, 12);
    assert_memory_equal(element.data, "b;c=\"1,2\\\",\"", element.size);
    assert_true(wi_ws_next_element(&list, &element));
    assert_memory_equal(element.data, "d", 1);
    assert_false(wi_ws_next_element(&list, &element));
}

// ---- origins -----------------------------------------------------------------------------------

static void
an_origin_is_that_of_the_host_or_of_another(void **state)
{
    static const struct {
        const char *origin;
        bool is_same;
    } cases[] = {
        {"http://example.org:8080", true},
        {"https://EXAMPLE.org:8080", true},
        {"http://example.org", false},
        {"http://example.org:8080.evil.org", false},
        {"http://evil.org", false},
        {"null", false},
        {"", false},
        {"://example.org:8080", true},
        {"http://xexample.org:8080", false},
    };
    struct weir_http_field host = field("Host", "example.org:8080");
    struct weir_http_request request = {.fields = &host, .field_count = 1};

    (void)state;
    assert_true(wi_ws_is_same_origin(&request, NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_http_field origin = field("Origin", cases[i].origin);

        assert_int_equal(wi_ws_is_same_origin(&request, &origin), cases[i].is_same);
    }
}

// ---- permessage-deflate ------------------------------------------------------------------------

static const struct weir_ws_deflate all = {
    .is_on = true, .window_bits = 15, .peer_window_bits = 15, .level = 1, .size_min = 64};

static void
an_offer_is_answered(void **state)
{
    static const struct {
        const char *offer;
        const char *answer; // NULL: declined
    } cases[] = {
        {"permessage-deflate", "permessage-deflate"},
        {"x-webkit-deflate-frame", NULL},
        {"foo, permessage-deflate; client_max_window_bits", "permessage-deflate"},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {"permessage-deflate; server_max_window_bits=10",
         "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"9\"",
         "permessage-deflate; server_max_window_bits=9"},
        {"permessage-deflate; client_max_window_bits=12",
         "permessage-deflate; client_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits=7", NULL},
        {"permessage-deflate; server_max_window_bits=16", NULL},
        {"permessage-deflate; server_max_window_bits=08", NULL},
        {"permessage-deflate; server_max_window_bits", NULL},
        {"permessage-deflate; server_max_window_bits=", NULL},
        {"permessage-deflate; server_no_context_takeover=1", NULL},
        {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", NULL},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits=9", NULL},
        {"permessage-deflate; unknown", NULL},
        {"permessage-deflate;", NULL},
        {"permessage-deflate; ; client_no_context_takeover", NULL},
        {"permessage-deflate; server_max_window_bits=99, permessage-deflate", "permessage-deflate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_http_field offer = field("sec-websocket-extensions", cases[i].offer);
        struct wi_ws_agreed agreed;

        wi_ws_extension_answer(&all, &offer, 1, &agreed);
        assert_int_equal(agreed.is_on, cases[i].answer != NULL);
        if (cases[i].answer != NULL) {
            assert_string_equal(agreed.text, cases[i].answer);
        }
    }
}

static void
a_server_asks_for_what_it_wants(void **state)
{
    struct weir_ws_deflate small = all;
    struct weir_http_field offer =
        field("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    struct wi_ws_agreed agreed;

    (void)state;
    small.no_context = small.no_peer_context = true;
    small.window_bits = 9;
    small.peer_window_bits = 10;
    wi_ws_extension_answer(&small, &offer, 1, &agreed);
    assert_string_equal(agreed.text, "permessage-deflate; server_no_context_takeover; "
                                     "client_no_context_takeover; server_max_window_bits=9; "
                                     "client_max_window_bits=10");
    assert_int_equal(agreed.window_sent, 9);
    assert_int_equal(agreed.window_received, 10);
    assert_false(agreed.is_context_sent || agreed.is_context_received);
    offer = field("Sec-WebSocket-Extensions", "permessage-deflate");
    wi_ws_extension_answer(&small, &offer, 1, &agreed); // it does not know of windows
    assert_int_equal(agreed.window_received, 15);
    assert_null(strstr(agreed.text, "client_max_window_bits"));
}

static void
an_answer_is_within_the_offer_or_refused(void **state)
{
    static const struct {
        const char *answer;
        int result;
        bool is_on;
    } cases[] = {
        {"permessage-deflate", 0, true},
        {"", 0, false},
        {"permessage-deflate; client_max_window_bits=11", 0, true},
        {"permessage-deflate; client_max_window_bits=13", -EPROTO, false}, // more than we offered
        {"permessage-deflate; client_max_window_bits", -EPROTO, false},
        {"permessage-deflate; server_max_window_bits=15", 0, true},
        {"permessage-deflate, permessage-deflate", -EPROTO, false},
        {"permessage-bzip2", -EPROTO, false},
        {"permessage-deflate; foo=1", -EPROTO, false},
        {"permessage-deflate; server_no_context_takeover", 0, true},
    };
    struct weir_ws_deflate mine = all;
    char offer[WI_WS_EXTENSION_MAX];

    (void)state;
    mine.window_bits = 12;
    wi_ws_extension_offer(&mine, offer);
    assert_string_equal(offer, "permessage-deflate; client_max_window_bits=12");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_http_field answer = field("Sec-WebSocket-Extensions", cases[i].answer);
        struct wi_ws_agreed agreed;

        assert_int_equal(wi_ws_extension_take(&mine, &answer, 1, &agreed), cases[i].result);
        assert_int_equal(cases[i].result == 0 && agreed.is_on, cases[i].is_on);
    }
}

static void
what_was_not_offered_is_refused(void **state)
{
    struct weir_ws_deflate none = {.is_on = false};
    struct weir_ws_deflate strict = all;
    struct weir_http_field answer = field("Sec-WebSocket-Extensions", "permessage-deflate");
    struct wi_ws_agreed agreed;

    (void)state;
    assert_int_equal(wi_ws_extension_take(&none, &answer, 1, &agreed), -EPROTO);
    strict.no_peer_context = true;
    assert_int_equal(wi_ws_extension_take(&strict, &answer, 1, &agreed), -EPROTO);
    strict = all;
    strict.peer_window_bits = 10;
    assert_int_equal(wi_ws_extension_take(&strict, &answer, 1, &agreed), -EPROTO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_that_of_the_rfc),
        cmocka_unit_test(a_key_is_16_bytes_in_base64),
        cmocka_unit_test(a_list_has_its_elements),
        cmocka_unit_test(an_origin_is_that_of_the_host_or_of_another),
        cmocka_unit_test(an_offer_is_answered),
        cmocka_unit_test(a_server_asks_for_what_it_wants),
        cmocka_unit_test(an_answer_is_within_the_offer_or_refused),
        cmocka_unit_test(what_was_not_offered_is_refused),
    };

    return cmocka_run_group_tests_name("ws_handshake", tests, NULL, NULL);
}
