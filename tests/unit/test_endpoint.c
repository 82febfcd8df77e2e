// os: fake
// SPDX-License-Identifier: MIT
// Endpoints from text and back: every form, every wrong character, and what people are shown of it.

#include "weir/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HVSOCK_PORT  "-facb-11e6-bd58-64006a7986d3"
#define HVSOCK_ANY   "00000000-0000-0000-0000-000000000000"

static struct weir_endpoint
parsed(const char *text)
{
    struct weir_endpoint endpoint;
    struct weir_parse_error error = {0, ""};

    if (weir_endpoint_parse(&endpoint, text, &error) != 0) {
        fail_msg("%s: %zu: %s", text, error.offset, error.message);
    }
    return endpoint;
}

static void
assert_round_trip(const char *text, const char *expected)
{
    struct weir_endpoint endpoint = parsed(text);
    struct weir_endpoint again;
    char written[WEIR_ENDPOINT_TEXT_SIZE];

    assert_int_equal(weir_endpoint_format(&endpoint, written, sizeof(written)), strlen(expected));
    assert_string_equal(written, expected);
    again = parsed(written);
    assert_memory_equal(&again, &endpoint, sizeof(endpoint));
}

static void
every_form_is_read_and_written_as_it_is_read(void **state)
{
    static const struct {
        const char *text;
        const char *canonical; // NULL: the text itself
    } forms[] = {
        {"tcp://127.0.0.1:80", NULL},
        {"tcp://0.0.0.0:0", NULL},
        {"tcp://255.255.255.255:65535", NULL},
        {"tcp://127.0.0.1:http", "tcp://127.0.0.1:80"},
        {"tcp://127.0.0.1:3com-tsmux", "tcp://127.0.0.1:106"},
        {"tcp://127.0.0.1:0080", "tcp://127.0.0.1:80"},
        {"tcp://[::1]:0", NULL},
        {"tcp://[::]:http", "tcp://[::]:80"},
        {"tcp://[2001:DB8:0:0::42]:443", "tcp://[2001:db8::42]:443"},
        {"tcp://[::ffff:192.0.2.1]:443", NULL},
        {"tcp://[fe80::1%eth0]:80", "tcp://[fe80::1%2]:80"},
        {"tcp://[fe80::1%17]:80", NULL},
        {"tcp://[fe80::1%4294967295]:80", NULL},
        {"tcp://[fe80::1%0]:80", "tcp://[fe80::1]:80"},
        {"tcp://example.org:80", NULL},
        {"tcp://Example.ORG.:http", "tcp://Example.ORG.:80"},
        {"tcp://a_b-c.3d:1", NULL},
        {"tcp://localhost:0", NULL},
        {"tcp://*:80", NULL},
        {"tcp://:80", "tcp://*:80"},
        {"tcp://:http", "tcp://*:80"},
        {"unix:/run/x", NULL},
        {"unix:relative", NULL},
        {"unix:./@x", NULL},
        {"unix:@abstract", NULL},
        {"unix:@@", NULL},
        {"unix:/a:b c\xc3\xa4", NULL},
        {"vsock://3:1024", NULL},
        {"vsock://0:1", "vsock://hypervisor:1"},
        {"vsock://1:1", "vsock://local:1"},
        {"vsock://2:1", "vsock://host:1"},
        {"vsock://hypervisor:1", NULL},
        {"vsock://local:4294967294", NULL},
        {"vsock://host:0", NULL},
        {"vsock://:80", NULL},
        {"vsock://any:80", "vsock://:80"},
        {"vsock://4294967295:4294967295", "vsock://:any"},
        {"vsock://:any", NULL},
        {"vsock://local:any", NULL},
        {"hybrid:/run/vm.sock:52", NULL},
        {"hybrid:/a:b:4294967295", NULL},
        {"hybrid:@name:1", NULL},
        {"hyperkit://:80/run/vm.sock", NULL},
        {"hyperkit://:0/a:b", NULL},
        {"hvsock://any/80", "hvsock://" HVSOCK_ANY "/00000050" HVSOCK_PORT},
        {"hvsock://children/1",
         "hvsock://90db8b89-0d35-4f79-8ce9-49ea0ac8b7cd/00000001" HVSOCK_PORT},
        {"hvsock://loopback/1",
         "hvsock://e0e16197-dd56-4a10-9195-5ee7a155a838/00000001" HVSOCK_PORT},
        {"hvsock://parent/4294967294",
         "hvsock://a42e7cda-d03f-480c-9cc2-a4de20abb878/fffffffe" HVSOCK_PORT},
        {"hvsock://" HVSOCK_ANY "/ABCDEF01-2345-6789-abcd-ef0123456789",
         "hvsock://" HVSOCK_ANY "/abcdef01-2345-6789-abcd-ef0123456789"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        assert_round_trip(forms[i].text,
                          forms[i].canonical != NULL ? forms[i].canonical : forms[i].text);
    }
}

static void
what_is_read_is_where_it_belongs(void **state)
{
    struct weir_endpoint endpoint = parsed("tcp://[fe80::1%eth0]:80");

    (void)state;
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_ADDRESS);
    assert_int_equal(endpoint.address.size, sizeof(struct sockaddr_in6));
    assert_int_equal(endpoint.address.as.in6.sin6_family, AF_INET6);
    assert_int_equal(endpoint.address.as.in6.sin6_scope_id, 2);
    assert_int_equal(endpoint.address.as.in6.sin6_port, htons(80));
    endpoint = parsed("tcp://example.org:http");
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_NAME);
    assert_string_equal(endpoint.host, "example.org");
    assert_int_equal(endpoint.port, 80);
    assert_int_equal(endpoint.address.size, 0);
    endpoint = parsed("tcp://:80");
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_ANY);
    assert_int_equal(endpoint.port, 80);
    endpoint = parsed("vsock://:80");
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_ADDRESS);
    assert_int_equal(endpoint.address.as.vm.svm_family, AF_VSOCK);
    assert_int_equal(endpoint.address.as.vm.svm_cid, VMADDR_CID_ANY);
    assert_int_equal(endpoint.address.as.vm.svm_port, 80);
    endpoint = parsed("hybrid:/run/vm.sock:52");
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_HYBRID);
    assert_string_equal(endpoint.address.as.un.sun_path, "/run/vm.sock");
    assert_int_equal(endpoint.port, 52);
    endpoint = parsed("hyperkit://:52/run/vm.sock");
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_HYPERKIT);
    assert_string_equal(endpoint.address.as.un.sun_path, "/run/vm.sock");
    assert_int_equal(endpoint.port, 52);
}

