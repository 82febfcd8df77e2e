/* SPDX-License-Identifier: MIT */
#include "storm_summary.h"

#include "result_stats.h"
#include "verdict.h"

#include <string.h>

typedef unsigned long long ull;

static const struct {
    enum counter counter;
    const char *name;
} told[] = {
    {COUNT_INLINE, "writes done inline"},
    {COUNT_CANCEL_WON, "cancels answered won"},
    {COUNT_CANCEL_PENDING, "cancels answered pending"},
    {COUNT_CANCEL_LATE, "cancels answered late"},
    {COUNT_CANCEL_TOKEN, "cancels by token"},
    {COUNT_CANCEL_DEADLINE, "cancels by deadline"},
    {COUNT_CANCELLED, "writes cancelled"},
    {COUNT_LATE_CANCEL, "writes cancelled too late"},
    {COUNT_TORN, "writes torn"},
    {COUNT_TORN_EXACT, "tears exact to the byte"},
    {COUNT_CUT, "streams reset by a cancel"},
    {COUNT_MENDED, "writes continued"},
    {COUNT_REFUSED_STALE, "refused stale"},
    {COUNT_REFUSED_ENDED, "refused ended"},
    {COUNT_REFUSED_TORN, "refused torn"},
    {COUNT_REFUSED_FAILED, "refused failed"},
    {COUNT_REFUSED_TOKEN, "refused token"},
    {COUNT_REFUSED_STREAM, "refused stream full"},
    {COUNT_REFUSED_LANE, "refused lane full"},
    {COUNT_REFUSED_LOOP, "refused loop full"},
    {COUNT_REFUSED_PROCESS, "refused process full"},
    {COUNT_REFUSED_NOWAIT, "refused nowait"},
    {COUNT_REFUSED_SECTION, "refused section open"},
    {COUNT_REFUSED_MEMORY, "refused memory"},
};

static uint64_t
get(const struct storm_summary *summary, enum counter counter)
{
    return counter_get(&summary->counters, counter);
}

uint64_t
storm_count_cancels(const struct counters *counters)
{
    return counter_get(counters, COUNT_CANCEL_WON) + counter_get(counters, COUNT_CANCEL_PENDING) +
           counter_get(counters, COUNT_CANCEL_LATE) + counter_get(counters, COUNT_CANCEL_TOKEN) +
           counter_get(counters, COUNT_CANCEL_DEADLINE);
}

static void
add_rates(const struct storm_summary *summary, struct result *result)
{
    double seconds = summary->seconds > 0 ? summary->seconds : 1;
    uint64_t cancels = storm_count_cancels(&summary->counters);

    result_add_figure(result, "messages per second", (double)summary->messages / seconds, "/s");
    result_add_figure(result, "throughput", (double)summary->bytes / seconds / 1e6, "MB/s");
    if (cancels != 0) {
        result_add_figure(result, "cancels", (double)cancels, "");
        result_add_figure(result, "cancels per second", (double)cancels / seconds, "/s");
    }
    result_add_figure(result, "messages", (double)summary->messages, "");
    result_add_figure(result, "verified messages", (double)summary->verified_messages, "");
    result_add_figure(result, "verified bytes", (double)summary->verified_bytes, "bytes");
    result_add_figure(result, "closes", (double)summary->closes, "");
    result_add_figure(result, "streams", (double)summary->links, "");
    result_add_figure(result, "streams compared", (double)summary->settled, "");
    result_add_figure(result, "streams ended by a deadline", (double)summary->overdue, "");
}

static void
add_counts(const struct storm_summary *summary, struct result *result)
{
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        uint64_t count = get(summary, told[i].counter);

        if (count != 0) {
            result_add_figure(result, told[i].name, (double)count, "");
        }
    }
}

static void
add_claims(const struct storm_summary *summary, struct result *result)
{
    const struct weir_stats *stats = &summary->stats;
    const struct weir_ledger *ledger = &summary->ledger;

    result_add_claim(result, CLAIM_CORRECTNESS,
                     get(summary, COUNT_ACCEPTED) == get(summary, COUNT_COMPLETED) &&
                         stats->operations_accepted == stats->operations_completed,
                     "each accepted write completed once", "%llu accepted, %llu completed",
                     (ull)get(summary, COUNT_ACCEPTED), (ull)get(summary, COUNT_COMPLETED));
    result_add_claim(result, CLAIM_CORRECTNESS, !storm_is_broken(),
                     "each stream's receiver has what its completions say, in their order",
                     "%llu of %llu streams compared, %llu messages", (ull)summary->settled,
                     (ull)summary->links, (ull)summary->verified_messages);
    result_add_claim(result, CLAIM_CORRECTNESS, stats->queued_now == 0 && stats->streams_now == 0,
                     "at rest nothing is queued and no stream is open",
                     "%llu bytes and %llu streams", (ull)stats->queued_now,
                     (ull)stats->streams_now);
    result_add_claim(result, CLAIM_CORRECTNESS,
                     ledger->leased == ledger->returned && ledger->oversize == 0 &&
                         get(summary, COUNT_GIVEN) == get(summary, COUNT_RELEASED),
                     "every block and all given memory came back",
                     "%llu blocks leased, %llu returned; %llu given, %llu released",
                     (ull)ledger->leased, (ull)ledger->returned, (ull)get(summary, COUNT_GIVEN),
                     (ull)get(summary, COUNT_RELEASED));
}

void
storm_summarise(const struct storm_summary *summary, struct result *result)
{
    result->seconds = summary->seconds;
    add_rates(summary, result);
    result_add_stats(result, &summary->stats, summary->messages);
    add_counts(summary, result);
    memcpy(result_add_latency(result, "round trip"), summary->acknowledged,
           sizeof(*summary->acknowledged));
    memcpy(result_add_latency(result, "completion"), summary->completed,
           sizeof(*summary->completed));
    add_claims(summary, result);
}
