/* SPDX-License-Identifier: MIT */
// Echo server, written by hand on io_uring: multishot accept and receive into buffers that the
// kernel picks from a ring, one send under way for each connection, and one call of the kernel for
// all that was submitted.
//
// What a connection has not sent stays in those buffers. A connection that has QUEUE_MAX of them
// rests: its receive is cancelled until half are sent. There are BUFFERS in all; when peers that do
// not read hold them all, a connection without any receives into a small one of its own.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"
#include "lib/uring.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFERS     512 // a power of two
#define BUFFER_SIZE 65536
#define GROUP       0
#define OWN_SIZE    4096
#define QUEUE_MAX   8 // buffers of a connection; all can go in one send
#define NONE        UINT16_MAX

// What a completion belongs to: the low bits of its data, beside a connection's address.
enum operation { RECEIVE, SEND, CANCEL, OPERATION_MASK = 3 };

struct sending {
    struct msghdr message;
    struct iovec pieces[QUEUE_MAX];
};

struct connection {
    int fd;
    uint16_t oldest; // the queue of buffers to send, or NONE
    uint16_t newest;
    unsigned queued;  // buffers
    uint32_t skipped; // bytes of the oldest that were sent
    bool is_receiving;
    bool is_cancelling;
    bool is_starving; // no buffer was left
    bool is_sending;
    bool is_ended;           // the peer's FIN came
    bool is_failed;          // nothing more is sent
    struct sending *sending; // NULL unless several buffers are sent at once
    char *own;               // NULL unless it was starving; own_end 0: being received into
    uint32_t own_begin;
    uint32_t own_end;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *memory; // BUFFERS of BUFFER_SIZE
static uint16_t next_of[BUFFERS];
static uint32_t size_of[BUFFERS];
static int listener;
static int term_fd;
static bool is_stopping;

static void
submit_for(struct io_uring_sqe *submission, struct connection *connection, enum operation operation)
{
    io_uring_sqe_set_data64(submission, (uint64_t)(uintptr_t)connection | operation);
}

static void
start_receiving(struct connection *connection)
{
    struct io_uring_sqe *submission = bench_uring_submission(&ring);

    io_uring_prep_recv_multishot(submission, connection->fd, NULL, 0, 0);
    submission->flags |= IOSQE_BUFFER_SELECT;
    submission->buf_group = GROUP;
    submit_for(submission, connection, RECEIVE);
    connection->is_receiving = true;
}

static void
start_receiving_own(struct connection *connection)
{
    struct io_uring_sqe *submission = bench_uring_submission(&ring);

    connection->own = malloc(OWN_SIZE);
    bench_require(connection->own != NULL, "malloc");
    connection->own_begin = 0;
    connection->own_end = 0;
    io_uring_prep_recv(submission, connection->fd, connection->own, OWN_SIZE, 0);
    submit_for(submission, connection, RECEIVE);
    connection->is_receiving = true;
}

static void
cancel_receiving(struct connection *connection)
{
    struct io_uring_sqe *submission = bench_uring_submission(&ring);

    io_uring_prep_cancel64(submission, (uint64_t)(uintptr_t)connection | RECEIVE, 0);
    submit_for(submission, connection, CANCEL);
    connection->is_cancelling = true;
}

static char *
buffer_data(unsigned buffer)
{
    return memory + (size_t)buffer * BUFFER_SIZE;
}

static void
give_buffer(unsigned buffer)
{
    io_uring_buf_ring_add(buffer_ring, buffer_data(buffer), BUFFER_SIZE, (uint16_t)buffer,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffer_ring, 1);
}

static void
append(struct connection *connection, uint16_t buffer, uint32_t size)
{
    size_of[buffer] = size;
    next_of[buffer] = NONE;
    if (connection->oldest == NONE) {
        connection->oldest = buffer;
    } else {
        next_of[connection->newest] = buffer;
    }
    connection->newest = buffer;
    connection->queued++;
}

static void
drop_own(struct connection *connection)
{
    free(connection->own);
    connection->own = NULL;
    connection->is_starving = false;
}

// Drops so many bytes from the front.
static void
consume(struct connection *connection, size_t size)
{
    if (connection->own != NULL) {
        connection->own_begin += (uint32_t)size;
        if (connection->own_begin == connection->own_end) {
            drop_own(connection);
        }
        return;
    }
    connection->is_starving = false; // there are buffers again, or will be
    while (connection->oldest != NONE && size > 0) {
        uint16_t buffer = connection->oldest;
        uint32_t left = size_of[buffer] - connection->skipped;

        if (size < left) {
            connection->skipped += (uint32_t)size;
            return;
        }
        size -= left;
        connection->skipped = 0;
        connection->oldest = next_of[buffer];
        connection->queued--;
        give_buffer(buffer);
    }
}

static void
start_sending(struct connection *connection)
{
    struct io_uring_sqe *submission = bench_uring_submission(&ring);
    uint16_t buffer = connection->oldest;
    uint32_t skipped = connection->skipped;

    connection->is_sending = true;
    if (connection->own != NULL) {
        io_uring_prep_send(submission, connection->fd, connection->own + connection->own_begin,
                           connection->own_end - connection->own_begin, MSG_NOSIGNAL | MSG_WAITALL);
    } else if (next_of[buffer] == NONE) {
        io_uring_prep_send(submission, connection->fd, buffer_data(buffer) + skipped,
                           size_of[buffer] - skipped, MSG_NOSIGNAL | MSG_WAITALL);
    } else {
        struct sending *sending = calloc(1, sizeof(*sending));

        bench_require(sending != NULL, "calloc");
        sending->message.msg_iov = sending->pieces;
        for (; buffer != NONE && sending->message.msg_iovlen < QUEUE_MAX;
             buffer = next_of[buffer]) {
            sending->pieces[sending->message.msg_iovlen++] = (struct iovec){
                .iov_base = buffer_data(buffer) + skipped,
                .iov_len = size_of[buffer] - skipped,
            };
            skipped = 0;
        }
        connection->sending = sending;
        io_uring_prep_sendmsg(submission, connection->fd, &sending->message,
                              MSG_NOSIGNAL | MSG_WAITALL);
    }
    submit_for(submission, connection, SEND);
}

static void
connection_free(struct connection *connection)
{
    free(connection->own);
    connection->own = NULL;
    consume(connection, SIZE_MAX);
    close(connection->fd);
    free(connection);
}

static bool
has_unsent(const struct connection *connection)
{
    return connection->oldest != NONE || (connection->own != NULL && connection->own_end > 0);
}

static void
receive_more(struct connection *connection)
{
    if (!connection->is_starving) {
        if (connection->queued <= QUEUE_MAX / 2) {
            start_receiving(connection);
        }
    } else if (!has_unsent(connection)) {
        start_receiving_own(connection);
    } // else its own buffers come back when they are sent
}

// Starts what the connection's state allows; frees it when nothing is under way or to come.
static void
advance(struct connection *connection)
{
    bool is_over = connection->is_failed || (connection->is_ended && !has_unsent(connection));

    if (is_over) {
        if (!connection->is_sending && !connection->is_receiving && !connection->is_cancelling) {
            connection_free(connection);
        }
        return;
    }
    if (!connection->is_sending && has_unsent(connection)) {
        start_sending(connection);
    }
    if (!connection->is_receiving) {
        if (!connection->is_ended && !connection->is_cancelling) {
            receive_more(connection);
        }
    } else if (connection->queued >= QUEUE_MAX && !connection->is_cancelling) {
        cancel_receiving(connection);
    }
}

static void
fail(struct connection *connection)
{
    if (!connection->is_failed) {
        connection->is_failed = true;
        shutdown(connection->fd, SHUT_RDWR); // ends what is under way
    }
}

static void
on_received(struct connection *connection, const struct io_uring_cqe *completion)
{
    int result = completion->res;

    if (!(completion->flags & IORING_CQE_F_MORE)) {
        connection->is_receiving = false;
    }
    if (completion->flags & IORING_CQE_F_BUFFER) {
        append(connection, (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT),
               (uint32_t)(result > 0 ? result : 0));
    }
    if (connection->own != NULL && result <= 0) {
        drop_own(connection);
    } else if (connection->own != NULL) {
        connection->own_end = (uint32_t)result;
    }
    if (result == 0) {
        connection->is_ended = true;
    } else if (result == -ENOBUFS) {
        connection->is_starving = true;
    } else if (result < 0 && result != -ECANCELED) {
        fail(connection);
    }
    advance(connection);
}

static void
on_sent(struct connection *connection, int result)
{
    connection->is_sending = false;
    free(connection->sending);
    connection->sending = NULL;
    if (result < 0) {
        fail(connection);
    } else {
        consume(connection, (size_t)result);
    }
    advance(connection);
}

static void
start_accepting(void)
{
    struct io_uring_sqe *submission = bench_uring_submission(&ring);

    io_uring_prep_multishot_accept(submission, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(submission, &listener);
}

static void
on_accepted(const struct io_uring_cqe *completion)
{
    errno = -completion->res;
    bench_require(completion->res >= 0 || errno == ECONNABORTED, "accept");
    if (completion->res >= 0) {
        struct connection *connection = calloc(1, sizeof(*connection));

        bench_require(connection != NULL, "calloc");
        connection->fd = completion->res;
        connection->oldest = NONE;
        bench_set_nodelay(connection->fd);
        start_receiving(connection);
    }
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        start_accepting();
    }
}

static void
dispatch(const struct io_uring_cqe *completion)
{
    uint64_t data = io_uring_cqe_get_data64(completion);
    // A pointer was put into the number: performance-no-int-to-ptr cannot know.
    struct connection *connection =
        (struct connection *)(uintptr_t)(data & ~(uint64_t)OPERATION_MASK); // NOLINT

    if (data == (uintptr_t)&listener) {
        on_accepted(completion);
    } else if (data == (uintptr_t)&term_fd) {
        is_stopping = true;
    } else if ((data & OPERATION_MASK) == RECEIVE) {
        on_received(connection, completion);
    } else if ((data & OPERATION_MASK) == SEND) {
        on_sent(connection, completion->res);
    } else {
        connection->is_cancelling = false;
        advance(connection);
    }
}

static void
offer_buffers(void)
{
    size_t ring_size = BUFFERS * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = GROUP};

