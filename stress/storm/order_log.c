/* SPDX-License-Identifier: MIT */
#include "order_log.h"

#include <stdlib.h>

#define CAPACITY_FIRST 64u
#define CAPACITY_MAX   (1u << 20)

static void
give_up(struct order_log *log)
{
    free(log->hashes);
    log->hashes = NULL;
    log->is_lost = true;
}

static void
grow(struct order_log *log)
{
    size_t capacity = log->capacity == 0 ? CAPACITY_FIRST : log->capacity * 2;
    uint64_t *hashes = capacity > CAPACITY_MAX ? NULL : malloc(capacity * sizeof(*hashes));

    if (hashes == NULL) {
        give_up(log);
        return;
    }
    for (uint64_t n = log->first; n <= log->count && log->capacity != 0; n++) {
        hashes[(n - 1) & (capacity - 1)] = log->hashes[(n - 1) & (log->capacity - 1)];
    }
    free(log->hashes);
    log->hashes = hashes;
    log->capacity = capacity;
}

void
order_log_add(struct order_log *log, uint64_t hash)
{
    if (log->is_lost) {
        return;
    }
    if (log->first == 0) {
        log->first = 1;
    }
    if (log->count + 1 - log->first == log->capacity) {
        grow(log);
        if (log->is_lost) {
            return;
        }
    }
    log->count++;
    log->hashes[(log->count - 1) & (log->capacity - 1)] = hash;
}

enum order_answer
order_log_compare(const struct order_log *log, uint64_t count, uint64_t hash)
{
    if (count == 0) {
        return hash == 0 ? ORDER_SAME : ORDER_DIFFERS;
    }
    if (log->is_lost || count < log->first || count > log->count) {
        return ORDER_UNKNOWN;
    }
    return log->hashes[(count - 1) & (log->capacity - 1)] == hash ? ORDER_SAME : ORDER_DIFFERS;
}

void
order_log_forget(struct order_log *log, uint64_t count)
{
    if (count > log->first && count <= log->count) {
        log->first = count;
    }
}

void
order_log_free(struct order_log *log)
{
    free(log->hashes);
    *log = (struct order_log){.is_lost = true};
}
