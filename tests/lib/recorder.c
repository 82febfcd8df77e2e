// SPDX-License-Identifier: MIT
#include "tests/lib/recorder.h"

#include "tests/lib/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS_FIRST = 64 };

// ---- completions ------------------------------------------------------------------------------

struct tagged {
    struct recorder *recorder;
    unsigned tag;
};

struct recorder *
recorder_make(struct fixture *fixture)
{
    struct recorder *recorder = fixture_memory(fixture, sizeof(*recorder));

    recorder->fixture = fixture;
    recorder->capacity = RECORDS_FIRST;
    recorder->list = fixture_memory(fixture, sizeof(*recorder->list) * recorder->capacity);
    return recorder;
}

void *
recorder_tag(struct recorder *recorder, unsigned tag)
{
    struct tagged *tagged = fixture_memory(recorder->fixture, sizeof(*tagged));

    *tagged = (struct tagged){.recorder = recorder, .tag = tag};
    return tagged;
}

static void
grow(struct recorder *recorder)
{
    size_t size = sizeof(*recorder->list) * recorder->capacity;
    struct recorded *list = fixture_memory(recorder->fixture, 2 * size);

    memcpy(list, recorder->list, size);
    recorder->list = list;
    recorder->capacity *= 2;
}

void
recorder_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct tagged *tagged = arg;
    struct recorder *recorder = tagged->recorder;
    struct fixture *fixture = recorder->fixture;

    callback_begin(fixture);
    if (recorder->events != NULL) {
        events_add_value(recorder->events, "done", result->status);
    }
    pthread_mutex_lock(&fixture->lock);
    if (recorder->count == recorder->capacity) {
        grow(recorder);
    }
    recorder->list[recorder->count++] =
        (struct recorded){.tag = tagged->tag, .stream = stream, .result = *result};
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    callback_end();
}

unsigned
recorder_count(struct recorder *recorder)
{
    unsigned count;

    pthread_mutex_lock(&recorder->fixture->lock);
    count = recorder->count;
    pthread_mutex_unlock(&recorder->fixture->lock);
    return count;
}

void
recorder_wait_at(struct recorder *recorder, unsigned count, const char *file, int line)
{
    struct fixture *fixture = recorder->fixture;
    uint64_t deadline = test_deadline();

    while (recorder_count(recorder) < count) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(fixture, file, line, "%u of %u completions came in time",
                            recorder_count(recorder), count);
        }
        fixture_breathe(fixture);
    }
    if (recorder_count(recorder) > count) {
        fixture_fail_at(fixture, file, line, "%u completions came, not %u",
                        recorder_count(recorder), count);
    }
}

struct recorded
recorder_at_at(struct recorder *recorder, unsigned index, const char *file, int line)
{
    if (index >= recorder_count(recorder)) {
        fixture_fail_at(recorder->fixture, file, line, "completion %u of %u is not there", index,
                        recorder_count(recorder));
    }
    return recorder->list[index];
}

struct weir_result
recorder_of_at(struct recorder *recorder, unsigned tag, const char *file, int line)
{
    struct weir_result found = {0};
    unsigned count = recorder_count(recorder);
    unsigned matches = 0;

    for (unsigned index = 0; index < count; index++) {
        if (recorder->list[index].tag == tag) {
            found = recorder->list[index].result;
            matches++;
        }
    }
    if (matches != 1) {
        fixture_fail_at(recorder->fixture, file, line, "operation %u completed %u times, not once",
                        tag, matches);
    }
    return found;
}

bool
recorder_has(struct recorder *recorder, unsigned tag)
{
    bool found = false;

    pthread_mutex_lock(&recorder->fixture->lock);
    for (unsigned index = 0; index < recorder->count && !found; index++) {
        found = recorder->list[index].tag == tag;
    }
    pthread_mutex_unlock(&recorder->fixture->lock);
    return found;
}

void
expect_result_at(struct weir_result result, int status, enum weir_origin origin, uint64_t sent,
                 const char *file, int line)
{
    if (result.status == status && result.origin == origin && result.sent == sent) {
        return;
    }
    print_error("the result is status %d (%s), origin %d, sent %" PRIu64 ", accepted %" PRIu64
                "\n     expected status %d (%s), origin %d, sent %" PRIu64 "\n",
                result.status, strerror(-result.status), (int)result.origin, result.sent,
                result.accepted, status, strerror(-status), (int)origin, sent);
    _fail(file, line);
}

// ---- events -----------------------------------------------------------------------------------

struct events *
events_make(struct fixture *fixture)
{
    struct events *events = fixture_memory(fixture, sizeof(*events));

    events->fixture = fixture;
    events->next = fixture->events;
    fixture->events = events;
    return events;
}

