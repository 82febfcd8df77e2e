// SPDX-License-Identifier: MIT
#include "tests/lib/reader.h"

#include "tests/lib/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_ROUNDS 25u

enum { PULLS_FIRST = 64 };

// ---- push -------------------------------------------------------------------------------------

static size_t
answer_size(size_t answer, size_t shown)
{
    return answer == READER_ALL ? shown : answer;
}

// Lock held: compare with the pattern, pick the answer.
static struct weir_consumed
look(struct reader *reader, struct weir_iter begin, struct weir_iter end)
{
    struct weir_consumed answer = {.consumed = READER_ALL, .examined = READER_ALL};
    struct weir_segment segment;
    size_t size = 0;

    while (weir_iter_segment(&begin, end, &segment)) {
        if (pattern_check(segment.data, segment.size, reader->consumed + size, reader->seed) !=
            segment.size) {
            reader->wrong = true;
        }
        size += segment.size;
    }
    if (reader->calls < READER_SHOWN_MAX) {
        reader->shown[reader->calls] = size;
    }
    reader->shown_max = size > reader->shown_max ? size : reader->shown_max;
    if (reader->calls < reader->answer_count) {
        answer = reader->answers[reader->calls];
    }
    reader->calls++;
    answer.consumed = answer_size(answer.consumed, size);
    answer.examined = answer_size(answer.examined, size);
    if (answer.consumed != WEIR_CONSUME_PENDING) {
        reader->consumed += answer.consumed;
    }
    return answer;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct reader *reader = user;
    struct weir_consumed answer;

    callback_begin(reader->events.fixture);
    pthread_mutex_lock(&reader->events.fixture->lock);
    reader->events.stream = stream;
    answer = look(reader, begin, end);
    pthread_mutex_unlock(&reader->events.fixture->lock);
    events_add_value(&reader->events, "data",
                     answer.consumed == WEIR_CONSUME_PENDING ? 0 : (int64_t)answer.consumed);
    if (reader->inside != NULL) {
        reader->inside(reader, stream);
    }
    callback_end();
    return answer;
}

void
events_join(struct fixture *fixture, struct events *events)
{
    events->fixture = fixture;
    events->next = fixture->events;
    fixture->events = events;
}

struct reader *
reader_make(struct fixture *fixture)
{
    struct reader *reader = fixture_memory(fixture, sizeof(*reader));

    events_join(fixture, &reader->events);
    reader->handlers = *events_handlers();
    reader->handlers.data = on_data;
    return reader;
}

void
reader_answer(struct reader *reader, size_t consumed, size_t examined)
{
    pthread_mutex_lock(&reader->events.fixture->lock);
    assert_true(reader->answer_count < READER_ANSWERS_MAX);
    reader->answers[reader->answer_count++] =
        (struct weir_consumed){.consumed = consumed, .examined = examined};
    pthread_mutex_unlock(&reader->events.fixture->lock);
}

struct pair *
reader_open(struct reader *reader, const struct pair_options *options)
{
    struct pair_options mine = *options;
    struct pair *pair;

    mine.stream.handlers = &reader->handlers;
    mine.stream.user = reader;
    pair = pair_open(reader->events.fixture, &mine);
    pair->events = &reader->events;
    events_wait(pair->events, "started");
    return pair;
}

unsigned
reader_calls(struct reader *reader)
{
    unsigned calls;

    pthread_mutex_lock(&reader->events.fixture->lock);
    calls = reader->calls;
    pthread_mutex_unlock(&reader->events.fixture->lock);
    return calls;
}

uint64_t
reader_consumed(struct reader *reader)
{
    uint64_t consumed;

    pthread_mutex_lock(&reader->events.fixture->lock);
    consumed = reader->consumed;
    pthread_mutex_unlock(&reader->events.fixture->lock);
    return consumed;
}

void
reader_advance(struct reader *reader, size_t size)
{
    pthread_mutex_lock(&reader->events.fixture->lock);
    reader->consumed += size;
    pthread_mutex_unlock(&reader->events.fixture->lock);
}

static void
check_reader(struct reader *reader, const char *file, int line)
{
    if (reader->wrong) {
        fixture_fail_at(reader->events.fixture, file, line,
                        "data was shown bytes that are not the peer's, in their order");
    }
}

