/* SPDX-License-Identifier: MIT */
#include "mem/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn WI_COLD void
wi_assert_failed(const char *what, const char *file, int line)
{
    // One call, one line: other threads may print at the same time.
    (void)fprintf(stderr, "weir: %s:%d: %s\n", file, line, what);
    (void)fflush(stderr);
    abort();
}
