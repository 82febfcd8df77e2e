// os: count
// SPDX-License-Identifier: MIT
// A descriptor that was not adopted is the caller's, as it was.

#include "mem/heap.h"
#include "tests/lib/os_count.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 64u

struct scene {
    struct weir_runtime *runtime;
    int fd;
    int peer;
};

static struct scene scene;

static void
tcp_pair(int *ret_fd, int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (void *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (void *)&address, &size), 0);
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*ret_fd, (void *)&address, size), 0);
    *ret_peer = accept(listener, NULL, NULL);
    assert_true(*ret_peer >= 0);
    close(listener);
}

static int
scene_open(void **state)
{
    (void)state;
    assert_int_equal(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &scene.runtime),
        0);
    tcp_pair(&scene.fd, &scene.peer);
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    runtime_end(scene.runtime);
    close(scene.peer);
    return 0;
}

// Everything that adopting changes.
struct looks {
    int flags;
    int descriptor_flags;
    int options[5];
};

static struct looks
look(void)
{
    static const int names[5][2] = {{SOL_SOCKET, SO_SNDBUF},
                                    {SOL_SOCKET, SO_RCVBUF},
                                    {SOL_SOCKET, SO_KEEPALIVE},
                                    {IPPROTO_TCP, TCP_NODELAY},
                                    {IPPROTO_TCP, TCP_USER_TIMEOUT}};
    struct looks looks = {.flags = fcntl(scene.fd, F_GETFL),
                          .descriptor_flags = fcntl(scene.fd, F_GETFD)};

    for (unsigned i = 0; i < 5; i++) {
        socklen_t size = sizeof(looks.options[i]);

        assert_int_equal(getsockopt(scene.fd, names[i][0], names[i][1], &looks.options[i], &size),
                         0);
    }
    return looks;
}

static int
adopt(void)
{
    struct weir_stream_options options = {
        .flags = WEIR_STREAM_KEEPALIVE | WEIR_STREAM_NODELAY,
        .queue_high = 1000, // so that it needs an extra part
        .send_buffer = 100000,
        .receive_buffer = 90000,
        .user_timeout_ms = 5000,
    };
    weir_stream stream = {0};

    return weir_adopt(weir_runtime_loop(scene.runtime, 0), scene.fd, &options, &stream);
}

static void
expect_unchanged(const struct looks *before)
{
    struct looks after = look();

    assert_memory_equal(&after, before, sizeof(after));
}

static void
without_memory_a_descriptor_is_left_as_it_was(void **state)
{
    struct looks before = look();
    unsigned refused = 0;
    int result = -ENOMEM;

    (void)state;
    for (unsigned long nth = 1; result != 0 && nth < TRIES_MAX; nth++) {
        wi_heap_fail(nth, false);
        result = adopt();
        wi_heap_fail(0, false);
        if (result != 0) {
            assert_int_equal(result, -ENOMEM);
            expect_unchanged(&before);
            refused++;
        }
    }
    assert_int_equal(result, 0);
    assert_true(refused > 0);
}

static void
whatever_call_fails_a_descriptor_is_left_as_it_was(void **state)
{
    static const struct {
        enum os_counted call;
        unsigned long made; // by an adoption
    } calls[] = {
        {COUNT_GET_OPTION, 7}, // of what kind it is, and how it is set
        {COUNT_PEER_ADDRESS, 1},
        {COUNT_SET_OPTION, 5},
        {COUNT_NONBLOCKING, 1},
    };
    struct looks before = look();

    (void)state;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (unsigned long nth = 1; nth <= calls[i].made; nth++) {
            os_count_fail(calls[i].call, nth, ENOBUFS);
            assert_int_equal(adopt(), -ENOBUFS);
            os_count_off();
            expect_unchanged(&before);
        }
    }
    assert_int_equal(adopt(), 0);
}

static void
an_adopted_descriptor_is_set_up(void **state)
{
    struct looks looks;

    (void)state;
    assert_int_equal(adopt(), 0);
    looks = look();
    assert_true(looks.flags & O_NONBLOCK);
    assert_true(looks.descriptor_flags & FD_CLOEXEC);
    assert_int_equal(looks.options[0], 200000);
    assert_int_equal(looks.options[1], 180000);
    assert_int_equal(looks.options[2], 1);
    assert_int_equal(looks.options[3], 1);
    assert_int_equal(looks.options[4], 5000);
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(without_memory_a_descriptor_is_left_as_it_was),
        SCENE(whatever_call_fails_a_descriptor_is_left_as_it_was),
        SCENE(an_adopted_descriptor_is_set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
