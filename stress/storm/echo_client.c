/* SPDX-License-Identifier: MIT */
#include "echo_client.h"

#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

#define FLAT_MAX 512u // smaller messages are copied by the library

typedef unsigned long long ull;

static void on_written(weir_stream stream, const struct weir_result *result, void *arg);

// Nothing is on its way: end, and let the server's end close it.
static void
end(struct echo_client *client)
{
    client->has_ended = true;
    if (weir_end(client->stream) < 0) {
        weir_close(client->stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

static void
send_next(struct echo_client *client)
{
    struct echo_slot *slot = &client->slots[client->sequence % client->depth];
    struct record *head = &slot->head;
    struct weir_write request = {.done = on_written, .arg = slot};

    *head = (struct record){
        .link = client->id,
        .sequence = client->sequence++,
        .size = (uint32_t)random_size(&client->random, client->world->options->size_max),
        .submit_ns = weir_now_ns(),
    };
    record_seal(head);
    struct iovec pieces[2] = {
        {head, sizeof(*head)},
        {(uint8_t *)(uintptr_t)pattern_of(head), head->size},
    };
    request.iov = pieces;
    request.iov_count = head->size > 0 ? 2 : 1;
    request.flags = head->size <= FLAT_MAX ? WEIR_COPY : 0;
    slot->client = client;
    slot->is_written = false;
    slot->is_back = false;
    int status = weir_write(client->stream, &request, NULL);
    if (status != 0) {
        storm_broke("client %u: a write of %u bytes answered %s", client->id, head->size,
                    weir_strerror(status));
        weir_close(client->stream, WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    counter_add(&client->loop->counters, COUNT_ACCEPTED, 1);
}

// Fill the slots that are free, in order; or end when there is to be no more.
static void
go_on(struct echo_client *client)
{
    bool is_ending = atomic_load_explicit(&client->world->is_ending, memory_order_relaxed);

    while (!is_ending && !client->has_ended) {
        const struct echo_slot *slot = &client->slots[client->sequence % client->depth];

        if (!slot->is_written || !slot->is_back) {
            return;
        }
        send_next(client);
        if (storm_is_broken()) {
            return;
        }
    }
    if (is_ending && !client->has_ended && client->expected == client->sequence) {
        end(client);
    }
}

static void
on_written(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct echo_slot *slot = arg;
    struct echo_client *client = slot->client;
    size_t size = sizeof(slot->head) + slot->head.size;

    counter_add(&client->loop->counters, COUNT_COMPLETED, 1);
    counter_add(&client->loop->counters, COUNT_BYTES, result->sent);
    if (result->status != 0 || result->sent != size) {
        storm_broke("client %u: a write of %zu bytes completed with %s, origin %s, %llu bytes sent",
                    client->id, size, weir_strerror(result->status),
                    weir_origin_name(result->origin), (ull)result->sent);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    slot->is_written = true;
    go_on(client);
}

static const char *
take_echo(void *arg, const struct record *record)
{
    struct echo_client *client = arg;

    if (record->link != client->id) {
        return "another client's message";
    }
    if (record->sequence != client->expected) {
        return "a message out of order";
    }
    struct echo_slot *slot = &client->slots[client->expected++ % client->depth];
    histogram_add(&client->loop->round_trip, weir_now_ns() - record->submit_ns);
    counter_add(&client->loop->counters, COUNT_DELIVERED, 1);
    slot->is_back = true;
    return NULL;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end_of_data, void *user)
{
    struct echo_client *client = user;
    struct weir_segment segment;
    const char *wrong = NULL;
    size_t size = 0;

    while (wrong == NULL && weir_iter_segment(&begin, end_of_data, &segment)) {
        wrong = reader_feed(&client->reader, segment.data, segment.size, take_echo, client);
        size += segment.size;
    }
    if (wrong != NULL) {
        storm_broke("client %u, message %u: %s came back", client->id, client->expected, wrong);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else {
        go_on(client);
    }
    return (struct weir_consumed){size, size};
}

static void
on_started(weir_stream stream, int status, void *user)
{
    struct echo_client *client = user;

    if (status != 0) {
        storm_broke("client %u could not connect to %s: %s", client->id,
                    client->world->options->address_text, weir_strerror(status));
        return;
    }
    client->stream = stream;
    go_on(client);
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct echo_client *client = user;

    (void)ambiguous;
    if (!client->has_ended) {
        storm_broke("client %u: the server ended first, after %u of %u messages", client->id,
                    client->expected, client->sequence);
    }
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct echo_client *client = user;

    (void)stream;
    if (closed->status != 0 || client->expected != client->sequence ||
        closed->bytes_sent != closed->bytes_received) {
        storm_broke("client %u closed with %s: %u messages sent, %u came back; %llu and %llu bytes",
                    client->id, weir_strerror(closed->status), client->sequence, client->expected,
                    (ull)closed->bytes_sent, (ull)closed->bytes_received);
    }
    atomic_fetch_sub(&client->world->open, 1);
}

bool
echo_client_start(struct echo_client *client, struct echo_world *world, uint32_t id)
{
    static const struct weir_handlers handlers = {
        .started = on_started,
        .data = on_data,
        .peer_fin = on_peer_fin,
        .closed = on_closed,
    };
    struct weir_dial dial = {.address = world->options->address};
    weir_stream stream; // the loop keeps its own, from `started`

    client->world = world;
    client->loop = &world->loops[id % world->loop_count];
    client->id = id;
    client->depth = world->options->depth != 0 ? world->options->depth : 1;
    client->slots = calloc(client->depth, sizeof(*client->slots));
    storm_require(client->slots != NULL, "memory");
    for (unsigned i = 0; i < client->depth; i++) {
        client->slots[i].is_written = true;
        client->slots[i].is_back = true;
    }
    random_init(&client->random, world->options->seed, UINT64_C(0x55550000) + id);
    dial.stream.handlers = &handlers;
    dial.stream.user = client;
    dial.stream.flags = WEIR_STREAM_NODELAY;
    atomic_fetch_add(&world->open, 1);
    int status = weir_dial(client->loop->loop, &dial, &stream);
    if (status != 0) {
        atomic_fetch_sub(&world->open, 1);
        storm_broke("client %u could not dial: %s", id, weir_strerror(status));
    }
    return status == 0;
}
