/* SPDX-License-Identifier: MIT */
// ceiling: thousands of readers that never read, a server that wants to send to all of them, and a
// limit on what the process may queue. The limit must hold, and clients that are served well must
// not suffer. Where the limit refuses one of theirs, the server does what a server then does: it
// cuts one of the readers off that never read.

#include "crowd_result.h"
#include "guests.h"
#include "house_echo.h"
#include "private_memory.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>
#include <time.h>

#define HEALTHY     0u // groups, and addresses
#define STUCK       1u
#define OVER_MAX    1.10 // of the limit
#define RATE_MIN    0.90 // of the rate without the flood
#define REFUSED_NS  5000000
#define BATCH       64u  // writes between two looks at what is queued
#define SOCKET_SIZE 4096 // buffers of the readers' sockets: what they do not read is to queue here

static const struct parameter parameters[] = {
    {"limit", PARAMETER_COUNT, "64m", 65536, 1e12, NULL, "bytes that may be queued"},
    {"scope", PARAMETER_CHOICE, "process", 0, 0, "process loop", "what the limit is for"},
    {"connections", PARAMETER_COUNT, "10000", 1, 1000000, NULL, "readers that never read"},
    {"healthy", PARAMETER_COUNT, "16", 1, 10000, NULL, "clients that play ping-pong"},
    {"size", PARAMETER_COUNT, "16k", 40, 1048576, NULL,
     "bytes of a message to those that never read"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {0},
};

struct ceiling {
    struct guests guests;
    struct house *house;
    size_t size;
    uint8_t *message;
    uint32_t *sequences;  // of each guest
    unsigned next;        // guest to be written to
    _Atomic uint64_t cut; // guests
    uint64_t refused;
    uint64_t queued_max;
    uint64_t memory_before;
    uint64_t memory_after;
};

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    guest_done(arg, result);
}

// A healthy client's echo was refused: cut one of the others off.
static void
on_full(void *arg)
{
    struct ceiling *ceiling = arg;
    uint64_t index = atomic_fetch_add(&ceiling->cut, 1);
    const struct guest *guest = &ceiling->guests.list[index % ceiling->guests.count];

    weir_close(guest_stream(guest), WEIR_CLOSE_ABORT, 0, 0);
}

// One message to the next reader. False: the limit refused it.
static bool
flood_one(struct ceiling *ceiling)
{
    unsigned index = ceiling->next;
    struct guest *guest = &ceiling->guests.list[index];
    struct record head = {
        .link = guest->id,
        .sequence = ceiling->sequences[index],
        .size = (uint32_t)(ceiling->size - sizeof(head)),
    };

    record_seal(&head);
    memcpy(ceiling->message, &head, sizeof(head));
    memcpy(ceiling->message + sizeof(head), pattern_of(&head), head.size);
    struct iovec piece = {ceiling->message, ceiling->size};
    const struct weir_write write = {
        .iov = &piece, .iov_count = 1, .flags = WEIR_COPY, .done = on_done, .arg = guest};
    int status = guest_write(guest, &write, head.check);
    if (status == -WEIR_EPROCFULL || status == -WEIR_ELOOPFULL) {
        ceiling->refused++;
        ceiling->next = (index + 1) % ceiling->guests.count;
        return false;
    }
    ceiling->next = (index + 1) % ceiling->guests.count;
    if (status == 0) {
        ceiling->sequences[index]++;
    } else if (status != -WEIR_ELANEFULL && atomic_load(&ceiling->cut) == 0) {
        storm_broke("client %u: a write was refused: %s", guest->id, weir_strerror(status));
    }
    return status != -WEIR_ELANEFULL;
}

static void
look_at_queue(struct ceiling *ceiling)
{
    struct weir_stats stats;

    if (weir_stats(ceiling->house->runtime, &stats) == 0 &&
        stats.queued_now > ceiling->queued_max) {
        ceiling->queued_max = stats.queued_now;
    }
}

static void
flood_for(struct ceiling *ceiling, double seconds)
{
    const struct timespec nap = {.tv_nsec = REFUSED_NS};
    uint64_t until_ns = weir_deadline_after((uint64_t)(seconds * 1e9));

    while (weir_now_ns() < until_ns && !storm_is_broken() &&
           !crowd_is_done(ceiling->house->crowd)) {
        unsigned written = 0;

        while (written < BATCH && flood_one(ceiling)) {
            written++;
        }
        look_at_queue(ceiling);
        if (written < BATCH) {
            nanosleep(&nap, NULL);
        }
    }
    ceiling->memory_after = private_memory();
}

