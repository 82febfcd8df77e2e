// SPDX-License-Identifier: MIT
//
// A dump: it names all that lives on a loop, how old it is and whose; also when a signal asks.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct dumped {
    struct weir_loop *loop;
    char text[65536];
    size_t size;
    unsigned lines;
    bool newline;
    int result;
};

static void
keep_line(const char *line, void *arg)
{
    struct dumped *dumped = arg;
    size_t room = sizeof(dumped->text) - dumped->size;
    int added = snprintf(dumped->text + dumped->size, room, "%s\n", line);

    dumped->lines++;
    dumped->newline |= strchr(line, '\n') != NULL;
    if (added > 0 && (size_t)added < room) {
        dumped->size += (size_t)added;
    }
}

static void
dump_here(void *arg)
{
    struct dumped *dumped = arg;

    dumped->size = 0;
    dumped->lines = 0;
    dumped->text[0] = '\0';
    dumped->result = weir_dump(dumped->loop, keep_line, dumped);
}

// Section 7.4: it names streams, and grows with what lives.
static void
a_dump_tells_what_lives(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct dumped *dumped = fixture_memory(fixture, sizeof(*dumped));
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pairs[3];
    unsigned lines;

    dumped->loop = fixture->loop;
    loop_call(fixture, fixture->loop, dump_here, dumped);
    assert_status(dumped->result, 0);
    lines = dumped->lines;
    for (unsigned index = 0; index < 3; index++) {
        pairs[index] = pair_open(fixture, &(struct pair_options){.stuffed = true});
        assert_status(request_submit(pairs[index], recorder, index, 777, 0), 0);
    }
    fixture_settle(fixture);
    loop_call(fixture, fixture->loop, dump_here, dumped);
    assert_status(dumped->result, 0);
    assert_false(dumped->newline);
    assert_true(dumped->lines >= lines + 3);
    assert_non_null(strstr(dumped->text, "stream"));
    assert_non_null(strstr(dumped->text, "777"));
    for (unsigned index = 0; index < 3; index++) {
        close_anyhow(pairs[index]);
    }
    loop_call(fixture, fixture->loop, dump_here, dumped);
    assert_true(dumped->lines <= lines + 2);
}

static void
a_dump_is_the_loops_own(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct dumped *dumped = fixture_memory(fixture, sizeof(*dumped));

    dumped->loop = fixture->loop;
    thread_call(fixture, dump_here, dumped);
    assert_status(dumped->result, -EXDEV);
    assert_int_equal(dumped->lines, 0);
    dumped->loop = NULL;
    thread_call(fixture, dump_here, dumped);
    assert_status(dumped->result, -EINVAL);
}

// ---- what is told -----------------------------------------------------------------------------

static struct dumped *
dump_of(struct fixture *fixture)
{
    struct dumped *dumped = fixture_memory(fixture, sizeof(*dumped));

    dumped->loop = fixture->loop;
    loop_call(fixture, fixture->loop, dump_here, dumped);
    assert_status(dumped->result, 0);
    return dumped;
}

// The first line that has both texts, or NULL.
static const char *
line_with(const struct dumped *dumped, const char *text, const char *other)
{
    static char found[300];
    const char *line = dumped->text;

    while (*line != '\0') {
        size_t length = strcspn(line, "\n");

        snprintf(found, sizeof(found), "%.*s", (int)length, line);
        if (strstr(found, text) != NULL && strstr(found, other) != NULL) {
            return found;
        }
        line += length + (line[length] == '\n');
    }
    return NULL;
}

