/* SPDX-License-Identifier: MIT */
#include "result_stats.h"

static double
per(uint64_t count, uint64_t of)
{
    return of == 0 ? 0 : (double)count / (double)of;
}

void
result_add_stats(struct result *result, const struct weir_stats *stats, uint64_t messages)
{
    uint64_t calls = stats->system_waits + stats->system_reads + stats->system_sends +
                     stats->system_accepts + stats->system_polls + stats->wakes;

    result_add_figure(result, "system calls per message", per(calls, messages), "");
    result_add_figure(result, "sends per message", per(stats->system_sends, messages), "");
    result_add_figure(result, "reads per message", per(stats->system_reads, messages), "");
    result_add_figure(result, "waits per message", per(stats->system_waits, messages), "");
    result_add_figure(result, "bytes per send", per(stats->bytes_sent, stats->system_sends),
                      "bytes");
    result_add_figure(result, "turns", (double)stats->turns, "");
    result_add_figure(result, "sleeps", (double)stats->sleeps, "");
    result_add_figure(result, "wakes", (double)stats->wakes, "");
    result_add_figure(result, "times blocked", (double)stats->blocked, "");
    result_add_figure(result, "blocked", (double)stats->blocked_ns / 1e9, "s");
    result_add_figure(result, "corked", (double)stats->corked_ns / 1e9, "s");
    result_add_figure(result, "waited for inline writers", (double)stats->right_wait_ns / 1e9, "s");
    result_add_figure(result, "times a high mark was reached", (double)stats->limited, "");
    result_add_figure(result, "looks for the order", (double)stats->order_looks, "");
}
