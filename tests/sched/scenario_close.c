// SPDX-License-Identifier: MIT
// Submits that meet an end, a close, the freeing of the slot: refused or completed, once.

#include "tests/sched/letters.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

static weir_stream stream, second;
static int fd, second_fd;
static int answers[2];

static void
told_closed(weir_stream told, const struct weir_closed *how, void *user)
{
    sched_check(told.bits == stream.bits || told.bits == second.bits);
    sched_check(how->status == 0 || how->status == -ECONNABORTED || how->status == -EPIPE);
    net_told_closed(told, how, user);
}

static const struct weir_handlers handlers = {.closed = told_closed};

static void
set_up(const struct weir_stream_options *options)
{
    struct weir_stream_options all = *options;

    all.handlers = &handlers;
    net_start();
    stream = net_stream(&all, SOCKETS_WIRE_MAX, &fd);
}

static void
write_letters(void *arg)
{
    net_join();
    for (const char *letter = arg; *letter != '\0'; letter++) {
        int result = letters_write(stream, *letter, 2, 0);

        sched_check(result == 0 || result == -WEIR_EENDED || result == -WEIR_ESTALE ||
                    result == -EPIPE);
    }
}

// Who was refused was so for ever: what it submits behind it does not leave either.
static void
verify_refusals(const char *letters)
{
    for (; letters[0] != '\0' && letters[1] != '\0'; letters++) {
        sched_check(letters_status(letters[0]) >= 0 || letters_status(letters[1]) < 0);
    }
}

/* ---- an end ---- */

static void
end_it(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write(stream, 'z', 2, WEIR_FIN) == 0);
    sched_check(letters_write(stream, 'y', 2, 0) == -WEIR_EENDED);
}

static void
set_up_end(void)
{
    static char abc[] = "abc";

    set_up(&(struct weir_stream_options){0});
    sched_start(write_letters, abc);
    sched_start(end_it, NULL);
}

static void
verify_end(void)
{
    const char *wire;
    size_t size = sockets_wire(fd, &wire);

    letters_verify(fd);
    verify_refusals("abc");
    sched_check(size >= 2 && wire[size - 1] == 'z' && sockets_has_fin(fd));
    net_verify(stream);
}

const struct sched_scenario net_end = {
    .name = "net-end",
    .promise = "what was accepted before an end goes before it, the rest is refused",
    .set_up = set_up_end,
    .verify = verify_end,
    .quick = 1,
};

/* ---- two ends under a high mark, and who is refused for one of them ---- */

static void
end_once(void *arg)
{
    const char *letter = arg;
    int result;

    net_join();
    result = letters_write(stream, *letter, 40, WEIR_FIN);
    sched_check(result == 0 || result == -WEIR_EENDED || result == -WEIR_ESTREAMFULL);
}

static struct net_counter writables;

static void
writable(weir_stream told, void *user)
{
    (void)told;
    (void)user;
    net_add(&writables, 1);
}

static void
write_when_writable(void *arg)
{
    uint64_t seen = net_count(&writables);

    (void)arg;
    net_join();
    if (letters_write(stream, 'a', 40, 0) == -WEIR_ESTREAMFULL) {
        net_await(&writables, seen);
    }
}

static void
set_up_ends(void)
{
    static const struct weir_handlers tells = {.writable = writable};
    static char x[] = "x", y[] = "y";

    net_start();
    stream = net_stream(
        &(struct weir_stream_options){.handlers = &tells, .queue_high = 79, .queue_low = 1},
        SOCKETS_WIRE_MAX, &fd);
    sched_start(end_once, x);
    sched_start(end_once, y);
    sched_start(write_when_writable, NULL);
}

static void
verify_ends(void)
{
    int ends = (letters_status('x') == 0) + (letters_status('y') == 0);

    letters_verify(fd);
    sched_check(ends <= 1 && sockets_has_fin(fd) == (ends == 1));
    sched_check(ends == 1 || letters_status('a') == 0); // else what were they refused for?
    net_verify(stream);
}

const struct sched_scenario net_ends = {
    .name = "net-ends",
    .promise = "of two ends one is taken; who was refused for the other's bytes is told",
    .set_up = set_up_ends,
    .verify = verify_ends,
    .pre_emptions = 1,
};

/* ---- a close ---- */

static void
close_it(void *arg)
{
    unsigned mode = *(const unsigned *)arg;

    answers[0] = weir_close(stream, (enum weir_close_mode)mode, WEIR_NEVER, 7);
}

