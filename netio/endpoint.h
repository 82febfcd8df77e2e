/* SPDX-License-Identifier: MIT */
#ifndef WI_ENDPOINT_H
#define WI_ENDPOINT_H

/**
 * @file
 * Reading endpoints: what the files that know one form each share. Every reader gets the text from
 * its own part on, says on failure which character is wrong, and returns 0 or -errno.
 */

#include "weir/address.h"

#include <errno.h>

struct wi_parse {
    const char *text; // the whole, for offsets
    struct weir_parse_error error;
};

/** Any thread. -EINVAL: the character at @p at is wrong. */
static inline int
wi_parse_wrong(struct wi_parse *parse, const char *at, const char *message)
{
    parse->error = (struct weir_parse_error){(size_t)(at - parse->text), message};
    return -EINVAL;
}

/** Any thread. What a hexadecimal digit stands for; -1: it is none. */
int wi_parse_hex_digit(char digit);

/** Any thread. Is it a number, all of it? */
bool wi_parse_is_number(const char *begin, const char *end);

/** Any thread. All of [begin, end) is a decimal number up to @p max. */
int wi_parse_number(struct wi_parse *parse, const char *begin, const char *end, uint32_t max,
                    uint32_t *ret_number);

/** Any thread. All of [begin, end) is an address in numbers; just what inet_pton() takes. */
int wi_parse_ip4(struct wi_parse *parse, const char *begin, const char *end,
                 struct in_addr *ret_address);
int wi_parse_ip6(struct wi_parse *parse, const char *begin, const char *end,
                 struct in6_addr *ret_address);

/** Any thread. Is nothing but a socket address meant? Then it is what was given, or the endpoint's,
 *  of a hybrid one that of its Unix socket:
 *  0 and the address. 0 and NULL: the endpoint is a name, or ANY. -EINVAL: neither or both given;
 *  -ENOTSUP: no way to get there. */
int wi_endpoint_address(const struct weir_address *address, const struct weir_endpoint *endpoint,
                        const struct weir_address **ret_address);

/** Any thread. What stands behind the scheme; @p endpoint is all zero before. */
int wi_parse_tcp(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint);
int wi_parse_vsock(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint);
int wi_parse_hvsock(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint);

#endif /* WI_ENDPOINT_H */