    buffer_ring = mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    memory = mmap(NULL, (size_t)BUFFERS * BUFFER_SIZE, PROT_READ | PROT_WRITE,
                  MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
    bench_require(buffer_ring != MAP_FAILED && memory != MAP_FAILED, "mmap");
    registration.ring_addr = (uint64_t)(uintptr_t)buffer_ring;
    int status = io_uring_register_buf_ring(&ring, &registration, 0);
    if (status < 0) {
        bench_uring_fail(-status, "io_uring_register_buf_ring");
    }
    io_uring_buf_ring_init(buffer_ring);
    for (unsigned i = 0; i < BUFFERS; i++) {
        give_buffer(i);
    }
}

static void
run(void)
{
    struct io_uring_cqe *completion;
    unsigned head;

    while (!is_stopping) {
        int status = io_uring_submit_and_wait(&ring, 1);
        unsigned count = 0;

        errno = -status;
        bench_require(status >= 0 || errno == EINTR, "io_uring_submit_and_wait");
        io_uring_for_each_cqe(&ring, head, completion)
        {
            dispatch(completion);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}

int
main(int argc, char **argv)
{
    bench_server_begin(argc, argv);
    bench_uring_open(&ring);
    offer_buffers();
    term_fd = bench_server_term_fd();
    struct io_uring_sqe *submission = bench_uring_submission(&ring);
    io_uring_prep_poll_add(submission, term_fd, POLLIN);
    io_uring_sqe_set_data(submission, &term_fd);
    listener = bench_listen();
    start_accepting();
    bench_server_ready(bench_local_port(listener));

    run();
    bench_server_report();
    return 0;
}
