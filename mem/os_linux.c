/* SPDX-License-Identifier: MIT */
#include "mem/os.h"

#include "mem/assert.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int
wi_os_memory_give_back(void *memory, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)memory + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(page - 1);

    wi_assert((page & (page - 1)) == 0);
    if (begin >= end) {
        return 0;
    }
    if (madvise((char *)memory + (begin - (uintptr_t)memory), end - begin, MADV_DONTNEED) != 0) {
        return -errno;
    }
    return 0;
}
