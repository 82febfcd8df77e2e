// SPDX-License-Identifier: MIT
#include "tests/lib/pair.h"

#include "tests/lib/fixture.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

// Over vsock the kernels of late let nobody send ahead more than they would receive themselves: a
// peer that reads little at a time would write little, too.
enum { SMALL_BUFFER = 4096, SMALL_VSOCK_BUFFER = 128 * 1024, STUFFING = 0xEE };

// ---- transports -------------------------------------------------------------------------------

const struct transport transports[TRANSPORT_COUNT] = {
    {.name = "tcp4", .bit = TRANSPORT_TCP4, .family = AF_INET},
    {.name = "tcp6", .bit = TRANSPORT_TCP6, .family = AF_INET6},
    {.name = "unix", .bit = TRANSPORT_PATH, .family = AF_UNIX},
    {.name = "abstract", .bit = TRANSPORT_ABSTRACT, .family = AF_UNIX},
    {.name = "vsock", .bit = TRANSPORT_VSOCK, .family = AF_VSOCK},
    {.name = "hybrid", .bit = TRANSPORT_HYBRID, .family = AF_UNIX},
};

bool
transport_is_tcp(const struct transport *transport)
{
    return (transport->bit & TRANSPORT_TCP) != 0;
}

int
transport_refusal(const struct transport *transport)
{
    return transport->bit == TRANSPORT_VSOCK ? ECONNRESET : ECONNREFUSED;
}

bool
transport_is_available(const struct transport *transport)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_vm vm = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VMADDR_PORT_ANY};
    bool is_vsock = transport->bit == TRANSPORT_VSOCK;
    bool available;
    int fd;

    if (transport->bit != TRANSPORT_TCP6 && !is_vsock) {
        return true;
    }
    fd = socket(transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    // Without its module for that the kernel has no local context.
    available = is_vsock ? bind(fd, (struct sockaddr *)&vm, sizeof(vm)) == 0
                         : bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;
    close(fd);
    return available;
}

static struct weir_address
unix_address(struct fixture *fixture)
{
    struct weir_address address = {0};
    struct sockaddr_un *name = (struct sockaddr_un *)&address.as.storage;
    size_t size;

    name->sun_family = AF_UNIX;
    if (fixture->transport->bit == TRANSPORT_ABSTRACT) {
        size =
            (size_t)snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, "weir-test-%d-%p-%u",
                             (int)getpid(), (void *)fixture, fixture->names++) +
            1;
        address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
        return address;
    }
    if (fixture->directory[0] == '\0') {
        const char *parent = getenv("TMPDIR");

        snprintf(fixture->directory, sizeof(fixture->directory), "%s/weir-XXXXXX",
                 parent != NULL && strlen(parent) < 40 ? parent : "/tmp");
        assert_non_null(mkdtemp(fixture->directory));
    }
    size = (size_t)snprintf(name->sun_path, sizeof(name->sun_path), "%s/%u", fixture->directory,
                            fixture->names++) +
           1;
    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return address;
}

struct weir_address
transport_address(struct fixture *fixture)
{
    struct weir_address address = {0};

    if (fixture->transport->family == AF_INET) {
        struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        memcpy(&address.as, &in4, sizeof(in4));
        address.size = sizeof(in4);
        return address;
    }
    if (fixture->transport->family == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

        memcpy(&address.as, &in6, sizeof(in6));
        address.size = sizeof(in6);
        return address;
    }
    if (fixture->transport->family == AF_VSOCK) {
        assert_int_equal(weir_address_vsock(&address, VMADDR_CID_LOCAL, WEIR_VSOCK_PORT_ANY), 0);
        return address;
    }
    return unix_address(fixture);
}

static void
set_option(int fd, int level, int name, int value)
{
    assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static int
transport_socket(struct fixture *fixture, int receive_buffer)
{
    int fd = socket(fixture->transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t size = receive_buffer > SMALL_VSOCK_BUFFER ? (uint64_t)receive_buffer
                                                        : (uint64_t)SMALL_VSOCK_BUFFER;

    assert_true(fd >= 0);
    if (receive_buffer > 0 && fixture->transport->family == AF_VSOCK) {
        assert_int_equal(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)),
                         0);
    } else if (receive_buffer > 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    }
    return fixture_own_fd(fixture, fd);
}

