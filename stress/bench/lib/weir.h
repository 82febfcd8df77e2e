/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WEIR_H
#define BENCH_WEIR_H

// What those on weir have in common.

#include "fail.h"

#include <errno.h>

// A call of the library, which answers with a negative errno.
static inline void
require_weir(int result, const char *what)
{
    if (result < 0) {
        errno = -result;
        bench_fail(what);
    }
}

#endif /* BENCH_WEIR_H */
