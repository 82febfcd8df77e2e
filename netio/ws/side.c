/* SPDX-License-Identifier: MIT */

#include "netio/ws/side.h"

#include "mem/heap.h"
#include "netio/ws/deflate.h"
#include "netio/ws/handshake.h"

#include <errno.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

static uint64_t
or_default(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static void
set_limits(struct weir_ws_limits *limits)
{
    limits->message_max = or_default(limits->message_max, UINT64_C(16) << 20);
    limits->frame_max = or_default(limits->frame_max, UINT64_MAX);
    limits->fragments_max = (uint32_t)or_default(limits->fragments_max, 65536);
    limits->controls_max = (uint32_t)or_default(limits->controls_max, 1000);
    limits->open_ns = or_default(limits->open_ns, 10 * SECOND_NS);
    limits->close_ns = or_default(limits->close_ns, 5 * SECOND_NS);
    limits->ping_ns = or_default(limits->ping_ns, 30 * SECOND_NS);
    limits->pong_ns = or_default(limits->pong_ns, 30 * SECOND_NS);
}

static bool
is_window(unsigned bits)
{
    return bits == 0 || (bits >= 9 && bits <= 15);
}

static int
set_deflate(struct weir_ws_deflate *deflate)
{
    if (!is_window(deflate->window_bits) || !is_window(deflate->peer_window_bits) ||
        deflate->level < 0 || deflate->level > 9) {
        return -EINVAL;
    }
    deflate->window_bits = deflate->window_bits != 0 ? deflate->window_bits : 15;
    deflate->peer_window_bits = deflate->peer_window_bits != 0 ? deflate->peer_window_bits : 15;
    deflate->level = deflate->level != 0 ? deflate->level : 1;
    deflate->size_min = deflate->size_min != 0 ? deflate->size_min : 64;
    return deflate->is_on && !wi_ws_has_deflate() ? -ENOTSUP : 0;
}

static int
check_protocols(const struct weir_ws_options *options, size_t *ret_size)
{
    size_t size = options->protocol_count * sizeof(char *);

    if (options->protocol_count > WI_WS_PROTOCOLS_MAX ||
        (options->protocols == NULL && options->protocol_count != 0)) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < options->protocol_count; i++) {
        if (options->protocols[i] == NULL || !wi_ws_is_token(options->protocols[i])) {
            return -EINVAL;
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(options->protocols[i], options->protocols[j]) == 0) {
                return -EINVAL; // RFC 6455, section 4.1: each once
            }
        }
        size += strlen(options->protocols[i]) + 1;
    }
    *ret_size = size;
    return 0;
}

static int
copy_protocols(struct wi_ws_side *side, const struct weir_ws_options *options, size_t size)
{
    char *at;

    if (options->protocol_count == 0) {
        return 0;
    }
    side->protocols = wi_heap_alloc(size);
    if (side->protocols == NULL) {
        return -ENOMEM;
    }
    at = (char *)(side->protocols + options->protocol_count);
    for (unsigned i = 0; i < options->protocol_count; i++) {
        size_t length = strlen(options->protocols[i]) + 1;

        side->protocols[i] = at;
        memcpy(at, options->protocols[i], length);
        at += length;
    }
    side->protocol_count = options->protocol_count;
    return 0;
}

int
wi_ws_side_init(struct wi_ws_side *side, const struct weir_ws_options *options)
{
    const struct weir_ws_handlers *handlers = options->handlers;
    size_t size;
    int result;

    if (handlers == NULL || (handlers->message == NULL) == (handlers->piece == NULL) ||
        (options->limits.message_max == WEIR_WS_UNLIMITED && handlers->piece == NULL)) {
        return -EINVAL;
    }
    *side = (struct wi_ws_side){
        .handlers = handlers,
        .user = options->user,
        .limits = options->limits,
        .deflate = options->deflate,
    };
    set_limits(&side->limits);
    result = set_deflate(&side->deflate);
    if (result == 0) {
        result = check_protocols(options, &size);
    }
    return result == 0 ? copy_protocols(side, options, size) : result;
}

void
wi_ws_side_fini(struct wi_ws_side *side)
{
    wi_heap_free(side->protocols);
}

const char *
wi_ws_side_protocol(const struct wi_ws_side *side, const char *name, size_t size)
{
    for (unsigned i = 0; i < side->protocol_count; i++) {
        if (strlen(side->protocols[i]) == size && memcmp(side->protocols[i], name, size) == 0) {
            return side->protocols[i];
        }
    }
    return NULL;
}
