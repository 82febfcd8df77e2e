// os: fake
// SPDX-License-Identifier: MIT
// A flow with its half-close in band, on the scripted kernel, with a peer that says anything in any
// pieces, while this side reads, writes, pauses and closes as the input tells. What is shown must
// be the payload that a plain decoder finds in the same bytes, and ends must be those it finds.

#include "tests/fuzz/fuzz.h"
#include "tests/lib/os_fake.h"
#include "weir/weir.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define BYTES_MAX 60000u
#define STEPS_MAX 300u
#define OPS_MAX   64u
#define MS        UINT64_C(1000000)

// What a peer's bytes mean.
struct decoder {
    uint8_t header[4];
    unsigned header_size;
    uint32_t left;
    uint8_t payload[BYTES_MAX];
    size_t size;
    bool ended;   // by a mark
    bool stopped; // reads no more
    bool closed;
    bool broken;
};

struct op {
    bool accepted;
    unsigned done;
};

static struct world {
    struct fuzz_bytes input;
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    struct weir_inband *flow;
    int peer; // -1: closed
    bool pull;
    bool in_callback, in_call;
    struct decoder decoder;
    // What was seen.
    uint8_t shown[BYTES_MAX];
    size_t shown_size;
    unsigned fins, stops, send_closeds, closeds, resets;
    bool ambiguous;
    int status;
    struct op ops[OPS_MAX];
    unsigned op_count;
    unsigned reads, reads_done;
    bool at_eof;
    bool interferes; // this side stopped reading or closed: what is shown may end early
    bool holds;      // the data function waits for more than it was shown
    bool ends;       // nothing but reading from here on
    bool peer_fin;
} world;

// ---- the decoder ------------------------------------------------------------------------------

static void
decode_header(struct decoder *decoder)
{
    uint32_t value = (uint32_t)decoder->header[0] | (uint32_t)decoder->header[1] << 8 |
                     (uint32_t)decoder->header[2] << 16 | (uint32_t)decoder->header[3] << 24;

    decoder->header_size = 0;
    switch (value) {
    case 0xdeadbeef:
        decoder->stopped = true;
        break;
    case 0xbeefdead:
        decoder->broken = decoder->ended;
        decoder->ended = true;
        break;
    case 0xdeaddead:
        decoder->closed = true;
        break;
    default:
        decoder->broken = value > 4096 || (decoder->ended && value > 0);
        decoder->left = decoder->broken ? 0 : value;
        break;
    }
}

static void
decode(struct decoder *decoder, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size && !decoder->broken && !decoder->closed; at++) {
        if (decoder->left > 0) {
            decoder->payload[decoder->size++] = bytes[at];
            decoder->left--;
            continue;
        }
        decoder->header[decoder->header_size++] = bytes[at];
        if (decoder->header_size == 4) {
            decode_header(decoder);
        }
    }
}

// ---- callbacks --------------------------------------------------------------------------------

static void
callback_begin(void)
{
    fuzz_require(!world.in_callback && !world.in_call);
    fuzz_require(world.closeds == 0);
    world.in_callback = true;
}

static void
callback_end(void)
{
    world.in_callback = false;
}

static void
keep(struct weir_iter *at, size_t size)
{
    fuzz_require(world.shown_size + size <= world.decoder.size);
    fuzz_require(weir_iter_copy_out(at, world.shown + world.shown_size, size) == size);
    fuzz_require(memcmp(world.shown + world.shown_size, world.decoder.payload + world.shown_size,
                        size) == 0);
    world.shown_size += size;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_consumed answer;
    struct weir_chain chain = {NULL, NULL};
    size_t size;

    (void)stream;
    (void)user;
    callback_begin();
    fuzz_require(weir_iter_length(begin, end, &size) == 0 && size > 0);
    fuzz_require(world.fins == 0);
    world.holds = false;
    switch (world.ends ? 4 : fuzz_below(&world.input, 8)) {
    case 0:
        world.holds = true;
        answer = (struct weir_consumed){0, size};
        break;
    case 1:
        answer = (struct weir_consumed){(size + 1) / 2, size / 2 + 1};
        world.holds = size / 2 == 1;
        keep(&begin, (size + 1) / 2);
        break;
    case 2:
        keep(&begin, size);
        fuzz_require(weir_inband_take(world.flow, SIZE_MAX, &chain) == 0);
        fuzz_require(weir_chain_size(&chain) == size);
        weir_chain_return(&chain);
        answer = (struct weir_consumed){0, 0};
        break;
    case 3:
        fuzz_require(weir_inband_pause(world.flow) == 0);
        keep(&begin, 1);
        answer = (struct weir_consumed){1, 1};
        break;
    default:
        keep(&begin, size);
        answer = (struct weir_consumed){size, size};
        break;
    }
    callback_end();
    return answer;
}

