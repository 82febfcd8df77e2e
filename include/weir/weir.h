/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/**
 * @file
 * All of weir. Read in this order: base, runtime, address, net, stream, write, token, pool, pump,
 * inband, stats, page.
 */

#include "weir/address.h"
#include "weir/base.h"
#include "weir/inband.h"
#include "weir/net.h"
#include "weir/page.h"
#include "weir/pool.h"
#include "weir/pump.h"
#include "weir/runtime.h"
#include "weir/stats.h"
#include "weir/stream.h"
#include "weir/token.h"
#include "weir/write.h"

#endif /* WEIR_WEIR_H */
