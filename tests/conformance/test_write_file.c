// os: count
// SPDX-License-Identifier: MIT
// A part of a file as what a write sends: its bytes and its place, how it ends when the file does,
// and that it is a write like any other to everything that can happen to one.
#include "tests/lib/fixture.h"
#include "tests/lib/os_count.h"
#include "tests/lib/reader.h"
#include "tests/lib/thread.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

// A file of size bytes of the pattern, its position somewhere in it.
static int
file_make(struct fixture *fixture, size_t size, unsigned seed)
{
    int fd = fixture_own_fd(fixture, memfd_create("file", MFD_CLOEXEC));
    const unsigned char *bytes = pattern_make(fixture, size + 1, seed);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
    assert_int_equal(lseek(fd, 17, SEEK_SET), 17);
    return fd;
}

static struct weir_file *
part(struct fixture *fixture, int fd, uint64_t offset, uint64_t size)
{
    struct weir_file *file = fixture_memory(fixture, sizeof(*file));

    *file = (struct weir_file){.fd = fd, .offset = offset, .size = size};
    return file;
}

static struct weir_write
file_request(struct recorder *recorder, unsigned tag, int fd, uint64_t offset, uint64_t size)
{
    struct weir_write request = {.done = recorder_done, .arg = recorder_tag(recorder, tag)};

    request.file = part(recorder->fixture, fd, offset, size);
    return request;
}

static int
file_submit(struct pair *pair, struct recorder *recorder, unsigned tag, int fd, uint64_t offset,
            uint64_t size, unsigned flags)
{
    struct weir_write request = file_request(recorder, tag, fd, offset, size);

    request.flags = flags;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

// ---- bytes and order ----------------------------------------------------------------------------

static const struct {
    uint64_t offset;
    uint64_t size;
} parts[] = {
    {0, 1}, {5, 0}, {17, 4000}, {1000, 70000}, {0, 3 * MIB}, {MIB, MIB}, {3 * MIB - 1, 1},
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

// Files and plain writes in turn, of which the peer gets the bytes in that order.
static void
send_parts(struct fixture *fixture, unsigned flags)
{
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    int fd = file_make(fixture, 3 * MIB, 50);

    for (unsigned i = 0; i < PARTS; i++) {
        assert_status(file_submit(pair, recorder, 2 * i, fd, parts[i].offset, parts[i].size, flags),
                      0);
        assert_status(request_submit(pair, recorder, 2 * i + 1, i * 1000, 0), 0);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        peer_read_pattern(fixture, pair->peer, parts[i].size, parts[i].offset, 50);
        peer_read_pattern(fixture, pair->peer, (size_t)i * 1000, 0, 2 * i + 1);
    }
    recorder_wait(recorder, 2 * PARTS);
    for (unsigned i = 0; i < PARTS; i++) {
        expect_result(recorder_of(recorder, 2 * i), 0, WEIR_ORIGIN_NONE, parts[i].size);
        assert_int_equal(recorder_at(recorder, 2 * i).tag, 2 * i);
        assert_int_equal(recorder_of(recorder, 2 * i).accepted, parts[i].size);
    }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);
}

static void
files_go_in_their_place_among_other_writes(void **state)
{
    send_parts(fixture_manual(state), 0);
}

static void
files_go_from_any_thread(void **state)
{
    send_parts(fixture_threads(state, 1), 0);
}

static void
corked_files_go_with_what_flushes_them(void **state)
{
    send_parts(fixture_manual(state), WEIR_MORE);
}

// Hints that mean nothing for a file.
static void
files_are_neither_inline_nor_zero_copy(void **state)
{
    send_parts(fixture_manual(state), WEIR_ZEROCOPY | WEIR_INLINE_OK);
}

static void
loop_writes(void *arg)
{
    struct pair *pair = arg;
    struct recorder *recorder = recorder_make(pair->fixture);

    file_submit(pair, recorder, 0, file_make(pair->fixture, 70000, 0), 0, 70000, 0);
}

static void
files_go_from_the_loop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    loop_call(fixture, fixture->loop, loop_writes, pair);
    peer_read_pattern(fixture, pair->peer, 70000, 0, 0);
}

static void
a_file_may_end_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    int fd = file_make(fixture, MIB, 1);

    assert_status(file_submit(pair, recorder, 0, fd, 0, MIB, WEIR_FIN), 0);
    assert_status(request_submit(pair, recorder, 1, 1, 0), -WEIR_EENDED);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 1);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
}