static void
add(struct events *events, struct event event)
{
    struct fixture *fixture = events->fixture;

    pthread_mutex_lock(&fixture->lock);
    if (strcmp(event.name, "data") == 0 && events->count > 0 &&
        strcmp(events->list[events->count - 1].name, "data") == 0) {
        events->list[events->count - 1].value += event.value;
    } else if (events->count < EVENTS_MAX) {
        events->list[events->count++] = event;
    }
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

void
events_add(struct events *events, const char *name)
{
    add(events, (struct event){.name = name});
}

void
events_add_value(struct events *events, const char *name, int64_t value)
{
    add(events, (struct event){.name = name, .value = value, .has_value = true});
}

const char *
events_text(struct events *events)
{
    size_t size = 0;

    events->text[0] = '\0';
    pthread_mutex_lock(&events->fixture->lock);
    for (unsigned index = 0; index < events->count; index++) {
        const struct event *event = &events->list[index];
        size_t room = sizeof(events->text) - size;
        int added = event->has_value ? snprintf(events->text + size, room, "%s%s:%" PRId64,
                                                index ? " " : "", event->name, event->value)
                                     : snprintf(events->text + size, room, "%s%s", index ? " " : "",
                                                event->name);

        if ((size_t)added >= room) {
            break;
        }
        size += (size_t)added;
    }
    pthread_mutex_unlock(&events->fixture->lock);
    return events->text;
}

unsigned
events_count(struct events *events, const char *name)
{
    unsigned count = 0;

    pthread_mutex_lock(&events->fixture->lock);
    for (unsigned index = 0; index < events->count; index++) {
        count += strcmp(events->list[index].name, name) == 0;
    }
    pthread_mutex_unlock(&events->fixture->lock);
    return count;
}

size_t
events_input_size(struct events *events)
{
    size_t size;

    pthread_mutex_lock(&events->fixture->lock);
    size = events->input_size;
    pthread_mutex_unlock(&events->fixture->lock);
    return size;
}

void
events_wait_at(struct events *events, const char *name, unsigned count, const char *file, int line)
{
    uint64_t deadline = test_deadline();

    while (events_count(events, name) < count) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(events->fixture, file, line, "event %s came %u of %u times in [%s]",
                            name, events_count(events, name), count, events_text(events));
        }
        fixture_breathe(events->fixture);
    }
}

void
events_expect_at(struct events *events, const char *expected, const char *file, int line)
{
    const char *text = events_text(events);

    if (strcmp(text, expected) != 0) {
        print_error("the events are [%s]\n     expected [%s]\n", text, expected);
        _fail(file, line);
    }
}

// ---- handlers ---------------------------------------------------------------------------------

static struct events *
begin(weir_stream stream, void *user)
{
    struct events *events = user;

    callback_begin(events->fixture);
    events->stream = stream;
    return events;
}

static void
on_started(weir_stream stream, int status, void *user)
{
    struct events *events = begin(stream, user);

    if (status == 0) {
        events_add(events, "started");
    } else {
        events_add_value(events, "started", status);
    }
    callback_end();
}

static void
keep_input(struct events *events, const struct weir_segment *segment)
{
    if (events->input_size + segment->size > events->input_capacity) {
        events->input_capacity = 2 * (events->input_size + segment->size);
        events->input = realloc(events->input, events->input_capacity);
        if (events->input == NULL) {
            abort();
        }
    }
    memcpy(events->input + events->input_size, segment->data, segment->size);
    events->input_size += segment->size;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter first, struct weir_iter end, void *user)
{
    struct events *events = begin(stream, user);
    struct weir_segment segment;
    size_t size = 0;

    pthread_mutex_lock(&events->fixture->lock);
    while (weir_iter_segment(&first, end, &segment)) {
        keep_input(events, &segment);
        size += segment.size;
    }
    pthread_mutex_unlock(&events->fixture->lock);
    events_add_value(events, "data", (int64_t)size);
    callback_end();
    return (struct weir_consumed){.consumed = size, .examined = size};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct events *events = begin(stream, user);

    events->fin_is_ambiguous = ambiguous;
    events_add(events, "peer_fin");
    callback_end();
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    struct events *events = begin(stream, user);

    events_add_value(events, "peer_reset", (int64_t)code);
    callback_end();
}

static void
on_peer_stop(weir_stream stream, uint64_t code, void *user)
{
    struct events *events = begin(stream, user);

    events_add_value(events, "peer_stop", (int64_t)code);
    callback_end();
}

static void
on_writable(weir_stream stream, void *user)
{
    struct events *events = begin(stream, user);

    events_add(events, "writable");
    callback_end();
}

static void
on_ideal_size(weir_stream stream, size_t size, void *user)
{
    struct events *events = begin(stream, user);

    pthread_mutex_lock(&events->fixture->lock);
    events->ideal_sizes += size > 0;
    pthread_mutex_unlock(&events->fixture->lock);
    callback_end();
}

static void
on_filled(weir_stream stream, void *buffer, size_t size, void *user)
{
    struct events *events = begin(stream, user);

    (void)buffer;
    events_add_value(events, "filled", (int64_t)size);
    callback_end();
}

static void
on_buffer_needed(weir_stream stream, void *user)
{
    struct events *events = begin(stream, user);

    events_add(events, "buffer_needed");
    callback_end();
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    struct events *events = begin(stream, user);

    events_add_value(events, "send_closed", graceful);
    callback_end();
}

static void
on_peer_accepted(weir_stream stream, void *user)
{
    struct events *events = begin(stream, user);

    events_add(events, "peer_accepted");
    callback_end();
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct events *events = begin(stream, user);

    pthread_mutex_lock(&events->fixture->lock);
    events->closed = *closed;
    pthread_mutex_unlock(&events->fixture->lock);
    events_add_value(events, "closed", closed->status);
    callback_end();
}

#define HANDLERS_BUT_DATA                                                                  \
    .started = on_started, .peer_fin = on_peer_fin, .peer_reset = on_peer_reset,           \
    .peer_stop = on_peer_stop, .writable = on_writable, .ideal_size = on_ideal_size,       \
    .filled = on_filled, .buffer_needed = on_buffer_needed, .send_closed = on_send_closed, \
    .peer_accepted = on_peer_accepted, .closed = on_closed

const struct weir_handlers *
events_handlers(void)
{
    static const struct weir_handlers handlers = {HANDLERS_BUT_DATA, .data = on_data};

    return &handlers;
}

const struct weir_handlers *
events_handlers_pull(void)
{
    static const struct weir_handlers handlers = {HANDLERS_BUT_DATA};

    return &handlers;
}
