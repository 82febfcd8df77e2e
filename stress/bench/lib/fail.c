/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
bench_fail(const char *what)
{
    if (errno != 0) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    } else {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    }
    _exit(EXIT_FAILURE);
}

void
bench_end_within(unsigned seconds)
{
    alarm(seconds);
}
