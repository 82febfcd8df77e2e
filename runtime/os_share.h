/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_SHARE_H
#define WI_OS_SHARE_H

/**
 * @file
 * System calls for memory that other processes see. os_share_linux.c is the only file that makes
 * them. Results as in os.h.
 */

#include <stddef.h>
#include <stdint.h>

uint32_t wi_os_process(void);

/** A fresh zeroed file at @p path for this user only, and its memory. What was there is removed.
 *  0, or -errno with no file left. */
int wi_os_share_create(const char *path, size_t size, void **ret_memory);
void wi_os_share_destroy(const char *path, void *memory, size_t size);

/** Sleep while *@p word == @p value; other processes may wake us. */
void wi_os_share_sleep(const void *word, uint32_t value);
void wi_os_share_wake(const void *word);

#endif /* WI_OS_SHARE_H */
