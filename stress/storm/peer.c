/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_MAX  4     // per event, so that one connection does not starve the others
#define PACED_SIZE 16384 // per rest

struct peer {
    int fd;
    bool is_known; // its first record has been read
    bool is_quiet;
    bool is_paced;
    bool wants_reset;
    bool was_refused; // the writer's end is closed for good: what it had not sent is lost
    uint32_t link;
    uint32_t traits; // the writer's, to be named only
    uint64_t bytes;
    struct digest digest;
    uint64_t submit_ns; // of the newest record since the last acknowledgement
    struct reader reader;
    struct ack ack; // being sent
    size_t ack_left;
    uint64_t acked_bytes;
    struct peer *next;
    uint32_t sequence_count;
    uint32_t expected[]; // per producer: the least sequence that may come
};

struct peer *
peer_create(const struct peer_world *world, int fd)
{
    struct peer *peer = calloc(1, sizeof(*peer) + world->sequence_count * sizeof(uint32_t));

    if (peer == NULL) {
        close(fd);
        return NULL;
    }
    peer->fd = fd;
    peer->sequence_count = world->sequence_count;
    return peer;
}

static const char *
take_hello(struct peer *peer, const struct record *record)
{
    if ((record->flags & RECORD_HELLO) == 0) {
        return "a connection that does not begin with its first record";
    }
    peer->is_known = true;
    peer->link = record->link;
    peer->traits = record->attempt;
    peer->is_quiet = (record->flags & RECORD_QUIET) != 0;
    peer->is_paced = (record->flags & RECORD_PACED) != 0;
    return NULL;
}

static const char *
check_place(struct peer *peer, const struct record *record)
{
    uint32_t index = record->producer * 2u + ((record->flags & RECORD_PRIORITY) != 0);

    if (record->link != peer->link) {
        return "a record of another connection";
    }
    if (index >= peer->sequence_count) {
        return "a record of nobody";
    }
    if (record->sequence < peer->expected[index]) {
        return "a record twice, or behind a later one of its producer";
    }
    peer->expected[index] = record->sequence + 1;
    return NULL;
}

static const char *
take_record(void *arg, const struct record *record)
{
    struct peer *peer = arg;
    const char *wrong = NULL;

    if (!peer->is_known) {
        wrong = take_hello(peer, record);
    } else if ((record->flags & RECORD_HELLO) != 0) {
        wrong = "a second first record";
    } else if ((record->flags & RECORD_BROADCAST) == 0) {
        wrong = check_place(peer, record);
    }
    if (wrong != NULL) {
        return wrong;
    }
    digest_add(&peer->digest, record->check);
    if (record->submit_ns != 0) {
        peer->submit_ns = record->submit_ns;
    }
    peer->wants_reset |= (record->flags & RECORD_RESET) != 0;
    return NULL;
}

static void
send_report(const struct peer *peer, const struct peer_world *world, enum report_end end)
{
    struct report report = {
        .link = peer->link,
        .end = end,
        .bytes = peer->bytes,
        .tail = peer->reader.got,
        .digest = peer->digest,
    };
    ssize_t sent;

    do {
        sent = send(world->control, &report, sizeof(report), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
}

static enum peer_state
peer_finish(struct peer *peer, const struct peer_world *world, enum report_end end)
{
    if (end == REPORT_ASKED || end == REPORT_BROKEN) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};

        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    if (peer->is_known) {
        send_report(peer, world, end);
    }
    close(peer->fd);
    free(peer);
    return PEER_GONE;
}

static void
flush(struct peer *peer)
{
    while (peer->ack_left > 0) {
        const uint8_t *from = (const uint8_t *)&peer->ack + sizeof(peer->ack) - peer->ack_left;
        ssize_t sent = send(peer->fd, from, peer->ack_left, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return;
        }
        if (sent < 0) {
            peer->is_quiet = true; // what has arrived is verified all the same
            peer->was_refused = true;
            peer->ack_left = 0;
            return;
        }
        peer->ack_left -= (size_t)sent;
    }
}

void
peer_acknowledge(struct peer *peer)
{
    flush(peer);
    if (peer->is_quiet || peer->ack_left > 0 || peer->acked_bytes == peer->bytes) {
        return;
    }
    peer->ack.bytes = peer->bytes;
    peer->ack.digest = peer->digest;
    peer->ack.submit_ns = peer->submit_ns;
    peer->ack_left = sizeof(peer->ack);
    peer->acked_bytes = peer->bytes;
    peer->submit_ns = 0;
    flush(peer);
}

static bool
verify(struct peer *peer, const struct peer_world *world, size_t size)
{
    uint64_t before = peer->digest.count;
    const char *wrong = reader_feed(&peer->reader, world->buffer, size, take_record, peer);

    peer->bytes += size;
    atomic_fetch_add_explicit(world->verified_bytes, size, memory_order_relaxed);
    atomic_fetch_add_explicit(world->verified_messages, peer->digest.count - before,
                              memory_order_relaxed);
    if (wrong != NULL) {
        const struct record *head = &peer->reader.head;

        storm_broke("received on link %u (traits 0x%x), within %zu bytes before offset %llu, after "
                    "%llu whole "
                    "messages: %s (byte %llu is 0x%02x; producer %u, sequence %u, size %u, link "
                    "%u, flags 0x%x)",
                    peer->link, peer->traits, size, (unsigned long long)peer->bytes,
                    (unsigned long long)peer->digest.count, wrong,
                    (unsigned long long)peer->reader.wrong_at, peer->reader.wrong_byte,
                    head->producer, head->sequence, head->size, head->link, head->flags);
    }
    return wrong == NULL;
}

enum peer_state
peer_read(struct peer *peer, const struct peer_world *world)
{
    size_t want = peer->is_paced ? PACED_SIZE : world->buffer_size;

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = recv(peer->fd, world->buffer, want, MSG_DONTWAIT);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            break;
        }
        if (got <= 0) {
            peer_acknowledge(peer);
            // The error may have been told to an acknowledgement, and then this is a plain end.
            return peer_finish(peer, world,
                               got == 0 && !peer->was_refused ? REPORT_EOF : REPORT_RESET);
        }
        if (!verify(peer, world, (size_t)got)) {
            return peer_finish(peer, world, REPORT_BROKEN);
        }
        if (peer->wants_reset) {
            return peer_finish(peer, world, REPORT_ASKED);
        }
        if (peer->is_paced) {
            peer_acknowledge(peer);
            return PEER_RESTING;
        }
        if ((size_t)got < want) {
            break;
        }
    }
    peer_acknowledge(peer);
    return PEER_OPEN;
}

bool
peer_is_blocked(const struct peer *peer)
{
    return peer->ack_left > 0;
}

int
peer_fd(const struct peer *peer)
{
    return peer->fd;
}

struct peer *
peer_next(const struct peer *peer)
{
    return peer->next;
}

void
peer_set_next(struct peer *peer, struct peer *next)
{
    peer->next = next;
}
