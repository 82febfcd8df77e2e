/* SPDX-License-Identifier: MIT */
#ifndef WI_MEM_OS_H
#define WI_MEM_OS_H

/**
 * @file
 * The system calls of the memory layer, and nothing else. mem/os_linux.c is the only file of this
 * layer that makes any.
 */

#include <stddef.h>

/**
 * Any thread. Give the pages of @p memory back to the system. The range stays mapped; its bytes are
 * lost and read as zero. Only whole pages inside it are given back. 0, or -errno with the memory as
 * it was.
 */
int wi_os_memory_give_back(void *memory, size_t size);

#endif /* WI_MEM_OS_H */