static void
a_hyperv_service_and_a_vsock_port_stand_for_each_other(void **state)
{
    struct weir_endpoint endpoint = parsed("hvsock://any/2049");

    (void)state;
    assert_int_equal(endpoint.kind, WEIR_ENDPOINT_HVSOCK);
    assert_string_equal(endpoint.host, HVSOCK_ANY "/00000801" HVSOCK_PORT);
    assert_int_equal(endpoint.port, 2049);
    endpoint = parsed("hvsock://any/00000801" HVSOCK_PORT);
    assert_int_equal(endpoint.port, 2049);
    endpoint = parsed("hvsock://any/00000801-FACB-11E6-BD58-64006A7986D3");
    assert_int_equal(endpoint.port, 2049);
    endpoint = parsed("hvsock://any/" HVSOCK_ANY);
    assert_int_equal(endpoint.port, WEIR_VSOCK_PORT_ANY);
}

// The caret stands under the wrong character; a `caret` as long as the text means its end.
struct wrong {
    const char *text;
    const char *caret;
    const char *message;
};

static void
assert_wrong(const struct wrong *wrong, int status)
{
    struct weir_endpoint endpoint;
    struct weir_endpoint before;
    struct weir_parse_error error = {SIZE_MAX, ""};

    memset(&endpoint, 0x5a, sizeof(endpoint));
    before = endpoint;
    if (weir_endpoint_parse(&endpoint, wrong->text, &error) != status ||
        error.offset != strlen(wrong->caret) || strcmp(error.message, wrong->message) != 0) {
        fail_msg("%s: %zu: %s", wrong->text, error.offset, error.message);
    }
    assert_memory_equal(&endpoint, &before, sizeof(endpoint));
    assert_int_equal(weir_endpoint_parse(&endpoint, wrong->text, NULL), status);
}

