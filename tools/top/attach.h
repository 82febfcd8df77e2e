/* SPDX-License-Identifier: MIT */
#ifndef TOP_ATTACH_H
#define TOP_ATTACH_H

// Finding the page of a running program, and asking for what it says. See weir/page.h.

#include "weir/page.h"

#include <stdbool.h>
#include <stddef.h>

// A file that looks like a page.
struct found {
    char file[256];
    unsigned long process;
    char name[WEIR_PAGE_NAME_SIZE];
    bool is_alive; // its process is
};

struct attached {
    struct weir_page *page;
    size_t size;
    unsigned loop_count;
    struct found found;
};

// All of them, at most @p max; how many there are, or -errno of the directory.
int attach_list(struct found *ret_found, unsigned max);

// The one that is meant. False: said why on standard error.
bool attach(struct attached *ret_attached, const char *whom);

// One loop's numbers after an answer. @p ret_loops has room for loop_count.
enum answer { ANSWERED, SILENT, GONE };
enum answer attach_ask(const struct attached *attached, struct weir_page_loop *ret_loops);

#endif /* TOP_ATTACH_H */
