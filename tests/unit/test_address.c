// SPDX-License-Identifier: MIT
// Addresses from their parts, where their room ends, and what is written of them.

#include "weir/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)
#define PATH_AT   offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_in
ip4_of(const struct weir_address *address)
{
    struct sockaddr_in ip4;

    assert_int_equal(address->size, sizeof(ip4));
    memcpy(&ip4, &address->as, sizeof(ip4));
    return ip4;
}

static struct sockaddr_in6
ip6_of(const struct weir_address *address)
{
    struct sockaddr_in6 ip6;

    assert_int_equal(address->size, sizeof(ip6));
    memcpy(&ip6, &address->as, sizeof(ip6));
    return ip6;
}

static void
an_ipv4_address_has_its_bytes_and_port_in_network_order(void **state)
{
    struct weir_address address;
    struct sockaddr_in ip4;

    (void)state;
    assert_int_equal(weir_address_ip(&address, "192.0.2.7", 0x1234), 0);
    ip4 = ip4_of(&address);
    assert_int_equal(ip4.sin_family, AF_INET);
    assert_int_equal(ip4.sin_addr.s_addr, htonl(0xc0000207));
    assert_int_equal(ip4.sin_port, htons(0x1234));
    assert_int_equal(weir_address_ip(&address, "0.0.0.0", 0), 0);
    assert_int_equal(ip4_of(&address).sin_addr.s_addr, 0);
    assert_int_equal(weir_address_ip(&address, "255.255.255.255", 65535), 0);
    assert_int_equal(ip4_of(&address).sin_port, 0xffff);
}

static void
an_ipv6_address_has_its_bytes_and_port_in_network_order(void **state)
{
    static const unsigned char expected[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x42};
    struct weir_address address;
    struct sockaddr_in6 ip6;

    (void)state;
    assert_int_equal(weir_address_ip(&address, "2001:db8::42", 443), 0);
    ip6 = ip6_of(&address);
    assert_int_equal(ip6.sin6_family, AF_INET6);
    assert_memory_equal(&ip6.sin6_addr, expected, sizeof(expected));
    assert_int_equal(ip6.sin6_port, htons(443));
    assert_int_equal(ip6.sin6_scope_id, 0);
    assert_int_equal(weir_address_ip(&address, "::", 0), 0);
    assert_int_equal(weir_address_ip(&address, "::ffff:127.0.0.1", 0), 0);
    assert_int_equal(ip6_of(&address).sin6_family, AF_INET6);
}

static void
what_is_no_number_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "localhost",
        "127.0.0.1 ",
        " 127.0.0.1",
        "127.0.0",
        "256.0.0.1",
        "1.2.3.4.5",
        ":",
        "[::1]",
        "::1%lo",
        "fe80::1%1",
        "12345::",
        "127.0.0.1:80",
        "0x7f000001",
        "example.org",
    };
    struct weir_address address;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(weir_address_ip(&address, wrong[i], 1), -EINVAL);
    }
    assert_int_equal(weir_address_ip(NULL, "127.0.0.1", 1), -EINVAL);
    assert_int_equal(weir_address_ip(&address, NULL, 1), -EINVAL);
}

static void
a_refusal_leaves_the_address_alone(void **state)
{
    struct weir_address address;
    struct weir_address before;
    char longer[PATH_ROOM + 2];

    (void)state;
    memset(&address, 0x5a, sizeof(address));
    before = address;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(weir_address_ip(&address, "nowhere", 1), -EINVAL);
    assert_int_equal(weir_address_unix(&address, ""), -EINVAL);
    assert_int_equal(weir_address_unix(&address, longer), -ENAMETOOLONG);
    assert_memory_equal(&address, &before, sizeof(address));
}

static void
a_path_brings_its_terminator(void **state)
{
    struct weir_address address;
    struct sockaddr_un name;

    (void)state;
    assert_int_equal(weir_address_unix(&address, "/run/x"), 0);
    assert_int_equal(address.size, PATH_AT + sizeof("/run/x"));
    memcpy(&name, &address.as, address.size);
    assert_int_equal(name.sun_family, AF_UNIX);
    assert_string_equal(name.sun_path, "/run/x");
}

static void
an_abstract_name_is_all_bytes_behind_the_at_sign(void **state)
{
    struct weir_address address;
    struct sockaddr_un name;

    (void)state;
    assert_int_equal(weir_address_unix(&address, "@name"), 0);
    assert_int_equal(address.size, PATH_AT + 5);
    memcpy(&name, &address.as, address.size);
    assert_int_equal(name.sun_family, AF_UNIX);
    assert_memory_equal(name.sun_path, "\0name", 5);
    assert_int_equal(weir_address_unix(&address, "@@"), 0);
    memcpy(&name, &address.as, address.size);
    assert_memory_equal(name.sun_path, "\0@", 2);
    assert_int_equal(weir_address_unix(&address, "x@"), 0); // only in front it means anything
    assert_int_equal(address.size, PATH_AT + 3);
}