void
reader_wait_calls_at(struct reader *reader, unsigned count, const char *file, int line)
{
    struct fixture *fixture = reader->events.fixture;
    uint64_t deadline = test_deadline();

    while (reader_calls(reader) < count) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(fixture, file, line, "data was called %u of %u times",
                            reader_calls(reader), count);
        }
        fixture_breathe(fixture);
    }
    check_reader(reader, file, line);
}

void
reader_wait_consumed_at(struct reader *reader, uint64_t size, const char *file, int line)
{
    struct fixture *fixture = reader->events.fixture;
    uint64_t deadline = test_deadline();

    while (reader_consumed(reader) < size) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(fixture, file, line, "data consumed %" PRIu64 " of %" PRIu64 " bytes",
                            reader_consumed(reader), size);
        }
        fixture_breathe(fixture);
    }
    check_reader(reader, file, line);
    if (reader_consumed(reader) != size) {
        fixture_fail_at(fixture, file, line, "data consumed %" PRIu64 " bytes, not %" PRIu64,
                        reader_consumed(reader), size);
    }
}

void
reader_expect_shown_at(struct reader *reader, unsigned call, size_t size, const char *file,
                       int line)
{
    check_reader(reader, file, line);
    if (call >= reader_calls(reader)) {
        fixture_fail_at(reader->events.fixture, file, line, "data was called %u times only",
                        reader_calls(reader));
    }
    if (reader->shown[call] != size) {
        fixture_fail_at(reader->events.fixture, file, line, "call %u was shown %zu bytes, not %zu",
                        call, reader->shown[call], size);
    }
}

void
peer_write_pattern(struct fixture *fixture, int peer, size_t size, uint64_t offset, unsigned seed)
{
    uint8_t block[16384];

    for (size_t done = 0; done < size;) {
        size_t piece = size - done < sizeof(block) ? size - done : sizeof(block);

        pattern_fill(block, piece, offset + done, seed);
        peer_write(fixture, peer, block, piece);
        done += piece;
    }
}

size_t
peer_write_until_blocked(struct fixture *fixture, int peer, size_t size, unsigned seed)
{
    uint8_t block[4096];
    size_t done = 0;

    // A window that was shut may be opened late by a kernel that has much to do.
    for (unsigned quiet = 0; done < size && quiet < QUIET_ROUNDS;) {
        size_t piece = size - done < sizeof(block) ? size - done : sizeof(block);
        ssize_t sent;

        pattern_fill(block, piece, done, seed);
        sent = send(peer, block, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            done += (size_t)sent;
            quiet = 0;
            continue;
        }
        assert_true(sent < 0 && errno == EAGAIN);
        fixture_settle(fixture);
        fixture_breathe(fixture);
        quiet++;
    }
    return done;
}

// ---- pull -------------------------------------------------------------------------------------

struct pull_tag {
    struct pulls *pulls;
    unsigned tag;
};

struct pulls *
pulls_make(struct fixture *fixture)
{
    struct pulls *pulls = fixture_memory(fixture, sizeof(*pulls));

    pulls->fixture = fixture;
    pulls->capacity = PULLS_FIRST;
    pulls->list = fixture_memory(fixture, sizeof(*pulls->list) * pulls->capacity);
    return pulls;
}

static void
keep_bytes(struct pulls *pulls, struct pulled *pulled, struct weir_read_result *result)
{
    if (result->buffer != NULL) {
        pulled->size = result->size;
        pulled->bytes = fixture_memory(pulls->fixture, result->size);
        memcpy(pulled->bytes, result->buffer, result->size);
    } else {
        struct weir_iter iter = weir_chain_begin(&result->chain);

        pulled->size = weir_chain_size(&result->chain);
        pulled->bytes = fixture_memory(pulls->fixture, pulled->size);
        if (pulled->size > 0) {
            weir_iter_copy_out(&iter, pulled->bytes, pulled->size);
        }
    }
    weir_chain_return(&result->chain);
}

