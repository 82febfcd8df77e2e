/* SPDX-License-Identifier: MIT */

/*
 * What is received. `raw` is what the stream below gave, `input` the payload that came out of it
 * and is not consumed. A peer's length is a number to count down, never a size to allocate.
 *
 * A mark is acted upon in its place, and so is what breaks the framing: not before the payload in
 * front of it was shown, or read.
 */

#include "netio/inband.h"

#include "mem/assert.h"

#include <errno.h>

void
wi_inband_drop_input(struct weir_inband *inband)
{
    weir_chain_return(&inband->raw);
    weir_chain_return(&inband->input);
    inband->raw_size = 0;
    inband->input_size = 0;
    inband->input_looked = 0;
}

/* ---- showing ---- */

int
weir_inband_take(struct weir_inband *inband, size_t size, struct weir_chain *ret_chain)
{
    int status;

    if (weir_loop_current() != inband->loop || !(inband->flags & WI_INBAND_IN_DATA)) {
        return -EINVAL;
    }
    if (size == SIZE_MAX) {
        size = inband->input_size;
    }
    if (ret_chain == NULL || size > inband->input_size) {
        return -EINVAL;
    }
    status = weir_chain_split(&inband->input, size, ret_chain);
    if (status == 0) {
        inband->input_size -= size;
    }
    return status;
}

static void
settle_answer(struct weir_inband *inband, struct weir_consumed answer)
{
    if (answer.consumed == WEIR_CONSUME_PENDING) {
        wi_inband_fail(inband, -ENOTSUP, WEIR_ORIGIN_LOCAL_CLOSE);
        return;
    }
    if (answer.consumed > inband->input_size) {
        answer.consumed = inband->input_size;
    }
    if (answer.examined > inband->input_size) {
        answer.examined = inband->input_size;
    }
    weir_chain_consume(&inband->input, answer.consumed);
    inband->input_size -= answer.consumed;
    inband->input_looked =
        answer.examined > answer.consumed ? answer.examined - answer.consumed : 0;
    if (inband->input_size == 0) {
        weir_chain_return(&inband->input); // an idle flow holds no block
    }
}

static void
show(struct weir_inband *inband)
{
    size_t before;

    do {
        struct weir_consumed answer;

        before = inband->input_size;
        inband->flags |= WI_INBAND_IN_DATA;
        answer = inband->handlers->data(inband->stream, weir_chain_begin(&inband->input),
                                        weir_chain_end(&inband->input), inband->user);
        inband->flags &= ~(unsigned)WI_INBAND_IN_DATA;
        settle_answer(inband, answer);
        // Again while it looks at a part only, as long as that leads anywhere.
    } while (inband->input_size > inband->input_looked && inband->input_size < before &&
             !(inband->flags & (WI_INBAND_PAUSED | WI_INBAND_DISCARD)) &&
             inband->phase < WI_INBAND_FINISHING);
}

static void
deliver(struct weir_inband *inband)
{
    if (inband->flags & WI_INBAND_DISCARD) {
        weir_chain_return(&inband->input);
        inband->input_size = 0;
        inband->input_looked = 0;
    } else if (!wi_inband_pushes(inband)) {
        wi_inband_feed_pulls(inband);
    } else if (inband->input_size > inband->input_looked && !(inband->flags & WI_INBAND_PAUSED) &&
               inband->phase < WI_INBAND_FINISHING) {
        show(inband);
    }
}

// Nothing of the payload stands in front of a mark any more.
static bool
is_delivered(const struct weir_inband *inband)
{
    if (inband->flags & WI_INBAND_DISCARD) {
        return true;
    }
    return wi_inband_pushes(inband) ? !(inband->flags & WI_INBAND_PAUSED) : inband->input_size == 0;
}

/* ---- marks ---- */

static void
tell_fin(struct weir_inband *inband, bool ambiguous)
{
    inband->flags |= WI_INBAND_FIN;
    if (inband->flags & WI_INBAND_FIN_TOLD) {
        return;
    }
    inband->flags |= WI_INBAND_FIN_TOLD;
    wi_inband_feed_pulls(inband);
    if (inband->handlers != NULL && inband->handlers->peer_fin != NULL) {
        inband->handlers->peer_fin(inband->stream, ambiguous, inband->user);
    }
}