static void
assert_all_wrong(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_wrong(&wrong[i], -EINVAL);
    }
}

static void
a_wrong_scheme_is_pointed_at(void **state)
{
    static const char begins[] = "an address begins with tcp://, unix:, vsock:// or hybrid:";
    static const struct wrong wrong[] = {
        {"", "", begins},
        {"localhost", "         ", begins},
        {"127.0.0.1:80", "", begins},
        {"tpc://127.0.0.1:80", "", begins},
        {"TCP://127.0.0.1:80", "", begins},
        {" tcp://127.0.0.1:80", "", begins},
        {"tcp:127.0.0.1:80", "    ", "'//' is missing"},
        {"tcp:/127.0.0.1:80", "     ", "'//' is missing"},
        {"vsock:3:80", "      ", "'//' is missing"},
        {"hyperkit::80/x", "         ", "'//' is missing"},
        {"tcp", "   ", begins},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
}

static void
a_wrong_ipv4_address_is_pointed_at(void **state)
{
    static const struct wrong wrong[] = {
        {"tcp://127.0.0:80", "      127.0.0", "an IPv4 address has four numbers"},
        {"tcp://127.0.0.256:80", "      127.0.0.", "a number above 255"},
        {"tcp://127.0.0.1.1:80", "      127.0.0.1", "an IPv4 address ends behind four numbers"},
        {"tcp://127..0.1:80", "      127.", "a number from 0 to 255 is missing"},
        {"tcp://127.00.0.1:80", "      127.", "a zero in front of a number"},
        {"tcp://1a.0.0.1:80", "      1", "neither a digit nor '.'"},
        {"tcp://80:80", "      80", "an IPv4 address has four numbers"},
        {"tcp://999999999999:80", "      ", "a number above 255"},
        {"tcp://example.1:80", "      ", "a number from 0 to 255 is missing"},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
}

static void
a_wrong_ipv6_address_is_pointed_at(void **state)
{
    static const struct wrong wrong[] = {
        {"tcp://[::1", "          ", "']' is missing"},
        {"tcp://[]:80", "       ", "a hexadecimal number is missing"},
        {"tcp://[::1]", "           ", "':' and a port are missing"},
        {"tcp://[::1]80", "           ", "':' and a port are missing"},
        {"tcp://[:1]:80", "       ", "not a hexadecimal digit"},
        {"tcp://[1:]:80", "       1:", "a hexadecimal number is missing"},
        {"tcp://[1::2::3]:80", "       1::2", "a second '::'"},
        {"tcp://[:::1]:80", "       ::", "not a hexadecimal digit"},
        {"tcp://[1::g]:80", "       1::", "not a hexadecimal digit"},
        {"tcp://[1:2g::]:80", "       1:2", "neither a hexadecimal digit nor ':'"},
        {"tcp://[12345::]:80", "       1234", "more than four hexadecimal digits"},
        {"tcp://[1:2:3:4:5:6:7]:80", "       1:2:3:4:5:6:7",
         "an IPv6 address has eight numbers, or '::'"},
        {"tcp://[1:2:3:4:5:6:7:8:9]:80",
         "       1:2:3:4:5:6:7:8:", "an IPv6 address has eight numbers"},
        {"tcp://[1:2:3:4::5:6:7:8]:80", "       1:2:3:4::5:6:7:8",
         "'::' has no number to stand for"},
        {"tcp://[::1.2.3]:80", "       ::1.2.3", "an IPv4 address has four numbers"},
        {"tcp://[1:2:3:4:5:6:7:1.2.3.4]:80",
         "       1:2:3:4:5:6:7:", "no room for an IPv4 address"},
        {"tcp://[127.0.0.1]:80", "       127.0.0.1", "an IPv6 address has eight numbers, or '::'"},
        {"tcp://[fe80::1%]:80", "       fe80::1%", "an interface is missing"},
        {"tcp://[fe80::1%4294967296]:80", "       fe80::1%", "a number too large"},
        {"tcp://::1:80", "       ", "a second ':'; an IPv6 address is written [::1]"},
        {"tcp://fe80::1:80", "           ", "a second ':'; an IPv6 address is written [::1]"},
    };
    static const struct wrong no_interface[] = {
        {"tcp://[fe80::1%eth7]:80", "       fe80::1%", "no such interface"},
        {"tcp://[fe80::1%eth0eth0eth0eth0]:80", "       fe80::1%", "no such interface"},
        {"tcp://[fe80::1%eth0%1]:80", "       fe80::1%", "no such interface"},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
    for (size_t i = 0; i < COUNT(no_interface); i++) {
        assert_wrong(&no_interface[i], -ENODEV);
    }
}

static void
a_wrong_name_is_pointed_at(void **state)
{
    static const struct wrong wrong[] = {
        {"tcp://example.org", "                 ", "':' and a port are missing"},
        {"tcp://exa mple:80", "         ", "a name has letters, digits, '-', '_' and '.'"},
        {"tcp://host/path", "          ", "a name has letters, digits, '-', '_' and '.'"},
        {"tcp://b\xc3\xbc"
         "cher:80",
         "       ", "a name has letters, digits, '-', '_' and '.'"},
        {"tcp://.org:80", "      ", "a part of a name begins with a letter or a digit"},
        {"tcp://a..org:80", "        ", "a part of a name begins with a letter or a digit"},
        {"tcp://a.-b:80", "        ", "a part of a name begins with a letter or a digit"},
        {"tcp://**:80", "      ", "a name has letters, digits, '-', '_' and '.'"},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
}

static void
a_wrong_port_is_pointed_at(void **state)
{
    static const struct wrong wrong[] = {
        {"tcp://h:", "        ", "a port is missing"},
        {"tcp://h:65536", "        ", "a port above 65535"},
        {"tcp://h:99999999999999999999", "        ", "a port above 65535"},
        {"tcp://h:-1", "        ", "no such service"},
        {"tcp://h:80x", "        ", "no such service"},
        {"tcp://h:gopherd", "        ", "no such service"},
        {"tcp://h: 80", "        ", "a port is a number or a service's name"},
        {"tcp://h:80/path", "        80", "nothing may follow the port"},
        {"tcp://h:80 ", "        80", "nothing may follow the port"},
        {"tcp://h:80:90", "        80", "a second ':'; an IPv6 address is written [::1]"},
        {"tcp://*:", "        ", "a port is missing"},
        {"tcp://[::1]:http2", "            ", "no such service"},
        {"tcp://[::1]:80:", "            80", "nothing may follow the port"},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
}

static void
a_wrong_virtual_machine_is_pointed_at(void **state)
{
    static const char context[] = "a context is a number, 'host', 'local', 'hypervisor' or 'any'";
    static const struct wrong wrong[] = {
        {"vsock://", "        ", "':' and a port are missing"},
        {"vsock://3", "         ", "':' and a port are missing"},
        {"vsock://3:", "          ", "a number is missing"},
        {"vsock://3:x", "          ", "not a digit"},
        {"vsock://3:80x", "          80", "not a digit"},
        {"vsock://3:4294967296", "          ", "a number too large"},
        {"vsock://4294967296:1", "        ", "a number too large"},
        {"vsock://hosts:1", "        ", context},
        {"vsock://-1:1", "        ", context},
        {"vsock://3x:1", "        3", "not a digit"},
        {"hybrid:", "       ", "a socket's name is missing"},
        {"hybrid:/x", "         ", "':' and a port are missing"},
        {"hybrid::1", "       ", "a socket's name is missing"},
        {"hybrid:@:1", "        ", "a socket's name is missing"},
        {"hybrid:/x:", "          ", "a number is missing"},
        {"hybrid:/x:1:b", "            ", "not a digit"},
        {"hyperkit://", "           ", "':' and a port are missing"},
        {"hyperkit://1/x", "           ", "':' and a port are missing"},
        {"hyperkit://:/x", "            ", "a number is missing"},
        {"hyperkit://:1", "             ", "a path is missing"},
        {"hyperkit://:1x/x", "            1", "not a digit"},
        {"hvsock://", "         ", "a GUID has 36 characters"},
        {"hvsock://any", "            ", "'/' and a service are missing"},
        {"hvsock://any/", "             ", "a GUID has 36 characters"},
        {"hvsock://any/4294967295", "             ", "a number too large"},
        {"hvsock://any/00000050_facb", "             00000050", "a GUID has a '-' here"},
        {"hvsock://any/0000005x", "             0000005", "not a hexadecimal digit"},
        {"hvsock://any/" HVSOCK_ANY "0", "             " HVSOCK_ANY, "a GUID has 36 characters"},
        {"hvsock://nobody/1", "         ", "not a hexadecimal digit"},
    };

    (void)state;
    assert_all_wrong(wrong, COUNT(wrong));
}

static void
what_is_too_long_is_pointed_at_where_its_room_ends(void **state)
{
    const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);
    char text[400];
    char spaces[400];
    struct wrong wrong = {text, spaces, "no room for more: a socket's name is too long"};

    (void)state;
    memset(spaces, ' ', sizeof(spaces));
    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:", 5);
    text[5 + room - 1] = '\0';
    assert_round_trip(text, text);
    text[5 + room - 1] = 'x';
    text[5 + room] = '\0';
    spaces[5 + room - 1] = '\0';
    assert_wrong(&wrong, -ENAMETOOLONG);
    text[5] = '@';
    assert_round_trip(text, text);

    memset(spaces, ' ', sizeof(spaces));
    memset(text, 'x', sizeof(text));
    for (size_t i = 69; i < 6 + 253; i += 64) {
        text[i] = '.';
    }
    memcpy(text, "tcp://", 6);
    memcpy(text + 6 + 253, ":80", 4);
    assert_round_trip(text, text);
    memcpy(text + 6 + 253, ".:80", 5);
    assert_round_trip(text, text);
    memcpy(text + 6 + 253, "x:80", 5);
    spaces[6 + 253] = '\0';
    wrong.message = "a name has at most 253 characters";
    assert_wrong(&wrong, -EINVAL);
    text[69] = 'x';
    spaces[69] = '\0';
    wrong.message = "a part of a name has at most 63 characters";
    assert_wrong(&wrong, -EINVAL);
}

static void
numbers_are_addresses_just_when_the_c_library_says_so(void **state)
{
    static const char letters[] = "0123456789abcdef::::....12f0";
    unsigned random = 1;
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        char host[24] = "";
        char text[48];
        struct weir_endpoint endpoint;
        struct in6_addr expected;
        size_t length;

        random = random * 1664525 + 1013904223;
        length = (random >> 16) % 16;
        for (size_t at = 0; at < length; at++) {
            random = random * 1664525 + 1013904223;
            host[at] = letters[(random >> 16) % (sizeof(letters) - 1)];
        }
        snprintf(text, sizeof(text), "tcp://[%s]:1", host);
        if (inet_pton(AF_INET6, host, &expected) == 1) {
            endpoint = parsed(text);
            assert_memory_equal(&endpoint.address.as.in6.sin6_addr, &expected, sizeof(expected));
            taken++;
        } else {
            assert_int_equal(weir_endpoint_parse(&endpoint, text, NULL), -EINVAL);
        }
    }
    assert_true(taken > 100);
}

static void
what_is_no_endpoint_has_no_text(void **state)
{
    struct weir_endpoint endpoint;
    char text[4] = "abc";

    (void)state;
    memset(&endpoint, 0, sizeof(endpoint));
    assert_int_equal(weir_endpoint_format(&endpoint, text, sizeof(text)), -EINVAL);
    assert_string_equal(text, "");
    assert_int_equal(weir_endpoint_format(NULL, text, sizeof(text)), -EINVAL);
    assert_int_equal(weir_endpoint_format(&endpoint, NULL, 1), -EINVAL);
    endpoint.kind = WEIR_ENDPOINT_HYBRID; // without a path
    assert_int_equal(weir_endpoint_format(&endpoint, text, sizeof(text)), -EINVAL);
    endpoint.kind = WEIR_ENDPOINT_NAME;
    memset(endpoint.host, 'x', sizeof(endpoint.host)); // without an end
    assert_int_equal(weir_endpoint_format(&endpoint, text, sizeof(text)), -EINVAL);
    assert_int_equal(weir_endpoint_parse(NULL, "unix:/x", NULL), -EINVAL);
    assert_int_equal(weir_endpoint_parse(&endpoint, NULL, NULL), -EINVAL);
}

static void
what_has_no_room_is_cut_off_and_counted(void **state)
{
    struct weir_endpoint endpoint = parsed("tcp://example.org:80");
    char text[8] = "abcdefg";

    (void)state;
    assert_int_equal(weir_endpoint_format(&endpoint, NULL, 0), 20);
    assert_int_equal(weir_endpoint_format(&endpoint, text, sizeof(text)), 20);
    assert_string_equal(text, "tcp://e");
}

static void
assert_shown(const char *text, const char *expected)
{
    struct weir_endpoint endpoint;
    struct weir_parse_error error;
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];

    assert_true(weir_endpoint_parse(&endpoint, text, &error) < 0);
    assert_int_equal(weir_parse_error_format(&error, text, lines, sizeof(lines)), strlen(expected));
    assert_string_equal(lines, expected);
}

static void
a_caret_shows_what_is_wrong(void **state)
{
    struct weir_parse_error error = {2, "wrong"};
    char lines[16];

    (void)state;
    assert_shown("tcp://127.0.0.256:80", "tcp://127.0.0.256:80\n"
                                         "              ^ a number above 255");
    assert_shown("tcp://h", "tcp://h\n"
                            "       ^ ':' and a port are missing");
    assert_shown("hybrid:/\xc3\xa4\xc3\xb6:x", "hybrid:/\xc3\xa4\xc3\xb6:x\n"
                                               "           ^ not a digit");
    assert_shown("tcp://a\tb:1\n", "tcp://a?b:1?\n"
                                   "       ^ a name has letters, digits, '-', '_' and '.'");
    assert_shown(
        "tcp://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:port/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:port/aaaaaaaaaaaaaaaaaaaaaaa...\n"
        "                                                   ^ nothing may follow the port");
    assert_int_equal(weir_parse_error_format(&error, "a", lines, sizeof(lines)), -EINVAL);
    assert_int_equal(weir_parse_error_format(&error, NULL, lines, sizeof(lines)), -EINVAL);
    assert_int_equal(weir_parse_error_format(NULL, "abc", lines, sizeof(lines)), -EINVAL);
    assert_int_equal(weir_parse_error_format(&error, "abc", lines, 6), 13);
    assert_string_equal(lines, "abc\n ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read_and_written_as_it_is_read),
        cmocka_unit_test(what_is_read_is_where_it_belongs),
        cmocka_unit_test(a_hyperv_service_and_a_vsock_port_stand_for_each_other),
        cmocka_unit_test(a_wrong_scheme_is_pointed_at),
        cmocka_unit_test(a_wrong_ipv4_address_is_pointed_at),
        cmocka_unit_test(a_wrong_ipv6_address_is_pointed_at),
        cmocka_unit_test(a_wrong_name_is_pointed_at),
        cmocka_unit_test(a_wrong_port_is_pointed_at),
        cmocka_unit_test(a_wrong_virtual_machine_is_pointed_at),
        cmocka_unit_test(what_is_too_long_is_pointed_at_where_its_room_ends),
        cmocka_unit_test(numbers_are_addresses_just_when_the_c_library_says_so),
        cmocka_unit_test(what_is_no_endpoint_has_no_text),
        cmocka_unit_test(what_has_no_room_is_cut_off_and_counted),
        cmocka_unit_test(a_caret_shows_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
