/* SPDX-License-Identifier: MIT */
#ifndef STORM_PRIVATE_MEMORY_H
#define STORM_PRIVATE_MEMORY_H

// How much memory this process has for itself alone, in user space.

#include <stdbool.h>
#include <stdint.h>

// Bytes, as the kernel counts pages.
uint64_t private_memory(void);

// Does it say something about the program? Sanitizers keep memory of their own for each allocation.
bool private_memory_is_telling(void);

#endif /* STORM_PRIVATE_MEMORY_H */
