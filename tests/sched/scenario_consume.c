// SPDX-License-Identifier: MIT
// Answers to a data function from other threads, before and after it has returned.

#include "tests/sched/fixture_net.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

#define GIVEN 4u

static weir_stream stream, other;
static int fd, other_fd;
static struct net_counter shown, other_shown;
static wi_atomic_bool is_told; // workers know that data was called
static size_t left;            // as the last call was shown
static int answers[2];
static size_t consumed[2];

// What is left of "abcd" is shown, and what was consumed is not.
static size_t
look(struct weir_iter begin, struct weir_iter end)
{
    struct weir_segment segment;
    size_t size = 0;
    char first = '\0';

    while (weir_iter_segment(&begin, end, &segment)) {
        first = size == 0 ? (char)segment.data[0] : first;
        size += segment.size;
    }
    sched_check(size != 0 && size <= GIVEN && first == (char)('a' + GIVEN - size));
    return size;
}

static void
give(void *arg)
{
    sockets_give(*(const int *)arg, "abcd", GIVEN);
}

// As a program would: data tells its workers, and they may be faster than it returns.
static void
tell_workers(void)
{
    wi_store_release(&is_told, true);
}

static bool
has_been_told(void *arg)
{
    return sched_peek(arg, sizeof(is_told)) != 0;
}

static void
answer(void *arg)
{
    unsigned number = *(const unsigned *)arg;

    sched_wait(has_been_told, &is_told);
    sched_check(wi_load_acquire(&is_told));
    answers[number] = weir_consume(stream, number + 1, number + 1);
    consumed[number] = answers[number] == 0 ? number + 1 : 0;
}

static void
set_up(const struct weir_handlers *handlers, unsigned workers)
{
    static unsigned numbers[] = {0, 1};

    net_start();
    stream = net_stream(&(struct weir_stream_options){.handlers = handlers}, 0, &fd);
    for (unsigned i = 0; i < workers; i++) {
        sched_start(answer, &numbers[i]);
    }
    sched_start(give, &fd);
}

/* ---- the function says PENDING ---- */

static struct weir_consumed
data_pending(weir_stream told, struct weir_iter begin, struct weir_iter end, void *user)
{
    (void)user;
    sched_check(told.bits == stream.bits);
    left = look(begin, end);
    net_add(&shown, 1);
    tell_workers();
    if (left == 1) { // both have answered
        return (struct weir_consumed){.consumed = 1, .examined = 1};
    }
    return (struct weir_consumed){.consumed = WEIR_CONSUME_PENDING};
}

static void
verify_pending(void)
{
    unsigned taken = (unsigned)(answers[0] == 0) + (unsigned)(answers[1] == 0);

    for (unsigned i = 0; i < 2; i++) {
        sched_check(answers[i] == 0 || answers[i] == -EALREADY);
    }
    // Each answer that was taken is consumed, and what is left is shown again.
    sched_check(taken >= 1 && net_count(&shown) == taken + 1);
    sched_check(left == GIVEN - consumed[0] - consumed[1]);
    net_verify(stream);
}

static void
set_up_pending(void)
{
    static const struct weir_handlers handlers = {.data = data_pending};

    set_up(&handlers, 2);
}

const struct sched_scenario net_consume = {
    .name = "net-consume",
    .promise = "an answer from another thread counts once, also before data has returned",
    .set_up = set_up_pending,
    .verify = verify_pending,
    .pre_emptions = 1,
};

/* ---- an answer that comes whether or not data was called ---- */

static void
answer_untold(void *arg)
{
    (void)arg;
    answers[0] = weir_consume(stream, 1, 1);
}

static void
set_up_untold(void)
{
    static const struct weir_handlers handlers = {.data = data_pending};

    set_up(&handlers, 0);
    sched_start(answer_untold, NULL);
}

static void
verify_untold(void)
{
    sched_check(answers[0] == 0 || answers[0] == -EALREADY);
    sched_check(net_count(&shown) == (answers[0] == 0 ? 2 : 1));
    sched_check(left == (answers[0] == 0 ? GIVEN - 1 : GIVEN));
    net_verify(stream);
}

const struct sched_scenario net_consume_any = {
    .name = "net-consume-any",
    .promise = "an answer is taken when data has said PENDING, and refused before",
    .set_up = set_up_untold,
    .verify = verify_untold,
};

/* ---- it did not: the answer is void ---- */

static struct weir_consumed
data_itself(weir_stream told, struct weir_iter begin, struct weir_iter end, void *user)
{
    size_t size = look(begin, end);

    (void)told;
    (void)user;
    left -= size;
    net_add(&shown, 1);
    tell_workers();
    return (struct weir_consumed){.consumed = size, .examined = size};
}

