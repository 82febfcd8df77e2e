/* SPDX-License-Identifier: MIT */
#include "common/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

void
complain(const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s\n", program_name, line);
}

void
program_log(enum weir_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level != WEIR_LOG_INFO) {
        complain("%s", line);
    }
}

void
program_print(const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

void
program_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); // with fewer it works, too
    }
}
