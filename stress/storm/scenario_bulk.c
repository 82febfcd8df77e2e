/* SPDX-License-Identifier: MIT */
// bulk: large messages as fast as they go, from the server, to it, or both ways at once.

#include "command.h"
#include "crowd_result.h"
#include "guests.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>
#include <unistd.h>

#define RANDOM_STREAM UINT64_C(0x66660000)

enum way { WAY_OUT, WAY_IN, WAY_BOTH };

static const struct parameter parameters[] = {
    {"way", PARAMETER_CHOICE, "out", 0, 0, "out in both", "out: the server writes"},
    {"connections", PARAMETER_COUNT, "4", 1, 10000, NULL, "connections"},
    {"size-min", PARAMETER_COUNT, "64k", 40, 67108864, NULL, "bytes of the smallest message"},
    {"size-max", PARAMETER_COUNT, "8m", 40, 67108864, NULL, "bytes of the largest message"},
    {"depth", PARAMETER_COUNT, "2", 1, 64, NULL, "messages the server keeps in flight on each"},
    {"zerocopy", PARAMETER_FLAG, "no", 0, 0, NULL, "write with WEIR_ZEROCOPY"},
    {"file", PARAMETER_FLAG, "no", 0, 0, NULL, "write payloads from a file"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

struct bulk;

// A message on its way: its bytes are here and in the pattern, and stay until it has completed.
struct slot {
    struct guest *guest;
    struct record head;
};

// One stream's writer. Its loop's thread only.
struct writer {
    struct bulk *bulk;
    struct random random;
    uint32_t sequence;
    unsigned in_flight;
    struct slot *slots;
};

struct bulk {
    struct guests guests;
    struct writer *writers;
    enum way way;
    size_t size_min;
    size_t size_max;
    unsigned depth;
    unsigned flags;
    int file; // with the pattern's table, or -1
    atomic_bool is_ending;
};

static void write_next(struct slot *slot);

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct slot *slot = arg;
    struct writer *writer = slot->guest->own;

    (void)stream;
    guest_done(slot->guest, result);
    writer->in_flight--;
    bool is_ending = atomic_load_explicit(&writer->bulk->is_ending, memory_order_relaxed);
    if (!is_ending && !slot->guest->is_closing && result->status == 0) {
        write_next(slot);
    } else if (writer->in_flight == 0 && writer->bulk->way == WAY_OUT) {
        guest_close(slot->guest); // else the client ends first
    }
}

// The message's bytes where they are: its head here, the rest in the pattern. Every kind of memory
// that a large write can come from is a function like this one.
static void
lend(struct slot *slot, struct iovec *pieces, struct weir_write *write)
{
    pieces[0] = (struct iovec){&slot->head, sizeof(slot->head)};
    pieces[1] = (struct iovec){(void *)(uintptr_t)pattern_of(&slot->head), slot->head.size};
    write->iov = pieces;
    write->iov_count = 2;
}

// The payload from the file. Its head goes before, corked: nobody else writes here, so that the two
// are neighbours.
static int
lend_from_file(struct slot *slot, int fd, struct weir_file *file, struct weir_write *write)
{
    struct iovec head = {&slot->head, sizeof(slot->head)};
    struct weir_write before = {.iov = &head, .iov_count = 1, .flags = WEIR_COPY | WEIR_MORE};

    *file = (struct weir_file){
        .fd = fd, .offset = pattern_offset_of(&slot->head), .size = slot->head.size};
    write->file = file;
    return weir_write(guest_stream(slot->guest), &before, NULL);
}

static void
write_next(struct slot *slot)
{
    struct writer *writer = slot->guest->own;
    const struct bulk *bulk = writer->bulk;
    uint32_t range = (uint32_t)(bulk->size_max - bulk->size_min);

    slot->head = (struct record){
        .link = slot->guest->id,
        .sequence = writer->sequence++,
        .size = (uint32_t)(bulk->size_min - sizeof(slot->head)) +
                random_below(&writer->random, range + 1),
        .submit_ns = weir_now_ns(),
    };
    record_seal(&slot->head);
    struct iovec pieces[2];
    struct weir_file file;
    struct weir_write write = {.flags = bulk->flags, .done = on_done, .arg = slot};
    int status = 0;
    if (bulk->file >= 0) {
        status = lend_from_file(slot, bulk->file, &file, &write);
    } else {
        lend(slot, pieces, &write);
    }
    writer->in_flight++;
    status = status != 0 ? status : guest_write(slot->guest, &write, slot->head.check);
    if (status != 0) {
        writer->in_flight--;
        storm_broke("a write of %u bytes was refused: %s", slot->head.size, weir_strerror(status));
    }
}

static void
on_arrived(struct guest *guest)
{
    struct writer *writer = guest->own;

    for (unsigned i = 0; i < writer->bulk->depth; i++) {
        writer->slots[i].guest = guest;
        write_next(&writer->slots[i]);
    }
}

static void
make_writers(struct bulk *bulk, uint64_t seed)
{
    bulk->writers = calloc(bulk->guests.count, sizeof(*bulk->writers));
    storm_require(bulk->writers != NULL, "memory");
    for (unsigned i = 0; i < bulk->guests.count; i++) {
        struct writer *writer = &bulk->writers[i];

        writer->bulk = bulk;
        writer->slots = calloc(bulk->depth, sizeof(*writer->slots));
        storm_require(writer->slots != NULL, "memory");
        random_init(&writer->random, seed, RANDOM_STREAM + i);
        bulk->guests.list[i].own = writer;
    }
}

static void
free_writers(struct bulk *bulk)
{
    for (unsigned i = 0; i < bulk->guests.count; i++) {
        free(bulk->writers[i].slots);
    }
    free(bulk->writers);
}

static void
read_parameters(struct bulk *bulk, const struct run *run)
{
    *bulk = (struct bulk){
        .guests.count = (unsigned)run_count(run, "connections"),
        .way = (enum way)run_choice(run, "way"),
        .size_min = (size_t)run_count(run, "size-min"),
        .size_max = (size_t)run_count(run, "size-max"),
        .depth = (unsigned)run_count(run, "depth"),
        .flags = run_flag(run, "zerocopy") ? WEIR_ZEROCOPY : 0,
        .file = -1,
    };
    if (run_flag(run, "zerocopy") && run_flag(run, "file")) {
        command_refuse("bulk", "--zerocopy and --file exclude each other");
    }
    if (bulk->size_min > bulk->size_max) {
        command_refuse("bulk", "--size-min is above --size-max");
    }
    bulk->guests.on_arrived = bulk->way == WAY_IN ? NULL : on_arrived;
}

static void
start(struct bulk *bulk, struct run *run, struct house *house, struct crowd *crowd)
{
    const struct crowd_plan plan = {
        .groups[0] =
            {
                .clients = bulk->guests.count,
                .begins = CROWD_FIRST_RUN,
                .says_hello = true,
                .sends = bulk->way != WAY_OUT,
                .size = bulk->size_max,
                .size_min = bulk->size_min,
            },
        .group_count = 1,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    const struct weir_stream_options stream = {.flags = WEIR_STREAM_NODELAY};

    pattern_create(run->seed, bulk->size_max);
    crowd_start(crowd, &plan, run->server);
    bulk->file = run_flag(run, "file") ? pattern_file() : -1;
    house_start(house, run, crowd, &(struct weir_runtime_options){0});
    guests_start(&bulk->guests, house, (enum house_transport)run_choice(run, "transport"), &stream);
    make_writers(bulk, run->seed);
}

static void
bulk_run(struct run *run)
{
    struct bulk bulk;
    struct house *house = calloc(1, sizeof(*house));
    struct crowd crowd;
    struct span span;

    storm_require(house != NULL, "memory");
    read_parameters(&bulk, run);
    start(&bulk, run, house, &crowd);
    house_gather(house, run, crowd.client_count);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&span, &crowd);
    house_wait(house, run->seconds);
    span_end(&span, &crowd);
    atomic_store(&bulk.is_ending, true);
    house_dismiss(house);
    house_stop(house, run->result);
    run->result->seconds = span.seconds;
    crowd_result_rates(run->result, &crowd, &span);
    crowd_result_stats(run->result, house, &crowd);
    crowd_result_latency(run->result, &crowd, 0, 0, "submit to last byte read");
    guests_claim(&bulk.guests, &crowd, run->result);
    free_writers(&bulk);
    guests_free(&bulk.guests);
    crowd_free(&crowd);
    free(house);
    if (bulk.file >= 0) {
        close(bulk.file);
    }
}

const struct scenario scenario_bulk = {
    .name = "bulk",
    .summary = "large messages as fast as they go, one way and both ways",
    .parameters = parameters,
    .run = bulk_run,
};
