// with: stormlib
// SPDX-License-Identifier: MIT
// Reading JSON: what is in it, and what is refused.

#include "stress/sight/json_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
members_and_elements_are_found(void **state)
{
    struct json_error error;
    struct json_node *tree = json_tree_parse(
        " {\"a\": [1, -2.5e1, true, null], \"b\": {\"c\": \"x\"}, \"n\": 18446744073709551615}\n",
        &error);

    (void)state;
    assert_non_null(tree);
    const struct json_node *first = json_member(tree, "a")->first;
    assert_int_equal(first->kind, JSON_NUMBER);
    assert_true(first->next->number == -25);
    assert_int_equal(first->next->next->kind, JSON_TRUE);
    assert_int_equal(first->next->next->next->kind, JSON_NULL);
    assert_null(first->next->next->next->next);
    assert_string_equal(json_text(json_member(tree, "b"), "c", "-"), "x");
    assert_string_equal(json_text(json_member(tree, "b"), "d", "-"), "-");
    assert_true(json_number(tree, "b", 7) == 7);
    assert_true(json_count(tree, "n") == UINT64_MAX);
    assert_int_equal(json_count(tree, "a"), 0);
    assert_null(json_member(NULL, "a"));
    json_tree_free(tree);
}

static void
escapes_are_read(void **state)
{
    struct json_error error;
    struct json_node *tree =
        json_tree_parse("[\"q\\\"\\\\/\\n\\t\\u00b5\\u20ac\\ud83d\\ude00\"]", &error);

    (void)state;
    assert_non_null(tree);
    assert_string_equal(tree->first->text, "q\"\\/\n\t\xc2\xb5\xe2\x82\xac\xf0\x9f\x98\x80");
    json_tree_free(tree);
}

static void
what_is_not_json_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        size_t line;
    } bad[] = {
        {"", 1},           {"{", 1},           {"[1,]", 1},        {"[1 2]", 1},
        {"{\"a\" 1}", 1},  {"{a:1}", 1},       {"\"x", 1},         {"[\n\n\"a\nb\"]", 3},
        {"01", 1},         {"1.", 1},          {"-", 1},           {"1e", 1},
        {"nul", 1},        {"[1]\n x", 2},     {"\"\\x\"", 1},     {"\"\\u12g4\"", 1},
        {"NaN", 1},        {"\"\\ud83d\"", 1}, {"\"\\ude00\"", 1}, {"\"\\u0000\"", 1},
        {"{\"a\":1,}", 1}, {"+1", 1},          {"'a'", 1},         {"\"\\", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_error error = {NULL, 0};

        assert_null(json_tree_parse(bad[i].text, &error));
        assert_non_null(error.message);
        assert_int_equal(error.line, bad[i].line);
    }
}

static void
nesting_has_a_bound(void **state)
{
    char text[400];
    struct json_error error;

    (void)state;
    memset(text, '[', 200);
    memset(text + 200, ']', 199);
    text[399] = '\0';
    assert_null(json_tree_parse(text, &error));
    assert_string_equal(error.message, "nested too deeply");
    struct json_node *tree = json_tree_parse("[[[[[[[[]]]]]]],[[]]]", &error);
    assert_non_null(tree);
    json_tree_free(tree);
}

static void
values_follow_one_another(void **state)
{
    const char *at = "{\"a\":1}\n{\"a\":2}\n";
    struct json_error error;

    (void)state;
    for (int i = 1; i <= 2; i++) {
        struct json_node *tree = json_tree_parse_first(at, &at, &error);

        assert_non_null(tree);
        assert_int_equal(json_count(tree, "a"), i);
        json_tree_free(tree);
    }
    assert_int_equal(*at, '\0');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_found),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_line),
        cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(values_follow_one_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
