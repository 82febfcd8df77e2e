/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_SIDE_H
#define WI_WS_SIDE_H

/**
 * @file
 * The options of a side, checked and with defaults.
 */

#include "netio/ws/conn.h"

#define WI_WS_PROTOCOLS_MAX 32u

/** 0, -EINVAL, -ENOTSUP, -ENOMEM. */
int wi_ws_side_init(struct wi_ws_side *side, const struct weir_ws_options *options);
void wi_ws_side_fini(struct wi_ws_side *side);

/** The side's own text of a protocol, or NULL: it is not one of its. */
const char *wi_ws_side_protocol(const struct wi_ws_side *side, const char *name, size_t size);

#endif /* WI_WS_SIDE_H */
