/* SPDX-License-Identifier: MIT */

#include "netio/page.h"

#include "mem/heap.h"
#include "runtime/os_share.h"
#include "runtime/runtime.h"
#include "weir/page.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct wi_page {
    struct wi_runtime *runtime;
    void *thread;
    struct weir_page *shared;
    size_t size;
    wi_atomic_bool ended;
    char path[sizeof(WEIR_PAGE_DIRECTORY) + WEIR_PAGE_NAME_SIZE + 48];
};

// In the page numbers are plain, so that programs may include the header; here they are atomic.
static_assert(sizeof(wi_atomic_u64) == sizeof(uint64_t), "the same in memory");
static_assert(sizeof(wi_atomic_u32) == sizeof(uint32_t), "the same in memory");
static_assert(sizeof(struct weir_page) % sizeof(uint64_t) == 0, "loops follow, aligned");

static wi_atomic_u32 *
word_of(uint32_t *word)
{
    return (wi_atomic_u32 *)(void *)word;
}

/* ---- answering ---- */

// Number by number: a reader may be reading, and must find each whole.
static void
store_numbers(void *to, const void *from, size_t size)
{
    wi_atomic_u64 *stored = to;
    const uint64_t *numbers = from;

    for (size_t i = 0; i < size / sizeof(*numbers); i++) {
        wi_store_relaxed(&stored[i], numbers[i]);
    }
}

static void
publish(struct wi_page *page)
{
    char *loops = (char *)(page->shared + 1); // not what the page says: others may write to it
    struct weir_page_loop one;

    static_assert(sizeof(one) % sizeof(uint64_t) == 0, "numbers only");
    for (unsigned i = 0; i < page->runtime->loop_count; i++) {
        struct weir_loop *loop = wi_loop_public(&page->runtime->loops[i]);

        memset(&one, 0, sizeof(one));
        weir_loop_stats(loop, &one.stats);
        weir_loop_latency(loop, &one.latency);
        store_numbers(loops + i * sizeof(one), &one, sizeof(one));
    }
    wi_store_relaxed((wi_atomic_u64 *)(void *)&page->shared->answered_ns, wi_os_now_ns());
}

static void *
page_thread(void *arg)
{
    struct wi_page *page = arg;
    wi_atomic_u32 *wanted = word_of(&page->shared->wanted);
    wi_atomic_u32 *answered = word_of(&page->shared->answered);
    uint32_t seen = 0;

    for (;;) {
        uint32_t now;

        // ORDER(page) observe: that it has ended was said before the word moved.
        while ((now = wi_load_acquire(wanted)) == seen) {
            wi_os_share_sleep(wanted, seen);
        }
        if (wi_load_relaxed(&page->ended)) {
            return NULL;
        }
        seen = now;
        publish(page);
        wi_add_acq_rel(answered, 1); // ORDER(page) publish: the numbers, to readers
        wi_os_share_wake(answered);
    }
}

/* ---- life ---- */

static bool
is_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t length = strlen(name);

    return length > 0 && length < WEIR_PAGE_NAME_SIZE && strspn(name, allowed) == length;
}

static int
create(struct wi_page *page, const char *name)
{
    struct wi_runtime *runtime = page->runtime;
    void *memory;
    int result;

    snprintf(page->path, sizeof(page->path), "%s/weir.%u.%llu.%s", WEIR_PAGE_DIRECTORY,
             wi_os_process(), (unsigned long long)runtime->serial, name);
    page->size = sizeof(*page->shared) + runtime->loop_count * sizeof(struct weir_page_loop);
    result = wi_os_share_create(page->path, page->size, &memory);
    if (result < 0) {
        return result;
    }
    page->shared = memory;
    page->shared->version = WEIR_PAGE_VERSION;
    page->shared->loops_at = sizeof(*page->shared);
    page->shared->loop_size = sizeof(struct weir_page_loop);
    page->shared->loop_count = runtime->loop_count;
    page->shared->process = wi_os_process();
    page->shared->made_ns = wi_os_now_ns();
    memcpy(page->shared->name, name, strlen(name)); // shorter, and the page was zero
    // ORDER(page) publish: whoever finds the magic finds the rest.
    wi_store_release((wi_atomic_u64 *)(void *)&page->shared->magic, WEIR_PAGE_MAGIC);
    return 0;
}

int
wi_page_open(struct wi_runtime *runtime)
{
    struct wi_page *page;
    int result;

    if (!is_name(runtime->options.stats_name)) {
        return -EINVAL;
    }
    page = wi_heap_zalloc(sizeof(*page));
    if (page == NULL) {
        return -ENOMEM;
    }
    page->runtime = runtime;
    result = create(page, runtime->options.stats_name);
    if (result == 0) {
        result = wi_os_thread_start(&page->thread, page_thread, page);
        if (result < 0) {
            wi_os_share_destroy(page->path, page->shared, page->size);
        }
    }
    if (result < 0) {
        wi_heap_free(page);
        return result;
    }
    runtime->page = page;
    return 0;
}

void
wi_page_close(struct wi_runtime *runtime)
{
    struct wi_page *page = runtime->page;

    wi_store_relaxed(&page->ended, true);
    wi_add_acq_rel(word_of(&page->shared->wanted), 1); // ORDER(page) publish: that it has ended
    wi_os_share_wake(&page->shared->wanted);
    wi_os_thread_join(page->thread);
    wi_os_share_destroy(page->path, page->shared, page->size);
    wi_heap_free(page);
    runtime->page = NULL;
}
