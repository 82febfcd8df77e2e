// SPDX-License-Identifier: MIT
// Settings by a table: values, lines of a file, and what is said about wrong ones.

#include "common/settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

const char program_name[] = "test";

struct values {
    unsigned number;
    uint64_t time;
    uint64_t bytes;
    char *text;
    bool flag;
    char words[64];
    struct weir_endpoint endpoint;
};

static bool
take_words(void *options, const struct given *given)
{
    struct values *values = options;

    values->words[0] = '\0';
    for (unsigned i = 0; i < given->count; i++) {
        if (strcmp(given->words[i], "wrong") == 0) {
            return given_refuse(given, i, "not this");
        }
        strncat(values->words, given->words[i], 20);
        strncat(values->words, "|", 2);
    }
    return true;
}

static bool
take_endpoint(void *options, const struct given *given)
{
    return given_endpoint(given, 0, &((struct values *)options)->endpoint);
}

#define AT(field) .offset = offsetof(struct values, field)

static const struct setting table[] = {
    {"number", SETTING_NUMBER, AT(number), .min = 2, .max = 5},
    {"time", SETTING_TIME, AT(time)},
    {"bytes", SETTING_BYTES, AT(bytes), .min = 1, .max = UINT64_C(1) << 40},
    {"text", SETTING_TEXT, AT(text)},
    {"flag", SETTING_SWITCH, AT(flag)},
    {"words", SETTING_OWN, .min = 1, .max = 3, .take = take_words},
    {"address", SETTING_OWN, .min = 1, .max = 1, .take = take_endpoint},
    {"typed", SETTING_SWITCH, AT(flag), .scope = SETTING_IN_ARGUMENTS},
};

struct taking {
    struct settings settings;
    struct values values;
    char *said;
    size_t said_size;
};

static void
begin(struct taking *taking)
{
    *taking = (struct taking){.settings = {table, sizeof(table) / sizeof(table[0]), NULL, NULL}};
    taking->settings.options = &taking->values;
    taking->settings.errors = open_memstream(&taking->said, &taking->said_size);
    assert_non_null(taking->settings.errors);
}

static void
end(struct taking *taking)
{
    fclose(taking->settings.errors);
    free(taking->said);
    free(taking->values.text);
}

static void
good(struct taking *taking, const char *line)
{
    assert_true(settings_take_line(&taking->settings, "file", 1, line));
}

static void
wrong(const char *line, const char *wanted)
{
    struct taking taking;

    begin(&taking);
    assert_false(settings_take_line(&taking.settings, "file", 7, line));
    fflush(taking.settings.errors);
    assert_string_equal(taking.said, wanted);
    end(&taking);
}

static void
values_are_taken_as_what_they_are(void **state)
{
    struct taking taking;

    (void)state;
    begin(&taking);
    good(&taking, "number 5\n");
    good(&taking, "  time\t500ms # half a second\n");
    good(&taking, "bytes 64k");
    good(&taking, "text \"with blanks # and all\"");
    good(&taking, "flag");
    good(&taking, "words a \"b c\" d");
    good(&taking, "address tcp://127.0.0.1:80");
    good(&taking, "");
    good(&taking, "# nothing");
    assert_int_equal(taking.values.number, 5);
    assert_int_equal(taking.values.time, 500000000);
    assert_int_equal(taking.values.bytes, 65536);
    assert_string_equal(taking.values.text, "with blanks # and all");
    assert_true(taking.values.flag);
    assert_string_equal(taking.values.words, "a|b c|d|");
    assert_int_equal(taking.values.endpoint.kind, WEIR_ENDPOINT_ADDRESS);
    end(&taking);
}

static void
units_have_their_size(void **state)
{
    struct taking taking;

    (void)state;
    begin(&taking);
    good(&taking, "time 2h");
    assert_int_equal(taking.values.time, UINT64_C(7200000000000));
    good(&taking, "time 3");
    assert_int_equal(taking.values.time, UINT64_C(3000000000));
    good(&taking, "bytes 2g");
    assert_int_equal(taking.values.bytes, UINT64_C(2) << 30);
    end(&taking);
}

static void
what_is_wrong_is_shown_where_it_is(void **state)
{
    (void)state;
    wrong("number 6\n", "test: file:7: number wants a number from 2 to 5, not \"6\"\n"
                        "  number 6\n"
                        "         ^\n");
    wrong("\tnumber x", "test: file:7: number wants a number from 2 to 5, not \"x\"\n"
                        "  \tnumber x\n"
                        "  \t       ^\n");
    wrong("words a wrong b", "test: file:7: not this\n  words a wrong b\n          ^\n");
    wrong("speed 3", "test: file:7: no setting is named \"speed\"\n  speed 3\n  ^\n");
    wrong("text a b", "test: file:7: text wants one value; one with blanks goes in double quotes\n"
                      "  text a b\n         ^\n");
    wrong("text", "test: file:7: text wants a value\n  text\n  ^\n");
    wrong("flag on", "test: file:7: flag is a switch and wants no value\n  flag on\n       ^\n");
    wrong("words a b c d", "test: file:7: words wants fewer values\n  words a b c d\n"
                           "              ^\n");
    wrong("text \"a", "test: file:7: a quote that does not end its word\n  text \"a\n       ^\n");
    wrong("text \"a\"b",
          "test: file:7: a quote that does not end its word\n  text \"a\"b\n       ^\n");
    wrong("address tpc://x:1",
          "test: file:7: not an address: an address begins with tcp://, unix:, "
          "vsock:// or hybrid:\n  address tpc://x:1\n          ^\n");
    wrong("typed", "test: file:7: no setting is named \"typed\"\n  typed\n  ^\n");
}

static void
numbers_stay_in_their_range(void **state)
{
    static const char *const lines[] = {"number -1",
                                        "number 1",
                                        "number 99999999999999999999",
                                        "number 3x",
                                        "time 10 parsecs",
                                        "time -1",
                                        "time 9999999h",
                                        "bytes 0",
                                        "bytes 2t",
                                        "bytes 1025g",
                                        "bytes 99999999999999999999g"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct taking taking;

        begin(&taking);
        assert_false(settings_take_line(&taking.settings, "file", 1, lines[i]));
        end(&taking);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_as_what_they_are),
        cmocka_unit_test(units_have_their_size),
        cmocka_unit_test(what_is_wrong_is_shown_where_it_is),
        cmocka_unit_test(numbers_stay_in_their_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
