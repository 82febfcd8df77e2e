// SPDX-License-Identifier: MIT
//
// A head that is remembered says what it says when it is parsed: every head behind every other one,
// by a parser that remembers and by one that does not.

#include "netio/http/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: a.example\r\n"
#define MORE "Accept: */*\r\nUser-Agent: x y\r\n"
#define NEXT "GET /next HTTP/1.1\r\n" HOST "\r\n"

static const char *const heads[] = {
    "GET / HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.1\r\n" HOST "\r\n" NEXT,
    "GET /other?target HTTP/1.1\r\n" HOST "\r\n",
    "GET /other?targets HTTP/1.1\r\n" HOST "\r\nX",
    "HEAD / HTTP/1.1\r\n" HOST "\r\n",
    "DELETE /x HTTP/1.1\r\n" HOST "\r\n",
    "POST / HTTP/1.1\r\n" HOST "\r\n",
    "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.0\r\n" HOST "\r\n",
    "GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n",
    "GET / HTTP/1.0\r\n" HOST "Connection: close\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection:  close \t\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: x\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Upgrade: x\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST MORE "\r\n",
    "GET /a/b/c HTTP/1.1\r\n" HOST MORE "\r\n" NEXT,
    "PUT / HTTP/1.1\r\n" HOST MORE "\r\n",
    "GET / HTTP/1.1\r\n" MORE HOST "\r\n",
    "GET / HTTP/1.1\r\n" HOST "Empty:\r\nEmptier: \t \r\nFull: a b \t\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n",
    "PRI * HTTP/2.0\r\n" HOST "\r\n",
    "SOURCE / HTTP/1.1\r\n" HOST "\r\n",
    "SOURCE / ICE/1.0\r\n" HOST "\r\n",
    "GET / ICE/1.0\r\n" HOST "\r\n",
    "DESCRIBE / RTSP/1.0\r\n" HOST "\r\n",
    "GET / RTSP/1.0\r\n" HOST "\r\n",
    "GET / HTTP/2.0\r\n" HOST "\r\n",
    "GET / HTTP/1.2\r\n" HOST "\r\n",
    "GET / HTTP/0.9\r\n" HOST "\r\n",
    "GET /\r\n" HOST "\r\n",
    "GET /\r\n\r\n",
    "GET / HTTP/1.1\n" HOST "\r\n",
    "GET / HTTP/1.1\r" HOST "\r\n",
    "GET / HTTP/1.1 \r\n" HOST "\r\n",
    "GET  / HTTP/1.1\r\n" HOST "\r\n",
    "GET /  HTTP/1.1\r\n" HOST "\r\n",
    "GET HTTP/1.1\r\n" HOST "\r\n",
    "get / HTTP/1.1\r\n" HOST "\r\n",
    " GET / HTTP/1.1\r\n" HOST "\r\n",
    "\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
    "\r\n" HOST "\r\n",
    "\n" HOST "\r\n",
    "\r\n\r\n" HOST "\r\n",
    HOST "\r\n",
    "GET / HTTP/1.1\r\n" HOST,
    "GET / HTTP/1.1\r\n",
    "GET /\x01 HTTP/1.1\r\n" HOST "\r\n",
    "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n",
    "GET / HTTP/1.1\r\n " HOST "\r\n",
    "GET / HTTP/1.1\r\nX: y\r\n folded\r\n" HOST "\r\n",
    "GET / HTTP/1.1\r\n" HOST "\n",
    "GET / HTTP/1.1\r\n" HOST "\r",
    "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: A.example\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /0123456789012345678901234567890123456789012345678901234567890123456789 HTTP/1.1\r\n" HOST
    "\r\n",
    "GET / HTTP/1.1\r\n" HOST
    "Long: 0123456789012345678901234567890123456789012345678901234\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n",
};
#define HEADS (sizeof(heads) / sizeof(heads[0]))

// ---- a parser and what it says -----------------------------------------------------------------

struct reader {
    struct wi_http_parser parser;
    struct wi_http_table table;
    struct weir_http_limits limits;
};