static void
on_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)stream;
    (void)user;
    callback_begin();
    world.fins++;
    world.ambiguous = ambiguous;
    fuzz_require(world.fins == 1);
    callback_end();
}

static void
on_stop(weir_stream stream, uint64_t code, void *user)
{
    (void)stream;
    (void)code;
    (void)user;
    callback_begin();
    world.stops++;
    callback_end();
}

static void
on_reset(weir_stream stream, uint64_t code, void *user)
{
    (void)stream;
    (void)code;
    (void)user;
    callback_begin();
    world.resets++;
    callback_end();
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    (void)stream;
    (void)graceful;
    (void)user;
    callback_begin();
    world.send_closeds++;
    fuzz_require(world.send_closeds == 1);
    callback_end();
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)user;
    callback_begin();
    fuzz_require(world.send_closeds == 1);
    for (unsigned index = 0; index < world.op_count; index++) {
        fuzz_require(world.ops[index].done == (world.ops[index].accepted ? 1 : 0));
    }
    fuzz_require(world.reads_done == world.reads);
    fuzz_require(closed->bytes_received >= world.shown_size);
    world.closeds++;
    world.status = closed->status;
    callback_end();
}

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct op *op = arg;

    (void)stream;
    callback_begin();
    fuzz_require(op->done == 0 && result->sent <= result->accepted);
    fuzz_require(result->status != 0 || result->sent == result->accepted);
    op->done++;
    callback_end();
}

static void
on_read(weir_stream stream, struct weir_read_result *result, void *arg)
{
    struct weir_iter at = weir_chain_begin(&result->chain);

    (void)stream;
    (void)arg;
    callback_begin();
    world.reads_done++;
    fuzz_require(result->status == 0 || result->size == 0);
    fuzz_require(result->size == weir_chain_size(&result->chain));
    fuzz_require(!(world.at_eof && result->size > 0));
    world.at_eof = world.at_eof || result->eof;
    keep(&at, result->size);
    weir_chain_return(&result->chain);
    callback_end();
}

static const struct weir_handlers pushing = {
    .data = on_data,
    .peer_fin = on_fin,
    .peer_stop = on_stop,
    .peer_reset = on_reset,
    .send_closed = on_send_closed,
    .closed = on_closed,
};
static struct weir_handlers pulling;

// ---- the world --------------------------------------------------------------------------------

static void
on_started(weir_stream stream, int status, void *user)
{
    struct weir_inband_options options = {.handlers = world.pull ? &pulling : &pushing,
                                          .input_high = 1 + fuzz_word(&world.input) % 10000};

    (void)user;
    fuzz_require(status == 0);
    fuzz_require(weir_inband_open(stream, &options, &world.flow) == 0);
}

static void
turn(unsigned turns)
{
    for (unsigned count = 0; count < turns; count++) {
        fuzz_require(weir_loop_turn(world.loop, 0) >= 0);
    }
}

