// SPDX-License-Identifier: MIT
//
// Exchanges answered from other threads, on loops with threads of their own.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { WRITERS = 4, CHUNKS = 200, REQUESTS = 300, QUEUE_MAX = 1024 };

// ---- workers that take exchanges from a queue --------------------------------------------------

struct work {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    weir_http list[QUEUE_MAX];
    unsigned put;
    unsigned taken;
    bool is_over;
    unsigned failures;
};

static void
hand_over(struct site *site, weir_http http, const struct weir_http_request *request)
{
    struct work *work = site->arg;

    (void)request;
    if (weir_http_defer(http, NULL) != 0) {
        abort();
    }
    pthread_mutex_lock(&work->lock);
    work->list[work->put++ % QUEUE_MAX] = http;
    pthread_cond_signal(&work->changed);
    pthread_mutex_unlock(&work->lock);
}

static bool
take(struct work *work, weir_http *ret_http)
{
    bool is_there;

    pthread_mutex_lock(&work->lock);
    while (work->put == work->taken && !work->is_over) {
        pthread_cond_wait(&work->changed, &work->lock);
    }
    is_there = work->put != work->taken;
    if (is_there) {
        *ret_http = work->list[work->taken++ % QUEUE_MAX];
    }
    pthread_mutex_unlock(&work->lock);
    return is_there;
}

static void *
worker(void *arg)
{
    struct work *work = arg;
    weir_http http;

    while (take(work, &http)) {
        if (site_answer(http, 200, "from a worker") != 0) {
            pthread_mutex_lock(&work->lock);
            work->failures++;
            pthread_mutex_unlock(&work->lock);
        }
    }
    return NULL;
}

static void
finish(struct work *work, pthread_t *threads, unsigned count)
{
    pthread_mutex_lock(&work->lock);
    work->is_over = true;
    pthread_cond_broadcast(&work->changed);
    pthread_mutex_unlock(&work->lock);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void
workers_answer_pipelined_requests_in_order(void **state)
{
    static const char request[] = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nfrom a worker";
    struct work work = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct site *site =
        site_open(state, &(struct site_options){.request = hand_over, .threads = true});
    pthread_t threads[2];
    int peers[3];

    site->arg = &work;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &work), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        peers[i] = site_connect(site);
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        for (unsigned j = 0; j < 3; j++) {
            peer_write_text(site, peers[j], request);
        }
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        for (unsigned j = 0; j < 3; j++) {
            peer_expect_text(site, peers[j], response);
        }
    }
    finish(&work, threads, 2);
    assert_int_equal(work.failures, 0);
}

// ---- several threads write chunks of one body (562) --------------------------------------------

struct writer {
    struct site *site;
    char byte;
    int status;
};

static void *
write_chunks(void *arg)
{
    struct writer *writer = arg;
    char text[64];

    for (unsigned i = 0; i < CHUNKS; i++) {
        struct iovec iov = {text, 1 + i % sizeof(text)};
        struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};
        int status;

        memset(text, writer->byte, sizeof(text));
        status = weir_http_write(writer->site->http, &write, NULL);
        writer->status = status != 0 ? status : writer->status;
    }
    return NULL;
}

static void
just_defer(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)site;
    (void)request;
    if (weir_http_defer(http, NULL) != 0) {
        abort();
    }
}

// One chunk: all its bytes are one writer's, and it has the size that was written.
static char
read_chunk(struct site *site, int peer)
{
    char line[8] = {0};
    char data[65];
    size_t size = 0;
    size_t length;

    do {
        peer_read_exact(site->fixture, peer, line + size, 1);
        size++;
    } while (line[size - 1] != '\n' && size < sizeof(line) - 1);
    length = strtoul(line, NULL, 16);
    assert_true(length > 0 && length <= 64);
    peer_read_exact(site->fixture, peer, data, length);
    for (size_t i = 1; i < length; i++) {
        assert_int_equal(data[i], data[0]);
    }
    peer_expect_text(site, peer, "\r\n");
    return data[0];
}

static void
chunks_of_several_threads_stay_whole(void **state)
{
    struct site *site =
        site_open(state, &(struct site_options){.request = just_defer, .threads = true});
    int peer = site_connect(site);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned counts[WRITERS] = {0};

    peer_write_text(site, peer, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    while (weir_http_respond(site->http, &head, &nothing, NULL) == -EBUSY) {
        fixture_breathe(site->fixture); // not deferred yet
    }
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.site = site, .byte = (char)('a' + i)};
        assert_int_equal(pthread_create(&threads[i], NULL, write_chunks, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS * CHUNKS; i++) {
        counts[read_chunk(site, peer) - 'a']++;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_status(writers[i].status, 0);
        assert_int_equal(counts[i], CHUNKS);
    }
    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    peer_expect_text(site, peer, "0\r\n\r\n");
}

// ---- handles of the past, from other threads ---------------------------------------------------

static void
a_late_answer_never_reaches_another_exchange(void **state)
{
    struct site *site =
        site_open(state, &(struct site_options){.request = just_defer, .threads = true});

    for (unsigned i = 0; i < 50; i++) {
        int peer = site_connect(site);
        weir_http old;

        peer_write_text(site, peer, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        site_wait_requests(site, i * 2 + 1);
        while (site_answer(site->http, 200, "first") == -EBUSY) {
            fixture_breathe(site->fixture);
        }
        old = site->http;
        peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
        peer_write_text(site, peer, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        site_wait_requests(site, i * 2 + 2);
        assert_status(site_answer(old, 200, "stale"), -WEIR_ESTALE);
        assert_status(weir_http_abort(old), -WEIR_ESTALE);
        while (site_answer(site->http, 200, "second") == -EBUSY) {
            fixture_breathe(site->fixture);
        }
        peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
        fixture_close_fd(site->fixture, peer);
    }
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(workers_answer_pipelined_requests_in_order),
        EACH(chunks_of_several_threads_stay_whole),
        ONCE(a_late_answer_never_reaches_another_exchange),
    };

    return RUN_CASES("http_threads", cases);
}
