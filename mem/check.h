/* SPDX-License-Identifier: MIT */
#ifndef WI_CHECK_H
#define WI_CHECK_H

/**
 * @file
 * What a debug build checks when a block is returned: that it is a leased block of this library.
 * The process stops with the place that leased it.
 */

#include "mem/block.h"

#if defined(WI_DEBUG) && WI_DEBUG

/** Who called the function this stands in. */
#define WI_CALLER __builtin_return_address(0)

/** Any thread that holds the block. Stops the process when it is not leased. */
void wi_check_return(const struct weir_block *block);

#else

#define WI_CALLER NULL

static inline void
wi_check_return(const struct weir_block *block)
{
    (void)block;
}

#endif

#endif /* WI_CHECK_H */