static void
set_up_void(void)
{
    static const struct weir_handlers handlers = {.data = data_itself};

    left = GIVEN;
    set_up(&handlers, 1);
}

static void
verify_void(void)
{
    sched_check(answers[0] == 0 || answers[0] == -EALREADY);
    sched_check(net_count(&shown) == 1 && left == 0);
    net_verify(stream);
}

const struct sched_scenario net_consume_void = {
    .name = "net-consume-void",
    .promise = "an answer to data that did not say PENDING changes nothing",
    .set_up = set_up_void,
    .verify = verify_void,
    .quick = 1,
};

/* ---- another stream's data runs meanwhile ---- */

static struct weir_consumed
data_both(weir_stream told, struct weir_iter begin, struct weir_iter end, void *user)
{
    size_t size = look(begin, end);

    (void)user;
    if (told.bits == other.bits) {
        net_add(&other_shown, 1);
        return (struct weir_consumed){.consumed = size, .examined = size};
    }
    left = size;
    net_add(&shown, 1);
    tell_workers();
    return (struct weir_consumed){.consumed = WEIR_CONSUME_PENDING, .examined = 0};
}

static void
set_up_other(void)
{
    static const struct weir_handlers handlers = {.data = data_both};

    set_up(&handlers, 1);
    other = net_stream(&(struct weir_stream_options){.handlers = &handlers}, 0, &other_fd);
    sched_start(give, &other_fd);
}

static void
verify_other(void)
{
    sched_check(answers[0] == 0 && net_count(&other_shown) == 1);
    sched_check(net_count(&shown) == 2 && left == GIVEN - 1);
    net_verify(stream);
    net_verify(other);
}

const struct sched_scenario net_consume_other = {
    .name = "net-consume-other",
    .promise = "an answer for one stream is not taken for another whose data runs",
    .set_up = set_up_other,
    .verify = verify_other,
    .pre_emptions = 1,
};

/* ---- the stream is aborted meanwhile: what the answer is written into goes with it ---- */

static void
answer_twice(void *arg)
{
    (void)arg;
    sched_wait(has_been_told, &is_told);
    sched_check(wi_load_acquire(&is_told));
    answers[0] = weir_consume(stream, 1, 1);
    answers[1] = weir_consume(stream, 1, 1);
}

static void
abort_it(void *arg)
{
    (void)arg;
    sched_wait(has_been_told, &is_told);
    sched_check(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0) == 0);
}

static void
set_up_abort(void)
{
    static const struct weir_handlers handlers = {.data = data_pending, .closed = net_told_closed};

    set_up(&handlers, 0);
    sched_start(answer_twice, NULL);
    sched_start(abort_it, NULL);
}

static void
verify_abort(void)
{
    for (unsigned i = 0; i < 2; i++) {
        sched_check(answers[i] == 0 || answers[i] == -EALREADY || answers[i] == -WEIR_ESTALE);
    }
    sched_check(net_count(&net_closed) == 1 && !sockets_is_open(fd));
    sched_check(wi_load_relaxed(&fixture_loop()->streams) == 0);
    fixture_verify();
}

const struct sched_scenario net_consume_abort = {
    .name = "net-consume-abort",
    .promise = "an answer that meets an abort is written into nothing that has been freed",
    .set_up = set_up_abort,
    .verify = verify_abort,
    .pre_emptions = 1,
};

/* ---- reading is paused and goes on ---- */

static struct weir_consumed
data_all(weir_stream told, struct weir_iter begin, struct weir_iter end, void *user)
{
    size_t size = look(begin, end);

    (void)told;
    (void)user;
    left -= size;
    return (struct weir_consumed){.consumed = size, .examined = size};
}

static void
pause_and_resume(void *arg)
{
    (void)arg;
    sched_check(weir_pause(stream) == 0);
    sched_check(weir_resume(stream) == 0);
}

static void
set_up_pause(void)
{
    static const struct weir_handlers handlers = {.data = data_all};

    left = GIVEN;
    set_up(&handlers, 0);
    sched_start(pause_and_resume, NULL);
}

static void
verify_pause(void)
{
    sched_check(left == 0);
    net_verify(stream);
}

const struct sched_scenario net_pause = {
    .name = "net-pause",
    .promise = "of a pause and a resume the last one holds, and no byte stays behind",
    .set_up = set_up_pause,
    .verify = verify_pause,
    .quick = 1,
};