static void
a_file_may_be_acknowledged(void **state)
{
    static const uint64_t sizes[] = {1, 4096, 4097, 70000, MIB};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);
    int fd = file_make(fixture, MIB, 1);

    for (unsigned tag = 0; tag < 5; tag++) {
        struct weir_write request = file_request(recorder, tag, fd, 0, sizes[tag]);

        request.level = WEIR_ACKED;
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    }
    for (unsigned tag = 0; tag < 5; tag++) {
        peer_read_pattern(fixture, pair->peer, sizes[tag], 0, 1);
    }
    recorder_wait(recorder, 5);
    for (unsigned tag = 0; tag < 5; tag++) {
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, sizes[tag]);
        assert_int_equal(recorder_of(recorder, tag).acked, sizes[tag]);
    }
}

static void
some_of_a_file_may_be_enough(void **state)
{
    static const unsigned flags[] = {WEIR_SOME, WEIR_NOWAIT};
    struct fixture *fixture = fixture_manual(state);
    int fd = file_make(fixture, MIB, 1);

    for (unsigned i = 0; i < 2; i++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
        struct recorder *recorder = recorder_make(fixture);
        struct weir_result result;

        assert_status(file_submit(pair, recorder, 0, fd, 0, MIB, flags[i]), 0);
        recorder_wait(recorder, 1);
        result = recorder_of(recorder, 0);
        assert_status(result.status, 0);
        assert_in_range(result.sent, 1, MIB - 1);
        peer_read_pattern(fixture, pair->peer, result.sent, 0, 1);
        assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
        peer_read_pattern(fixture, pair->peer, 10, 0, 1);
        recorder_wait(recorder, 2);
    }
}

static void
nowait_on_a_full_socket_sends_nothing_of_a_file(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(file_submit(pair, recorder, 0, file_make(fixture, 100, 1), 0, 100, WEIR_NOWAIT),
                  0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -EAGAIN, WEIR_ORIGIN_TRANSPORT, 0);
}

// ---- whose descriptor ---------------------------------------------------------------------------

static void
a_given_descriptor_is_released_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = file_request(recorder, 0, file_make(fixture, 9000, 1), 0, 9000);

    request.flags = WEIR_GIVE;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL); // nobody to give it to
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 9000, 0, 1);
    recorder_wait(recorder, 1);
    assert_int_equal(released_count(released), 1);
}

// The description is the caller's at once, the descriptor when it is done.
static void
the_description_may_go_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_file file = {.fd = file_make(fixture, 9000, 1), .offset = 5, .size = 8000};
    struct weir_write request = {
        .file = &file, .done = recorder_done, .arg = recorder_tag(recorder, 0)};

    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    memset(&file, 0xff, sizeof(file));
    peer_read_pattern(fixture, pair->peer, 8000, 5, 1);
    recorder_wait(recorder, 1);
}

// ---- what is refused ----------------------------------------------------------------------------

static void
impossible_files_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct iovec piece = {"x", 1};
    struct weir_chain chain = request_chain(10, 0);
    struct weir_shared *shared = weir_shared_create("x", 1);
    int fd = file_make(fixture, 100, 1);
    struct weir_file *good = part(fixture, fd, 0, 100);
    const struct weir_write requests[] = {
        {.file = good, .iov = &piece, .iov_count = 1},
        {.file = good, .iov = &piece},
        {.file = good, .iov_count = 1},
        {.file = good, .chain = &chain},
        {.file = good, .shared = shared},
        {.file = good, .flags = WEIR_COPY},
        {.file = good, .level = WEIR_ACCEPTED},
        {.file = part(fixture, -1, 0, 100)},
        {.file = part(fixture, fd, 0, UINT64_MAX)},
        {.file = part(fixture, fd, UINT64_MAX, 1)},
        {.file = part(fixture, fd, INT64_MAX, 1)},
        {.file = part(fixture, fd, (uint64_t)INT64_MAX + 1, 0)},
    };
    struct weir_iter end;

    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_status(submit(fixture, pair->stream, &requests[i], NULL), -EINVAL);
    }
    assert_status(weir_produce(pair->stream, &end), 0);
    assert_status(weir_commit(pair->stream, end, &(struct weir_write){.file = good}, NULL),
                  -EINVAL);
    assert_non_null(chain.head); // the caller's still
    weir_chain_return(&chain);
    weir_shared_unref(shared);
    peer_expect_silence(fixture, pair->peer);
}

// ---- files that cannot be sent ------------------------------------------------------------------