// More of them than any bound that a listing might have.
static void
every_operation_is_listed_with_its_age_and_its_thread(void **state)
{
    enum { COUNT = 40 };
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .latency_every = 1});
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct dumped *dumped;
    char owner[40], size[40];
    double age = 0;

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, 10 + tag, WEIR_COPY), 0);
    }
    dumped = dump_of(fixture); // some are in the lane still
    snprintf(owner, sizeof(owner), "from thread %ld", syscall(SYS_gettid));
    for (unsigned tag = 0; tag < COUNT; tag++) {
        const char *line;

        snprintf(size, sizeof(size), " size %u ", 10 + tag);
        line = line_with(dumped, "  write ", size);
        assert_non_null(line);
        assert_non_null(strstr(line, owner));
        assert_true(age >= 0);
#if defined(WI_NO_LATENCY)
        assert_non_null(strstr(line, "age not timed"));
#else
        assert_int_equal(sscanf(strstr(line, "age "), "age %lf ms", &age), 1);
#endif
    }
    snprintf(owner, sizeof(owner), "lane of thread %ld: waiting 0 of", syscall(SYS_gettid));
    assert_non_null(line_with(dumped, owner, ""));
    assert_non_null(line_with(dumped, "stream ", " open "));
    pair_unstuff(pair);
    recorder_wait(recorder, COUNT);
    assert_null(line_with(dump_of(fixture), "  write ", ""));
}

// Of writes that were not timed the ones before them give a bound.
static void
an_age_is_bounded_by_the_one_before(void **state)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .latency_every = 1024});
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct dumped *dumped;

    assert_status(request_submit(pair, recorder, 0, 111, WEIR_COPY | WEIR_TIMED), 0);
    assert_status(request_submit(pair, recorder, 1, 222, WEIR_COPY), 0);
    fixture_settle(fixture);
    dumped = dump_of(fixture);
    assert_non_null(line_with(dumped, " size 111 ", " ms from thread"));
    assert_null(line_with(dumped, " size 111 ", "at most"));
    assert_non_null(line_with(dumped, " size 222 ", "age at most "));
    assert_non_null(line_with(dumped, "stream ", " blocked "));
    pair_unstuff(pair);
    recorder_wait(recorder, 2);
}

// A name that nobody was given would be another operation's the next time.
static void
an_operation_is_named_if_its_submitter_can_name_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.write_behind = 1000, .small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 1, 222);
    struct dumped *dumped;
    char name[40];
    weir_op op;

    assert_status(request_submit(pair, recorder, 0, 1024 * 1024, 0), 0);
    pair_block(pair);
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_status(request_submit(pair, recorder, 2, 333, 0), 0);
    request = request_make(recorder, 3, 444);
    request.flags = WEIR_COPY;
    request.level = WEIR_ACCEPTED;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    dumped = dump_of(fixture);
    snprintf(name, sizeof(name), " %016llx ", (unsigned long long)op.bits);
    assert_non_null(line_with(dumped, " 0000000000000000 queued: sending size 1048576 ", "write"));
    assert_non_null(line_with(dumped, name, " queued: waiting size 222 "));
    assert_non_null(line_with(dumped, " 0000000000000000 queued: waiting size 333 ", "write"));
    assert_non_null(line_with(dumped, " 0000000000000000 queued: accepted size 444 ", "write"));
    assert_null(line_with(dumped, " free ", ""));
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    close_anyhow(pair);
}

static void
ignore_timer(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    (void)status;
    (void)arg;
}

static void
ignore_watch(weir_watch watch, unsigned events, void *arg)
{
    (void)watch;
    (void)events;
    (void)arg;
}

static void
ignore_read(weir_stream stream, struct weir_read_result *result, void *arg)
{
    (void)stream;
    (void)result;
    (void)arg;
}

