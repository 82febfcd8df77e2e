/* SPDX-License-Identifier: MIT */

/*
 * Reads that wait. One with a deadline or a token has a timer, whose function says that the time
 * is over or that it was taken back; one that was served before takes its timer back, and is freed
 * when that has said so.
 */

#include "netio/inband.h"

#include "mem/heap.h"

#include <errno.h>

struct wi_inband_pull {
    struct weir_inband *inband;
    struct weir_read request;
    struct wi_inband_pull *next;
    weir_op timer;
    bool has_timer;
    bool served;
};

static bool
waits_for_nothing(const struct weir_read *request)
{
    return request->buffer != NULL && request->size == 0;
}

static size_t
needs(const struct weir_read *request)
{
    return request->size_min > 1 ? request->size_min : 1;
}

size_t
wi_inband_pull_need(const struct weir_inband *inband)
{
    return inband->pulls != NULL ? needs(&inband->pulls->request) : 0;
}

/* ---- ending one ---- */

static void
free_pull(struct wi_inband_pull *pull)
{
    weir_inband_unref(pull->inband);
    wi_heap_free(pull);
}

// Out of the list already; the function may do anything, also ask again.
static void
finish(struct wi_inband_pull *pull, struct weir_read_result *result)
{
    pull->served = true;
    result->buffer = pull->request.buffer;
    pull->request.done(pull->inband->stream, result, pull->request.arg);
    if (pull->has_timer) {
        weir_cancel(pull->timer);
    } else {
        free_pull(pull);
    }
}

static struct wi_inband_pull *
take_first(struct weir_inband *inband)
{
    struct wi_inband_pull *pull = inband->pulls;

    inband->pulls = pull->next;
    return pull;
}

static void
take_out(struct weir_inband *inband, struct wi_inband_pull *pull)
{
    struct wi_inband_pull *before = NULL;

    for (struct wi_inband_pull *at = inband->pulls; at != pull; at = at->next) {
        before = at;
    }
    if (before == NULL) {
        inband->pulls = pull->next;
    } else {
        before->next = pull->next;
    }
    if (inband->pulls_last == pull) {
        inband->pulls_last = before;
    }
}

// Up to `most` bytes of payload into its memory, or as blocks. 0 or -ENOMEM.
static int
fill(struct wi_inband_pull *pull, size_t most, struct weir_read_result *result)
{
    struct weir_inband *inband = pull->inband;

    result->size = inband->input_size < most ? inband->input_size : most;
    if (pull->request.buffer != NULL) {
        struct weir_iter at = weir_chain_begin(&inband->input);

        weir_iter_copy_out(&at, pull->request.buffer, result->size);
        weir_chain_consume(&inband->input, result->size);
    } else if (weir_chain_split(&inband->input, result->size, &result->chain) < 0) {
        result->size = 0;
        return -ENOMEM;
    }
    inband->input_size -= result->size;
    if (inband->input_size == 0) {
        weir_chain_return(&inband->input);
    }
    return 0;
}

static void
serve(struct weir_inband *inband)
{
    struct weir_read_result result = {0};
    struct wi_inband_pull *pull = take_first(inband);
    size_t most =
        pull->request.size != 0 || pull->request.buffer != NULL ? pull->request.size : SIZE_MAX;

    result.status = fill(pull, most, &result);
    if (result.status != 0) {
        result.origin = WEIR_ORIGIN_MEMORY;
    }
    finish(pull, &result);
}

static void
end_first(struct weir_inband *inband, int status, enum weir_origin origin)
{
    struct weir_read_result result = {.status = status, .origin = origin, .eof = status == 0};

    finish(take_first(inband), &result);
}

void
wi_inband_feed_pulls(struct weir_inband *inband)
{
    bool is_last; // no more payload will come than there is

    while (inband->pulls != NULL) {
        is_last = (inband->flags & WI_INBAND_FIN_TOLD) != 0 ||
                  ((inband->flags & WI_INBAND_RESET) != 0 &&
                   (inband->frame_left == 0 ? inband->raw_size < WI_INBAND_HEADER
                                            : inband->raw_size == 0));
        if (waits_for_nothing(&inband->pulls->request) ||
            inband->input_size >= needs(&inband->pulls->request) ||
            (is_last && inband->input_size > 0)) {
            serve(inband);
        } else if (inband->flags & WI_INBAND_FIN_TOLD) {
            end_first(inband, 0, WEIR_ORIGIN_NONE);
        } else if (is_last) {
            end_first(inband, -ECONNRESET, WEIR_ORIGIN_PEER_RESET);
        } else {
            return;
        }
    }
}

void
wi_inband_end_pulls(struct weir_inband *inband, int status, enum weir_origin origin)
{
    while (inband->pulls != NULL) {
        end_first(inband, status, origin);
    }
}

/* ---- beginning one ---- */

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct wi_inband_pull *pull = arg;
    struct weir_read_result result = {
        .status = status == 0 ? -ETIMEDOUT : status,
        .origin = status == 0 ? WEIR_ORIGIN_DEADLINE : WEIR_ORIGIN_LOCAL_CANCEL,
    };

    (void)loop;
    pull->has_timer = false;
    if (pull->served) {
        free_pull(pull);
        return;
    }
    take_out(pull->inband, pull);
    finish(pull, &result);
}

// 0, or why it cannot wait.
static int
start_timer(struct wi_inband_pull *pull)
{
    struct weir_timer timer = {
        .deadline_ns = pull->request.deadline_ns != 0 ? pull->request.deadline_ns : WEIR_NEVER,
        .fn = on_timer,
        .arg = pull,
        .token = pull->request.token,
    };
    int status = 0;

    if (timer.deadline_ns != WEIR_NEVER || timer.token.bits != 0) {
        status = weir_timer_start(pull->inband->loop, &timer, &pull->timer);
        pull->has_timer = status == 0;
    }
    return status;
}

static void
run_read(struct weir_inband *inband, void *arg)
{
    struct wi_inband_pull *pull = arg;
    struct weir_read_result result = {0};

    if (inband->phase >= WI_INBAND_CLOSING && !(inband->flags & WI_INBAND_FIN_TOLD)) {
        result.status = -WEIR_EENDED;
        result.origin = WEIR_ORIGIN_LOCAL_CLOSE;
    } else if (inband->flags & WI_INBAND_DISCARD) {
        result.eof = true;
    } else {
        result.status = start_timer(pull);
        result.origin = result.status == 0 ? WEIR_ORIGIN_NONE : WEIR_ORIGIN_LOCAL_CANCEL;
    }
    if (result.status != 0 || result.eof) {
        finish(pull, &result);
        return;
    }
    if (inband->pulls == NULL) {
        inband->pulls = pull;
    } else {
        inband->pulls_last->next = pull;
    }
    inband->pulls_last = pull;
    wi_inband_advance(inband);
}

int
weir_inband_read(struct weir_inband *inband, const struct weir_read *request)
{
    struct wi_inband_pull *pull;
    int status;

    if (request == NULL || request->done == NULL ||
        (request->size_min > request->size && (request->buffer != NULL || request->size > 0))) {
        return -EINVAL;
    }
    if (wi_inband_pushes(inband)) {
        return -EBUSY;
    }
    pull = wi_heap_zalloc(sizeof(*pull));
    if (pull == NULL) {
        return -ENOMEM;
    }
    pull->inband = weir_inband_ref(inband);
    pull->request = *request;
    status = wi_inband_post(inband, run_read, pull);
    if (status < 0) {
        free_pull(pull);
    }
    return status;
}