// The write ends alone: what is behind it goes.
static void
expect_unreadable(struct fixture *fixture, int fd, uint64_t offset, int status)
{
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(file_submit(pair, recorder, 0, fd, offset, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 0), status, WEIR_ORIGIN_TRANSPORT, 0);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, 10);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
}

static void
what_is_no_readable_file_ends_its_write_only(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int fd = file_make(fixture, 100, 1);
    int pipes[2];

    expect_unreadable(fixture, 1000000, 0, -EBADF);
    expect_unreadable(fixture, fd, 100, -ENODATA);
    expect_unreadable(fixture, fd, MIB, -ENODATA);
    fd = fixture_own_fd(fixture, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_unreadable(fixture, fd, 0, -EISDIR);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    fixture_own_fd(fixture, pipes[0]);
    fixture_own_fd(fixture, pipes[1]);
    expect_unreadable(fixture, pipes[0], 0, -ESPIPE);
}

// The end that it brought goes with a file that never began.
static void
a_fin_goes_with_its_file(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(file_submit(pair, recorder, 0, 1000000, 0, 100, WEIR_FIN), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -EBADF, WEIR_ORIGIN_TRANSPORT, 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    recorder_wait(recorder, 2);
}

static struct weir_write
short_file(struct recorder *recorder, enum weir_tear tear)
{
    int fd = file_make(recorder->fixture, 5000, 1);
    struct weir_write request = file_request(recorder, 0, fd, 0, 5001);

    request.tear = tear;
    request.abort_code = 7;
    return request;
}

// A part has left: no write may follow it as if nothing were missing.
static void
a_file_that_ends_too_soon_tears_the_stream(void **state)
{
    static const enum weir_tear tears[] = {WEIR_TEAR_STOP, WEIR_TEAR_FINISH};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned i = 0; i < 2; i++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        struct recorder *recorder = recorder_make(fixture);
        struct weir_write request = short_file(recorder, tears[i]);

        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
        assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
        recorder_wait(recorder, 2);
        expect_result(recorder_of(recorder, 0), -ENODATA, WEIR_ORIGIN_TRANSPORT, 5000);
        expect_result(recorder_of(recorder, 1), -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
        assert_status(request_submit(pair, recorder, 2, 10, 0), -WEIR_ETORN);
        peer_read_pattern(fixture, pair->peer, 5000, 0, 1);
        assert_status(weir_resume_torn(pair->stream), 0);
        assert_status(request_submit(pair, recorder, 3, 10, 0), 0);
        peer_read_pattern(fixture, pair->peer, 10, 0, 3);
        recorder_wait(recorder, 3);
    }
}

struct closing {
    struct fixture *fixture;
    struct recorder *recorder;
};

// Told that its file tore the stream: closes, and writes, which SWALLOW lets it.
static void
close_and_write(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct closing *closing = arg;
    struct weir_write request = request_make(closing->recorder, 1, 10);

    recorder_done(stream, result, recorder_tag(closing->recorder, 0));
    assert_status(weir_close(stream, WEIR_CLOSE_FLUSH, 0, 0), 0);
    assert_status(submit(closing->fixture, stream, &request, NULL), 0);
}

static void
what_is_swallowed_behind_a_tear_is_not_sent(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_SWALLOW});
    struct recorder *recorder = recorder_make(fixture);
    struct closing closing = {fixture, recorder};
    struct weir_write request = short_file(recorder, WEIR_TEAR_STOP);

    request.done = close_and_write;
    request.arg = &closing;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    pair_wait_closed(pair);
    assert_int_equal(recorder_of(recorder, 0).sent, 5000);
    expect_result(recorder_of(recorder, 1), 0, WEIR_ORIGIN_NONE, 0);
    assert_int_equal(pair->events->closed.bytes_sent, 5000);
}

static void
a_file_that_ends_too_soon_may_reset_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = short_file(recorder, WEIR_TEAR_ABORT);

    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    pair_wait_closed(pair);
    expect_result(recorder_of(recorder, 0), -ENODATA, WEIR_ORIGIN_TRANSPORT, 5000);
    assert_int_equal(pair->events->closed.code, 7);
    assert_int_equal(pair->events->closed.bytes_lost, 1);
    assert_true(peer_expect_reset(fixture, pair->peer) <= 5000);
}

// ---- where sendfile() is of no use --------------------------------------------------------------

