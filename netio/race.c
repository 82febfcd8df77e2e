/* SPDX-License-Identifier: MIT */

#include "netio/race.h"

#include "mem/heap.h"
#include "netio/net.h"
#include "netio/socket.h"
#include "runtime/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static_assert(WI_QUERY_HOST_SIZE >= WEIR_HOST_SIZE, "a query holds every name");

struct attempt {
    struct wi_source source;
    struct wi_race *race;
    int fd; // -1: not begun, or failed
};

struct wi_race {
    struct wi_stream *stream;
    struct wi_query *query; // NULL: it has its answer
    uint64_t delay_ns;
    uint64_t next_ns; // when the next attempt begins; WEIR_NEVER: not by itself
    int status;       // the failure so far that tells most; 0: none
    uint16_t port;
    unsigned count; // of addresses
    unsigned next;  // the first one that was not tried
    unsigned open;  // attempts under way
    union wi_ip addresses[WI_QUERY_ADDRESSES];
    struct attempt attempts[WI_QUERY_ADDRESSES];
};

static struct wi_dialling *
dialling_of(const struct wi_race *race)
{
    return race->stream->extra->dialling;
}

/* ---- the addresses ---- */

void
wi_race_interleave(union wi_ip *addresses, unsigned count)
{
    union wi_ip sorted[WI_QUERY_ADDRESSES];
    unsigned taken = 0;
    unsigned next[2] = {0, 0}; // of the preferred family, and of the other

    while (taken < count) {
        unsigned turn = taken % 2;

        for (unsigned tries = 0; tries < 2; tries++, turn ^= 1) {
            unsigned at = next[turn];

            while (at < count &&
                   (addresses[at].any.sa_family == addresses[0].any.sa_family) != (turn == 0)) {
                at++;
            }
            next[turn] = at + 1;
            if (at < count) {
                sorted[taken++] = addresses[at];
                break;
            }
        }
    }
    memcpy(addresses, sorted, count * sizeof(sorted[0]));
}

static socklen_t
size_of(const union wi_ip *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->in6) : sizeof(address->in);
}

// What the peer said tells more than what was wrong here, and that more than silence.
static unsigned
weight_of(int status)
{
    switch (status) {
    case 0:
        return 0;
    case -EAFNOSUPPORT:
    case -EADDRNOTAVAIL:
        return 1;
    case -ENETUNREACH:
        return 2;
    case -EHOSTUNREACH:
        return 3;
    case -ETIMEDOUT:
        return 4;
    case -ECONNREFUSED:
    case -ECONNRESET:
        return 7;
    default:
        return wi_is_shortage(status) ? 6 : 5;
    }
}

int
wi_race_worse(int one, int other)
{
    return weight_of(other) > weight_of(one) ? other : one;
}

// The addresses that can be dialled from where the dial is bound to.
static void
take_addresses(struct wi_race *race, const struct wi_query *query)
{
    const struct weir_address *bind = &dialling_of(race)->bind;

    for (int i = 0; i < query->count; i++) {
        union wi_ip *address = &race->addresses[race->count];

        if (bind->size != 0 && bind->as.any.sa_family != query->addresses[i].any.sa_family) {
            continue;
        }
        *address = query->addresses[i];
        if (address->any.sa_family == AF_INET6) {
            address->in6.sin6_port = htons(race->port);
        } else {
            address->in.sin_port = htons(race->port);
        }
        race->count++;
    }
    wi_race_interleave(race->addresses, race->count);
}

/* ---- attempts ---- */

static void
fail(struct wi_loop *loop, struct wi_stream *stream, int status)
{
    wi_stream_die(loop, stream, status,
                  status == -WEIR_ENAMESFULL ? WEIR_ORIGIN_MEMORY : wi_origin_of(status), 0);
}

static void
end_attempt(struct wi_loop *loop, struct attempt *attempt)
{
    if (attempt->fd >= 0) {
        wi_loop_forget(loop, &attempt->source);
        wi_os_close(attempt->fd);
        attempt->fd = -1;
        attempt->race->open--;
    }
}

// The first to connect: its socket becomes the stream's, the others go.
static void
win(struct wi_loop *loop, struct attempt *attempt, bool is_polled)
{
    struct wi_race *race = attempt->race;
    struct wi_stream *stream = race->stream;
    const union wi_ip *address = &race->addresses[attempt - race->attempts];
    struct weir_address peer = {.size = size_of(address)};
    int fd = attempt->fd;
    int result = 0;

    memcpy(&peer.as, address, peer.size);
    wi_loop_forget(loop, &attempt->source);
    if (is_polled) { // what was ready stays so: a change of the tag tells it again
        result = wi_os_poll_modify(loop->poller, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                   &stream->source);
        wi_count(&loop->counters.polls, 1);
    }
    if (result < 0) {
        fail(loop, stream, result);
        return;
    }
    attempt->fd = -1;
    wi_race_end(loop, stream);
    wi_dial_connected(loop, stream, fd, &peer, is_polled);
}

static void attempt_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events);
static const struct wi_source_ops attempt_ops = {.ready = attempt_ready};

