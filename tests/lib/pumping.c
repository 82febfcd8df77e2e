// SPDX-License-Identifier: MIT
#include "tests/lib/pumping.h"

#include <sys/socket.h>

#define PIECE (64u * 1024)

struct pumping *
pumping_make(struct fixture *fixture, const struct pair_options *a, const struct pair_options *b)
{
    struct pumping *pumping = fixture_memory(fixture, sizeof(*pumping));
    struct pair_options second = *b;

    if (!fixture->manual && fixture->loop_count > 1 && second.loop == NULL) {
        second.loop = weir_runtime_loop(fixture->runtime, 1);
    }
    pumping->fixture = fixture;
    pumping->a = pair_open(fixture, a);
    pumping->b = pair_open(fixture, &second);
    pumping->started = 1;
    pumping->request.a = pumping->a->stream;
    pumping->request.b = pumping->b->stream;
    return pumping;
}

static void
on_done(const struct weir_pump_stats *stats, void *arg)
{
    struct pumping *pumping = arg;

    pthread_mutex_lock(&pumping->fixture->lock);
    pumping->stats = *stats;
    pumping->done++;
    pthread_cond_broadcast(&pumping->fixture->changed);
    pthread_mutex_unlock(&pumping->fixture->lock);
}

static void
start_here(struct weir_loop *loop, void *arg)
{
    struct pumping *pumping = arg;
    int result = weir_pump_start(&pumping->request, &pumping->pump);

    (void)loop;
    pthread_mutex_lock(&pumping->fixture->lock);
    pumping->started = result;
    pthread_cond_broadcast(&pumping->fixture->changed);
    pthread_mutex_unlock(&pumping->fixture->lock);
}

// What a loop's thread writes under the lock.
static int
value(struct pumping *pumping, const int *field)
{
    int now;

    pthread_mutex_lock(&pumping->fixture->lock);
    now = *field;
    pthread_mutex_unlock(&pumping->fixture->lock);
    return now;
}

static bool
has_started(void *arg)
{
    return value(arg, &((struct pumping *)arg)->started) != 1;
}

void
pumping_start(struct pumping *pumping)
{
    if (pumping->request.done == NULL) {
        pumping->request.done = on_done;
        pumping->request.arg = pumping;
    }
    pumping->started = 1;
    assert_status(weir_post(pumping->fixture->loop, start_here, pumping), 0);
    fixture_turn_until(pumping->fixture, has_started, pumping);
}

struct pumping *
pumping_open(struct fixture *fixture, const struct weir_pump *request)
{
    static const struct pair_options plain;
    struct pumping *pumping = pumping_make(fixture, &plain, &plain);

    if (request != NULL) {
        pumping->request.flags = request->flags;
        pumping->request.buffer = request->buffer;
        pumping->request.idle_ns = request->idle_ns;
        pumping->request.deadline_ns = request->deadline_ns;
    }
    pumping_start(pumping);
    assert_status(pumping->started, 0);
    return pumping;
}

static bool
is_done(void *arg)
{
    return value(arg, &((struct pumping *)arg)->done) != 0;
}

void
pumping_wait(struct pumping *pumping)
{
    fixture_turn_until(pumping->fixture, is_done, pumping);
}

static bool
write_some(struct crossing *crossing, uint8_t *piece)
{
    size_t left = crossing->size - crossing->written;
    size_t size = left < PIECE ? left : PIECE;
    ssize_t sent;

    if (size == 0) {
        return false;
    }
    pattern_fill(piece, size, crossing->written, crossing->seed);
    sent = send(crossing->from, piece, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) {
        return false;
    }
    crossing->written += (size_t)sent;
    if (crossing->written == crossing->size && crossing->ends) {
        shutdown(crossing->from, SHUT_WR);
    }
    return true;
}

static bool
read_some(struct fixture *fixture, struct crossing *crossing, uint8_t *piece)
{
    ssize_t size = recv(crossing->to, piece, PIECE, MSG_DONTWAIT);

    if (size > 0) {
        if (pattern_check(piece, (size_t)size, crossing->read, crossing->seed) != (size_t)size) {
            fixture_fail(fixture, "not the bytes that were sent, at %zu", crossing->read);
        }
        crossing->read += (size_t)size;
    } else if (size == 0) {
        if (crossing->read != crossing->size || !crossing->ends) {
            fixture_fail(fixture, "an end after %zu bytes", crossing->read);
        }
        crossing->ended = true;
    } else if (errno != EAGAIN) {
        fixture_fail(fixture, "an error after %zu bytes: %d", crossing->read, errno);
    }
    return size > 0;
}

static bool
is_over(const struct crossing *crossing)
{
    return crossing->read == crossing->size && crossing->ended == crossing->ends;
}

void
pumping_cross(struct pumping *pumping, struct crossing *crossings, unsigned count)
{
    uint8_t *piece = fixture_memory(pumping->fixture, PIECE);
    uint64_t deadline = test_deadline();
    unsigned left = count;

    for (unsigned i = 0; i < count; i++) {
        if (crossings[i].size == 0 && crossings[i].ends) {
            shutdown(crossings[i].from, SHUT_WR);
        }
    }
    while (left != 0) {
        bool moved = false;

        if (weir_now_ns() >= deadline) {
            fixture_fail(pumping->fixture, "crossing 0: %zu of %zu written, %zu read",
                         crossings[0].written, crossings[0].size, crossings[0].read);
        }
        left = count;
        for (unsigned i = 0; i < count; i++) {
            if (is_over(&crossings[i])) {
                left--;
                continue;
            }
            moved |= write_some(&crossings[i], piece);
            moved |= read_some(pumping->fixture, &crossings[i], piece);
        }
        if (pumping->fixture->manual) {
            fixture_turn(pumping->fixture);
        }
        if (!moved && left != 0) {
            fixture_breathe(pumping->fixture);
        }
    }
}
