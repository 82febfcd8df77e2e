/* SPDX-License-Identifier: MIT */
#include "limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NS_PER_S UINT64_C(1000000000)
#define SHARDS   64u

// An address, without its port; of IPv6 the network of 64 bits, which is what one host may have.
struct source {
    uint8_t bytes[8];
    uint8_t family; // Unix peers are not told apart
};

struct source_count {
    struct source source;
    unsigned count;
    struct source_count *next;
};

// Sources are counted by shards: loops meet only when two of them see the same few at once.
struct shard {
    pthread_mutex_t lock;
    struct source_count *sources;
};

struct limits {
    struct limits_options options;
    atomic_uint count;
    // Of the rate: the time at which the connections admitted so far are all paid for. It moves on
    // by an interval for each; how far ahead of now it may be is the burst.
    _Atomic uint64_t paid_ns;
    uint64_t interval_ns;
    uint64_t burst_ns;
    struct shard shards[SHARDS];
};

struct limits *
limits_create(const struct limits_options *options)
{
    struct limits *limits = calloc(1, sizeof(*limits));

    if (limits == NULL) {
        return NULL;
    }
    limits->options = *options;
    if (options->rate != 0) {
        unsigned burst = options->burst != 0 ? options->burst : options->rate;

        limits->interval_ns = NS_PER_S / options->rate;
        limits->burst_ns = limits->interval_ns * burst;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&limits->shards[i].lock, NULL);
    }
    return limits;
}

void
limits_free(struct limits *limits)
{
    if (limits == NULL) {
        return;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        while (limits->shards[i].sources != NULL) {
            struct source_count *source = limits->shards[i].sources;

            limits->shards[i].sources = source->next;
            free(source);
        }
        pthread_mutex_destroy(&limits->shards[i].lock);
    }
    free(limits);
}

/* ---- per source ---- */

static struct source
source_of(const struct peer *peer)
{
    struct source source = {.family = peer->family};

    if (peer->family == AF_INET6 || peer->family == AF_INET || peer->family == AF_VSOCK) {
        memcpy(source.bytes, peer->host, sizeof(source.bytes));
    }
    return source;
}

static struct shard *
shard_of(struct limits *limits, const struct source *source)
{
    uint64_t value;

    memcpy(&value, source->bytes, sizeof(value));
    return &limits->shards[(value * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
}

// Where the source's count is, or would be.
static struct source_count **
find_source(struct shard *shard, const struct source *source)
{
    struct source_count **link = &shard->sources;

    while (*link != NULL && memcmp(&(*link)->source, source, sizeof(*source)) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static bool
enter_source(struct limits *limits, const struct peer *peer)
{
    struct source source = source_of(peer);
    struct shard *shard = shard_of(limits, &source);
    struct source_count **link;
    bool is_admitted = false;

    pthread_mutex_lock(&shard->lock);
    link = find_source(shard, &source);
    if (*link == NULL) {
        *link = calloc(1, sizeof(**link));
        if (*link != NULL) {
            (*link)->source = source;
        }
    }
    if (*link != NULL && (*link)->count < limits->options.per_source) {
        (*link)->count++;
        is_admitted = true;
    }
    pthread_mutex_unlock(&shard->lock);
    return is_admitted;
}

static void
leave_source(struct limits *limits, const struct peer *peer)
{
    struct source source = source_of(peer);
    struct shard *shard = shard_of(limits, &source);
    struct source_count **link;

    pthread_mutex_lock(&shard->lock);
    link = find_source(shard, &source);
    if (*link != NULL && --(*link)->count == 0) {
        struct source_count *gone = *link;

        *link = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* ---- all ---- */

static bool
enter_rate(struct limits *limits, uint64_t now_ns)
{
    uint64_t paid = atomic_load_explicit(&limits->paid_ns, memory_order_relaxed);
    uint64_t next;

    do {
        next = (paid > now_ns ? paid : now_ns) + limits->interval_ns;
        if (next - now_ns > limits->burst_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&limits->paid_ns, &paid, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool
enter_count(struct limits *limits)
{
    unsigned before = atomic_fetch_add_explicit(&limits->count, 1, memory_order_relaxed);

    if (limits->options.connections != 0 && before >= limits->options.connections) {
        atomic_fetch_sub_explicit(&limits->count, 1, memory_order_relaxed);
        return false;
    }
    return true;
}

enum limits_answer
limits_enter(struct limits *limits, const struct peer *peer, uint64_t now_ns)
{
    if (!enter_count(limits)) {
        return LIMITS_CONNECTIONS;
    }
    if (limits->options.per_source != 0 && !enter_source(limits, peer)) {
        atomic_fetch_sub_explicit(&limits->count, 1, memory_order_relaxed);
        return LIMITS_PER_SOURCE;
    }
    if (limits->options.rate != 0 && !enter_rate(limits, now_ns)) { // last: it is not given back
        limits_leave(limits, peer);
        return LIMITS_RATE;
    }
    return LIMITS_ADMITTED;
}

void
limits_leave(struct limits *limits, const struct peer *peer)
{
    if (limits->options.per_source != 0) {
        leave_source(limits, peer);
    }
    atomic_fetch_sub_explicit(&limits->count, 1, memory_order_relaxed);
}

unsigned
limits_count(const struct limits *limits)
{
    return atomic_load_explicit(&limits->count, memory_order_relaxed);
}

const char *
limits_name(enum limits_answer answer)
{
    static const char *const names[LIMITS_ANSWERS] = {
        [LIMITS_ADMITTED] = "admitted",
        [LIMITS_CONNECTIONS] = "connections",
        [LIMITS_PER_SOURCE] = "per-source",
        [LIMITS_RATE] = "rate",
    };

    return (unsigned)answer < LIMITS_ANSWERS ? names[answer] : "unknown";
}