struct said {
    enum wi_http_stop stop;
    size_t taken;
    unsigned refusal;
    bool is_complete;
    bool keeps;
    struct weir_http_request request;
    struct weir_http_field fields[WI_HTTP_FIELDS_MAX];
};

static void
on_body(struct wi_http_parser *parser, const char *data, size_t size)
{
    (void)parser;
    (void)data;
    (void)size;
}

static unsigned
on_trailer(struct wi_http_parser *parser, bool is_value, const char *data, size_t size)
{
    (void)parser;
    (void)is_value;
    (void)data;
    return size != 0 ? 0 : 431;
}

static void
reader_init(struct reader *reader, struct wi_http_memo *memo)
{
    const struct weir_http_limits limits = {.line_max = 64, .head_max = 120, .fields_max = 5};

    memset(reader, 0, sizeof(*reader));
    assert_int_equal(wi_http_limits_set(&reader->limits, &limits), 0);
    reader->parser.limits = &reader->limits;
    reader->parser.table = &reader->table;
    reader->parser.memo = memo;
    reader->parser.body = on_body;
    reader->parser.trailer = on_trailer;
}

// The head at @p text, shown in pieces of @p piece bytes.
static void
read_head(struct reader *reader, const char *text, size_t piece, struct said *ret_said)
{
    size_t size = strlen(text);
    size_t at = 0;

    memset(ret_said, 0, sizeof(*ret_said));
    wi_http_parser_begin(&reader->parser, false);
    do {
        size_t part = size - at < piece ? size - at : piece;

        ret_said->stop = wi_http_parser_feed(&reader->parser, text + at, part, &ret_said->taken);
        at += ret_said->taken;
    } while (ret_said->stop == WI_HTTP_MORE && at < size);
    ret_said->taken = at;
    ret_said->refusal = reader->parser.refusal;
    ret_said->is_complete = reader->parser.is_complete;
    if (ret_said->stop == WI_HTTP_HEAD) {
        ret_said->refusal =
            wi_http_parser_request(&reader->parser, text, ret_said->fields, &ret_said->request);
        ret_said->keeps = wi_http_parser_keeps(&reader->parser);
    }
}

static void
expect_same(const struct said *one, const struct said *other)
{
    assert_int_equal(one->stop, other->stop);
    assert_int_equal(one->taken, other->taken);
    assert_int_equal(one->refusal, other->refusal);
    assert_int_equal(one->is_complete, other->is_complete);
    assert_int_equal(one->keeps, other->keeps);
    if (one->stop != WI_HTTP_HEAD || one->refusal != 0) {
        return;
    }
    assert_ptr_equal(one->request.method, other->request.method);
    assert_int_equal(one->request.method_size, other->request.method_size);
    assert_ptr_equal(one->request.target, other->request.target);
    assert_int_equal(one->request.target_size, other->request.target_size);
    assert_int_equal(one->request.flags, other->request.flags);
    assert_int_equal(one->request.minor, other->request.minor);
    assert_int_equal(one->request.length, other->request.length);
    assert_int_equal(one->request.field_count, other->request.field_count);
    for (unsigned i = 0; i < one->request.field_count; i++) {
        assert_ptr_equal(one->fields[i].name, other->fields[i].name);
        assert_int_equal(one->fields[i].name_size, other->fields[i].name_size);
        assert_int_equal(one->fields[i].value_size, other->fields[i].value_size);
        if (one->fields[i].value_size != 0) {
            assert_ptr_equal(one->fields[i].value, other->fields[i].value);
        }
    }
}

// ---- tests -------------------------------------------------------------------------------------

static void
a_head_behind_any_other_says_what_it_says_alone(void **state)
{
    static struct reader plain;
    static struct reader remembering;
    static struct said alone;
    static struct said behind;
    static struct wi_http_memo memo;
    unsigned known = 0;

    (void)state;
    reader_init(&plain, NULL);
    for (size_t first = 0; first < HEADS; first++) {
        for (size_t second = 0; second < HEADS; second++) {
            memset(&memo, 0, sizeof(memo));
            reader_init(&remembering, &memo);
            read_head(&remembering, heads[first], SIZE_MAX, &behind);
            for (int again = 0; again < 2; again++) { // its line is remembered, too
                read_head(&plain, heads[second], SIZE_MAX, &alone);
                read_head(&remembering, heads[second], SIZE_MAX, &behind);
                expect_same(&behind, &alone);
                known += remembering.parser.is_known;
            }
        }
    }
    assert_true(known > HEADS); // else nothing has been tried
}