static void
a_file_that_cannot_be_sent_from_is_read(void **state)
{
    static const int errors[] = {EINVAL, ENOSYS, EIO};
    struct fixture *fixture = fixture_manual(state);
    int fd = file_make(fixture, MIB, 1);

    for (unsigned i = 0; i < 3; i++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
        struct recorder *recorder = recorder_make(fixture);

        os_count_fail(COUNT_SEND_FILE, 1, errors[i]);
        assert_status(file_submit(pair, recorder, 0, fd, 3, MIB - 3, 0), 0);
        assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
        peer_read_pattern(fixture, pair->peer, MIB - 3, 3, 1);
        peer_read_pattern(fixture, pair->peer, 10, 0, 1);
        recorder_wait(recorder, 2);
        assert_int_equal(os_count_of(COUNT_SEND_FILE), 1); // and never again for this write
        assert_true(os_count_of(COUNT_READ_FILE) >= 16);
        os_count_off();
    }
}

// A part has left when the disk fails: torn, with that error.
static void
a_file_that_cannot_be_read_on_tears_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = file_request(recorder, 0, file_make(fixture, 9000, 1), 0, 9000);

    request.level = WEIR_ACKED; // the last 4096 bytes are read
    os_count_fail(COUNT_READ_FILE, 1, EIO);
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    os_count_off();
    expect_result(recorder_of(recorder, 0), -EIO, WEIR_ORIGIN_TRANSPORT, 9000 - 4096);
    assert_status(request_submit(pair, recorder, 1, 10, 0), -WEIR_ETORN);
    peer_read_pattern(fixture, pair->peer, 9000 - 4096, 0, 1);
}

// SIGPIPE has its default action here, and the loop is on this thread.
static void
a_peer_that_is_gone_raises_no_signal(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct recorder *recorder = recorder_make(fixture);
    int fd = file_make(fixture, MIB, 1);

    peer_reset(fixture, pair->peer);
    for (unsigned tag = 0; tag < 2; tag++) {
        if (file_submit(pair, recorder, tag, fd, 0, MIB, 0) == 0) {
            recorder_wait(recorder, tag + 1);
            assert_true(recorder_of(recorder, tag).status < 0);
        }
    }
    close_anyhow(pair);
}

// ---- cancelling ---------------------------------------------------------------------------------

static void
a_queued_file_is_cancelled_without_a_trace(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = file_request(recorder, 1, file_make(fixture, 100, 1), 0, 100);
    weir_op op;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_status(request_submit(pair, recorder, 2, 10, 0), 0);
    fixture_settle(fixture);
    assert_status(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 1), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 2);
    recorder_wait(recorder, 3);
    assert_status(weir_cancel(op), WEIR_CANCEL_LATE);
}

struct cancelled {
    struct fixture *fixture;
    weir_op op;
};

static void
cancel_apart(void *arg)
{
    struct cancelled *cancelled = arg;

    assert_status(weir_cancel(cancelled->op), WEIR_CANCEL_WON);
}

// Between the arrival of the writes and their send.
static void
cancel_by_another(struct weir_loop *loop, void *arg)
{
    struct cancelled *cancelled = arg;

    (void)loop;
    thread_call(cancelled->fixture, cancel_apart, cancelled);
}

// The kernel was told that a file follows, and none does.
static void
what_stands_before_a_cancelled_file_leaves_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = file_request(recorder, 1, file_make(fixture, 100, 1), 0, 100);
    struct cancelled cancelled = {.fixture = fixture};

    assert_status(request_submit(pair, recorder, 0, 10, 0), 0);
    assert_status(submit(fixture, pair->stream, &request, &cancelled.op), 0);
    assert_status(weir_post(weir_stream_loop(pair->stream), cancel_by_another, &cancelled), 0);
    fixture_turn(fixture);
    assert_int_equal(peer_waiting(pair->peer), 10);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 1), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
}

// A file of which a part has left, and no more room.
static struct pair *
begin_file(struct fixture *fixture, struct recorder *recorder, struct weir_write *request,
           size_t *ret_taken, weir_op *ret_op)
{
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    int fd = file_make(fixture, 2 * MIB, 1);

    request->file = part(fixture, fd, 0, 2 * MIB);
    request->done = recorder_done;
    request->arg = recorder_tag(recorder, 0);
    assert_status(submit(fixture, pair->stream, request, ret_op), 0);
    *ret_taken = pair_block(pair);
    assert_in_range(*ret_taken, 1, 2 * MIB - 1);
    return pair;
}

