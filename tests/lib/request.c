// SPDX-License-Identifier: MIT
#include "tests/lib/request.h"

#include "tests/lib/fixture.h"

struct weir_write
request_make(struct recorder *recorder, unsigned tag, size_t size)
{
    struct weir_write request = {.done = recorder_done, .arg = recorder_tag(recorder, tag)};

    if (size > 0) {
        request.iov = pattern_iov(recorder->fixture, size, tag);
        request.iov_count = 1;
    }
    return request;
}

int
request_submit(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size,
               unsigned flags)
{
    struct weir_write request = request_make(recorder, tag, size);

    request.flags = flags;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

struct weir_chain
request_chain(size_t size, unsigned seed)
{
    struct weir_chain chain = {0};
    uint8_t piece[1000];

    for (size_t done = 0; done < size;) {
        size_t piece_size = size - done < sizeof(piece) ? size - done : sizeof(piece);

        pattern_fill(piece, piece_size, done, seed);
        assert_status(weir_chain_append(&chain, piece, piece_size), 0);
        done += piece_size;
    }
    return chain;
}

void
request_release(void *arg)
{
    struct released *released = arg;

    pthread_mutex_lock(&released->fixture->lock);
    released->count++;
    pthread_cond_broadcast(&released->fixture->changed);
    pthread_mutex_unlock(&released->fixture->lock);
}

struct released *
released_make(struct fixture *fixture)
{
    struct released *released = fixture_memory(fixture, sizeof(*released));

    released->fixture = fixture;
    return released;
}

unsigned
released_count(struct released *released)
{
    unsigned count;

    pthread_mutex_lock(&released->fixture->lock);
    count = released->count;
    pthread_mutex_unlock(&released->fixture->lock);
    return count;
}
