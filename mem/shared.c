/* SPDX-License-Identifier: MIT */
#include "mem/shared.h"

#include "mem/assert.h"
#include "mem/atomic.h"
#include "mem/heap.h"

#include <stdalign.h>
#include <string.h>

struct weir_shared {
    // Any holder. 64 bits: no program lives long enough to wrap it.
    wi_atomic_u64 refs;
    // Written once.
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

struct weir_shared *
weir_shared_create(const void *data, size_t size)
{
    struct weir_shared *shared;

    if (size == 0 || size > SIZE_MAX - sizeof(*shared)) {
        return NULL;
    }
    shared = wi_heap_alloc(sizeof(*shared) + size);
    if (shared == NULL) {
        return NULL;
    }
    wi_store_relaxed(&shared->refs, 1);
    shared->size = size;
    if (data != NULL) {
        memcpy(shared->bytes, data, size);
    }
    return shared;
}

void *
weir_shared_data(struct weir_shared *shared)
{
    return shared->bytes;
}

size_t
weir_shared_size(const struct weir_shared *shared)
{
    return wi_shared_size(shared);
}

struct weir_shared *
weir_shared_ref(struct weir_shared *shared)
{
    // Relaxed: whoever takes a reference has one, and passes the new one on by other means.
    uint64_t before = wi_add_relaxed(&shared->refs, 1);

    wi_assert(before > 0);
    (void)before;
    return shared;
}

void
weir_shared_unref(struct weir_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    // ORDER(shared) publish: this holder's reads are done before the last one frees the payload.
    uint64_t before = wi_sub_acq_rel(&shared->refs, 1);

    wi_assert(before > 0);
    if (before == 1) {
        // ORDER(shared) observe: the last subtraction has seen all others.
        wi_heap_free(shared);
    }
}

size_t
wi_shared_size(const struct weir_shared *shared)
{
    return shared->size;
}

const uint8_t *
wi_shared_bytes(const struct weir_shared *shared)
{
    return shared->bytes;
}

uint64_t
wi_shared_refs(struct weir_shared *shared)
{
    return wi_load_relaxed(&shared->refs);
}