static void
open_world(const uint8_t *data, size_t size)
{
    static const struct weir_handlers before = {.started = on_started};
    struct weir_stream_options options = {.handlers = &before};
    weir_stream stream;
    int fds[2];

    memset(&world, 0, sizeof(world));
    world.input = (struct fuzz_bytes){data, size};
    pulling = pushing;
    pulling.data = NULL;
    world.pull = fuzz_flip(&world.input) != 0;
    os_fake_reset();
    os_fake_set_capacity(1000 + fuzz_word(&world.input));
    fuzz_require(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &world.runtime) == 0);
    world.loop = weir_runtime_loop(world.runtime, 0);
    fuzz_require(os_fake_pair(fds) == 0);
    world.peer = fds[1];
    fuzz_require(weir_adopt(world.loop, fds[0], &options, &stream) == 0);
    turn(3);
    fuzz_require(world.flow != NULL);
}

// As much as the connection takes; the rest is never said.
static void
peer_say(const void *data, size_t size)
{
    ssize_t sent;

    if (world.peer < 0 || world.peer_fin || world.decoder.size + size > BYTES_MAX) {
        return;
    }
    sent = wi_os_send(world.peer, data, size);
    if (sent > 0) {
        decode(&world.decoder, data, (size_t)sent);
    }
}

static void
peer_frame(void)
{
    static uint8_t frame[4 + 4096];
    uint32_t size = fuzz_word(&world.input) % 4100;
    uint8_t first = fuzz_byte(&world.input);
    size_t room = size <= 4096 ? size : 4096;

    frame[0] = (uint8_t)size;
    frame[1] = (uint8_t)(size >> 8);
    for (size_t index = 0; index < room; index++) {
        frame[4 + index] = (uint8_t)(first + index * 7);
    }
    peer_say(frame, 4 + room);
}

static void
peer_mark(uint32_t mark)
{
    uint8_t bytes[4] = {(uint8_t)mark, (uint8_t)(mark >> 8), (uint8_t)(mark >> 16),
                        (uint8_t)(mark >> 24)};

    peer_say(bytes, sizeof(bytes));
}

static void
peer_raw(unsigned size)
{
    uint8_t bytes[64];

    for (unsigned index = 0; index < size; index++) {
        bytes[index] = fuzz_byte(&world.input);
    }
    peer_say(bytes, size);
}

