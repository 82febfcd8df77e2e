/* SPDX-License-Identifier: MIT */

#include "netio/endpoint.h"
#include "runtime/os_names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

// HOST:PORT, as tcp:// has it.

#define HOST_MAX    253 // characters of a name, without the dot of the root (RFC 1035)
#define LABEL_MAX   63  // of each of its parts
#define SERVICE_MAX 63
#define SCOPE_MAX   15 // of an interface's name

static int
read_service(struct wi_parse *parse, const char *begin, const char *end, uint16_t *ret_port)
{
    char name[SERVICE_MAX + 1] = "";
    size_t length = (size_t)(end - begin);

    for (const char *at = begin; at < end; at++) {
        if (!isalnum((unsigned char)*at) && strchr("-_.+", *at) == NULL) {
            return wi_parse_wrong(parse, at,
                                  at == begin ? "a port is a number or a service's name"
                                              : "nothing may follow the port");
        }
    }
    if (length <= SERVICE_MAX) {
        memcpy(name, begin, length);
    }
    return wi_os_service_port(name, ret_port) < 0 ? wi_parse_wrong(parse, begin, "no such service")
                                                  : 0;
}

static int
read_port(struct wi_parse *parse, const char *begin, uint16_t *ret_port)
{
    const char *end = begin + strlen(begin);
    uint32_t number = 0;
    int result;

    if (begin == end) {
        return wi_parse_wrong(parse, begin, "a port is missing");
    }
    if (!wi_parse_is_number(begin, end)) {
        return read_service(parse, begin, end, ret_port);
    }
    result = wi_parse_number(parse, begin, end, UINT16_MAX, &number);
    *ret_port = (uint16_t)number;
    return result;
}

static int
read_scope(struct wi_parse *parse, const char *begin, const char *end, uint32_t *ret_scope)
{
    char name[SCOPE_MAX + 1] = "";
    size_t length = (size_t)(end - begin);

    if (length == 0) {
        return wi_parse_wrong(parse, begin, "an interface is missing");
    }
    if (wi_parse_is_number(begin, end)) {
        return wi_parse_number(parse, begin, end, UINT32_MAX, ret_scope);
    }
    if (length <= SCOPE_MAX) {
        memcpy(name, begin, length);
    }
    if (wi_os_interface_index(name, ret_scope) < 0) {
        wi_parse_wrong(parse, begin, "no such interface");
        return -ENODEV;
    }
    return 0;
}

// [ADDRESS%SCOPE]:PORT
static int
read_bracketed(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    struct sockaddr_in6 *in6 = &endpoint->address.as.in6;
    const char *close = strchr(text, ']');
    const char *percent;
    uint32_t scope = 0;
    uint16_t port = 0;
    int result;

    if (close == NULL) {
        return wi_parse_wrong(parse, text + strlen(text), "']' is missing");
    }
    percent = memchr(text, '%', (size_t)(close - text));
    endpoint->kind = WEIR_ENDPOINT_ADDRESS;
    endpoint->address.size = sizeof(*in6);
    in6->sin6_family = AF_INET6;
    result = wi_parse_ip6(parse, text + 1, percent != NULL ? percent : close, &in6->sin6_addr);
    if (result == 0 && percent != NULL) {
        result = read_scope(parse, percent + 1, close, &scope);
    }
    if (result == 0 && close[1] != ':') {
        result = wi_parse_wrong(parse, close + 1, "':' and a port are missing");
    }
    if (result == 0) {
        result = read_port(parse, close + 2, &port);
    }
    in6->sin6_scope_id = scope;
    in6->sin6_port = htons(port);
    return result;
}

// Labels of letters, digits, '-' and '_' between dots.
static int
read_name(struct wi_parse *parse, const char *begin, const char *end,
          struct weir_endpoint *endpoint)
{
    const char *label = begin;
    size_t length = (size_t)(end - begin);

    for (const char *at = begin; at < end; at++) {
        bool is_dot = *at == '.';

        if (!is_dot && !isalnum((unsigned char)*at) && *at != '-' && *at != '_') {
            return wi_parse_wrong(parse, at, "a name has letters, digits, '-', '_' and '.'");
        }
        if (at == label && (is_dot || *at == '-')) {
            return wi_parse_wrong(parse, at, "a part of a name begins with a letter or a digit");
        }
        if (at - label == LABEL_MAX && !is_dot) {
            return wi_parse_wrong(parse, at, "a part of a name has at most 63 characters");
        }
        label = is_dot ? at + 1 : label;
    }
    if (length - (end[-1] == '.') > HOST_MAX) {
        return wi_parse_wrong(parse, begin + HOST_MAX, "a name has at most 253 characters");
    }
    endpoint->kind = WEIR_ENDPOINT_NAME;
    memcpy(endpoint->host, begin, length);
    return 0;
}

// What ends in a number is no name: 127.0.0 is a mistake, and nobody's host.
static bool
looks_like_ip4(const char *begin, const char *end)
{
    const char *last = end;

    while (last > begin && last[-1] != '.') {
        last--;
    }
    return wi_parse_is_number(last, end);
}

static int
read_host(struct wi_parse *parse, const char *begin, const char *end,
          struct weir_endpoint *endpoint)
{
    if (begin == end || (end - begin == 1 && *begin == '*')) {
        endpoint->kind = WEIR_ENDPOINT_ANY;
        return 0;
    }
    if (looks_like_ip4(begin, end)) {
        endpoint->kind = WEIR_ENDPOINT_ADDRESS;
        endpoint->address.size = sizeof(endpoint->address.as.in);
        endpoint->address.as.in.sin_family = AF_INET;
        return wi_parse_ip4(parse, begin, end, &endpoint->address.as.in.sin_addr);
    }
    return read_name(parse, begin, end, endpoint);
}

int
wi_parse_tcp(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    const char *colon = strchr(text, ':');
    const char *end = colon != NULL ? colon : text + strlen(text);
    const char *second = colon != NULL ? strchr(colon + 1, ':') : NULL;
    uint16_t port = 0;
    int result;

    if (*text == '[') {
        return read_bracketed(parse, text, endpoint);
    }
    if (second != NULL) {
        return wi_parse_wrong(parse, second, "a second ':'; an IPv6 address is written [::1]");
    }
    result = read_host(parse, text, end, endpoint);
    if (result == 0 && colon == NULL) {
        result = wi_parse_wrong(parse, end, "':' and a port are missing");
    }
    if (result == 0) {
        result = read_port(parse, colon + 1, &port);
    }
    if (endpoint->kind == WEIR_ENDPOINT_ADDRESS) {
        endpoint->address.as.in.sin_port = htons(port);
    } else {
        endpoint->port = port;
    }
    return result;
}
