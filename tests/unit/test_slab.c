// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include "mem/slab.h"

#include <sys/mman.h>
#include <unistd.h>

static void
slab_is_128_kib_of_32_packed_headers_and_32_contiguous_payloads(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    struct wi_slab *slab = wi_slab_cut(&regions, NULL);
    const uint8_t *base;

    assert_non_null(slab);
    base = (const uint8_t *)slab->headers;
    assert_int_equal((uintptr_t)base % WI_SLAB_SIZE, 0);
    assert_int_equal(slab->free, WI_SLAB_EMPTY);
    for (uint32_t i = 0; i < 32; i++) {
        const struct weir_block *block = &slab->headers[i];

        assert_ptr_equal(block, base + (size_t)i * 64);
        assert_ptr_equal(block->data, base + 2048 + (size_t)i * 4032);
        assert_int_equal(block->capacity, 4032);
        assert_ptr_equal(block->slab, slab);
        assert_int_equal(wi_block_index(block), i);
    }
    assert_ptr_equal(slab->headers[31].data + 4032, base + 131072);
    wi_slab_release(&regions, slab);
    assert_null(regions.first);
    (void)state;
}

static void
eight_slabs_share_a_region_and_the_ninth_opens_another(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    struct wi_slab *slabs[9];

    for (int i = 0; i < 9; i++) {
        slabs[i] = wi_slab_cut(&regions, NULL);
        assert_non_null(slabs[i]);
    }
    for (int i = 1; i < 8; i++) {
        assert_ptr_equal(slabs[i]->region, slabs[0]->region);
        assert_ptr_equal(slabs[i]->headers,
                         (uint8_t *)slabs[0]->headers + (size_t)i * WI_SLAB_SIZE);
    }
    assert_ptr_not_equal(slabs[8]->region, slabs[0]->region);
    assert_ptr_equal(regions.first, slabs[8]->region); // the one with room
    for (int i = 0; i < 9; i++) {
        wi_slab_release(&regions, slabs[i]);
    }
    assert_null(regions.first);
    assert_null(regions.last);
    (void)state;
}

static void
released_slab_is_cut_again_before_a_new_region_is_opened(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    struct wi_slab *slabs[16];

    for (int i = 0; i < 16; i++) {
        slabs[i] = wi_slab_cut(&regions, NULL);
        assert_non_null(slabs[i]);
    }
    wi_slab_release(&regions, slabs[3]);
    wi_heap_fail(1, 1);
    assert_ptr_equal(wi_slab_cut(&regions, NULL), slabs[3]);
    assert_null(wi_slab_cut(&regions, NULL));
    wi_heap_fail(0, 0);
    for (int i = 15; i >= 0; i--) {
        wi_slab_release(&regions, slabs[i]);
    }
    assert_null(regions.first);
    (void)state;
}

static void
failed_cut_changes_nothing(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    uint64_t slabs = slabs_held();

    for (unsigned long nth = 1; nth <= 2; nth++) {
        wi_heap_fail(nth, 0);
        assert_null(wi_slab_cut(&regions, NULL));
        assert_null(regions.first);
        assert_null(regions.last);
        assert_int_equal(slabs_held(), slabs);
    }
    wi_heap_fail(0, 0);
    (void)state;
}

// How many pages of the slab are in memory.
static size_t
pages_resident(const struct wi_slab *slab)
{
    unsigned char pages[WI_SLAB_SIZE / 4096];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t count = 0;

    assert_true(WI_SLAB_SIZE / page <= sizeof(pages));
    assert_int_equal(mincore(slab->headers, WI_SLAB_SIZE, pages), 0);
    for (size_t i = 0; i < WI_SLAB_SIZE / page; i++) {
        count += pages[i] & 1u;
    }
    return count;
}

static void
released_slab_gives_its_pages_back(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    struct wi_slab *kept = wi_slab_cut(&regions, NULL);
    struct wi_slab *slab = wi_slab_cut(&regions, NULL);

    assert_non_null(kept);
    assert_non_null(slab);
    memset(slab->headers, 0, 2048);
    assert_true(pages_resident(slab) > 0);
    wi_slab_release(&regions, slab);
    assert_int_equal(pages_resident(slab), 0);
    assert_true(pages_resident(kept) > 0);
    wi_slab_release(&regions, kept);
    (void)state;
}

static void
slabs_are_counted_with_their_peak(void **state)
{
    struct wi_region_list regions = {NULL, NULL};
    uint64_t before;
    uint64_t now;
    uint64_t peak;
    struct wi_slab *slabs[3];

    wi_slab_counts(&before, &peak);
    for (int i = 0; i < 3; i++) {
        slabs[i] = wi_slab_cut(&regions, NULL);
        assert_non_null(slabs[i]);
    }
    wi_slab_counts(&now, &peak);
    assert_int_equal(now, before + 3);
    assert_true(peak >= before + 3);
    for (int i = 0; i < 3; i++) {
        wi_slab_release(&regions, slabs[i]);
    }
    wi_slab_counts(&now, &peak);
    assert_int_equal(now, before);
    assert_true(peak >= before + 3);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(slab_is_128_kib_of_32_packed_headers_and_32_contiguous_payloads),
        mem_test(eight_slabs_share_a_region_and_the_ninth_opens_another),
        mem_test(released_slab_is_cut_again_before_a_new_region_is_opened),
        mem_test(failed_cut_changes_nothing),
        mem_test(released_slab_gives_its_pages_back),
        mem_test(slabs_are_counted_with_their_peak),
    };

    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
