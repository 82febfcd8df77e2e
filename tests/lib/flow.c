// SPDX-License-Identifier: MIT
#include "tests/lib/flow.h"

#include "tests/lib/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL_SEND = 4096, SMALL_RECEIVE = 16384 };

// ---- streams as they are ----------------------------------------------------------------------

static int
plain_attach(struct flow_end *end, const struct weir_handlers *handlers, void *user)
{
    return weir_stream_set_handlers(end->stream, handlers, user);
}

static int
plain_write(struct flow_end *end, const struct weir_write *request, weir_op *ret_op)
{
    return submit(end->fixture, end->stream, request, ret_op);
}

static int
plain_end(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_end(end->stream);
    call_end();
    return result;
}

static int
plain_read(struct flow_end *end, const struct weir_read *request)
{
    int result;

    call_begin();
    result = weir_read(end->stream, request, NULL);
    call_end();
    return result;
}

static int
plain_take(struct flow_end *end, size_t size, struct weir_chain *ret_chain)
{
    return weir_take(end->stream, size, ret_chain);
}

static int
plain_pause(struct flow_end *end)
{
    return weir_pause(end->stream);
}

static int
plain_resume(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_resume(end->stream);
    call_end();
    return result;
}

static int
plain_stop_reading(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_stop_reading(end->stream, 0);
    call_end();
    return result;
}

static int
plain_close(struct flow_end *end, enum weir_close_mode mode, uint64_t deadline_ns)
{
    int result;

    call_begin();
    result = weir_close(end->stream, mode, deadline_ns, 0);
    call_end();
    return result;
}

static int
plain_status(struct flow_end *end)
{
    return weir_stream_status(end->stream);
}

const struct flow_layer flow_plain = {
    .name = "stream",
    .attach = plain_attach,
    .write = plain_write,
    .end = plain_end,
    .read = plain_read,
    .take = plain_take,
    .pause = plain_pause,
    .resume = plain_resume,
    .stop_reading = plain_stop_reading,
    .close = plain_close,
    .status = plain_status,
};

// ---- half-close in band -----------------------------------------------------------------------

static void
inband_unref(void *arg)
{
    weir_inband_unref(arg);
}

static int
inband_attach(struct flow_end *end, const struct weir_handlers *handlers, void *user)
{
    struct weir_inband_options options = {.handlers = handlers, .user = user};
    int result = weir_inband_open(end->stream, &options, &end->inband);

    if (result == 0) {
        fixture_at_end(end->fixture, inband_unref, end->inband);
    }
    return result;
}

static int
inband_write(struct flow_end *end, const struct weir_write *request, weir_op *ret_op)
{
    int result;

    call_begin();
    result = weir_inband_write(end->inband, request, ret_op);
    call_end();
    return result;
}

static int
inband_end(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_inband_end(end->inband);
    call_end();
    return result;
}

static int
inband_read(struct flow_end *end, const struct weir_read *request)
{
    int result;

    call_begin();
    result = weir_inband_read(end->inband, request);
    call_end();
    return result;
}

static int
inband_take(struct flow_end *end, size_t size, struct weir_chain *ret_chain)
{
    return weir_inband_take(end->inband, size, ret_chain);
}

static int
inband_pause(struct flow_end *end)
{
    return weir_inband_pause(end->inband);
}

static int
inband_resume(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_inband_resume(end->inband);
    call_end();
    return result;
}

static int
inband_stop_reading(struct flow_end *end)
{
    int result;

    call_begin();
    result = weir_inband_stop_reading(end->inband);
    call_end();
    return result;
}

static int
inband_close(struct flow_end *end, enum weir_close_mode mode, uint64_t deadline_ns)
{
    int result;

    call_begin();
    result = weir_inband_close(end->inband, mode, deadline_ns, 0);
    call_end();
    return result;
}

static int
inband_status(struct flow_end *end)
{
    return weir_inband_status(end->inband);
}

const struct flow_layer flow_inband = {
    .name = "inband",
    .attach = inband_attach,
    .write = inband_write,
    .end = inband_end,
    .read = inband_read,
    .take = inband_take,
    .pause = inband_pause,
    .resume = inband_resume,
    .stop_reading = inband_stop_reading,
    .close = inband_close,
    .status = inband_status,
    .tells_stop = true,
};

// ---- opening ----------------------------------------------------------------------------------

unsigned
flow_seed(unsigned side)
{
    return side == 0 ? FLOW_LEFT : FLOW_RIGHT;
}

struct flow *
flow_make(struct fixture *fixture, const struct flow_layer *layer, struct flow_options options)
{
    struct flow *flow = fixture_memory(fixture, sizeof(*flow));

    flow->fixture = fixture;
    flow->options = options;
    for (unsigned side = 0; side < 2; side++) {
        struct flow_end *end = &flow->ends[side];

        end->fixture = fixture;
        end->layer = layer;
        end->reader = reader_make(fixture);
        end->reader->seed = flow_seed(1 - side); // each reads what the other one sends
        end->events = &end->reader->events;
        end->recorder = recorder_make(fixture);
        end->handlers = options.pull ? *events_handlers_pull() : end->reader->handlers;
    }
    return flow;
}

