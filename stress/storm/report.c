/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    enum counter counter;
    const char *name;
} refusals[] = {
    {COUNT_REFUSED_STALE, "stale"},
    {COUNT_REFUSED_ENDED, "ended"},
    {COUNT_REFUSED_TORN, "torn"},
    {COUNT_REFUSED_FAILED, "failed"},
    {COUNT_REFUSED_TOKEN, "token"},
    {COUNT_REFUSED_STREAM, "stream_full"},
    {COUNT_REFUSED_LANE, "lane_full"},
    {COUNT_REFUSED_LOOP, "loop_full"},
    {COUNT_REFUSED_PROCESS, "process_full"},
    {COUNT_REFUSED_NOWAIT, "nowait"},
    {COUNT_REFUSED_SECTION, "section_open"},
    {COUNT_REFUSED_MEMORY, "memory"},
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static uint64_t
get(const struct summary *summary, enum counter counter)
{
    return counter_get(&summary->counters, counter);
}

static double
per(uint64_t count, uint64_t of)
{
    return of == 0 ? 0 : (double)count / (double)of;
}

static double
per_second(const struct summary *summary, uint64_t count)
{
    return summary->seconds > 0 ? (double)count / summary->seconds : 0;
}

static uint64_t
system_calls(const struct weir_stats *stats)
{
    return stats->system_waits + stats->system_reads + stats->system_sends + stats->system_accepts +
           stats->system_polls + stats->wakes;
}

static void
print_histogram(const char *name, const struct histogram *histogram)
{
    if (histogram == NULL) {
        return;
    }
    printf("%-13s p50 %.1f us  p99 %.1f us  p99.9 %.1f us  max %.1f us  (%" PRIu64 " samples)\n",
           name, (double)histogram_quantile_ns(histogram, 0.5) / 1e3,
           (double)histogram_quantile_ns(histogram, 0.99) / 1e3,
           (double)histogram_quantile_ns(histogram, 0.999) / 1e3,
           (double)atomic_load(&histogram->max_ns) / 1e3, histogram_count(histogram));
}

static void
print_calls(const struct summary *summary)
{
    const struct weir_stats *stats = &summary->stats;
    uint64_t all = get(summary, COUNT_DELIVERED);

    printf("system calls  %.3f per message: sends %.3f, reads %.3f, waits %.3f, polls %.3f, "
           "wakes %.3f\n",
           per(system_calls(stats), all), per(stats->system_sends, all),
           per(stats->system_reads, all), per(stats->system_waits, all),
           per(stats->system_polls, all), per(stats->wakes, all));
    printf("gathering     %.2f messages per send, %.0f bytes per send\n",
           per(all, stats->system_sends), per(stats->bytes_sent, stats->system_sends));
    printf("loops         %" PRIu64 " turns, %" PRIu64 " sleeps, %" PRIu64
           " wakes; blocked %" PRIu64 " times, %.2f s in all; %" PRIu64 " looks for the order\n",
           stats->turns, stats->sleeps, stats->wakes, stats->blocked,
           (double)stats->blocked_ns / 1e9, stats->order_looks);
}

static void
print_refusals(const struct summary *summary)
{
    const char *separator = "";

    printf("refused       ");
    for (size_t i = 0; i < REFUSALS; i++) {
        uint64_t count = get(summary, refusals[i].counter);

        if (count != 0) {
            printf("%s%s %" PRIu64, separator, refusals[i].name, count);
            separator = ", ";
        }
    }
    printf("%s\n", *separator == '\0' ? "none" : "");
}

static void
print_storm(const struct summary *summary)
{
    printf("cancels       answered won %" PRIu64 ", pending %" PRIu64 ", late %" PRIu64
           "; completions cancelled %" PRIu64 ", too late %" PRIu64 "\n",
           get(summary, COUNT_CANCEL_WON), get(summary, COUNT_CANCEL_PENDING),
           get(summary, COUNT_CANCEL_LATE), get(summary, COUNT_CANCELLED),
           get(summary, COUNT_LATE_CANCEL));
    printf("tears         %" PRIu64 ", exact to the byte at the receiver %" PRIu64
           "; continued after a part %" PRIu64 "\n",
           get(summary, COUNT_TORN), get(summary, COUNT_TORN_EXACT), get(summary, COUNT_MENDED));
    printf("closes        %" PRIu64 "; links %" PRIu64
           ", compared with the receiver's report %" PRIu64 ", ended by a deadline %" PRIu64 "\n",
           summary->closes, summary->links, summary->settled, summary->overdue);
    print_refusals(summary);
    printf("ledger        writes accepted %" PRIu64 ", completed %" PRIu64 ", inline %" PRIu64
           "; blocks leased %" PRIu64 ", returned %" PRIu64 "; given %" PRIu64 ", released %" PRIu64
           "; queued %" PRIu64 ", streams %" PRIu64 "\n",
           get(summary, COUNT_ACCEPTED), get(summary, COUNT_COMPLETED), get(summary, COUNT_INLINE),
           summary->ledger.leased, summary->ledger.returned, get(summary, COUNT_GIVEN),
           get(summary, COUNT_RELEASED), summary->stats.queued_now, summary->stats.streams_now);
}

static void
print_text(const struct summary *summary)
{
    printf("messages      %" PRIu64 " in %.2f s: %.0f /s, %.1f MB/s\n", summary->messages,
           summary->seconds, per_second(summary, summary->messages),
           per_second(summary, summary->bytes) / 1e6);
    printf("verified      %" PRIu64 " messages, %" PRIu64 " bytes\n", summary->verified_messages,
           summary->verified_bytes);
    print_histogram("round trip", summary->acknowledged);
    print_histogram("completion", summary->completed);
    print_calls(summary);
    if (summary->completed != NULL) {
        print_storm(summary);
    }
}

static void
json_histogram(const char *name, const struct histogram *histogram)
{
    if (histogram == NULL) {
        return;
    }
    printf(",\"%s_ns\":{\"count\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64
           ",\"p999\":%" PRIu64 ",\"max\":%" PRIu64 "}",
           name, histogram_count(histogram), histogram_quantile_ns(histogram, 0.5),
           histogram_quantile_ns(histogram, 0.99), histogram_quantile_ns(histogram, 0.999),
           atomic_load(&histogram->max_ns));
}

static void
json_counts(const struct summary *summary)
{
    const struct weir_stats *stats = &summary->stats;

    printf(",\"accepted\":%" PRIu64 ",\"completed\":%" PRIu64 ",\"inline\":%" PRIu64
           ",\"cancels\":{\"won\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"late\":%" PRIu64
           ",\"cancelled\":%" PRIu64 ",\"too_late\":%" PRIu64 "}",
           get(summary, COUNT_ACCEPTED), get(summary, COUNT_COMPLETED), get(summary, COUNT_INLINE),
           get(summary, COUNT_CANCEL_WON), get(summary, COUNT_CANCEL_PENDING),
           get(summary, COUNT_CANCEL_LATE), get(summary, COUNT_CANCELLED),
           get(summary, COUNT_LATE_CANCEL));
    printf(",\"torn\":%" PRIu64 ",\"torn_exact\":%" PRIu64 ",\"mended\":%" PRIu64
           ",\"closes\":%" PRIu64 ",\"links\":%" PRIu64 ",\"compared\":%" PRIu64
           ",\"overdue\":%" PRIu64,
           get(summary, COUNT_TORN), get(summary, COUNT_TORN_EXACT), get(summary, COUNT_MENDED),
           summary->closes, summary->links, summary->settled, summary->overdue);
    printf(",\"system\":{\"sends\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"waits\":%" PRIu64
           ",\"polls\":%" PRIu64 ",\"wakes\":%" PRIu64 ",\"sleeps\":%" PRIu64 ",\"turns\":%" PRIu64
           "}",
           stats->system_sends, stats->system_reads, stats->system_waits, stats->system_polls,
           stats->wakes, stats->sleeps, stats->turns);
    printf(",\"ledger\":{\"leased\":%" PRIu64 ",\"returned\":%" PRIu64 ",\"given\":%" PRIu64
           ",\"released\":%" PRIu64 "},\"refused\":{",
           summary->ledger.leased, summary->ledger.returned, get(summary, COUNT_GIVEN),
           get(summary, COUNT_RELEASED));
    for (size_t i = 0; i < REFUSALS; i++) {
        printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",", refusals[i].name,
               get(summary, refusals[i].counter));
    }
    printf("}");
}

