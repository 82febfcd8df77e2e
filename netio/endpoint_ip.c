/* SPDX-License-Identifier: MIT */

#include "netio/endpoint.h"

#include <ctype.h>
#include <string.h>

// IP addresses in numbers. Not by inet_pton(), which does not say what is wrong.

#define GROUP_DIGITS 4 // of an IPv6 address

static int
read_byte(struct wi_parse *parse, const char **at, const char *end, unsigned char *ret_byte)
{
    const char *begin = *at;
    unsigned value = 0;

    while (*at < end && isdigit((unsigned char)**at) && value <= UINT8_MAX) {
        value = value * 10 + (unsigned)(*(*at)++ - '0');
    }
    if (*at == begin) {
        return wi_parse_wrong(parse, begin, "a number from 0 to 255 is missing");
    }
    if (*begin == '0' && *at - begin > 1) {
        return wi_parse_wrong(parse, begin, "a zero in front of a number");
    }
    if (value > UINT8_MAX) {
        return wi_parse_wrong(parse, begin, "a number above 255");
    }
    *ret_byte = (unsigned char)value;
    return 0;
}

int
wi_parse_ip4(struct wi_parse *parse, const char *begin, const char *end,
             struct in_addr *ret_address)
{
    unsigned char bytes[sizeof(*ret_address)];
    const char *at = begin;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        int result;

        if (i > 0 && at == end) {
            return wi_parse_wrong(parse, at, "an IPv4 address has four numbers");
        }
        if (i > 0 && *at++ != '.') {
            return wi_parse_wrong(parse, at - 1, "neither a digit nor '.'");
        }
        result = read_byte(parse, &at, end, &bytes[i]);
        if (result < 0) {
            return result;
        }
    }
    if (at != end) {
        return wi_parse_wrong(parse, at, "an IPv4 address ends behind four numbers");
    }
    memcpy(ret_address, bytes, sizeof(bytes));
    return 0;
}

// An IPv6 address being read: so many bytes, and where "::" stands among them.
struct ip6 {
    unsigned char bytes[sizeof(struct in6_addr)];
    size_t count;
    size_t gap; // SIZE_MAX: none
};

// An IPv4 address may stand for the last two groups.
static int
read_tail(struct wi_parse *parse, const char **at, const char *end, struct ip6 *ip6)
{
    struct in_addr ip4;
    int result = wi_parse_ip4(parse, *at, end, &ip4);

    if (result == 0 && ip6->count > sizeof(ip6->bytes) - sizeof(ip4)) {
        return wi_parse_wrong(parse, *at, "no room for an IPv4 address");
    }
    if (result == 0) {
        memcpy(ip6->bytes + ip6->count, &ip4, sizeof(ip4));
        ip6->count += sizeof(ip4);
        *at = end;
    }
    return result;
}

static int
read_group(struct wi_parse *parse, const char **at, const char *end, struct ip6 *ip6)
{
    const char *begin = *at;
    const char *after = begin;
    unsigned value = 0;

    for (; after < end && wi_parse_hex_digit(*after) >= 0; after++) {
        value = value * 16 + (unsigned)wi_parse_hex_digit(*after);
    }
    if (after == begin) {
        return wi_parse_wrong(parse, begin,
                              begin == end ? "a hexadecimal number is missing"
                                           : "not a hexadecimal digit");
    }
    if (ip6->count == sizeof(ip6->bytes)) {
        return wi_parse_wrong(parse, begin, "an IPv6 address has eight numbers");
    }
    if (after < end && *after == '.') {
        return read_tail(parse, at, end, ip6);
    }
    if (after - begin > GROUP_DIGITS) {
        return wi_parse_wrong(parse, begin + GROUP_DIGITS, "more than four hexadecimal digits");
    }
    ip6->bytes[ip6->count++] = (unsigned char)(value >> 8);
    ip6->bytes[ip6->count++] = (unsigned char)value;
    *at = after;
    return 0;
}

// What stands in front of a group, or behind the last one.
static int
read_colons(struct wi_parse *parse, const char **at, const char *end, struct ip6 *ip6,
            bool *ret_over)
{
    *ret_over = false;
    if (end - *at >= 2 && (*at)[0] == ':' && (*at)[1] == ':') {
        if (ip6->gap != SIZE_MAX) {
            return wi_parse_wrong(parse, *at, "a second '::'");
        }
        ip6->gap = ip6->count;
        *at += 2;
        *ret_over = *at == end;
    } else if (ip6->count > 0) {
        *ret_over = *at == end;
        if (*at < end && *(*at)++ != ':') {
            return wi_parse_wrong(parse, *at - 1, "neither a hexadecimal digit nor ':'");
        }
    }
    return 0;
}

int
wi_parse_ip6(struct wi_parse *parse, const char *begin, const char *end,
             struct in6_addr *ret_address)
{
    struct ip6 ip6 = {.gap = SIZE_MAX};
    const char *at = begin;
    bool is_over = false;
    size_t behind;
    int result = 0;

    while (result == 0 && !is_over) {
        result = read_colons(parse, &at, end, &ip6, &is_over);
        if (result == 0 && !is_over) {
            result = read_group(parse, &at, end, &ip6);
        }
    }
    if (result < 0) {
        return result;
    }
    if (ip6.gap == SIZE_MAX && ip6.count < sizeof(ip6.bytes)) {
        return wi_parse_wrong(parse, end, "an IPv6 address has eight numbers, or '::'");
    }
    if (ip6.gap != SIZE_MAX && ip6.count == sizeof(ip6.bytes)) {
        return wi_parse_wrong(parse, end, "'::' has no number to stand for");
    }
    behind = ip6.gap == SIZE_MAX ? 0 : ip6.count - ip6.gap; // bytes that belong to the end
    memset(ret_address, 0, sizeof(*ret_address));
    memcpy(ret_address, ip6.bytes, ip6.count - behind);
    memcpy((unsigned char *)ret_address + sizeof(ip6.bytes) - behind,
           ip6.bytes + ip6.count - behind, behind);
    return 0;
}