// The peer reads no more.
static void
take_stop(struct weir_inband *inband)
{
    if (inband->phase >= WI_INBAND_MARKED) {
        inband->flags |= WI_INBAND_RELEASED; // it has seen, or will not see, what we said last
    } else {
        wi_inband_tell_stop(inband, 0);
    }
}

static void
take_close(struct weir_inband *inband)
{
    inband->flags |= WI_INBAND_PEER_CLOSED;
    if (inband->phase < WI_INBAND_MARKED) {
        inband->flags |= WI_INBAND_ANSWERS;
    }
    tell_fin(inband, false);
    if (inband->phase == WI_INBAND_OPEN) {
        wi_inband_begin_close(inband, WEIR_CLOSE_DRAIN, 0);
    }
}

// False: the peer broke the framing.
static bool
take_mark(struct weir_inband *inband, enum wi_inband_kind kind)
{
    switch (kind) {
    case WI_INBAND_STOP:
        take_stop(inband);
        return true;
    case WI_INBAND_END:
        if (inband->flags & WI_INBAND_FIN) {
            return false;
        }
        tell_fin(inband, false);
        return true;
    case WI_INBAND_CLOSE:
        take_close(inband);
        return true;
    default:
        return false;
    }
}

/* ---- frames ---- */

static void
break_off(struct weir_inband *inband)
{
    wi_inband_fail(inband, -EPROTO, WEIR_ORIGIN_TRANSPORT);
}

// Payload of the frame under way, as much as there is. False: nothing more can be done now.
static bool
take_payload(struct weir_inband *inband)
{
    size_t size = inband->raw_size < inband->frame_left ? inband->raw_size : inband->frame_left;
    size_t need = wi_inband_pull_need(inband);
    struct weir_chain front = {NULL, NULL};

    if (size == 0 ||
        (inband->input_size >= (need > inband->input_high ? need : inband->input_high) &&
         !(inband->flags & WI_INBAND_DISCARD))) {
        return false;
    }
    if (inband->flags & WI_INBAND_DISCARD) {
        weir_chain_consume(&inband->raw, size);
    } else if (weir_chain_split(&inband->raw, size, &front) < 0) {
        wi_inband_fail(inband, -ENOMEM, WEIR_ORIGIN_MEMORY);
        return false;
    } else {
        weir_chain_splice(&inband->input, &front);
        inband->input_size += size;
    }
    inband->raw_size -= size;
    inband->frame_left -= (uint32_t)size;
    inband->received += size;
    return true;
}

// The next header, and a mark's effect. False: nothing more can be done now.
static bool
take_header(struct weir_inband *inband)
{
    uint8_t header[WI_INBAND_HEADER];
    struct weir_iter at = weir_chain_begin(&inband->raw);
    enum wi_inband_kind kind;
    uint32_t value;

    if (inband->raw_size < sizeof(header) ||
        weir_iter_copy_out(&at, header, sizeof(header)) != sizeof(header)) {
        return false;
    }
    value = wi_inband_get(header);
    kind = wi_inband_kind(value);
    if (kind != WI_INBAND_DATA) {
        deliver(inband);
        if (!is_delivered(inband) || inband->phase >= WI_INBAND_FINISHING) {
            return false;
        }
    }
    weir_chain_consume(&inband->raw, sizeof(header));
    inband->raw_size -= sizeof(header);
    if (kind == WI_INBAND_DATA && !((inband->flags & WI_INBAND_FIN) && value > 0)) {
        inband->frame_left = value;
    } else if (!take_mark(inband, kind)) {
        break_off(inband);
        return false;
    }
    return true;
}

// The peer's last word: what comes behind its close is of no interest.
static bool
is_over(const struct weir_inband *inband)
{
    return inband->phase >= WI_INBAND_FINISHING ||
           (inband->flags & (WI_INBAND_PEER_CLOSED | WI_INBAND_RELEASED)) != 0;
}