static void
peer_read(size_t size)
{
    static uint8_t bytes[70000];

    if (world.peer >= 0) {
        (void)wi_os_receive(world.peer, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
    }
}

// ---- this side --------------------------------------------------------------------------------

static int
checked(int result)
{
    world.in_call = false;
    fuzz_require(result == 0 || result == -WEIR_EENDED || result == -WEIR_ESTALE ||
                 result == -EPIPE || result == -ECONNRESET || result == -EPROTO ||
                 result == -EBUSY || result == -ETIMEDOUT || result == -ECONNABORTED);
    return result;
}

static bool
begin_call(void)
{
    world.in_call = true;
    return true;
}
#define CALL(call) (begin_call(), checked(call))

static void
write_some(size_t size, unsigned flags)
{
    static uint8_t bytes[20000];
    struct op *op = &world.ops[world.op_count];
    struct iovec iov[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
    struct weir_write request = {
        .iov = iov, .iov_count = 2, .flags = flags, .done = on_done, .arg = op};

    if (world.op_count < OPS_MAX) {
        world.op_count++;
        op->accepted = CALL(weir_inband_write(world.flow, &request, NULL)) == 0;
    }
}

static void
read_some(void)
{
    struct weir_read request = {.done = on_read, .size = fuzz_word(&world.input) % 9000};

    if (!world.pull) {
        return;
    }
    request.size_min = request.size == 0 ? 0 : fuzz_below(&world.input, 200) % request.size;
    world.reads += CALL(weir_inband_read(world.flow, &request)) == 0;
}

static void
close_some(enum weir_close_mode mode)
{
    world.interferes = true;
    CALL(weir_inband_close(world.flow, mode,
                           fuzz_flip(&world.input) ? 0 : weir_deadline_after(20 * MS), 0));
}

static void
step_here(unsigned what)
{
    switch (what) {
    case 0:
        write_some(fuzz_word(&world.input) % 20000, WEIR_COPY);
        break;
    case 1:
        write_some(fuzz_word(&world.input) % 20000, 0);
        break;
    case 2:
        write_some(fuzz_word(&world.input) % 9000, WEIR_FIN);
        break;
    case 3:
        CALL(weir_inband_end(world.flow));
        break;
    case 4:
        CALL(weir_inband_pause(world.flow));
        break;
    case 5:
        CALL(weir_inband_resume(world.flow));
        break;
    case 6:
        world.interferes = true;
        CALL(weir_inband_stop_reading(world.flow));
        break;
    case 7:
        close_some((enum weir_close_mode)fuzz_below(&world.input, 3));
        break;
    default:
        read_some();
        break;
    }
}

static void
step(void)
{
    unsigned what = fuzz_byte(&world.input);

    if (what < 0x20) {
        peer_raw(what + 1);
    } else if (what < 0x60) {
        peer_frame();
    } else if (what < 0x66) {
        static const uint32_t marks[] = {0xdeadbeef, 0xbeefdead, 0xdeaddead};

        peer_mark(marks[what % 3]);
    } else if (what < 0x70) {
        peer_read((size_t)1 << (what & 15));
    } else if (what < 0x74) {
        os_fake_advance(10 * MS);
    } else if (what == 0x74 && world.peer >= 0) {
        world.peer_fin = true;
        (void)wi_os_shutdown(world.peer, SHUT_WR);
    } else if (what == 0x75 && world.peer >= 0) {
        world.interferes = true;
        wi_os_close(world.peer);
        world.peer = -1;
    } else if (what < 0xb0) {
        step_here(what % 12);
    } else {
        turn(1 + what % 3);
    }
}

// Nothing more is asked for, and everything is read: what was said has come, unless this side
// did not want it.
static void
let_end(void)
{
    world.ends = true;
    weir_inband_resume(world.flow);
    for (unsigned count = 0; count < 40; count++) {
        if (world.pull) {
            read_some();
        }
        peer_read(65536);
        turn(5);
    }
}

static void
judge(void)
{
    const struct decoder *decoder = &world.decoder;

    if (!world.interferes && !world.pull && !world.holds) {
        fuzz_require(world.shown_size == decoder->size);
        fuzz_require(world.fins == 1 || !(decoder->ended || decoder->closed) || decoder->broken);
        fuzz_require(!decoder->broken || (world.closeds == 1 && world.status == -EPROTO));
    }
    if (world.status == -EPROTO) {
        fuzz_require(decoder->broken || world.peer_fin || world.peer < 0);
    }
    if (world.fins == 1 && !world.ambiguous) {
        fuzz_require(decoder->ended || decoder->closed);
    }
    fuzz_require(world.stops <= 1 && (world.stops == 0 || decoder->stopped || world.peer < 0));
    if (decoder->broken && !world.interferes && world.peer >= 0 && !world.pull) {
        fuzz_require(world.fins == 0 || decoder->ended);
    }
}

static void
close_world(void)
{
    struct weir_ledger ledger;

    let_end();
    judge();
    weir_inband_close(world.flow, WEIR_CLOSE_ABORT, 0, 0);
    turn(10);
    fuzz_require(world.closeds == 1);
    fuzz_require(weir_inband_status(world.flow) == -WEIR_ESTALE);
    os_fake_advance(7000 * MS); // timers of reads and of the close
    turn(5);
    if (world.peer >= 0) {
        wi_os_close(world.peer);
    }
    fuzz_require(weir_runtime_stop(world.runtime, weir_deadline_after(1000 * MS)) == 0);
    fuzz_require(weir_runtime_free(world.runtime) == 0);
    weir_inband_unref(world.flow);
    weir_pool_ledger_all(&ledger);
    fuzz_require(ledger.leased == ledger.returned && ledger.oversize == 0);
    fuzz_require(os_fake_open_count() == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_world(data, size);
    for (unsigned steps = 0; world.input.size != 0 && steps < STEPS_MAX; steps++) {
        step();
    }
    close_world();
    return 0;
}