static void
print_json(const struct summary *summary)
{
    printf("{\"scenario\":\"%s\",\"held\":%s,\"seed\":%" PRIu64
           ",\"seconds\":%.3f,\"messages\":%" PRIu64 ",\"messages_per_s\":%.1f,\"bytes\":%" PRIu64
           ",\"mb_per_s\":%.2f"
           ",\"verified_messages\":%" PRIu64 ",\"verified_bytes\":%" PRIu64,
           summary->scenario, storm_is_broken() ? "false" : "true", summary->options->seed,
           summary->seconds, summary->messages, per_second(summary, summary->messages),
           summary->bytes, per_second(summary, summary->bytes) / 1e6, summary->verified_messages,
           summary->verified_bytes);
    json_histogram("round_trip", summary->acknowledged);
    json_histogram("completion", summary->completed);
    json_counts(summary);
    printf("}\n");
}

int
report_summary(const struct summary *summary)
{
    if (summary->options->json) {
        print_json(summary);
    } else {
        print_text(summary);
        if (storm_is_broken()) {
            printf("%s: BROKE: %s (seed %" PRIu64 ")\n", summary->scenario, storm_first_broken(),
                   summary->options->seed);
        } else {
            printf("%s: held\n", summary->scenario);
        }
    }
    fflush(stdout);
    return storm_is_broken() ? 1 : 0;
}

void
report_progress(const struct counters *before, const struct counters *after, double seconds,
                double now_seconds, uint64_t closes)
{
    uint64_t messages = counter_get(after, COUNT_DELIVERED) - counter_get(before, COUNT_DELIVERED);
    uint64_t bytes = counter_get(after, COUNT_BYTES) - counter_get(before, COUNT_BYTES);
    // Read at different moments, so it may seem to be negative.
    int64_t in_flight =
        (int64_t)(counter_get(after, COUNT_ACCEPTED) - counter_get(after, COUNT_COMPLETED));

    printf("%4.0f s  %9.0f messages/s  %7.1f MB/s  in flight %5" PRId64 "  cancelled %" PRIu64
           "  closes %" PRIu64 "\n",
           now_seconds, (double)messages / seconds, (double)bytes / seconds / 1e6,
           in_flight < 0 ? 0 : in_flight, counter_get(after, COUNT_CANCELLED), closes);
    fflush(stdout);
}