void
pulls_done(weir_stream stream, struct weir_read_result *result, void *arg)
{
    struct pull_tag *tagged = arg;
    struct pulls *pulls = tagged->pulls;
    struct pulled pulled = {.tag = tagged->tag, .stream = stream, .result = *result};

    callback_begin(pulls->fixture);
    keep_bytes(pulls, &pulled, result);
    pulled.result.chain = (struct weir_chain){0};
    pthread_mutex_lock(&pulls->fixture->lock);
    if (pulls->count == pulls->capacity) {
        size_t size = sizeof(*pulls->list) * pulls->capacity;
        struct pulled *list = fixture_memory(pulls->fixture, 2 * size);

        memcpy(list, pulls->list, size);
        pulls->list = list;
        pulls->capacity *= 2;
    }
    pulls->list[pulls->count++] = pulled;
    pthread_cond_broadcast(&pulls->fixture->changed);
    pthread_mutex_unlock(&pulls->fixture->lock);
    callback_end();
}

struct weir_read
pulls_request(struct pulls *pulls, unsigned tag)
{
    struct pull_tag *tagged = fixture_memory(pulls->fixture, sizeof(*tagged));

    *tagged = (struct pull_tag){.pulls = pulls, .tag = tag};
    return (struct weir_read){.done = pulls_done, .arg = tagged};
}

struct weir_read
pulls_into(struct pulls *pulls, unsigned tag, size_t size, size_t size_min)
{
    struct weir_read request = pulls_request(pulls, tag);

    request.buffer = fixture_memory(pulls->fixture, size);
    request.size = size;
    request.size_min = size_min;
    return request;
}

int
pull(struct pair *pair, const struct weir_read *request, weir_op *ret_op)
{
    int result;

    call_begin();
    result = weir_read(pair->stream, request, ret_op);
    call_end();
    return result;
}

unsigned
pulls_count(struct pulls *pulls)
{
    unsigned count;

    pthread_mutex_lock(&pulls->fixture->lock);
    count = pulls->count;
    pthread_mutex_unlock(&pulls->fixture->lock);
    return count;
}

void
pulls_wait_at(struct pulls *pulls, unsigned count, const char *file, int line)
{
    uint64_t deadline = test_deadline();

    while (pulls_count(pulls) < count) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(pulls->fixture, file, line, "%u of %u pulls completed in time",
                            pulls_count(pulls), count);
        }
        fixture_breathe(pulls->fixture);
    }
    if (pulls_count(pulls) > count) {
        fixture_fail_at(pulls->fixture, file, line, "%u pulls completed, not %u",
                        pulls_count(pulls), count);
    }
}

struct pulled
pulls_of_at(struct pulls *pulls, unsigned tag, const char *file, int line)
{
    struct pulled found = {0};
    unsigned count = pulls_count(pulls);
    unsigned matches = 0;

    for (unsigned index = 0; index < count; index++) {
        if (pulls->list[index].tag == tag) {
            found = pulls->list[index];
            matches++;
        }
    }
    if (matches != 1) {
        fixture_fail_at(pulls->fixture, file, line, "pull %u completed %u times, not once", tag,
                        matches);
    }
    return found;
}

static void
fail_pull(struct pulls *pulls, const struct pulled *pulled, const char *expected, const char *file,
          int line)
{
    fixture_fail_at(pulls->fixture, file, line,
                    "pull %u: status %d (%s), origin %d, eof %d, size %zu, found %zu; expected %s",
                    pulled->tag, pulled->result.status, strerror(-pulled->result.status),
                    (int)pulled->result.origin, pulled->result.eof, pulled->result.size,
                    pulled->size, expected);
}

void
expect_pulled_at(struct pulls *pulls, unsigned tag, size_t size, uint64_t offset, unsigned seed,
                 const char *file, int line)
{
    struct pulled pulled = pulls_of_at(pulls, tag, file, line);
    char expected[80];

    snprintf(expected, sizeof(expected), "%zu bytes", size);
    if (pulled.result.status != 0 || pulled.result.size != size || pulled.size != size) {
        fail_pull(pulls, &pulled, expected, file, line);
    }
    if (pattern_check(pulled.bytes, size, offset, seed) != size) {
        fixture_fail_at(pulls->fixture, file, line, "pull %u: wrong bytes", tag);
    }
}

void
expect_pulled_eof_at(struct pulls *pulls, unsigned tag, const char *file, int line)
{
    struct pulled pulled = pulls_of_at(pulls, tag, file, line);

    if (pulled.result.status != 0 || !pulled.result.eof || pulled.result.size != 0 ||
        pulled.size != 0) {
        fail_pull(pulls, &pulled, "EOF", file, line);
    }
}

