/* SPDX-License-Identifier: MIT */
#include "common/prometheus.h"

#include "weir/runtime.h"
#include "weir/stats.h"

#include <inttypes.h>
#include <stdlib.h>

void
prometheus_head(FILE *out, const char *name, const char *type, const char *what)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, what, name, type);
}

void
prometheus_one(FILE *out, const char *name, const char *type, const char *what, uint64_t value)
{
    prometheus_head(out, name, type, what);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

// It may grow between the question and the answer: then the end is missing, and said to be.
void
prometheus_runtime(FILE *out, struct weir_runtime *runtime)
{
    int64_t size = weir_stats_prometheus(runtime, NULL, 0);
    char *text = size < 0 ? NULL : malloc((size_t)size + 4096);

    if (text != NULL && weir_stats_prometheus(runtime, text, (size_t)size + 4096) < size + 4096) {
        fputs(text, out);
    } else {
        fputs("# the runtime's statistics had no room\n", out);
    }
    free(text);
}

unsigned
prometheus_loop_index(struct weir_runtime *runtime)
{
    static _Thread_local unsigned index;
    static _Thread_local const struct weir_loop *known;
    const struct weir_loop *loop = weir_loop_current();

    if (known != loop) {
        unsigned loop_count = weir_runtime_loop_count(runtime);

        for (index = 0; index + 1 < loop_count && weir_runtime_loop(runtime, index) != loop;) {
            index++;
        }
        known = loop;
    }
    return index;
}
