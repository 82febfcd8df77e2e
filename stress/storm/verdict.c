/* SPDX-License-Identifier: MIT */
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TEXT_SIZE   512
#define PRINTED_MAX 20 // one cause makes many consequences; the first ones tell

struct verdict {
    atomic_uint count;
    atomic_bool is_written;
    char first[TEXT_SIZE];
};

static struct verdict *verdict;

void
verdict_create(void)
{
    verdict =
        mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    storm_require(verdict != MAP_FAILED, "shared memory");
}

void
storm_broke(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    unsigned before = atomic_fetch_add(&verdict->count, 1);

    if (before >= PRINTED_MAX) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "storm: broke: %s\n", text);
    if (before == 0) {
        memcpy(verdict->first, text, sizeof(text));
        atomic_store(&verdict->is_written, true);
    }
}

bool
storm_is_broken(void)
{
    return atomic_load(&verdict->count) != 0;
}

const char *
storm_first_broken(void)
{
    return atomic_load(&verdict->is_written) ? verdict->first : "";
}

_Noreturn void
storm_give_up(const char *what)
{
    fprintf(stderr, "weir-storm: no %s: %s\n", what, strerror(errno));
    exit(2);
}
