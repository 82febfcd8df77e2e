/* SPDX-License-Identifier: MIT */

#include "netio/net.h"
#include "netio/request.h"

#include <errno.h>

// Blocking forms for plain threads: the ordinary call with a completion that says so. The sleep is
// the runtime's one futex.

struct waiting {
    wi_atomic_bool over;
};

static bool
is_over(const void *arg)
{
    // ORDER(waiting) observe: pairs with finish_waiting(); the result is there.
    return wi_load_acquire(&((const struct waiting *)arg)->over);
}

static void
finish_waiting(struct waiting *waiting)
{
    wi_store_release(&waiting->over, true); // ORDER(waiting) publish
    // Whoever waits may be gone from here on; the turn's end wakes all waiters anyway.
}

static int
may_wait(uint64_t handle, enum wi_handle_kind kind, struct wi_runtime **ret_runtime)
{
    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    *ret_runtime = wi_runtime_by_handle(handle, kind);
    return *ret_runtime == NULL ? wi_stale() : 0;
}

/* ---- writing ---- */

struct write_waiting {
    struct waiting waiting;
    struct weir_result result;
    weir_done_fn *done;
    void *arg;
};

static void
write_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct write_waiting *write = arg;

    write->result = *result;
    if (write->done != NULL) {
        write->done(stream, result, write->arg);
    }
    finish_waiting(&write->waiting);
}

int
weir_write_wait(weir_stream stream, const struct weir_write *request,
                struct weir_result *ret_result)
{
    struct write_waiting write = {0};
    struct weir_write waited;
    struct wi_runtime *runtime;
    uint64_t size = 0;
    int result;

    result = may_wait(stream.bits, WI_HANDLE_STREAM, &runtime);
    if (result < 0 || request == NULL) {
        return result < 0 ? result : -EINVAL;
    }
    waited = *request;
    waited.flags &= ~(unsigned)WEIR_MORE; // a writer that waits is not corked
    if (waited.flags & (WEIR_SOME | WEIR_NOWAIT)) {
        waited.flags &= ~(unsigned)WEIR_INLINE_OK; // only a completion tells how much went
    }
    if (waited.flags & WEIR_INLINE_OK) { // its memory may be gone when it has been sent
        result = wi_request_check(request, &size);
        if (result < 0) {
            return result;
        }
    }
    waited.done = write_done;
    waited.arg = &write;
    write.done = request->done;
    write.arg = request->arg;
    result = weir_write(stream, &waited, NULL);
    if (result == 0) {
        wi_wait_until(runtime, is_over, &write.waiting, WEIR_NEVER);
        result = write.result.status;
    } else if (result == 1) { // it was sent inside the call
        write.result.accepted = size;
        write.result.sent = size;
        if (request->done != NULL) {
            request->done(stream, &write.result, request->arg);
        }
        result = 0;
    } else {
        return result;
    }
    if (ret_result != NULL) {
        *ret_result = write.result;
    }
    return result;
}

/* ---- reading ---- */

struct read_waiting {
    struct waiting waiting;
    struct weir_read_result result;
    weir_read_fn *done;
    void *arg;
};

static void
read_done(weir_stream stream, struct weir_read_result *result, void *arg)
{
    struct read_waiting *read = arg;

    if (read->done != NULL) {
        read->done(stream, result, read->arg);
    }
    read->result = *result;
    result->chain = (struct weir_chain){0}; // it is the waiting thread's now
    finish_waiting(&read->waiting);
}

int
weir_read_wait(weir_stream stream, const struct weir_read *request,
               struct weir_read_result *ret_result)
{
    struct read_waiting read = {0};
    struct weir_read waited;
    struct wi_runtime *runtime;
    int result;

    result = may_wait(stream.bits, WI_HANDLE_STREAM, &runtime);
    if (result < 0 || request == NULL || ret_result == NULL) {
        return result < 0 ? result : -EINVAL;
    }
    waited = *request;
    waited.done = read_done;
    waited.arg = &read;
    read.done = request->done;
    read.arg = request->arg;
    result = weir_read(stream, &waited, NULL);
    if (result < 0) {
        return result;
    }
    wi_wait_until(runtime, is_over, &read.waiting, WEIR_NEVER);
    *ret_result = read.result;
    return read.result.status;
}

/* ---- dialling ---- */

static bool
has_started(const void *arg)
{
    // ORDER(waiting) observe: pairs with wi_dial_finish_waiting().
    return wi_load_acquire(&((const struct wi_dial_waiting *)arg)->over);
}

int
weir_dial_wait(struct weir_loop *loop, const struct weir_dial *request, weir_stream *ret_stream)
{
    struct wi_dial_waiting waiting = {0};
    weir_stream stream;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    if (loop == NULL || request == NULL || ret_stream == NULL ||
        (request->flags & WEIR_DIAL_LAZY)) {
        return -EINVAL;
    }
    result = wi_dial(loop, request, &waiting, &stream);
    if (result < 0) {
        return result;
    }
    wi_wait_until(wi_loop_of(loop)->runtime, has_started, &waiting, WEIR_NEVER);
    if (waiting.status == 0) {
        *ret_stream = stream;
    }
    return waiting.status;
}