int
transport_listen(struct fixture *fixture, int receive_buffer, struct weir_address *ret_address)
{
    struct weir_address address = transport_address(fixture);
    int fd = transport_socket(fixture, receive_buffer);

    assert_int_equal(bind(fd, &address.as.any, address.size), 0);
    assert_int_equal(listen(fd, 512), 0);
    if (fixture->transport->family != AF_UNIX) {
        address.size = sizeof(address.as.storage);
        assert_int_equal(getsockname(fd, &address.as.any, &address.size), 0);
    }
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    *ret_address = address;
    return fd;
}

int
transport_connect(struct fixture *fixture, const struct weir_address *address, int receive_buffer)
{
    int fd = transport_socket(fixture, receive_buffer);

    assert_int_equal(connect(fd, &address->as.any, address->size), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

int
transport_accept(struct fixture *fixture, int listener)
{
    uint64_t deadline = test_deadline();
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
        if (errno != EAGAIN || test_now_ns() > deadline) {
            fixture_fail(fixture, "no connection came: %s", strerror(errno));
        }
        fixture_breathe(fixture);
    }
    return fixture_own_fd(fixture, fd);
}

// ---- pairs ------------------------------------------------------------------------------------

// Take fd out of what the teardown closes: it is the library's now.
static void
disown_fd(struct fixture *fixture, int fd)
{
    for (unsigned index = 0; index < fixture->fd_count; index++) {
        if (fixture->fds[index] == fd) {
            fixture->fds[index] = fixture->fds[--fixture->fd_count];
            return;
        }
    }
}

// Foreign bytes until the kernel takes no more, also after those on their way have arrived.
static size_t
stuff(int fd)
{
    uint8_t block[4096];
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    size_t size = 0;

    memset(block, STUFFING, sizeof(block));
    for (size_t piece = sizeof(block); piece > 0;) {
        ssize_t sent = send(fd, block, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            size += (size_t)sent;
        } else if (poll(&room, 1, 5) <= 0) {
            piece /= 2;
        }
    }
    return size;
}

// 0: as the kernel likes.
static int
receive_buffer_of(const struct pair_options *options)
{
    if (!options->small && !options->stuffed) {
        return 0;
    }
    return options->window != 0 ? options->window : SMALL_BUFFER;
}

static void
open_adopted(struct pair *pair, const struct pair_options *options,
             const struct weir_stream_options *stream)
{
    struct fixture *fixture = pair->fixture;
    int receive_buffer = receive_buffer_of(options);
    struct weir_address address;
    int listener = transport_listen(fixture, receive_buffer, &address);
    int fd = transport_connect(fixture, &address, 0);

    pair->peer = transport_accept(fixture, listener);
    fixture_close_fd(fixture, listener);
    if (options->small || options->stuffed) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, SMALL_BUFFER);
    }
    if (options->stuffed) {
        pair->stuffed = stuff(fd);
    }
    assert_status(weir_adopt(options->loop != NULL ? options->loop : fixture->loop, fd, stream,
                             &pair->stream),
                  0);
    disown_fd(fixture, fd);
}

static void
open_dialled(struct pair *pair, const struct pair_options *options,
             const struct weir_stream_options *stream)
{
    struct fixture *fixture = pair->fixture;
    struct weir_dial request = {.stream = *stream};
    int listener = transport_listen(fixture, receive_buffer_of(options), &request.address);

    assert_status(
        weir_dial(options->loop != NULL ? options->loop : fixture->loop, &request, &pair->stream),
        0);
    pair->peer = transport_accept(fixture, listener);
    fixture_close_fd(fixture, listener);
}

static bool
has_started(void *arg)
{
    struct pair *pair = arg;

    return events_count(pair->events, "started") > 0;
}

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct pair *pair = arg;

    (void)listener;
    pthread_mutex_lock(&pair->fixture->lock);
    pair->stream = stream;
    pthread_mutex_unlock(&pair->fixture->lock);
}

