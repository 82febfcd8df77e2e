/* SPDX-License-Identifier: MIT */
#ifndef WI_PAGE_H
#define WI_PAGE_H

/**
 * @file
 * Statistics for other processes: a shared page, and a thread that fills it when it is asked.
 */

struct wi_runtime;

/** Start only, the loops are made. 0, -EINVAL: the name, or -errno. */
int wi_page_open(struct wi_runtime *runtime);

/** Stop only, the loops are still there. */
void wi_page_close(struct wi_runtime *runtime);

#endif /* WI_PAGE_H */