static void
start(struct ceiling *ceiling, struct run *run, struct crowd *crowd)
{
    unsigned healthy = (unsigned)run_count(run, "healthy");
    const struct crowd_plan plan = {
        .groups[HEALTHY] = {.clients = healthy,
                            .address = HEALTHY,
                            .begins = CROWD_FIRST_RUN,
                            .sends = true,
                            .is_echo = true,
                            .depth = 1,
                            .size = 64},
        .groups[STUCK] = {.clients = ceiling->guests.count,
                          .address = STUCK,
                          .begins = CROWD_SECOND_RUN,
                          .says_hello = true,
                          .rests = true,
                          .size = ceiling->size,
                          .receive_buffer = SOCKET_SIZE},
        .group_count = 2,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    const struct weir_stream_options stream = {.flags = WEIR_STREAM_NODELAY,
                                               .send_buffer = SOCKET_SIZE};
    const bool is_of_process = run_choice(run, "scope") == 0;
    const size_t limit = (size_t)run_count(run, "limit");
    const struct weir_runtime_options options = {
        .total_bytes_max = is_of_process ? limit : 0,
        .loop_bytes_max = is_of_process ? 0 : limit,
    };

    ceiling->guests.first_id = healthy;
    pattern_create(run->seed, ceiling->size);
    crowd_start(crowd, &plan, run->server);
    house_start(ceiling->house, run, crowd, &options);
    house_echo_start(ceiling->house, HOUSE_TCP, HOUSE_ECHO_QUEUE_HIGH, on_full, ceiling);
    guests_start(&ceiling->guests, ceiling->house, HOUSE_TCP, &stream);
}

static void
report(const struct ceiling *ceiling, struct run *run, const struct span *without,
       const struct span *with)
{
    struct result *result = run->result;
    bool is_of_process = run_choice(run, "scope") == 0;
    double limit =
        (double)run_count(run, "limit") * (is_of_process ? 1 : (double)ceiling->house->loop_count);
    double before = span_rate(without, without->group_messages[HEALTHY]);
    double during = span_rate(with, with->group_messages[HEALTHY]);

    result_add_figure(result, "most queued", (double)ceiling->queued_max, "bytes");
    result_add_figure(result, "limit", limit, "bytes");
    result_add_figure(result, "memory grown by",
                      (double)ceiling->memory_after - (double)ceiling->memory_before, "bytes");
    result_add_figure(result, "healthy messages per second before", before, "/s");
    result_add_figure(result, "healthy messages per second during", during, "/s");
    result_add_figure(result, "writes refused by the limit", (double)ceiling->refused, "");
    result_add_figure(result, "readers cut off", (double)atomic_load(&ceiling->cut), "");
    result_add_claim(result, CLAIM_CORRECTNESS, ceiling->refused > 0,
                     "the limit was reached, and refused", "%llu refusals",
                     (unsigned long long)ceiling->refused);
    result_add_claim(result, CLAIM_CORRECTNESS, (double)ceiling->queued_max <= OVER_MAX * limit,
                     "what is queued stays within 10 % of the limit", "%.0f of %.0f bytes",
                     (double)ceiling->queued_max, limit);
    result_add_claim(result, CLAIM_TIME, during >= RATE_MIN * before,
                     "healthy connections keep 90 % of their rate", "%.0f/s before, %.0f/s during",
                     before, during);
}

static void
ceiling_run(struct run *run)
{
    static struct ceiling ceiling;
    struct crowd crowd;
    struct span without;
    struct span with;

    ceiling.size = (size_t)run_count(run, "size");
    ceiling.guests.count = (unsigned)run_count(run, "connections");
    ceiling.house = calloc(1, sizeof(*ceiling.house));
    ceiling.message = malloc(ceiling.size);
    ceiling.sequences = calloc(ceiling.guests.count, sizeof(*ceiling.sequences));
    storm_require(ceiling.house != NULL && ceiling.message != NULL && ceiling.sequences != NULL,
                  "memory");
    start(&ceiling, run, &crowd);
    house_gather(ceiling.house, run, crowd.client_count);
    guests_await(&ceiling.guests);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&without, &crowd);
    house_wait(ceiling.house, run->seconds / 2);
    span_end(&without, &crowd);
    ceiling.memory_before = private_memory();
    crowd_enter(&crowd, CROWD_SECOND_RUN);
    span_begin(&with, &crowd);
    flood_for(&ceiling, run->seconds / 2);
    span_end(&with, &crowd);
    for (unsigned i = 0; i < ceiling.guests.count; i++) {
        guest_close(&ceiling.guests.list[i]);
    }
    house_dismiss(ceiling.house);
    house_stop(ceiling.house, run->result);
    run->result->seconds = without.seconds + with.seconds;
    report(&ceiling, run, &without, &with);
    crowd_result_latency(run->result, &crowd, HEALTHY, 0, "healthy before");
    crowd_result_latency(run->result, &crowd, HEALTHY, 1, "healthy during");
    crowd_result_stats(run->result, ceiling.house, &crowd);
    guests_claim(&ceiling.guests, &crowd, run->result);
    crowd_claim_echoes(run->result, &crowd);
    guests_free(&ceiling.guests);
    crowd_free(&crowd);
    free(ceiling.sequences);
    free(ceiling.message);
    free(ceiling.house);
}

const struct scenario scenario_ceiling = {
    .name = "ceiling",
    .summary = "a limit on queued bytes, with thousands of readers that never read",
    .parameters = parameters,
    .run = ceiling_run,
};