static bool
is_accepted(void *arg)
{
    struct pair *pair = arg;
    bool accepted;

    pthread_mutex_lock(&pair->fixture->lock);
    accepted = pair->stream.bits != 0;
    pthread_mutex_unlock(&pair->fixture->lock);
    return accepted;
}

static void
open_accepted(struct pair *pair, const struct pair_options *options,
              const struct weir_stream_options *stream)
{
    struct fixture *fixture = pair->fixture;
    struct weir_listen request = {
        .address = transport_address(fixture),
        .stream = *stream,
        .accepted = on_accepted,
        .arg = pair,
    };
    struct weir_address address;

    assert_status(weir_listen(fixture->runtime, &request, &pair->listener), 0);
    assert_status(weir_listener_address(pair->listener, &address), 0);
    pair->peer = transport_connect(fixture, &address, receive_buffer_of(options));
    fixture_turn_until(fixture, is_accepted, pair);
}

struct pair *
pair_open(struct fixture *fixture, const struct pair_options *options)
{
    struct pair *pair = fixture_memory(fixture, sizeof(*pair));
    struct weir_stream_options stream = options->stream;

    pair->fixture = fixture;
    if (stream.handlers == NULL) {
        pair->events = events_make(fixture);
        stream.user = pair->events;
        stream.handlers = options->pull ? events_handlers_pull() : events_handlers();
    }
    if (options->small && stream.send_buffer == 0) {
        stream.send_buffer = SMALL_BUFFER;
    }
    if (options->made == PAIR_DIALLED) {
        open_dialled(pair, options, &stream);
    } else if (options->made == PAIR_ACCEPTED) {
        open_accepted(pair, options, &stream);
    } else {
        open_adopted(pair, options, &stream);
    }
    if (pair->events != NULL && !options->unstarted) {
        fixture_turn_until(fixture, has_started, pair);
    }
    return pair;
}

void
pair_unstuff(struct pair *pair)
{
    uint8_t block[4096];

    while (pair->stuffed > 0) {
        size_t piece = pair->stuffed < sizeof(block) ? pair->stuffed : sizeof(block);

        peer_read_exact(pair->fixture, pair->peer, block, piece);
        for (size_t index = 0; index < piece; index++) {
            assert_int_equal(block[index], STUFFING);
        }
        pair->stuffed -= piece;
    }
}

size_t
pair_block(struct pair *pair)
{
    struct fixture *fixture = pair->fixture;
    uint64_t sent = 0;

    // The count moves while the kernel still passes bytes on to the peer; three quiet rounds of a
    // millisecond say that it has come to rest.
    for (unsigned quiet = 0; quiet < 3; quiet++) {
        uint64_t before = sent;

        fixture_settle(fixture);
        fixture_breathe(fixture);
        sent = fixture_stats(fixture).bytes_sent;
        if (sent != before) {
            quiet = 0;
        }
    }
    assert_true(sent > 0);
    assert_true(weir_queued(pair->stream) > 0);
    return (size_t)sent;
}

static bool
has_closed(void *arg)
{
    struct pair *pair = arg;

    return events_count(pair->events, "closed") > 0;
}

void
pair_wait_closed(struct pair *pair)
{
    fixture_turn_until(pair->fixture, has_closed, pair);
}

// ---- the plain end ----------------------------------------------------------------------------

// A read that turns the loops while nothing comes.
static ssize_t
peer_read_some(struct fixture *fixture, int peer, void *buffer, size_t size)
{
    uint64_t deadline = test_deadline();
    ssize_t result;

    while ((result = recv(peer, buffer, size, MSG_DONTWAIT)) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
        if (test_now_ns() > deadline) {
            fixture_fail(fixture, "the peer waits for bytes or an end that do not come");
        }
        fixture_breathe(fixture);
    }
    return result;
}

void
peer_read_exact(struct fixture *fixture, int peer, void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t result = peer_read_some(fixture, peer, (char *)buffer + done, size - done);

        if (result <= 0) {
            fixture_fail(fixture, "the peer got %zu of %zu bytes, then %s", done, size,
                         result == 0 ? "EOF" : strerror((int)-result));
        }
        done += (size_t)result;
    }
}

