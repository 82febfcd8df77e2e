/* SPDX-License-Identifier: MIT */
#ifndef STORM_HOUSE_DRAIN_H
#define STORM_HOUSE_DRAIN_H

// A house that closes each connection at its first byte: it reads none of the input, sends so many
// bytes, and closes behind them.

#include "house.h"

#define DRAIN_SIZE_MAX ((size_t)1024 * 1024)

// One house in a process. @p size: of what each connection is sent.
void house_drain_start(struct house *house, enum house_transport transport,
                       enum weir_close_mode mode, size_t size);
void house_drain_end(void);

// How many streams closed, how many of them with an error, and their bytes that were lost.
uint64_t house_drain_closed(void);
uint64_t house_drain_failed(void);
uint64_t house_drain_lost(void);
// Of the input, what was received to be discarded.
uint64_t house_drain_received(void);

// For the peers: what they send, and whether these are the bytes from @p offset of what they are
// sent.
const void *house_drain_input(void);
bool house_drain_is_output(const uint8_t *data, size_t size, size_t offset);

#endif /* STORM_HOUSE_DRAIN_H */