// 0: it connects; 1: it has connected; or -errno.
static int
begin_attempt(struct wi_loop *loop, struct attempt *attempt, const union wi_ip *address)
{
    int fd = wi_dial_socket(dialling_of(attempt->race), WI_TRANSPORT_TCP, address->any.sa_family);
    int result;

    if (fd < 0) {
        return fd;
    }
    result = wi_os_connect(fd, &address->any, size_of(address));
    wi_count(&loop->counters.attempts, 1);
    if (result == -EINPROGRESS) {
        attempt->source.ops = &attempt_ops;
        result = wi_os_poll_add(loop->poller, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                &attempt->source);
        wi_count(&loop->counters.polls, 1);
    } else if (result == 0) {
        result = 1;
    }
    if (result < 0) {
        wi_os_close(fd);
        return result;
    }
    attempt->fd = fd;
    attempt->race->open++;
    return result;
}

// Begin attempts until one is under way; dead when there is none.
static void
begin_next(struct wi_loop *loop, struct wi_race *race)
{
    struct wi_stream *stream = race->stream;
    int result = -1;

    while (result < 0 && race->next < race->count) {
        struct attempt *attempt = &race->attempts[race->next];

        result = begin_attempt(loop, attempt, &race->addresses[race->next++]);
        if (result > 0) {
            win(loop, attempt, false);
            return;
        }
        if (result < 0) {
            race->status = wi_race_worse(race->status, result);
        }
    }
    if (race->open == 0) {
        fail(loop, stream, race->status);
        return;
    }
    race->next_ns = race->next < race->count ? loop->now_ns + race->delay_ns : WEIR_NEVER;
    wi_race_rearm(loop, stream);
}

static void
attempt_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct attempt *attempt = wi_container_of(source, struct attempt, source);
    struct wi_race *race = attempt->race;
    int error = 0;
    int result = wi_os_get_option(attempt->fd, SOL_SOCKET, SO_ERROR, &error);

    if (result == 0 && error == 0) {
        if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
            win(loop, attempt, true);
        }
        return;
    }
    race->status = wi_race_worse(race->status, result < 0 ? result : -error);
    end_attempt(loop, attempt);
    begin_next(loop, race);
}

/* ---- the whole ---- */

static void
resolved(struct wi_loop *loop, struct wi_query *query)
{
    struct wi_race *race = query->owner;
    int result = query->count;

    race->query = NULL;
    if (result > 0) {
        take_addresses(race, query);
        result = race->count != 0 ? 0 : -EAFNOSUPPORT; // none that the bound address can reach
    }
    wi_heap_free(query);
    if (result < 0) {
        wi_count(&loop->counters.names_failed, 1);
        fail(loop, race->stream, result);
    } else {
        begin_next(loop, race);
    }
}

struct wi_race *
wi_race_create(const struct weir_endpoint *endpoint, uint64_t delay_ns)
{
    struct wi_race *race = wi_heap_zalloc(sizeof(*race));
    struct wi_query *query = race != NULL ? wi_heap_zalloc(sizeof(*query)) : NULL;

    if (query == NULL) {
        wi_heap_free(race);
        return NULL;
    }
    memcpy(query->host, endpoint->host, sizeof(endpoint->host));
    query->owner = race;
    race->query = query;
    race->delay_ns = delay_ns != 0 ? delay_ns : WI_RACE_DELAY_NS;
    race->next_ns = WEIR_NEVER;
    race->port = (uint16_t)endpoint->port;
    for (unsigned i = 0; i < WI_QUERY_ADDRESSES; i++) {
        race->attempts[i].race = race;
        race->attempts[i].fd = -1;
    }
    return race;
}

void
wi_race_free(struct wi_race *race)
{
    if (race != NULL) {
        wi_heap_free(race->query);
        wi_heap_free(race);
    }
}

void
wi_race_begin(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_race *race = stream->extra->dialling->race;
    int result = wi_query_start(loop, race->query, resolved);

    race->stream = stream;
    if (result < 0) {
        wi_heap_free(race->query);
        race->query = NULL;
        fail(loop, stream, result);
        return;
    }
    wi_count(&loop->counters.names, 1);
    wi_race_rearm(loop, stream);
}

void
wi_race_rearm(struct wi_loop *loop, struct wi_stream *stream)
{
    const struct wi_dialling *dialling = stream->extra->dialling;
    uint64_t next_ns = dialling->race->next_ns;

    wi_stream_arm(loop, stream, next_ns < dialling->deadline_ns ? next_ns : dialling->deadline_ns);
}

void
wi_race_timer_fired(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_dialling *dialling = stream->extra->dialling;

    if (dialling->deadline_ns <= loop->now_ns) {
        wi_stream_die(loop, stream, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    } else if (dialling->race->next_ns <= loop->now_ns) {
        begin_next(loop, dialling->race);
    } else {
        wi_race_rearm(loop, stream);
    }
}

void
wi_race_end(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_dialling *dialling = stream->extra->dialling;
    struct wi_race *race = dialling->race;

    dialling->race = NULL;
    for (unsigned i = 0; i < race->next; i++) {
        end_attempt(loop, &race->attempts[i]);
    }
    if (race->query != NULL && race->stream != NULL) {
        wi_query_abandon(loop, race->query);
    } else {
        wi_heap_free(race->query);
    }
    wi_heap_free(race);
}