static void
attach(struct flow_end *end, weir_stream stream)
{
    int result;

    pthread_mutex_lock(&end->fixture->lock);
    end->stream = stream;
    pthread_mutex_unlock(&end->fixture->lock);
    result = end->layer->attach(end, &end->handlers, end->reader);
    pthread_mutex_lock(&end->fixture->lock);
    end->failed = result;
    end->opened = true;
    pthread_cond_broadcast(&end->fixture->changed);
    pthread_mutex_unlock(&end->fixture->lock);
}

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    (void)listener;
    attach(arg, stream);
}

static void
on_dialled(weir_stream stream, int status, void *user)
{
    struct flow_end *end = user;

    if (status == 0) {
        attach(end, stream);
    }
    end->handlers.started(stream, status, end->reader);
}

static bool
are_open(void *arg)
{
    struct flow *flow = arg;
    bool opened;

    pthread_mutex_lock(&flow->fixture->lock);
    opened = flow->ends[0].opened && flow->ends[1].opened;
    pthread_mutex_unlock(&flow->fixture->lock);
    return opened;
}

void
flow_open_ends(struct flow *flow)
{
    static const struct weir_handlers dialling = {.started = on_dialled};
    struct fixture *fixture = flow->fixture;
    struct weir_stream_options stream = {.send_buffer = flow->options.small ? SMALL_SEND : 0,
                                         .receive_buffer = flow->options.small ? SMALL_RECEIVE : 0};
    struct weir_listen request = {.address = transport_address(fixture),
                                  .stream = stream,
                                  .accepted = on_accepted,
                                  .arg = &flow->ends[1]};
    struct weir_dial dial = {.stream = stream};
    struct weir_endpoint port = {.kind = WEIR_ENDPOINT_HYBRID, .port = 1024};
    struct weir_loop *loop = fixture->loop;

    if (flow->options.other_thread) {
        loop = weir_runtime_loop(fixture->runtime, fixture->loop_count - 1);
    }
    dial.stream.handlers = &dialling;
    dial.stream.user = &flow->ends[0];
    if (fixture->transport->bit == TRANSPORT_HYBRID) {
        request.flags = WEIR_LISTEN_HYBRID;
        port.address = request.address;
        dial.endpoint = &port;
    }
    assert_status(weir_listen(fixture->runtime, &request, &flow->listener), 0);
    if (dial.endpoint == NULL) {
        assert_status(weir_listener_address(flow->listener, &dial.address), 0);
    }
    assert_status(weir_dial(loop, &dial, &flow->ends[0].stream), 0);
    fixture_turn_until(fixture, are_open, flow);
    for (unsigned side = 0; side < 2; side++) {
        assert_status(flow->ends[side].failed, 0);
        events_wait(flow->ends[side].events, "started");
    }
    assert_status(weir_listener_close(flow->listener), 0);
}

struct flow *
flow_open(struct fixture *fixture, const struct flow_layer *layer, struct flow_options options)
{
    struct flow *flow = flow_make(fixture, layer, options);

    flow_open_ends(flow);
    return flow;
}

// ---- patterns ---------------------------------------------------------------------------------

// From the start of a seed's pattern on: made once for all cases, and never changed.
static const uint8_t *
pattern_of(unsigned side, size_t size)
{
    static uint8_t *bytes[2];
    static size_t filled[2];

    assert_in_range(size, 0, FLOW_SIZE_MAX);
    if (bytes[side] == NULL) {
        bytes[side] = malloc(FLOW_SIZE_MAX);
        assert_non_null(bytes[side]);
    }
    if (filled[side] < size) {
        pattern_fill(bytes[side] + filled[side], size - filled[side], filled[side],
                     flow_seed(side));
        filled[side] = size;
    }
    return bytes[side];
}

// ---- using ------------------------------------------------------------------------------------

int
flow_send_part(struct flow *flow, unsigned side, unsigned tag, size_t offset, size_t size,
               unsigned flags)
{
    struct flow_end *end = &flow->ends[side];
    const uint8_t *pattern = pattern_of(side, offset + size);
    struct iovec iov = {(void *)(uintptr_t)(pattern + offset), size};
    struct weir_write request = {
        .flags = flags, .done = recorder_done, .arg = recorder_tag(end->recorder, tag)};

    if (size > 0) {
        request.iov = &iov;
        request.iov_count = 1;
    }
    return end->layer->write(end, &request, NULL);
}

int
flow_send(struct flow *flow, unsigned side, size_t size)
{
    return flow_send_part(flow, side, flow_seed(side), 0, size, 0);
}

int
flow_close(struct flow *flow, unsigned side, enum weir_close_mode mode, uint64_t deadline_ns)
{
    return flow->ends[side].layer->close(&flow->ends[side], mode, deadline_ns);
}

void
flow_wait_closed(struct flow *flow)
{
    for (unsigned side = 0; side < 2; side++) {
        events_wait(flow->ends[side].events, "closed");
    }
}

void
flow_close_anyhow(struct flow *flow)
{
    for (unsigned side = 0; side < 2; side++) {
        int result = flow_close(flow, side, WEIR_CLOSE_ABORT, 0);

        if (result != -WEIR_ESTALE) {
            assert_status(result, 0);
        }
    }
    flow_wait_closed(flow);
}