void
peer_read_pattern(struct fixture *fixture, int peer, size_t size, uint64_t offset, unsigned seed)
{
    uint8_t block[16384];

    for (size_t done = 0; done < size;) {
        size_t piece = size - done < sizeof(block) ? size - done : sizeof(block);
        size_t good;

        peer_read_exact(fixture, peer, block, piece);
        good = pattern_check(block, piece, offset + done, seed);
        if (good != piece) {
            fixture_fail(fixture, "byte %zu of %zu is %#x, not %#x (seed %u)", done + good, size,
                         block[good], pattern_byte(offset + done + good, seed), seed);
        }
        done += piece;
    }
}

void
peer_write(struct fixture *fixture, int peer, const void *data, size_t size)
{
    uint64_t deadline = test_deadline();

    for (size_t done = 0; done < size;) {
        ssize_t sent =
            send(peer, (const char *)data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent >= 0) {
            done += (size_t)sent;
            continue;
        }
        if ((errno != EAGAIN && errno != EINTR) || test_now_ns() > deadline) {
            fixture_fail(fixture, "the peer wrote %zu of %zu bytes: %s", done, size,
                         strerror(errno));
        }
        fixture_breathe(fixture);
    }
}

void
peer_wait_sent(struct fixture *fixture, int peer)
{
    uint64_t deadline = test_deadline();
    int unsent = 0;

    // On the others what is written is with the other end at once.
    while (transport_is_tcp(fixture->transport) && ioctl(peer, SIOCOUTQ, &unsent) == 0 &&
           unsent > 0) {
        if (weir_now_ns() > deadline) {
            fixture_fail(fixture, "%d bytes of the peer are not acknowledged", unsent);
        }
        fixture_breathe(fixture);
    }
}

void
peer_finish(struct fixture *fixture, int peer)
{
    if (shutdown(peer, SHUT_WR) != 0) {
        fixture_fail(fixture, "shutdown() of the peer: %s", strerror(errno));
    }
}

void
peer_reset(struct fixture *fixture, int peer)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (transport_is_tcp(fixture->transport)) {
        assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    }
    fixture_close_fd(fixture, peer);
}

size_t
peer_waiting(int peer)
{
    static uint8_t some[256 * 1024];
    ssize_t peeked;
    int size = 0;

    if (ioctl(peer, FIONREAD, &size) == 0) {
        return (size_t)size;
    }
    peeked = recv(peer, some, sizeof(some), MSG_PEEK | MSG_DONTWAIT); // vsock cannot say
    assert_true(peeked >= 0 || errno == EAGAIN);
    return peeked < 0 ? 0 : (size_t)peeked;
}

int
peer_read_to_end(struct fixture *fixture, int peer, size_t *ret_size)
{
    uint8_t block[16384];
    size_t size = 0;
    ssize_t result;

    while ((result = peer_read_some(fixture, peer, block, sizeof(block))) > 0) {
        size += (size_t)result;
    }
    *ret_size = size;
    return (int)result;
}

void
peer_expect_eof(struct fixture *fixture, int peer)
{
    size_t size;
    int end = peer_read_to_end(fixture, peer, &size);

    if (end != 0 || size != 0) {
        fixture_fail(fixture, "the peer got %zu more bytes and then %s, not EOF at once", size,
                     end == 0 ? "EOF" : strerror(-end));
    }
}

size_t
peer_expect_reset(struct fixture *fixture, int peer)
{
    size_t size;
    int end = peer_read_to_end(fixture, peer, &size);

    if (end != -ECONNRESET && transport_is_tcp(fixture->transport)) {
        fixture_fail(fixture, "the peer got %zu bytes and then %s, not a reset", size,
                     end == 0 ? "EOF" : strerror(-end));
    }
    return size;
}

void
peer_expect_silence(struct fixture *fixture, int peer)
{
    uint8_t byte;
    ssize_t result;

    fixture_settle(fixture);
    result = recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    if (result >= 0 || errno != EAGAIN) {
        fixture_fail(fixture, "the peer got %s where nothing was to be sent",
                     result > 0    ? "bytes"
                     : result == 0 ? "EOF"
                                   : strerror(errno));
    }
}
