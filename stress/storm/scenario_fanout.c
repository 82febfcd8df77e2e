/* SPDX-License-Identifier: MIT */
// fanout: one payload to many connections, uncopied, with slow readers among them. What a slow
// one's queue does not take is refused and left out for it; the others must not notice.

#include "crowd_result.h"
#include "guests.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>
#include <time.h>

#define FAST      0u // groups
#define SLOW      1u
#define DRAINS_NS 100000

static const struct parameter parameters[] = {
    {"connections", PARAMETER_COUNT, "256", 1, 100000, NULL, "connections, slow ones included"},
    {"slow", PARAMETER_REAL, "0.05", 0, 1, NULL, "part of them that reads slowly"},
    {"size", PARAMETER_COUNT, "16k", 40, 67108864, NULL, "bytes of a payload"},
    {"window", PARAMETER_COUNT, "4", 1, 1024, NULL,
     "payloads in flight to those that are not slow"},
    {"queue", PARAMETER_COUNT, "8", 1, 1024, NULL, "payloads that a stream's queue takes"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

struct fanout {
    struct guests guests;
    struct house *house;
    unsigned fast_count; // the first ones
    size_t size;
    uint64_t window;
    uint64_t published;
    _Atomic uint64_t fast_in_flight; // writes
    uint64_t queued_max;
};

static struct fanout fanout; // completions have but their guest

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct guest *guest = arg;

    (void)stream;
    guest_done(guest, result);
    if (guest->id < fanout.fast_count) {
        atomic_fetch_sub_explicit(&fanout.fast_in_flight, 1, memory_order_relaxed);
    }
}

static struct weir_shared *
make_payload(struct record *head)
{
    struct weir_shared *shared = weir_shared_create(NULL, fanout.size);

    storm_require(shared != NULL, "memory");
    *head = (struct record){
        .flags = RECORD_BROADCAST,
        .sequence = (uint32_t)fanout.published++,
        .size = (uint32_t)(fanout.size - sizeof(*head)),
        .submit_ns = weir_now_ns(),
    };
    record_seal(head);
    memcpy(weir_shared_data(shared), head, sizeof(*head));
    memcpy((uint8_t *)weir_shared_data(shared) + sizeof(*head), pattern_of(head), head->size);
    return shared;
}

// One payload to all. Slow ones may refuse it.
static void
publish(void)
{
    struct record head;
    struct weir_shared *shared = make_payload(&head);

    for (unsigned i = 0; i < fanout.guests.count; i++) {
        struct guest *guest = &fanout.guests.list[i];
        const struct weir_write write = {.shared = shared, .done = on_done, .arg = guest};
        bool is_fast = guest->id < fanout.fast_count;

        if (is_fast) {
            atomic_fetch_add_explicit(&fanout.fast_in_flight, 1, memory_order_relaxed);
        }
        int status = guest_write(guest, &write, head.check);
        if (status != 0 && is_fast) {
            atomic_fetch_sub_explicit(&fanout.fast_in_flight, 1, memory_order_relaxed);
        }
        if (status != 0 && status != -WEIR_ESTREAMFULL && status != -WEIR_ELANEFULL) {
            storm_broke("client %u: a payload was refused: %s", guest->id, weir_strerror(status));
        }
    }
    weir_shared_unref(shared);
}

static void
publish_for(double seconds)
{
    const struct timespec nap = {.tv_nsec = DRAINS_NS};
    uint64_t until_ns = weir_deadline_after((uint64_t)(seconds * 1e9));
    uint64_t limit = (fanout.window - 1) * (fanout.fast_count > 0 ? fanout.fast_count : 1);
    struct weir_stats stats;

    while (weir_now_ns() < until_ns && !storm_is_broken() && !crowd_is_done(fanout.house->crowd)) {
        if (atomic_load_explicit(&fanout.fast_in_flight, memory_order_relaxed) > limit ||
            fanout.fast_count == 0) {
            nanosleep(&nap, NULL);
        }
        if (atomic_load_explicit(&fanout.fast_in_flight, memory_order_relaxed) <= limit) {
            publish();
            weir_stats(fanout.house->runtime, &stats);
            fanout.queued_max =
                stats.queued_now > fanout.queued_max ? stats.queued_now : fanout.queued_max;
        }
    }
}

static void
start(struct run *run, struct crowd *crowd)
{
    unsigned count = (unsigned)run_count(run, "connections");
    unsigned slow = (unsigned)(run_real(run, "slow") * count);
    const struct crowd_group group = {
        .begins = CROWD_FIRST_RUN, .says_hello = true, .may_miss = true, .size = fanout.size};
    struct crowd_plan plan = {
        .groups[FAST] = group,
        .groups[SLOW] = group,
        .group_count = 2,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    const struct weir_stream_options stream = {
        .flags = WEIR_STREAM_NODELAY,
        .queue_high = fanout.size * (size_t)run_count(run, "queue"),
    };

    fanout.guests.count = count;
    fanout.fast_count = count - slow;
    plan.groups[FAST].clients = count - slow;
    plan.groups[SLOW].clients = slow;
    plan.groups[SLOW].is_slow = true;
    pattern_create(run->seed, fanout.size);
    crowd_start(crowd, &plan, run->server);
    house_start(fanout.house, run, crowd, &(struct weir_runtime_options){0});
    guests_start(&fanout.guests, fanout.house, (enum house_transport)run_choice(run, "transport"),
                 &stream);
}

static void
report(struct run *run, const struct crowd *crowd, const struct span *span)
{
    struct result *result = run->result;
    uint64_t left_out[2] = {0, 0};

    for (unsigned i = 0; i < fanout.guests.count; i++) {
        left_out[i < fanout.fast_count ? FAST : SLOW] += fanout.guests.list[i].refused;
    }
    result_add_figure(result, "deliveries per second", span_rate(span, span->messages), "/s");
    result_add_figure(result, "payloads per second", span_rate(span, fanout.published), "/s");
    result_add_figure(result, "throughput", span_rate(span, span->bytes) / 1e6, "MB/s");
    result_add_figure(result, "deliveries", (double)crowd_messages(crowd), "");
    result_add_figure(result, "payloads", (double)fanout.published, "");
    result_add_figure(result, "left out for slow ones", (double)left_out[SLOW], "");
    result_add_figure(result, "left out for others", (double)left_out[FAST], "");
    result_add_figure(result, "most queued", (double)fanout.queued_max, "bytes");
    crowd_result_latency(result, crowd, FAST, 0, "publish to last byte read");
}

static void
fanout_run(struct run *run)
{
    struct crowd crowd;
    struct span span;

    fanout.house = calloc(1, sizeof(*fanout.house));
    storm_require(fanout.house != NULL, "memory");
    fanout.size = (size_t)run_count(run, "size");
    fanout.window = run_count(run, "window");
    start(run, &crowd);
    house_gather(fanout.house, run, crowd.client_count);
    guests_await(&fanout.guests);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&span, &crowd);
    publish_for(run->seconds);
    span_end(&span, &crowd);
    for (unsigned i = 0; i < fanout.guests.count; i++) {
        guest_close(&fanout.guests.list[i]);
    }
    house_dismiss(fanout.house);
    house_stop(fanout.house, run->result);
    run->result->seconds = span.seconds;
    report(run, &crowd, &span);
    crowd_result_stats(run->result, fanout.house, &crowd);
    guests_claim(&fanout.guests, &crowd, run->result);
    guests_free(&fanout.guests);
    crowd_free(&crowd);
    free(fanout.house);
}

const struct scenario scenario_fanout = {
    .name = "fanout",
    .summary = "one payload to many connections, slow readers among them",
    .parameters = parameters,
    .run = fanout_run,
};