static void
a_partly_sent_file_is_torn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = {0};
    struct pair *pair;
    size_t taken;
    weir_op op;

    pair = begin_file(fixture, recorder, &request, &taken, &op);
    assert_status(weir_cancel(op), WEIR_CANCEL_PENDING);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, taken);
    assert_status(request_submit(pair, recorder, 1, 1, 0), -WEIR_ETORN);
    peer_read_pattern(fixture, pair->peer, taken, 0, 1);
    peer_expect_silence(fixture, pair->peer);
}

static void
a_partly_sent_file_may_finish(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = {.tear = WEIR_TEAR_FINISH};
    struct pair *pair;
    size_t taken;
    weir_op op;

    pair = begin_file(fixture, recorder, &request, &taken, &op);
    assert_status(weir_cancel(op), WEIR_CANCEL_PENDING);
    peer_read_pattern(fixture, pair->peer, 2 * MIB, 0, 1);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 2 * MIB);
    assert_true(recorder_of(recorder, 0).late_cancel);
}

static void
a_partly_sent_file_may_reset_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = {.tear = WEIR_TEAR_ABORT, .abort_code = 9};
    struct pair *pair;
    size_t taken;
    weir_op op;

    pair = begin_file(fixture, recorder, &request, &taken, &op);
    assert_status(weir_cancel(op), WEIR_CANCEL_PENDING);
    pair_wait_closed(pair);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, taken);
    assert_int_equal(pair->events->closed.code, 9);
    assert_true(peer_expect_reset(fixture, pair->peer) <= taken);
}

static void
a_file_has_a_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = {0};
    size_t taken;

    os_clock_hold();
    request.deadline_ns = weir_deadline_after(MS(20));
    begin_file(fixture, recorder, &request, &taken, NULL);
    os_clock_pass(MS(22));
    recorder_wait(recorder, 1);
    os_clock_go();
    expect_result(recorder_of(recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, taken);
}

static void
a_file_has_a_token(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = {0};
    size_t taken;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &request.token), 0);
    begin_file(fixture, recorder, &request, &taken, NULL);
    assert_status(weir_token_fire(request.token, -ECONNABORTED, 0), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ECONNABORTED, WEIR_ORIGIN_LOCAL_CANCEL, taken);
    assert_status(weir_token_free(request.token), 0);
}

// Closed with a part to go: what was not sent is counted as lost.
static void
an_abort_ends_a_file(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = {
        .flags = WEIR_GIVE, .release = request_release, .release_arg = released};
    struct pair *pair;
    size_t taken;

    pair = begin_file(fixture, recorder, &request, &taken, NULL);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    expect_result(recorder_of(recorder, 0), -WEIR_EENDED, WEIR_ORIGIN_LOCAL_CLOSE, taken);
    assert_int_equal(pair->events->closed.bytes_lost, 2 * MIB - taken);
    assert_int_equal(released_count(released), 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(files_go_in_their_place_among_other_writes),
        EACH(files_go_from_any_thread),
        EACH(corked_files_go_with_what_flushes_them),
        EACH(files_are_neither_inline_nor_zero_copy),
        EACH(files_go_from_the_loop),
        EACH(a_file_may_end_the_stream),
        EACH_TCP(a_file_may_be_acknowledged),
        EACH(some_of_a_file_may_be_enough),
        EACH(nowait_on_a_full_socket_sends_nothing_of_a_file),
        EACH(a_given_descriptor_is_released_once),
        EACH(the_description_may_go_at_once),
        EACH(impossible_files_are_refused),
        EACH(what_is_no_readable_file_ends_its_write_only),
        EACH(a_fin_goes_with_its_file),
        EACH(a_file_that_ends_too_soon_tears_the_stream),
        EACH(a_file_that_ends_too_soon_may_reset_the_stream),
        EACH(what_is_swallowed_behind_a_tear_is_not_sent),
        EACH(a_file_that_cannot_be_sent_from_is_read),
        EACH_TCP(a_file_that_cannot_be_read_on_tears_the_stream),
        EACH(a_peer_that_is_gone_raises_no_signal),
        EACH(a_queued_file_is_cancelled_without_a_trace),
        EACH(what_stands_before_a_cancelled_file_leaves_at_once),
        EACH(a_partly_sent_file_is_torn),
        EACH(a_partly_sent_file_may_finish),
        EACH(a_partly_sent_file_may_reset_the_stream),
        EACH(a_file_has_a_deadline),
        EACH(a_file_has_a_token),
        EACH(an_abort_ends_a_file),
    };

    return RUN_CASES("write_file", cases);
}