static void
names_end_where_their_room_ends(void **state)
{
    struct weir_address address;
    char text[PATH_ROOM + 2];

    (void)state;
    for (size_t length = 1; length <= PATH_ROOM + 1; length++) {
        memset(text, 'p', length);
        text[length] = '\0';
        assert_int_equal(weir_address_unix(&address, text), length < PATH_ROOM ? 0 : -ENAMETOOLONG);
        if (length < PATH_ROOM) {
            assert_int_equal(address.size, PATH_AT + length + 1);
        }
        text[0] = '@';
        assert_int_equal(weir_address_unix(&address, text), length == 1           ? -EINVAL
                                                            : length <= PATH_ROOM ? 0
                                                                                  : -ENAMETOOLONG);
        if (length > 1 && length <= PATH_ROOM) {
            assert_int_equal(address.size, PATH_AT + length);
        }
    }
    assert_int_equal(weir_address_unix(&address, ""), -EINVAL);
    assert_int_equal(weir_address_unix(&address, NULL), -EINVAL);
    assert_int_equal(weir_address_unix(NULL, "/x"), -EINVAL);
}

static void
a_vsock_address_has_context_and_port(void **state)
{
    struct weir_address address;

    (void)state;
    assert_int_equal(weir_address_vsock(&address, 3, 1024), 0);
    assert_int_equal(address.size, sizeof(struct sockaddr_vm));
    assert_int_equal(address.as.vm.svm_family, AF_VSOCK);
    assert_int_equal(address.as.vm.svm_cid, 3);
    assert_int_equal(address.as.vm.svm_port, 1024);
    assert_int_equal(address.as.vm.svm_reserved1, 0);
    assert_int_equal(weir_address_vsock(NULL, 3, 1024), -EINVAL);
}

static void
ports_are_told(void **state)
{
    struct weir_address address;

    (void)state;
    assert_int_equal(weir_address_ip(&address, "192.0.2.7", 0x1234), 0);
    assert_int_equal(weir_address_port(&address), 0x1234);
    assert_int_equal(weir_address_ip(&address, "::1", 80), 0);
    assert_int_equal(weir_address_port(&address), 80);
    assert_int_equal(weir_address_vsock(&address, 3, UINT32_MAX), 0);
    assert_int_equal(weir_address_port(&address), UINT32_MAX);
    assert_int_equal(weir_address_unix(&address, "/x"), 0);
    assert_int_equal(weir_address_port(&address), 0);
    address.size = 0;
    assert_int_equal(weir_address_port(&address), 0);
    assert_int_equal(weir_address_port(NULL), 0);
}

static void
assert_text(const struct weir_address *address, const char *expected)
{
    char text[WEIR_ENDPOINT_TEXT_SIZE];

    assert_int_equal(weir_address_format(address, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
}

static void
what_the_kernel_gives_has_a_text(void **state)
{
    struct weir_address address;

    (void)state;
    assert_int_equal(weir_address_ip(&address, "192.0.2.7", 80), 0);
    assert_text(&address, "tcp://192.0.2.7:80");
    memset(&address, 0, sizeof(address));
    address.as.un.sun_family = AF_UNIX;
    address.size = PATH_AT; // a socket without a name
    assert_text(&address, "unix:");
    memcpy(address.as.un.sun_path, "\0a\0b", 4);
    address.size = PATH_AT + 4;
    assert_text(&address, "unix:@a@b");
    memcpy(address.as.un.sun_path, "@a", 3); // a file
    address.size = PATH_AT + 3;
    assert_text(&address, "unix:./@a");
    memset(address.as.un.sun_path, 'x', PATH_ROOM); // no terminator
    address.size = sizeof(struct sockaddr_un);
    assert_int_equal(weir_address_format(&address, NULL, 0), 5 + PATH_ROOM);
}

static void
what_is_no_address_has_no_text(void **state)
{
    static const struct {
        sa_family_t family;
        socklen_t size;
    } wrong[] = {
        {AF_UNSPEC, 16},
        {AF_PACKET, 20},
        {AF_INET, sizeof(struct sockaddr_in) - 1},
        {AF_INET6, sizeof(struct sockaddr_in6) - 1},
        {AF_VSOCK, sizeof(struct sockaddr_vm) - 1},
        {AF_UNIX, sizeof(struct sockaddr_un) + 1},
        {AF_INET, 1},
        {AF_INET, 0},
    };
    struct weir_address address;
    char text[4];

    (void)state;
    memset(&address, 0, sizeof(address));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        address.as.any.sa_family = wrong[i].family;
        address.size = wrong[i].size;
        memcpy(text, "abc", sizeof(text));
        assert_int_equal(weir_address_format(&address, text, sizeof(text)), -EINVAL);
        assert_string_equal(text, "");
    }
    assert_int_equal(weir_address_format(NULL, text, sizeof(text)), -EINVAL);
    assert_int_equal(weir_address_format(&address, NULL, 1), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_address_has_its_bytes_and_port_in_network_order),
        cmocka_unit_test(an_ipv6_address_has_its_bytes_and_port_in_network_order),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(a_refusal_leaves_the_address_alone),
        cmocka_unit_test(a_path_brings_its_terminator),
        cmocka_unit_test(an_abstract_name_is_all_bytes_behind_the_at_sign),
        cmocka_unit_test(names_end_where_their_room_ends),
        cmocka_unit_test(a_vsock_address_has_context_and_port),
        cmocka_unit_test(ports_are_told),
        cmocka_unit_test(what_the_kernel_gives_has_a_text),
        cmocka_unit_test(what_is_no_address_has_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