static void
set_up_close(void)
{
    static char ab[] = "ab";
    static unsigned mode = WEIR_CLOSE_FLUSH;

    set_up(&(struct weir_stream_options){0});
    sched_start(write_letters, ab);
    sched_start(close_it, &mode);
}

static void
verify_over(void)
{
    sched_check(answers[0] == 0 && net_count(&net_closed) == 1 && !sockets_is_open(fd));
    sched_check(wi_gate_find(stream.bits) == NULL);
    sched_check(wi_load_relaxed(&fixture_loop()->streams) == 0);
    letters_verify(fd);
    fixture_verify();
}

static void
verify_close(void)
{
    verify_over();
    verify_refusals("ab");
    sched_check(sockets_has_fin(fd));
    for (const char *letter = "ab"; *letter != '\0'; letter++) { // accepted: it has gone
        int status = letters_status(*letter);

        sched_check(status == 0 || status == -WEIR_EENDED || status == -WEIR_ESTALE);
    }
}

const struct sched_scenario net_close = {
    .name = "net-close",
    .promise = "a write that meets a close is refused or has gone, and `closed` is told once",
    .set_up = set_up_close,
    .verify = verify_close,
    .quick = 1,
};

/* ---- an abort and a close at once ---- */

static void
abort_it(void *arg)
{
    (void)arg;
    answers[1] = weir_close(stream, WEIR_CLOSE_ABORT, 0, 9);
}

static void
set_up_abort(void)
{
    static char a[] = "a";
    static unsigned mode = WEIR_CLOSE_FLUSH;

    set_up(&(struct weir_stream_options){0});
    sched_start(write_letters, a);
    sched_start(close_it, &mode);
    sched_start(abort_it, NULL);
}

static void
verify_abort(void)
{
    answers[0] = answers[0] == -WEIR_ESTALE ? 0 : answers[0];
    sched_check(answers[1] == 0 || answers[1] == -WEIR_ESTALE);
    verify_over();
}

const struct sched_scenario net_abort = {
    .name = "net-abort",
    .promise = "a close, an abort and a write at once: each is answered, `closed` is told once",
    .set_up = set_up_abort,
    .verify = verify_abort,
    .pre_emptions = 1,
};

/* ---- the slot is used again ---- */

static void
abort_and_adopt(void *arg)
{
    (void)arg;
    net_join();
    sched_check(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0) == 0);
    sched_check(weir_adopt(wi_loop_public(fixture_loop()), second_fd,
                           &(struct weir_stream_options){.handlers = &handlers}, &second) == 0);
    sched_check(letters_write(second, 'x', 2, 0) == 0);
}

static void
set_up_reuse(void)
{
    static char ab[] = "ab";

    set_up(&(struct weir_stream_options){0});
    second_fd = sockets_open(SOCKETS_WIRE_MAX);
    sched_start(write_letters, ab);
    sched_start(abort_and_adopt, NULL);
}

static void
verify_reuse(void)
{
    const char *wire;

    sched_check(net_count(&net_closed) == 1 && !sockets_is_open(fd));
    sched_check(letters_status('x') == 0);
    sched_check(sockets_wire(second_fd, &wire) == 2 && wire[0] == 'x' && wire[1] == 'x');
    sched_check(wi_load_relaxed(&fixture_loop()->streams) == 1);
    fixture_verify();
}

const struct sched_scenario net_reuse = {
    .name = "net-reuse",
    .promise = "a write by an old handle never reaches the next stream of the slot",
    .set_up = set_up_reuse,
    .verify = verify_reuse,
    .pre_emptions = 1,
};

/* ---- a token that the stream is bound to ---- */

static weir_token token;

static void
bind_it(void *arg)
{
    (void)arg;
    net_join();
    answers[0] = weir_token_bind(token, stream);
    answers[0] = answers[0] == -WEIR_ESTALE ? 0 : answers[0];
}

static void
fire_it(void *arg)
{
    (void)arg;
    answers[1] = weir_token_fire(token, -EPIPE, 3);
}

static void
set_up_bind(void)
{
    static char a[] = "a";

    set_up(&(struct weir_stream_options){0});
    sched_check(weir_token_create((struct weir_runtime *)(void *)fixture_runtime, (weir_token){0},
                                  &token) == 0);
    sched_start(bind_it, NULL);
    sched_start(fire_it, NULL);
    sched_start(write_letters, a);
}

static void
verify_bind(void)
{
    sched_check(answers[1] == 0);
    verify_over();
}

const struct sched_scenario net_bind = {
    .name = "net-bind",
    .promise = "a token that fires while a stream is bound to it ends the stream, once",
    .set_up = set_up_bind,
    .verify = verify_bind,
    .pre_emptions = 1,
};
