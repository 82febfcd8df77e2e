/* SPDX-License-Identifier: MIT */

#include "netio/endpoint.h"

#include "mem/plant.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int
wi_parse_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool
wi_parse_is_number(const char *begin, const char *end)
{
    const char *at = begin;

    while (at < end && isdigit((unsigned char)*at)) {
        at++;
    }
    return begin < end && at == end;
}

int
wi_parse_number(struct wi_parse *parse, const char *begin, const char *end, uint32_t max,
                uint32_t *ret_number)
{
    uint64_t number = 0;

    if (begin == end) {
        return wi_parse_wrong(parse, begin, "a number is missing");
    }
    for (const char *at = begin; at < end; at++) {
        if (!isdigit((unsigned char)*at)) {
            return wi_parse_wrong(parse, at, "not a digit");
        }
        number = number * 10 + (unsigned)(*at - '0');
        if (number > max) {
            return wi_parse_wrong(parse, begin,
                                  max == UINT16_MAX ? "a port above 65535" : "a number too large");
        }
    }
    *ret_number = (uint32_t)number;
    return 0;
}

/* ---- Unix sockets, and what is behind one ---- */

static int
read_path(struct wi_parse *parse, const char *begin, const char *end, struct weir_address *address)
{
    char path[sizeof(address->as.un.sun_path) + 1];
    size_t length = (size_t)(end - begin);
    bool is_abstract = length != 0 && begin[0] == '@';
    size_t room = sizeof(path) - 1 - (is_abstract ? 0 : 1); // a path has a terminator
    int result;

    if (length > room) {
        wi_parse_wrong(parse, begin + room, "no room for more: a socket's name is too long");
        return -ENAMETOOLONG;
    }
    memcpy(path, begin, length);
    path[length] = '\0';
    result = weir_address_unix(address, path);
    return result < 0 ? wi_parse_wrong(parse, end, "a socket's name is missing") : 0;
}

static int
parse_unix(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    endpoint->kind = WEIR_ENDPOINT_ADDRESS;
    return read_path(parse, text, text + strlen(text), &endpoint->address);
}

// PATH:PORT
static int
parse_hybrid(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    const char *end = text + strlen(text);
    const char *colon = strrchr(text, ':');
    int result = read_path(parse, text, colon != NULL ? colon : end, &endpoint->address);

    endpoint->kind = WEIR_ENDPOINT_HYBRID;
    if (result == 0 && colon == NULL) {
        result = wi_parse_wrong(parse, end, "':' and a port are missing");
    }
    return result < 0 ? result
                      : wi_parse_number(parse, colon + 1, end, UINT32_MAX, &endpoint->port);
}

// :PORT/PATH, whose path begins with the slash.
static int
parse_hyperkit(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    const char *end = text + strlen(text);
    const char *slash = strchr(text, '/');
    int result;

    endpoint->kind = WEIR_ENDPOINT_HYPERKIT;
    if (*text != ':') {
        return wi_parse_wrong(parse, text, "':' and a port are missing");
    }
    result =
        wi_parse_number(parse, text + 1, slash != NULL ? slash : end, UINT32_MAX, &endpoint->port);
    if (result < 0) {
        return result;
    }
    if (slash == NULL) {
        return wi_parse_wrong(parse, end, "a path is missing");
    }
    return read_path(parse, slash, end, &endpoint->address);
}

/* ---- all forms ---- */

struct scheme {
    const char *prefix;
    int (*parse)(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint);
};

static const struct scheme schemes[] = {
    {"tcp://", wi_parse_tcp},  {"unix:", parse_unix},           {"vsock://", wi_parse_vsock},
    {"hybrid:", parse_hybrid}, {"hyperkit://", parse_hyperkit}, {"hvsock://", wi_parse_hvsock},
};

static int
parse_by_scheme(struct wi_parse *parse, struct weir_endpoint *endpoint)
{
    const char *text = parse->text;
    const char *colon = strchr(text, ':');

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const char *prefix = schemes[i].prefix;
        size_t same = 0;

        while (prefix[same] != '\0' && prefix[same] == text[same]) {
            same++;
        }
        if (prefix[same] == '\0') {
            return schemes[i].parse(parse, text + same, endpoint);
        }
        if (same > 0 && memchr(prefix, ':', same) != NULL) { // the scheme is right
            return wi_parse_wrong(parse, text + same, "'//' is missing");
        }
    }
    return wi_parse_wrong(parse, colon != NULL ? text : text + strlen(text),
                          "an address begins with tcp://, unix:, vsock:// or hybrid:");
}

