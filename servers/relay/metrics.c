/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "relay.h"

#include "weir/runtime.h"
#include "weir/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct metrics {
    struct weir_runtime *runtime;
    unsigned loop_count;
    struct counts loops[];
};

const char *
ending_name(enum ending ending)
{
    static const char *const names[ENDINGS] = {
        [ENDING_OK] = "ok",
        [ENDING_CLIENT_RESET] = "client-reset",
        [ENDING_TARGET_RESET] = "target-reset",
        [ENDING_TARGET_REFUSED] = "target-refused",
        [ENDING_IDLE] = "idle",
        [ENDING_HEADER] = "bad-header",
        [ENDING_HEADER_TIMEOUT] = "header-timeout",
        [ENDING_STOPPED] = "stopped",
        [ENDING_MEMORY] = "memory",
    };

    return (unsigned)ending < ENDINGS ? names[ending] : "unknown";
}

struct metrics *
metrics_create(struct weir_runtime *runtime)
{
    unsigned loop_count = weir_runtime_loop_count(runtime);
    size_t size = sizeof(struct metrics) + loop_count * sizeof(struct counts);
    struct metrics *metrics = aligned_alloc(_Alignof(struct metrics), size);

    if (metrics != NULL) {
        memset(metrics, 0, size);
        metrics->runtime = runtime;
        metrics->loop_count = loop_count;
    }
    return metrics;
}

void
metrics_free(struct metrics *metrics)
{
    free(metrics);
}

struct counts *
metrics_here(struct metrics *metrics)
{
    return &metrics->loops[prometheus_loop_index(metrics->runtime)];
}

/* ---- the text ---- */

static uint64_t
sum(const struct metrics *metrics, size_t offset)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < metrics->loop_count; i++) {
        const void *counter = (const char *)&metrics->loops[i] + offset;

        all += atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_relaxed);
    }
    return all;
}

static void
write_relay(FILE *out, const struct relay *relay)
{
    const struct metrics *metrics = relay->metrics;

    prometheus_one(out, "relay_connections", "gauge", "Connections now.",
                   limits_count(relay->limits));
    prometheus_one(out, "relay_draining", "gauge", "1 once the relay was asked to end.",
                   atomic_load(&relay->is_draining));
    prometheus_one(out, "relay_accepted_total", "counter", "Connections accepted and admitted.",
                   sum(metrics, offsetof(struct counts, accepted)));
    prometheus_head(out, "relay_refused_total", "counter", "Connections closed for a limit.");
    for (unsigned i = LIMITS_ADMITTED + 1; i < LIMITS_ANSWERS; i++) {
        fprintf(out, "relay_refused_total{limit=\"%s\"} %" PRIu64 "\n",
                limits_name((enum limits_answer)i),
                sum(metrics, offsetof(struct counts, refused) + i * sizeof(uint64_t)));
    }
    prometheus_head(out, "relay_ended_total", "counter", "Connections that have ended, by how.");
    for (unsigned i = 0; i < ENDINGS; i++) {
        fprintf(out, "relay_ended_total{how=\"%s\"} %" PRIu64 "\n", ending_name((enum ending)i),
                sum(metrics, offsetof(struct counts, ended) + i * sizeof(uint64_t)));
    }
    prometheus_head(out, "relay_bytes_total", "counter",
                    "Bytes carried by connections that have ended.");
    fprintf(out, "relay_bytes_total{way=\"up\"} %" PRIu64 "\n",
            sum(metrics, offsetof(struct counts, bytes_up)));
    fprintf(out, "relay_bytes_total{way=\"down\"} %" PRIu64 "\n",
            sum(metrics, offsetof(struct counts, bytes_down)));
    if (relay->log != NULL) {
        prometheus_one(out, "relay_log_lost_total", "counter",
                       "Lines of the access log that found no room.", log_lost(relay->log));
    }
}

char *
metrics_text(struct relay *relay, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);

    if (out == NULL) {
        return NULL;
    }
    write_relay(out, relay);
    prometheus_runtime(out, relay->runtime);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
