/* SPDX-License-Identifier: MIT */
#ifndef WI_HEAP_H
#define WI_HEAP_H

/**
 * @file
 * The one place the library allocates. Two back ends: mimalloc with a heap per thread (heap.c is
 * the only file that includes it), and the system's allocator for sanitizer builds, from which
 * mimalloc would hide every memory error.
 *
 * Memory may be freed from any thread. The heap itself is created and deleted by its own thread,
 * and never used from another (contract 7.1).
 *
 * Components beside the core (weir::http) allocate here, too. Their shared libraries find what is
 * WI_SHARED under the version WEIR_PRIVATE (cmake/weir.map), which no other program may use.
 */

#include <stddef.h>

#define WI_SHARED __attribute__((visibility("default")))

/** Any thread. NULL when memory ran out. */
WI_SHARED void *wi_heap_alloc(size_t size);
/** Any thread. Zeroed; NULL when memory ran out. */
WI_SHARED void *wi_heap_zalloc(size_t size);
/** Any thread. @p alignment is a power of two. */
void *wi_heap_alloc_aligned(size_t size, size_t alignment);
/** Any thread; memory from any thread's heap; NULL is legal. */
WI_SHARED void wi_heap_free(void *memory);
/** The thread's end, after every other exit hook: deletes the calling thread's heap. */
void wi_heap_thread_end(void);

/**
 * Test seam, always compiled in: make the n-th allocation from now fail (1 = the next), once, or
 * with @p forever from there on. 0 switches it off. Counts every wi_heap_* allocation of every
 * thread. wi_heap_fail_count() says how many allocations there were since.
 */
void wi_heap_fail(unsigned long nth, int forever);
unsigned long wi_heap_fail_count(void);

#endif /* WI_HEAP_H */
