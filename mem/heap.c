/* SPDX-License-Identifier: MIT */
#include "mem/heap.h"

#include "mem/assert.h"
#include "mem/atomic.h"
#include "mem/thread.h"

#include <stdlib.h>

#ifndef WI_ALLOC_SYSTEM
#include <mimalloc.h>
#endif

// The test seam. The switch keeps the count, which all threads share, off everybody's path until a
// test asks for it.
static wi_atomic_bool seam_is_on;
static wi_atomic_bool seam_is_forever;
static wi_atomic_u64 seam_nth;
static wi_atomic_u64 seam_count;

// Any thread.
static inline bool
heap_must_fail(void)
{
    if (wi_likely(!wi_load_relaxed(&seam_is_on))) {
        return false;
    }

    uint64_t number = wi_add_relaxed(&seam_count, 1) + 1;
    uint64_t nth = wi_load_relaxed(&seam_nth);

    return nth != 0 && (number == nth || (number > nth && wi_load_relaxed(&seam_is_forever)));
}

void
wi_heap_fail(unsigned long nth, int forever)
{
    wi_store_relaxed(&seam_nth, nth);
    wi_store_relaxed(&seam_is_forever, forever != 0);
    wi_store_relaxed(&seam_count, 0);
    wi_store_relaxed(&seam_is_on, true);
}

unsigned long
wi_heap_fail_count(void)
{
    return (unsigned long)wi_load_relaxed(&seam_count);
}

#ifdef WI_ALLOC_SYSTEM

void *
wi_heap_alloc(size_t size)
{
    wi_assert(size != 0);
    return heap_must_fail() ? NULL : malloc(size);
}

void *
wi_heap_zalloc(size_t size)
{
    wi_assert(size != 0);
    return heap_must_fail() ? NULL : calloc(1, size);
}

void *
wi_heap_alloc_aligned(size_t size, size_t alignment)
{
    void *memory = NULL;

    wi_assert(size != 0);
    wi_assert((alignment & (alignment - 1)) == 0);
    if (alignment < sizeof(void *)) {
        alignment = sizeof(void *);
    }
    if (heap_must_fail() || posix_memalign(&memory, alignment, size) != 0) {
        return NULL;
    }
    return memory;
}

void
wi_heap_free(void *memory)
{
    free(memory);
}

void
wi_heap_thread_end(void)
{
    // The system's allocator keeps its own house.
}

#else

// One heap per thread, so that threads that allocate share nothing. Made on first use: a thread
// that never allocates has none.
static _Thread_local mi_heap_t *heap_self;

// Any thread. NULL: memory ran out.
static WI_COLD mi_heap_t *
heap_create(void)
{
    mi_heap_t *heap;

    if (wi_thread_is_ending()) {
        // Too late for a heap of our own: mimalloc's own destructor would delete it as well, and
        // not in a known order.
        return mi_heap_get_default();
    }
    heap = mi_heap_new();
    if (heap == NULL) {
        return NULL;
    }
    if (wi_thread_at_exit(WI_THREAD_HEAP, wi_heap_thread_end) != 0) {
        mi_heap_delete(heap);
        return NULL;
    }
    heap_self = heap;
    return heap;
}

// Any thread. The calling thread's heap, or NULL.
static inline mi_heap_t *
heap_get(void)
{
    return wi_likely(heap_self != NULL) ? heap_self : heap_create();
}

void *
wi_heap_alloc(size_t size)
{
    mi_heap_t *heap = heap_must_fail() ? NULL : heap_get();

    wi_assert(size != 0);
    return heap == NULL ? NULL : mi_heap_malloc(heap, size);
}

void *
wi_heap_zalloc(size_t size)
{
    mi_heap_t *heap = heap_must_fail() ? NULL : heap_get();

    wi_assert(size != 0);
    return heap == NULL ? NULL : mi_heap_zalloc(heap, size);
}

void *
wi_heap_alloc_aligned(size_t size, size_t alignment)
{
    mi_heap_t *heap = heap_must_fail() ? NULL : heap_get();

    wi_assert(size != 0);
    wi_assert((alignment & (alignment - 1)) == 0);
    return heap == NULL ? NULL : mi_heap_malloc_aligned(heap, size, alignment);
}

void
wi_heap_free(void *memory)
{
    mi_free(memory);
}

void
wi_heap_thread_end(void)
{
    mi_heap_t *heap = heap_self;

    // What is still allocated moves to the thread's backing heap, and can be freed from any thread
    // as before.
    heap_self = NULL;
    if (heap != NULL) {
        mi_heap_delete(heap);
    }
}

#endif
