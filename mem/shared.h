/* SPDX-License-Identifier: MIT */
#ifndef WI_SHARED_H
#define WI_SHARED_H

/**
 * @file
 * What the write path needs of a shared payload: see weir/pool.h for the rest.
 */

#include "weir/pool.h"

/** Any thread that holds a reference. The payload's size. */
size_t wi_shared_size(const struct weir_shared *shared);

/** Any thread that holds a reference. The payload's bytes, to read. */
const uint8_t *wi_shared_bytes(const struct weir_shared *shared);

/** Any thread that holds a reference. How many there are, for tests. */
uint64_t wi_shared_refs(struct weir_shared *shared);

#endif /* WI_SHARED_H */
