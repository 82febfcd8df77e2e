/* SPDX-License-Identifier: MIT */

#include "netio/http/parser.h"

#include <errno.h>

#define SECONDS(n) ((uint64_t)(n)*UINT64_C(1000000000))

static uint32_t
or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t
or_default_u64(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

int
wi_http_limits_set(struct weir_http_limits *ret_limits, const struct weir_http_limits *limits)
{
    if (limits->fields_max > WI_HTTP_FIELDS_MAX || limits->head_max > (1u << 30)) {
        return -EINVAL;
    }
    *ret_limits = (struct weir_http_limits){
        .line_max = or_default(limits->line_max, 8u << 10),
        .head_max = or_default(limits->head_max, 32u << 10),
        .fields_max = or_default(limits->fields_max, 100),
        .body_max = or_default_u64(limits->body_max, UINT64_C(32) << 20),
        .discard_max = or_default_u64(limits->discard_max, UINT64_C(256) << 10),
        .requests_max = or_default(limits->requests_max, UINT32_MAX),
        .head_ns = or_default_u64(limits->head_ns, SECONDS(30)),
        .idle_ns = or_default_u64(limits->idle_ns, SECONDS(120)),
        .grace_ns = or_default_u64(limits->grace_ns, SECONDS(5)),
        .receive_rate_min = or_default(limits->receive_rate_min, 240),
        .send_rate_min = or_default(limits->send_rate_min, 240),
    };
    return 0;
}
