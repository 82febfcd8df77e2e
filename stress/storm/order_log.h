/* SPDX-License-Identifier: MIT */
#ifndef STORM_ORDER_LOG_H
#define STORM_ORDER_LOG_H

// The order in which messages completed, as a hash after each of them, so that what a receiver has
// seen at any moment can be compared: it must be how the order began.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order_log {
    uint64_t *hashes; // of message number n at (n - 1) & (capacity - 1)
    size_t capacity;
    uint64_t first; // the lowest number kept
    uint64_t count; // the highest
    bool is_lost;   // too long to keep; nothing can be compared
};

enum order_answer { ORDER_SAME, ORDER_DIFFERS, ORDER_UNKNOWN };

// The hash after one more message.
void order_log_add(struct order_log *log, uint64_t hash);

// Was @p hash the hash after @p count messages?
enum order_answer order_log_compare(const struct order_log *log, uint64_t count, uint64_t hash);

// Nothing before message @p count will be asked for.
void order_log_forget(struct order_log *log, uint64_t count);

void order_log_free(struct order_log *log);

#endif /* STORM_ORDER_LOG_H */
