/* SPDX-License-Identifier: MIT */
#include "crowd_result.h"

#include "result_stats.h"

typedef unsigned long long ull;

void
span_begin(struct span *span, const struct crowd *crowd)
{
    span->begin_ns = weir_now_ns();
    span->messages = crowd_messages(crowd);
    span->bytes = crowd_bytes(crowd);
    for (unsigned i = 0; i < crowd->plan.group_count; i++) {
        span->group_messages[i] = crowd_group_messages(crowd, i);
    }
}

void
span_end(struct span *span, const struct crowd *crowd)
{
    span->seconds = (double)(weir_now_ns() - span->begin_ns) / 1e9;
    span->messages = crowd_messages(crowd) - span->messages;
    span->bytes = crowd_bytes(crowd) - span->bytes;
    for (unsigned i = 0; i < crowd->plan.group_count; i++) {
        span->group_messages[i] = crowd_group_messages(crowd, i) - span->group_messages[i];
    }
}

double
span_rate(const struct span *span, uint64_t count)
{
    return span->seconds > 0 ? (double)count / span->seconds : 0;
}

void
crowd_result_rates(struct result *result, const struct crowd *crowd, const struct span *span)
{
    result_add_figure(result, "messages per second", span_rate(span, span->messages), "/s");
    result_add_figure(result, "throughput", span_rate(span, span->bytes) / 1e6, "MB/s");
    result_add_figure(result, "messages", (double)span->messages, "");
    result_add_figure(result, "verified messages", (double)crowd_messages(crowd), "");
    result_add_figure(result, "connections", (double)crowd_connected(crowd), "");
}

void
crowd_result_latency(struct result *result, const struct crowd *crowd, unsigned group, unsigned run,
                     const char *name)
{
    crowd_latency(crowd, group, run, result_add_latency(result, name));
}

void
crowd_result_stats(struct result *result, const struct house *house, const struct crowd *crowd)
{
    uint64_t refused = 0;

    if (house->runtime == NULL) {
        return;
    }
    for (unsigned i = 0; i <= house->loop_count; i++) {
        refused += atomic_load(&house->counts[i].refused);
    }
    result_add_stats(result, &house->stats, crowd_messages(crowd));
    result_add_figure(result, "writes refused", (double)refused, "");
}

void
crowd_claim_echoes(struct result *result, const struct crowd *crowd)
{
    uint64_t sent = 0;
    uint64_t got = 0;
    unsigned wrong = 0;
    unsigned count = 0;
    uint32_t id = 0;

    for (unsigned group = 0; group < crowd->plan.group_count; group++) {
        for (unsigned i = 0; i < crowd->plan.groups[group].clients; i++, id++) {
            const struct crowd_account *account = &crowd->shared->accounts[id];

            if (!crowd->plan.groups[group].is_echo || crowd->plan.groups[group].churns) {
                continue;
            }
            count++;
            sent += account->messages_sent;
            got += account->messages_got;
            wrong +=
                account->messages_sent != account->messages_got || account->end != CROWD_END_EOF;
        }
    }
    result_add_claim(result, CLAIM_CORRECTNESS, wrong == 0,
                     "each client got back every message it sent, byte for byte and in order",
                     "%llu sent, %llu back; %u of %u clients did not", (ull)sent, (ull)got, wrong,
                     count);
}
