/* SPDX-License-Identifier: MIT */
// What a link's two ends must agree on.
//
// While it lives, every acknowledgement says how many messages the receiver has and a hash of them
// in order; that must be how the order of completions began. When it has ended, the receiver's
// report and the writer's counts are compared: they are equal if the link ended in peace, and the
// receiver's is a beginning of the writer's otherwise.

#include "link.h"
#include "verdict.h"

typedef unsigned long long ull;

static bool
is_counted_at_close(const struct link *link)
{
    return (link->traits & LINK_BEHIND) != 0; // completions come before the bytes have left
}

void
link_completed(struct link *link, const struct weir_result *result, uint64_t whole)
{
    struct counters *counters = &link->loop->counters;

    counter_add(counters, COUNT_COMPLETED, 1);
    counter_add(counters, COUNT_BYTES, result->sent);
    if (result->origin == WEIR_ORIGIN_LOCAL_CANCEL || result->origin == WEIR_ORIGIN_DEADLINE) {
        counter_add(counters, COUNT_CANCELLED, 1);
    }
    if (result->late_cancel) {
        counter_add(counters, COUNT_LATE_CANCEL, 1);
    }
    link->bytes += result->sent;
    if (whole != 0) {
        counter_add(counters, COUNT_DELIVERED, 1);
        digest_add(&link->digest, whole);
        if ((link->traits & LINK_INLINE) == 0) {
            order_log_add(&link->log, link->digest.order);
        }
    }
}

// The receiver must get exactly the bytes that were said to be sent; then it has served.
static void
look_at_tear(struct link *link, weir_stream stream)
{
    if (link->seen.bytes > link->bytes) {
        storm_broke("link %u was torn after %llu bytes, but %llu were received", link->id,
                    (ull)link->bytes, (ull)link->seen.bytes);
    } else if (link->seen.bytes == link->bytes) {
        counter_add(&link->loop->counters, COUNT_TORN_EXACT, 1);
        link->is_torn = false;
        link_close(link, stream, WEIR_CLOSE_DRAIN); // of a torn stream: an abort
    }
}

void
link_torn(struct link *link, weir_stream stream)
{
    const unsigned unsure = LINK_QUIET | LINK_BEHIND | LINK_INLINE;

    counter_add(&link->loop->counters, COUNT_TORN, 1);
    if ((link->traits & unsure) != 0) {
        link_close(link, stream, WEIR_CLOSE_DRAIN);
        return;
    }
    link->is_torn = true;
    look_at_tear(link, stream);
}

void
link_acknowledged(struct link *link, weir_stream stream, const struct ack *ack)
{
    if (ack->bytes < link->seen.bytes || ack->digest.count < link->seen.digest.count) {
        storm_broke("link %u: an acknowledgement went back from %llu to %llu bytes", link->id,
                    (ull)link->seen.bytes, (ull)ack->bytes);
    }
    link->seen = *ack;
    if ((link->traits & LINK_INLINE) == 0) {
        if (order_log_compare(&link->log, ack->digest.count, ack->digest.order) == ORDER_DIFFERS) {
            storm_broke("link %u (traits 0x%x): the first %llu messages received are not the first "
                        "that completed, or not in that order",
                        link->id, link->traits, (ull)ack->digest.count);
        }
        order_log_forget(&link->log, ack->digest.count);
    }
    if (ack->submit_ns != 0) {
        histogram_add(&link->loop->acknowledged, weir_now_ns() - ack->submit_ns);
    }
    if (link->is_torn) {
        look_at_tear(link, stream);
    }
}

static uint64_t
bytes_sent(const struct link *link)
{
    return is_counted_at_close(link) ? link->closed.bytes_sent
                                     : link->bytes + atomic_load(&link->inline_bytes);
}

static void
compare_peaceful(const struct link *link, uint64_t count, uint64_t bytes)
{
    const struct report *report = &link->report;
    uint64_t set = link->digest.set + atomic_load(&link->inline_set);

    if (report->digest.count != count || report->bytes != bytes) {
        storm_broke("link %u (traits 0x%x, modes asked 0x%x) ended in peace: %llu messages and "
                    "%llu bytes completed, %llu and %llu were received",
                    link->id, link->traits, atomic_load(&link->asked), (ull)count, (ull)bytes,
                    (ull)report->digest.count, (ull)report->bytes);
    } else if (report->digest.set != set) {
        storm_broke("link %u ended in peace: other messages were received than completed",
                    link->id);
    } else if ((link->traits & LINK_INLINE) == 0 && report->digest.order != link->digest.order) {
        storm_broke("link %u ended in peace: messages completed in another order than they were "
                    "received",
                    link->id);
    }
}

