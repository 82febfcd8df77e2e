// SPDX-License-Identifier: MIT
// mem/heap.h on the memory of a run: nothing is used again, so what is freed stays known as freed.

#include "mem/heap.h"

#include "tests/sched/machine.h"

#undef memcpy
#undef memset

#define BLOCK 64u

// In front of each allocation.
struct head {
    size_t size;
};

void *
wi_heap_alloc_aligned(size_t size, size_t alignment)
{
    size_t aligned = alignment > BLOCK ? alignment : BLOCK;
    char *memory;

    (void)sched_arena_take(sizeof(struct head), BLOCK); // or in the gap that the alignment leaves
    memory = sched_arena_take(size, aligned);
    ((struct head *)(void *)(memory - BLOCK))->size = size;
    return memory;
}

void *
wi_heap_alloc(size_t size)
{
    return wi_heap_alloc_aligned(size, BLOCK);
}

void *
wi_heap_zalloc(size_t size)
{
    void *memory = wi_heap_alloc(size);

    memset(memory, 0, size);
    return memory;
}

void
wi_heap_free(void *memory)
{
    if (memory != NULL) {
        sched_arena_free(memory, ((struct head *)((uintptr_t)memory - BLOCK))->size);
    }
}

void
wi_heap_thread_end(void)
{
}

void
wi_heap_fail(unsigned long nth, int forever)
{
    (void)nth;
    (void)forever;
}

unsigned long
wi_heap_fail_count(void)
{
    return 0;
}