// The stream below has ended: in its place behind all that was held.
static void
take_eof(struct weir_inband *inband)
{
    bool is_cut = inband->frame_left > 0 || inband->raw_size > 0;

    if (!is_delivered(inband) || inband->phase >= WI_INBAND_FINISHING) {
        return;
    }
    if (is_cut && !is_over(inband)) {
        if (inband->raw_size < (inband->frame_left > 0 ? 1 : WI_INBAND_HEADER)) {
            break_off(inband); // inside a frame, and nothing is held back
        }
        return;
    }
    inband->flags |= WI_INBAND_AT_EOF;
    tell_fin(inband, true);
}

/* ---- pushing back ---- */

static void
push_back(struct weir_inband *inband)
{
    bool is_short = inband->frame_left == 0 && inband->raw_size < WI_INBAND_HEADER;
    // A part of a header holds nothing up: the rest of it has to come.
    size_t held = inband->input_size + (is_short ? 0 : inband->raw_size);

    if (inband->phase >= WI_INBAND_FINISHING) {
        return;
    }
    if (!(inband->flags & WI_INBAND_FULL) && held >= inband->input_high &&
        wi_inband_pull_need(inband) <= inband->input_size) {
        inband->flags |= WI_INBAND_FULL;
        weir_pause(inband->stream);
    } else if ((inband->flags & WI_INBAND_FULL) &&
               (held <= inband->input_high / 2 ||
                wi_inband_pull_need(inband) > inband->input_size)) {
        inband->flags &= ~(unsigned)WI_INBAND_FULL;
        weir_resume(inband->stream);
    }
}

void
wi_inband_advance(struct weir_inband *inband)
{
    size_t before;

    if (inband->flags & WI_INBAND_PARSES) {
        return; // from inside a function of the program's: who called that goes on
    }
    inband->flags |= WI_INBAND_PARSES;
    do { // what is shown makes room for more
        before = inband->raw_size + inband->input_size;
        while (!is_over(inband) &&
               (inband->frame_left > 0 ? take_payload(inband) : take_header(inband))) {
        }
        deliver(inband);
    } while (inband->raw_size + inband->input_size < before);
    if (is_over(inband)) {
        weir_chain_return(&inband->raw);
        inband->raw_size = 0;
    }
    if ((inband->flags & WI_INBAND_EOF) && !(inband->flags & WI_INBAND_AT_EOF)) {
        take_eof(inband);
    }
    inband->flags &= ~(unsigned)WI_INBAND_PARSES;
    push_back(inband);
    wi_inband_settle(inband);
}

/* ---- pausing, stopping ---- */

static void
run_pause(struct weir_inband *inband, void *arg)
{
    (void)arg;
    inband->flags |= WI_INBAND_PAUSED;
}

static void
run_resume(struct weir_inband *inband, void *arg)
{
    (void)arg;
    inband->flags &= ~(unsigned)WI_INBAND_PAUSED;
    if (!(inband->flags & WI_INBAND_FULL)) {
        weir_resume(inband->stream); // it may have been made paused
    }
    if (inband->phase < WI_INBAND_FINISHING) {
        wi_inband_advance(inband);
    }
}

static void
run_stop(struct weir_inband *inband, void *arg)
{
    (void)arg;
    if (inband->phase >= WI_INBAND_MARKED || (inband->flags & WI_INBAND_DISCARD)) {
        return;
    }
    inband->flags |= WI_INBAND_DISCARD;
    if (!(inband->flags & WI_INBAND_FIN)) {
        inband->flags |= WI_INBAND_STOP_DUE;
        wi_inband_send_due(inband);
    }
    wi_inband_end_pulls(inband, 0, WEIR_ORIGIN_NONE);
    wi_inband_advance(inband);
}

int
weir_inband_pause(struct weir_inband *inband)
{
    if (weir_loop_current() != inband->loop) {
        return wi_inband_post(inband, run_pause, NULL);
    }
    if (inband->phase == WI_INBAND_DEAD) {
        return -WEIR_ESTALE;
    }
    run_pause(inband, NULL);
    return 0;
}

int
weir_inband_resume(struct weir_inband *inband)
{
    return wi_inband_post(inband, run_resume, NULL);
}

int
weir_inband_stop_reading(struct weir_inband *inband)
{
    return wi_inband_post(inband, run_stop, NULL);
}