static void
compare_beginning(const struct link *link, uint64_t count, uint64_t bytes)
{
    const struct report *report = &link->report;

    if (report->digest.count > count || report->bytes > bytes) {
        storm_broke(
            "link %u (traits 0x%x, closed with %s): %llu messages and %llu bytes completed, "
            "but %llu and %llu were received",
            link->id, link->traits, weir_strerror(link->closed.status), (ull)count, (ull)bytes,
            (ull)report->digest.count, (ull)report->bytes);
    } else if ((link->traits & LINK_INLINE) == 0 &&
               order_log_compare(&link->log, report->digest.count, report->digest.order) ==
                   ORDER_DIFFERS) {
        storm_broke("link %u (closed with %s): the %llu messages received are not the first that "
                    "completed, or not in that order",
                    link->id, weir_strerror(link->closed.status), (ull)report->digest.count);
    }
}

// A close that does not wait for the peer meets its acknowledgements: the kernel answers those with
// a reset, and what the receiver has not got by then is lost.
static bool
may_lose_in_peace(const struct link *link)
{
    bool has_flush = (atomic_load(&link->asked) & (1u << WEIR_CLOSE_FLUSH)) != 0;

    return has_flush && (link->traits & LINK_QUIET) == 0;
}

void
link_settle(struct link *link)
{
    uint64_t count = link->digest.count + atomic_load(&link->inline_count);

    if ((atomic_fetch_or(&link->arrived, LINK_SETTLED) & LINK_SETTLED) != 0) {
        return;
    }
    atomic_fetch_add(&link->storm->settled, 1);
    if (link->report.end == REPORT_BROKEN) {
        return; // the receiver has said what
    }
    if (link->closed.status == 0 && link->report.end == REPORT_EOF) {
        compare_peaceful(link, count, bytes_sent(link));
    } else {
        compare_beginning(link, count, bytes_sent(link));
    }
    if (link->closed.status == 0 && link->report.end == REPORT_RESET && !may_lose_in_peace(link)) {
        storm_broke("link %u (modes asked 0x%x) closed without an error, but the receiver saw a "
                    "reset after %llu of %llu bytes",
                    link->id, atomic_load(&link->asked), (ull)link->report.bytes,
                    (ull)bytes_sent(link));
    }
    order_log_free(&link->log);
}

// When both ends have arrived, and the writers have counted what they sent, nobody holds it.
static void
arrive(struct link *link, unsigned which)
{
    if ((atomic_fetch_or(&link->arrived, which) & which) != 0) {
        storm_broke("link %u ended twice (%u)", link->id, which);
    } else {
        link_release(link);
    }
}

void
link_closed(struct link *link, const struct weir_closed *closed)
{
    const unsigned foreign = LINK_BEHIND | LINK_INLINE;

    atomic_store(&link->stream, 0);
    link->closed = *closed;
    if ((link->traits & foreign) == 0 && closed->bytes_sent != link->bytes) {
        storm_broke("link %u closed with %llu bytes sent, but its completions say %llu", link->id,
                    (ull)closed->bytes_sent, (ull)link->bytes);
    }
    if (closed->origin == WEIR_ORIGIN_DEADLINE) {
        atomic_fetch_add(&link->storm->overdue, 1);
    }
    arrive(link, LINK_CLOSED);
}

void
link_reported(struct link *link, const struct report *report)
{
    link->report = *report;
    arrive(link, LINK_REPORTED);
}

static bool
must_be_reported(const struct link *link)
{
    unsigned arrived = atomic_load(&link->arrived);

    return (arrived & (LINK_CLOSED | LINK_REPORTED)) == LINK_CLOSED && link->closed.status == 0 &&
           bytes_sent(link) > 0 && !may_lose_in_peace(link);
}

static bool
need_not_be_reported(struct link *link)
{
    return !must_be_reported(link);
}

bool
link_are_all_reported(void)
{
    return link_each(need_not_be_reported);
}

// A link that nobody has reported, or that some writer never let go.
static bool
settle_late(struct link *link)
{
    const unsigned both = LINK_CLOSED | LINK_REPORTED;

    if ((atomic_load(&link->arrived) & both) == both) {
        link_settle(link);
    } else if (must_be_reported(link)) {
        storm_broke("link %u closed in peace, but its %llu bytes never reached the receiver",
                    link->id, (ull)bytes_sent(link));
    }
    order_log_free(&link->log);
    return true;
}

void
link_settle_all(void)
{
    link_each(settle_late);
}
