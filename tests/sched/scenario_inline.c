// SPDX-License-Identifier: MIT
// The right to write: one at a time sends, what began goes on in front, and a descriptor is closed
// only when nobody sends.

#include "tests/sched/letters.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

static weir_stream stream;
static int fd;

static void
told_closed(weir_stream told, const struct weir_closed *how, void *user)
{
    sched_check(told.bits == stream.bits);
    sched_check(!sockets_is_open(fd));
    net_told_closed(told, how, user);
}

static void
set_up(size_t room)
{
    static const struct weir_handlers handlers = {.closed = told_closed};

    net_start();
    stream = net_stream(
        &(struct weir_stream_options){.handlers = &handlers, .flags = WEIR_STREAM_INLINE}, room,
        &fd);
}

static void
write_inline(void *arg)
{
    net_join();
    for (const char *letter = arg; *letter != '\0'; letter++) {
        sched_check(letters_write(stream, *letter, 4, WEIR_INLINE_OK) >= 0);
    }
}

static void
write_queued(void *arg)
{
    net_join();
    for (const char *letter = arg; *letter != '\0'; letter++) {
        sched_check(letters_write(stream, *letter, 4, 0) == 0);
    }
}

static void
make_room(void *arg)
{
    (void)arg;
    sockets_make_room(fd, SOCKETS_WIRE_MAX);
}

static void
verify(void)
{
    letters_verify(fd);
    net_verify(stream);
}

/* ---- the kernel takes all ---- */

static void
set_up_inline(void)
{
    static char ab[] = "ab", kl[] = "kl";

    set_up(SOCKETS_WIRE_MAX);
    sched_start(write_inline, ab);
    sched_start(write_inline, kl);
}

const struct sched_scenario net_inline = {
    .name = "net-inline",
    .promise = "two threads that send at once take turns, and keep the order",
    .set_up = set_up_inline,
    .verify = verify,
    .quick = 1,
};

/* ---- beside a thread that does not ---- */

static void
set_up_mixed(void)
{
    static char ab[] = "ab", kl[] = "kl";

    set_up(SOCKETS_WIRE_MAX);
    sched_start(write_inline, ab);
    sched_start(write_queued, kl);
}

const struct sched_scenario net_inline_mixed = {
    .name = "net-inline-mixed",
    .promise = "a write sent inside the call overtakes none that had returned",
    .set_up = set_up_mixed,
    .verify = verify,
    .quick = 1,
};

/* ---- the kernel takes a part: the rest goes first ---- */

static void
set_up_part(void)
{
    static char a[] = "a", k[] = "k";

    set_up(2);
    sched_start(write_inline, a);
    sched_start(write_queued, k);
    sched_start(make_room, NULL);
}

const struct sched_scenario net_inline_part = {
    .name = "net-inline-part",
    .promise = "what a send inside the call left goes in front of all else",
    .set_up = set_up_part,
    .verify = verify,
    .pre_emptions = 1,
};

/* ---- the stream is aborted, or closed ---- */

static void
write_until_refused(void *arg)
{
    net_join();
    for (const char *letter = arg; *letter != '\0'; letter++) {
        int result = letters_write(stream, *letter, 4, WEIR_INLINE_OK);

        sched_check(result >= 0 || result == -WEIR_EENDED || result == -WEIR_ESTALE ||
                    result == -EPIPE);
    }
}

static void
close_it(void *arg)
{
    enum weir_close_mode mode = *(const enum weir_close_mode *)arg;

    sched_check(weir_close(stream, mode, WEIR_NEVER, 0) == 0);
}

static void
start_closing(const enum weir_close_mode *mode)
{
    static char ab[] = "ab";

    sched_start(write_until_refused, ab);
    sched_start(close_it, (void *)(uintptr_t)mode);
}

static void
set_up_abort(void)
{
    static const enum weir_close_mode mode = WEIR_CLOSE_ABORT;

    set_up(SOCKETS_WIRE_MAX);
    start_closing(&mode);
}

static void
verify_closed(void)
{
    sched_check(net_count(&net_closed) == 1 && wi_gate_find(stream.bits) == NULL);
    sched_check(wi_load_relaxed(&fixture_loop()->streams) == 0);
    letters_verify(fd);
    fixture_verify();
}

const struct sched_scenario net_inline_abort = {
    .name = "net-inline-abort",
    .promise = "an abort closes the descriptor when nobody sends, and each write ends once",
    .set_up = set_up_abort,
    .verify = verify_closed,
    .quick = 1,
};

static void
set_up_flush(void)
{
    static const enum weir_close_mode mode = WEIR_CLOSE_FLUSH;

    set_up(SOCKETS_WIRE_MAX);
    start_closing(&mode);
}

static void
verify_flushed(void)
{
    verify_closed();
    sched_check(sockets_has_fin(fd));
    for (const char *letter = "ab"; *letter != '\0'; letter++) { // what was accepted has gone
        sched_check(letters_status(*letter) >= 0 || letters_status(*letter) == -WEIR_EENDED ||
                    letters_status(*letter) == -WEIR_ESTALE);
    }
}

const struct sched_scenario net_inline_flush = {
    .name = "net-inline-flush",
    .promise = "a close lets a send inside a call end, and the FIN goes behind it",
    .set_up = set_up_flush,
    .verify = verify_flushed,
    .quick = 1,
};

/* ---- the send fails ---- */

static void
break_it(void *arg)
{
    (void)arg;
    sockets_fail_sends(fd, EPIPE);
}

static void
set_up_failed(void)
{
    static char ab[] = "ab", k[] = "k";

    set_up(SOCKETS_WIRE_MAX);
    sched_start(write_until_refused, ab);
    sched_start(write_until_refused, k);
    sched_start(break_it, NULL);
}

const struct sched_scenario net_inline_failed = {
    .name = "net-inline-failed",
    .promise = "a send that fails inside the call is told to the loop, and all writes end once",
    .set_up = set_up_failed,
    .verify = verify,
    .pre_emptions = 1,
};