static void
timers_watches_listeners_and_reads_are_listed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_timer timer = {.deadline_ns = weir_deadline_after(MS(3600000)), .fn = ignore_timer};
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    static char buffer[100];
    struct weir_read read = {
        .buffer = buffer, .size = sizeof(buffer), .size_min = 1, .done = ignore_read};
    struct weir_listen listen = {0};
    struct dumped *dumped;
    weir_listener listener;
    weir_watch watch;
    char text[40];
    weir_op op;
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    fixture_own_fd(fixture, pipe_fds[0]);
    fixture_own_fd(fixture, pipe_fds[1]);
    assert_status(weir_timer_start(fixture->loop, &timer, &op), 0);
    assert_status(
        weir_watch_start(fixture->loop, pipe_fds[0], WEIR_WATCH_IN, ignore_watch, NULL, &watch), 0);
    assert_status(weir_address_ip(&listen.address, "127.0.0.1", 0), 0);
    assert_status(weir_listen(fixture->runtime, &listen, &listener), 0);
    assert_status(weir_read(pair->stream, &read, NULL), 0);
    fixture_settle(fixture);
    dumped = dump_of(fixture);
    snprintf(text, sizeof(text), "timer %016llx", (unsigned long long)op.bits);
    assert_non_null(line_with(dumped, text, " due in 3"));
    snprintf(text, sizeof(text), "watch fd %d", pipe_fds[0]);
    assert_non_null(line_with(dumped, text, ""));
    assert_non_null(line_with(dumped, "listener fd ", ""));
    assert_non_null(line_with(dumped, "  read ", " size 100 "));
    assert_non_null(line_with(dumped, "pool: leased ", ""));
    assert_status(weir_listener_close(listener), 0);
    assert_status(weir_watch_stop(watch), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    fixture_settle(fixture);
    close_anyhow(pair);
    dumped = dump_of(fixture);
    assert_null(line_with(dumped, "timer ", ""));
    assert_null(line_with(dumped, "watch ", ""));
    assert_null(line_with(dumped, "listener ", ""));
}

// ---- by a signal ------------------------------------------------------------------------------

struct signalled {
    pthread_mutex_t lock;
    struct dumped dumped;
};

static void
keep_signalled(const char *line, void *arg)
{
    struct signalled *signalled = arg;

    pthread_mutex_lock(&signalled->lock);
    keep_line(line, &signalled->dumped);
    pthread_mutex_unlock(&signalled->lock);
}

static bool
all_loops_told(void *arg)
{
    struct signalled *signalled = arg;
    bool told = true;

    pthread_mutex_lock(&signalled->lock);
    for (unsigned i = 0; i < 3; i++) {
        char text[40];

        snprintf(text, sizeof(text), "%u: loop %u: streams", i, i);
        told &= line_with(&signalled->dumped, text, "") != NULL;
    }
    pthread_mutex_unlock(&signalled->lock);
    return told;
}

static void
a_signal_has_every_loop_described(void **state)
{
    struct fixture *fixture = fixture_threads(state, 3);
    struct signalled *signalled = fixture_memory(fixture, sizeof(*signalled));
    weir_watch watch;

    pthread_mutex_init(&signalled->lock, NULL);
    assert_status(weir_dump_on_signal(fixture->runtime, SIGUSR1, keep_signalled, signalled, &watch),
                  0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    fixture_turn_until(fixture, all_loops_told, signalled);
    assert_false(signalled->dumped.newline);
    assert_status(weir_watch_stop(watch), 0);
}

static void
who_would_be_told_nothing_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    weir_watch watch;

    assert_status(weir_dump_on_signal(NULL, SIGUSR1, keep_signalled, NULL, &watch), -EINVAL);
    assert_status(weir_dump_on_signal(fixture->runtime, SIGUSR1, NULL, NULL, &watch), -EINVAL);
    assert_status(weir_dump_on_signal(fixture->runtime, SIGUSR1, keep_signalled, NULL, NULL),
                  -EINVAL);
    assert_status(weir_dump_on_signal(fixture->runtime, 1000, keep_signalled, NULL, &watch),
                  -EINVAL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_dump_tells_what_lives),
        ONCE(a_dump_is_the_loops_own),
        EACH(every_operation_is_listed_with_its_age_and_its_thread),
        EACH(an_age_is_bounded_by_the_one_before),
        ONCE(an_operation_is_named_if_its_submitter_can_name_it),
        ONCE(timers_watches_listeners_and_reads_are_listed),
        ONCE(a_signal_has_every_loop_described),
        ONCE(who_would_be_told_nothing_is_refused),
    };

    return RUN_CASES("conformance.dump", cases);
}
