/* SPDX-License-Identifier: MIT */
#include "mem/check.h"

#include "mem/slab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// Any thread. Does the header stand where a header of its slab must stand?
static bool
block_is_placed(const struct weir_block *block)
{
    if (block->slab == NULL) {
        return block->data == (const uint8_t *)(block + 1);
    }

    const struct weir_block *headers = block->slab->headers;

    return ((uintptr_t)block & ~(uintptr_t)(WI_SLAB_SIZE - 1)) == (uintptr_t)headers &&
           block == &headers[wi_block_index(block)];
}

bool
wi_block_is_ours(const struct weir_block *block)
{
    return block != NULL && block->magic == WI_BLOCK_LEASED && block_is_placed(block);
}

#if defined(WI_DEBUG) && WI_DEBUG

// Any thread. Names the module, so that addr2line can name the line.
static _Noreturn WI_COLD void
check_failed(const char *what, const struct weir_block *block, const void *site)
{
    Dl_info module;

    if (site == NULL) {
        (void)fprintf(stderr, "weir: %s of block %p\n", what, (const void *)block);
    } else if (dladdr(site, &module) != 0 && module.dli_fname != NULL) {
        (void)fprintf(stderr, "weir: %s of block %p, leased at %s+0x%zx\n", what,
                      (const void *)block, module.dli_fname,
                      (size_t)((uintptr_t)site - (uintptr_t)module.dli_fbase));
    } else {
        (void)fprintf(stderr, "weir: %s of block %p, leased at %p\n", what, (const void *)block,
                      site);
    }
    (void)fflush(stderr);
    abort();
}

void
wi_check_return(const struct weir_block *block)
{
    if (wi_likely(wi_block_is_ours(block))) {
        return;
    }
    if (block != NULL && block->magic == WI_BLOCK_FREE) {
        check_failed("double return", block, block->site);
    }
    check_failed("foreign return", block, NULL);
}

#endif