void
expect_pull_failed_at(struct pulls *pulls, unsigned tag, int status, enum weir_origin origin,
                      const char *file, int line)
{
    struct pulled pulled = pulls_of_at(pulls, tag, file, line);
    char expected[80];

    snprintf(expected, sizeof(expected), "status %d (%s), origin %d, size 0", status,
             strerror(-status), (int)origin);
    if (pulled.result.status != status || pulled.result.origin != origin ||
        pulled.result.size != 0 || pulled.size != 0) {
        fail_pull(pulls, &pulled, expected, file, line);
    }
}

unsigned
pull_exact(struct pair *pair, struct pulls *pulls, unsigned first_tag, size_t size, uint64_t offset,
           unsigned seed)
{
    unsigned tag = first_tag;

    for (size_t done = 0; done < size; tag++) {
        struct weir_read request = pulls_request(pulls, tag);
        unsigned before = pulls_count(pulls);
        struct pulled pulled;

        request.size = size - done;
        assert_status(pull(pair, &request, NULL), 0);
        pulls_wait(pulls, before + 1);
        pulled = pulls_of(pulls, tag);
        if (pulled.result.status != 0 || pulled.size == 0 || pulled.size > size - done) {
            fail_pull(pulls, &pulled, "some of the bytes asked for", __FILE__, __LINE__);
        }
        assert_int_equal(pattern_check(pulled.bytes, pulled.size, offset + done, seed),
                         pulled.size);
        done += pulled.size;
    }
    return tag;
}

// ---- ends -------------------------------------------------------------------------------------

static bool
is_ending(const char *name)
{
    return strcmp(name, "done") == 0 || strcmp(name, "send_closed") == 0 ||
           strcmp(name, "closed") == 0;
}

// Does the token at *text speak of the event: "name" or "name:value"? Steps over it if so.
static bool
matches(const char **text, const struct event *event)
{
    char exact[80];
    size_t size = strcspn(*text, " ");
    int exact_size = snprintf(exact, sizeof(exact), "%s:%" PRId64, event->name, event->value);

    if ((size != strlen(event->name) || strncmp(*text, event->name, size) != 0) &&
        (size != (size_t)exact_size || strncmp(*text, exact, size) != 0)) {
        return false;
    }
    *text += size + strspn(*text + size, " ");
    return true;
}

void
events_expect_ending_at(struct events *events, const char *expected, const char *file, int line)
{
    const char *text = expected;
    unsigned count;
    bool good = true;

    pthread_mutex_lock(&events->fixture->lock);
    count = events->count;
    for (unsigned index = 0; index < count && good; index++) {
        good = !is_ending(events->list[index].name) || matches(&text, &events->list[index]);
    }
    pthread_mutex_unlock(&events->fixture->lock);
    if (!good || *text != '\0') {
        fixture_fail_at(events->fixture, file, line, "the ending is to be [%s]", expected);
    }
    if (events_count(events, "closed") != 1 ||
        strcmp(events->list[count - 1].name, "closed") != 0) {
        fixture_fail_at(events->fixture, file, line, "closed is not last and once");
    }
}

bool
events_is_before(struct events *events, const char *first, const char *second)
{
    unsigned first_at = EVENTS_MAX;
    unsigned second_at = EVENTS_MAX;

    pthread_mutex_lock(&events->fixture->lock);
    for (unsigned index = events->count; index > 0; index--) {
        const char *name = events->list[index - 1].name;

        first_at = strcmp(name, first) == 0 ? index - 1 : first_at;
        second_at = strcmp(name, second) == 0 ? index - 1 : second_at;
    }
    pthread_mutex_unlock(&events->fixture->lock);
    return first_at < second_at && second_at < EVENTS_MAX;
}

int
close_stream(struct pair *pair, enum weir_close_mode mode, uint64_t deadline_ns, uint64_t code)
{
    int result;

    call_begin();
    result = weir_close(pair->stream, mode, deadline_ns, code);
    call_end();
    return result;
}

void
close_if_open(struct pair *pair, enum weir_close_mode mode)
{
    int result = close_stream(pair, mode, 0, 0);

    if (result != -WEIR_ESTALE) {
        assert_status(result, 0);
    }
}

void
close_anyhow(struct pair *pair)
{
    close_if_open(pair, WEIR_CLOSE_ABORT);
    pair_wait_closed(pair);
}
