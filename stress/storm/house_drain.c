/* SPDX-License-Identifier: MIT */
#include "house_drain.h"

#include "verdict.h"

#include <stdatomic.h>

static struct house *house;
static enum weir_close_mode close_mode;
static struct weir_shared *output;
static _Atomic uint64_t closed_count, failed_count, lost_bytes, received_bytes;

uint64_t
house_drain_closed(void)
{
    return atomic_load(&closed_count);
}

uint64_t
house_drain_failed(void)
{
    return atomic_load(&failed_count);
}

uint64_t
house_drain_lost(void)
{
    return atomic_load(&lost_bytes);
}

uint64_t
house_drain_received(void)
{
    return atomic_load(&received_bytes);
}

// --- Bytes ---------------------------------------------------------------------------------------

const void *
house_drain_input(void)
{
    static const uint8_t input[DRAIN_SIZE_MAX];

    return input;
}

static uint8_t
output_byte(size_t offset)
{
    return (uint8_t)(offset * 167 + (offset >> 8));
}

bool
house_drain_is_output(const uint8_t *data, size_t size, size_t offset)
{
    for (size_t index = 0; index < size; index++) {
        if (data[index] != output_byte(offset + index)) {
            return false;
        }
    }
    return true;
}

// --- The server ----------------------------------------------------------------------------------

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    house_count_done(house, result);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)user;
    atomic_fetch_add_explicit(&closed_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&lost_bytes, closed->bytes_lost, memory_order_relaxed);
    atomic_fetch_add_explicit(&received_bytes, closed->bytes_received, memory_order_relaxed);
    if (closed->status != 0) {
        atomic_fetch_add_explicit(&failed_count, 1, memory_order_relaxed);
        if (close_mode == WEIR_CLOSE_DRAIN) {
            storm_broke("a connection that was drained closed with %s (%s)",
                        weir_strerror(closed->status), weir_origin_name(closed->origin));
        }
    }
}

// The first bytes are there, and stay unread.
static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    static const struct weir_handlers closing = {.closed = on_closed};
    struct weir_write write = {.shared = output, .done = on_done};
    int status = weir_write(stream, &write, NULL);

    (void)begin;
    (void)end;
    (void)user;
    if (status == 0) {
        atomic_fetch_add_explicit(&house_counts_here(house)->accepted, 1, memory_order_relaxed);
    } else {
        storm_broke("a write was refused: %s", weir_strerror(status));
    }
    if (weir_stream_set_handlers(stream, &closing, NULL) != 0 ||
        weir_close(stream, close_mode, 0, 0) != 0) {
        storm_broke("a stream could not be closed");
    }
    return (struct weir_consumed){0, 0};
}

void
house_drain_start(struct house *the_house, enum house_transport transport,
                  enum weir_close_mode mode, size_t size)
{
    static const struct weir_handlers handlers = {.data = on_data, .closed = on_closed};
    const struct weir_stream_options stream = {.handlers = &handlers};
    uint8_t *bytes;

    house = the_house;
    close_mode = mode;
    output = weir_shared_create(NULL, size);
    storm_require(output != NULL, "memory");
    bytes = weir_shared_data(output);
    for (size_t offset = 0; offset < size; offset++) {
        bytes[offset] = output_byte(offset);
    }
    house_listen(house, transport, &stream);
}

void
house_drain_end(void)
{
    weir_shared_unref(output);
}