static void
what_is_remembered_may_have_come_in_pieces(void **state)
{
    static struct reader plain;
    static struct reader remembering;
    static struct said alone;
    static struct said behind;
    static struct wi_http_memo memo;

    (void)state;
    reader_init(&plain, NULL);
    for (size_t i = 0; i < HEADS; i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            memset(&memo, 0, sizeof(memo));
            reader_init(&remembering, &memo);
            read_head(&remembering, heads[i], piece, &behind);
            read_head(&plain, heads[i], SIZE_MAX, &alone);
            read_head(&remembering, heads[i], SIZE_MAX, &behind);
            expect_same(&behind, &alone);
            read_head(&plain, heads[i], piece, &alone);
            read_head(&remembering, heads[i], piece, &behind);
            expect_same(&behind, &alone);
        }
    }
}

static void
a_line_or_fields_that_repeat_are_known(void **state)
{
    static struct reader reader;
    static struct said said;
    static struct wi_http_memo memo;

    (void)state;
    memset(&memo, 0, sizeof(memo));
    reader_init(&reader, &memo);
    read_head(&reader, heads[0], SIZE_MAX, &said);
    assert_false(reader.parser.is_known);
    read_head(&reader, heads[2], SIZE_MAX, &said);
    assert_true(reader.parser.is_known);
    assert_false(reader.parser.is_fresh); // its line was parsed
    read_head(&reader, heads[2], SIZE_MAX, &said);
    assert_true(reader.parser.is_known);
    assert_true(reader.parser.is_fresh);
    assert_memory_equal(said.request.target, "/other?target", said.request.target_size);
    read_head(&reader, heads[17], SIZE_MAX, &said);
    assert_false(reader.parser.is_known);
}

// The same bytes up to the very end, and then others.
static void
a_head_that_goes_on_is_not_the_one_remembered(void **state)
{
    static const char remembered[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    static const char *const others[] = {
        "GET / HTTP/1.1\r\nHost: x\r\nA: bc\r\nD: e\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nD: e\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\rX",
        "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
    };
    static struct reader plain;
    static struct reader remembering;
    static struct said alone;
    static struct said behind;
    static struct wi_http_memo memo;

    (void)state;
    memset(&memo, 0, sizeof(memo));
    reader_init(&plain, NULL);
    reader_init(&remembering, &memo);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        read_head(&remembering, remembered, SIZE_MAX, &behind);
        read_head(&remembering, remembered, SIZE_MAX, &behind);
        assert_true(remembering.parser.is_known);
        read_head(&plain, others[i], SIZE_MAX, &alone);
        read_head(&remembering, others[i], SIZE_MAX, &behind);
        expect_same(&behind, &alone);
    }
}

// A head that says a secret is not remembered, and those that are, are none.
static void
secrets_are_not_remembered(void **state)
{
    static const char *const secrets[] = {
        "GET / HTTP/1.1\r\n" HOST "Cookie: id=1\r\n\r\n",
        "GET / HTTP/1.1\r\nauthorization: Basic eDp5\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "Proxy-Authorization: Basic eDp5\r\n\r\n",
    };
    static struct reader reader;
    static struct said said;
    static struct wi_http_memo memo;

    (void)state;
    memset(&memo, 0, sizeof(memo));
    reader_init(&reader, &memo);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        read_head(&reader, secrets[i], SIZE_MAX, &said);
        assert_int_equal(said.refusal, 0);
        assert_int_equal(memo.size, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_behind_any_other_says_what_it_says_alone),
        cmocka_unit_test(what_is_remembered_may_have_come_in_pieces),
        cmocka_unit_test(a_line_or_fields_that_repeat_are_known),
        cmocka_unit_test(secrets_are_not_remembered),
        cmocka_unit_test(a_head_that_goes_on_is_not_the_one_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