int
weir_endpoint_parse(struct weir_endpoint *ret_endpoint, const char *text,
                    struct weir_parse_error *ret_error)
{
    struct wi_parse parse = {.text = text, .error = {0, "no text"}};
    struct weir_endpoint endpoint;
    int result = -EINVAL;

    memset(&endpoint, 0, sizeof(endpoint)); // its padding too: endpoints can be compared
    if (ret_endpoint != NULL && text != NULL) {
        result = parse_by_scheme(&parse, &endpoint);
    }
    if (result == 0) {
        memcpy(ret_endpoint, &endpoint, sizeof(endpoint));
    } else if (ret_error != NULL) {
        *ret_error = parse.error;
    }
    return result;
}

/* ---- as a way to somewhere ---- */

int
wi_endpoint_address(const struct weir_address *address, const struct weir_endpoint *endpoint,
                    const struct weir_address **ret_address)
{
    *ret_address = NULL;
    if (endpoint != NULL && address->size != 0) {
        return -EINVAL;
    }
    switch (endpoint != NULL ? endpoint->kind : WEIR_ENDPOINT_ADDRESS) {
    case WEIR_ENDPOINT_ADDRESS:
        address = endpoint != NULL ? &endpoint->address : address;
        if (address->size < sizeof(sa_family_t) || address->size > sizeof(address->as)) {
            return -EINVAL;
        }
        *ret_address = address;
        return 0;
    case WEIR_ENDPOINT_NAME:
        if (endpoint->host[0] == '\0' ||
            memchr(endpoint->host, '\0', sizeof(endpoint->host)) == NULL) {
            return -EINVAL;
        }
        return endpoint->port <= UINT16_MAX ? 0 : -EINVAL;
    case WEIR_ENDPOINT_ANY:
        return endpoint->port <= UINT16_MAX ? 0 : -EINVAL;
    case WEIR_ENDPOINT_HYBRID:
        *ret_address = &endpoint->address;
        return (*ret_address)->size > sizeof(sa_family_t) &&
                       (*ret_address)->size <= sizeof((*ret_address)->as.un) &&
                       (*ret_address)->as.any.sa_family == AF_UNIX
                   ? 0
                   : -EINVAL;
    case WEIR_ENDPOINT_HYPERKIT:
    case WEIR_ENDPOINT_HVSOCK:
        return -ENOTSUP;
    default:
        return -EINVAL;
    }
}

/* ---- as text ---- */

// The text of its Unix socket, without the scheme.
static const char *
path_of(const struct weir_endpoint *endpoint, char text[WEIR_ENDPOINT_TEXT_SIZE])
{
    bool is_unix = endpoint->address.size > sizeof(sa_family_t) &&
                   endpoint->address.as.any.sa_family == AF_UNIX &&
                   weir_address_format(&endpoint->address, text, WEIR_ENDPOINT_TEXT_SIZE) > 0;

    return is_unix ? text + strlen("unix:") : NULL;
}

static int
format_parts(const struct weir_endpoint *endpoint, char *text, size_t text_size)
{
    char room[WEIR_ENDPOINT_TEXT_SIZE];
    const char *path = path_of(endpoint, room);
    bool has_host = memchr(endpoint->host, '\0', sizeof(endpoint->host)) != NULL;

    switch (endpoint->kind) {
    case WEIR_ENDPOINT_ADDRESS:
        return weir_address_format(&endpoint->address, text, text_size);
    case WEIR_ENDPOINT_ANY:
        return snprintf(text, text_size, "tcp://*:%u", endpoint->port);
    case WEIR_ENDPOINT_NAME:
        return has_host ? snprintf(text, text_size, "tcp://%s:%u", endpoint->host, endpoint->port)
                        : -EINVAL;
    case WEIR_ENDPOINT_HYBRID:
        return path != NULL ? snprintf(text, text_size, "hybrid:%s:%u", path, endpoint->port)
                            : -EINVAL;
    case WEIR_ENDPOINT_HYPERKIT:
        return path != NULL ? snprintf(text, text_size, "hyperkit://:%u%s", endpoint->port, path)
                            : -EINVAL;
    case WEIR_ENDPOINT_HVSOCK:
        return has_host ? snprintf(text, text_size, "hvsock://%s", endpoint->host) : -EINVAL;
    default:
        return -EINVAL;
    }
}

int
weir_endpoint_format(const struct weir_endpoint *endpoint, char *text, size_t text_size)
{
    int result;

    if (endpoint == NULL || (text == NULL && text_size != 0)) {
        return -EINVAL;
    }
    result = format_parts(endpoint, text, text_size);
    if (result < 0 && text_size != 0) {
        text[0] = '\0';
    }
    return WI_PLANT(102) && result > 20 ? result - 1 : result;
}
