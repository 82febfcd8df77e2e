/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE_S 0.95 // a sample that comes a little early makes the line too

// A number as people read it: no more digits than mean something.
static void
print_value(double value, const char *unit)
{
    int decimals = fabs(value) >= 1000 || value == floor(value) ? 0 : fabs(value) >= 10 ? 1 : 3;

    printf("%.*f%s%s", decimals, value, *unit != '\0' && *unit != '/' ? " " : "", unit);
}

static void
print_latency(const struct result_latency *latency)
{
    const struct histogram *histogram = latency->histogram;

    printf("%-26s p50 %.1f us  p99 %.1f us  p99.9 %.1f us  max %.1f us  (%" PRIu64 ")\n",
           latency->name, (double)histogram_quantile_ns(histogram, 0.5) / 1e3,
           (double)histogram_quantile_ns(histogram, 0.99) / 1e3,
           (double)histogram_quantile_ns(histogram, 0.999) / 1e3,
           (double)histogram_quantile_ns(histogram, 1) / 1e3, histogram_count(histogram));
}

static const char *
word_of(const struct result_claim *claim)
{
    if (claim->held) {
        return "held  ";
    }
    return claim->kind == CLAIM_TIME ? "MISSED" : "BROKE ";
}

void
text_write(const struct result *result, bool strict_time)
{
    for (size_t i = 0; i < result->figure_count; i++) {
        printf("%-26s ", result->figures[i].name);
        print_value(result->figures[i].value, result->figures[i].unit);
        printf("\n");
    }
    for (size_t i = 0; i < result->latency_count; i++) {
        print_latency(&result->latencies[i]);
    }
    for (size_t i = 0; i < result->claim_count; i++) {
        const struct result_claim *claim = &result->claims[i];

        printf("%s %s%s%s\n", word_of(claim), claim->text, *claim->detail != '\0' ? ": " : "",
               claim->detail);
    }
    printf("%s: %s (seed %" PRIu64 ", %.2f s)\n", result->scenario,
           result_held(result, strict_time) ? "held" : "BROKE", result->seed, result->seconds);
    fflush(stdout);
}

void
text_progress(const struct live *live, const struct live_sample *before,
              const struct live_sample *now, void *arg)
{
    struct text_progress *progress = arg;
    double seconds = now->seconds - progress->last.seconds;

    (void)live;
    (void)before;
    if (seconds < LINE_S) {
        return;
    }
    const uint64_t *was = progress->last.count;
    const uint64_t *is = now->count;
    printf("%6.1f s  %9.0f messages/s  %8.1f MB/s", now->seconds,
           (double)(is[LIVE_MESSAGES] - was[LIVE_MESSAGES]) / seconds,
           (double)(is[LIVE_BYTES] - was[LIVE_BYTES]) / 1e6 / seconds);
    if (is[LIVE_CANCELS] != 0) {
        printf("  %8.0f cancels/s", (double)(is[LIVE_CANCELS] - was[LIVE_CANCELS]) / seconds);
    }
    if (is[LIVE_CLOSES] != 0) {
        printf("  %7.0f closes/s", (double)(is[LIVE_CLOSES] - was[LIVE_CLOSES]) / seconds);
    }
    printf("  %6" PRIu64 " connections\n", is[LIVE_CONNECTIONS]);
    fflush(stdout);
    progress->last = *now;
}
