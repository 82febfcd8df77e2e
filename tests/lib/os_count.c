// SPDX-License-Identifier: MIT
#include "tests/lib/os_count.h"

#include "mem/atomic.h"

// The real calls, under other names.
#define wi_os_poller_create    real_poller_create
#define wi_os_poll_add         real_poll_add
#define wi_os_poll_modify      real_poll_modify
#define wi_os_poll_remove      real_poll_remove
#define wi_os_wait             real_wait
#define wi_os_wake_create      real_wake_create
#define wi_os_receive          real_receive
#define wi_os_send             real_send
#define wi_os_send_vector      real_send_vector
#define wi_os_send_more        real_send_more
#define wi_os_send_marked      real_send_marked
#define wi_os_send_file        real_send_file
#define wi_os_read_file        real_read_file
#define wi_os_pipe_create      real_pipe_create
#define wi_os_splice_in        real_splice_in
#define wi_os_splice_out       real_splice_out
#define wi_os_receive_report   real_receive_report
#define wi_os_socket           real_socket
#define wi_os_bind             real_bind
#define wi_os_listen           real_listen
#define wi_os_accept           real_accept
#define wi_os_connect          real_connect
#define wi_os_shutdown         real_shutdown
#define wi_os_close            real_close
#define wi_os_set_option       real_set_option
#define wi_os_get_option       real_get_option
#define wi_os_set_linger_reset real_set_linger_reset
#define wi_os_local_address    real_local_address
#define wi_os_peer_address     real_peer_address
#define wi_os_set_nonblocking  real_set_nonblocking
#define wi_os_stamp_acks       real_stamp_acks
#define wi_os_unsent           real_unsent
#define wi_os_window           real_window
#define wi_os_unlink           real_unlink
#define wi_os_signal_create    real_signal_create
#define wi_os_signal_take      real_signal_take
#define wi_os_thread_start     real_thread_start
#define wi_os_pin              real_pin
#define wi_os_at_fork_child    real_at_fork_child
#define wi_os_now_ns           real_now_ns
// Under their other names no header declares them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "runtime/os_linux.c"
#include "runtime/os_names_linux.c"
#include "runtime/os_pipe_linux.c"
#pragma GCC diagnostic pop
#undef wi_os_poller_create
#undef wi_os_poll_add
#undef wi_os_poll_modify
#undef wi_os_poll_remove
#undef wi_os_wait
#undef wi_os_wake_create
#undef wi_os_receive
#undef wi_os_send
#undef wi_os_send_vector
#undef wi_os_send_more
#undef wi_os_send_marked
#undef wi_os_send_file
#undef wi_os_read_file
#undef wi_os_pipe_create
#undef wi_os_splice_in
#undef wi_os_splice_out
#undef wi_os_receive_report
#undef wi_os_socket
#undef wi_os_bind
#undef wi_os_listen
#undef wi_os_accept
#undef wi_os_connect
#undef wi_os_shutdown
#undef wi_os_close
#undef wi_os_set_option
#undef wi_os_get_option
#undef wi_os_set_linger_reset
#undef wi_os_local_address
#undef wi_os_peer_address
#undef wi_os_set_nonblocking
#undef wi_os_stamp_acks
#undef wi_os_unsent
#undef wi_os_window
#undef wi_os_unlink
#undef wi_os_signal_create
#undef wi_os_signal_take
#undef wi_os_thread_start
#undef wi_os_pin
#undef wi_os_at_fork_child
#undef wi_os_now_ns

// ---- the countdown ----------------------------------------------------------------------------

#define ERRORS_MAX 8

static const struct {
    const char *name;
    int errors[ERRORS_MAX];
} calls[COUNT_CALLS] = {
    [COUNT_POLLER_CREATE] = {"epoll_create1", {EMFILE, ENOMEM}},
    [COUNT_POLL_ADD] = {"epoll_ctl ADD", {ENOMEM, ENOSPC}},
    [COUNT_POLL_MODIFY] = {"epoll_ctl MOD", {ENOMEM}},
    [COUNT_POLL_REMOVE] = {"epoll_ctl DEL", {ENOENT}},
    [COUNT_WAIT] = {"epoll_wait", {COUNT_NOTHING}},
    [COUNT_WAKE_CREATE] = {"eventfd", {EMFILE, ENOMEM}},
    [COUNT_RECEIVE] = {"recv", {EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM, COUNT_SHORT}},
    [COUNT_SEND] = {"send", {EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, COUNT_SHORT}},
    [COUNT_SEND_VECTOR] = {"sendmsg", {EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, COUNT_SHORT}},
    [COUNT_SEND_MARKED] = {"sendmsg, marked",
                           {EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, COUNT_SHORT}},
    [COUNT_SEND_FILE] = {"sendfile",
                         {EAGAIN, ECONNRESET, EPIPE, EINVAL, ENOSYS, ENOMEM, COUNT_SHORT}},
    [COUNT_READ_FILE] = {"pread", {EIO, ENOMEM, COUNT_SHORT}},
    [COUNT_PIPE] = {"pipe2", {EMFILE, ENFILE}},
    [COUNT_SPLICE_IN] = {"splice from a socket", {ECONNRESET, EINVAL, ENOMEM, COUNT_SHORT}},
    [COUNT_SPLICE_OUT] = {"splice to a socket", {EAGAIN, ECONNRESET, EPIPE, ENOMEM, COUNT_SHORT}},
    [COUNT_RECEIVE_REPORT] = {"recvmsg of reports", {EAGAIN, ENOMEM}},
    [COUNT_SOCKET] = {"socket", {EMFILE, ENFILE, ENOMEM}},
    [COUNT_BIND] = {"bind", {EADDRINUSE, EACCES}},
    [COUNT_LISTEN] = {"listen", {EADDRINUSE}},
    [COUNT_ACCEPT] = {"accept4", {EMFILE, ENOBUFS, ECONNABORTED, EPROTO, EAGAIN, ENETDOWN}},
    [COUNT_CONNECT] = {"connect", {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL}},
    [COUNT_SHUTDOWN] = {"shutdown", {ENOTCONN}},
    [COUNT_CLOSE] = {"close", {EIO}},
    [COUNT_SET_OPTION] = {"setsockopt", {ENOMEM, ENOPROTOOPT}},
    [COUNT_GET_OPTION] = {"getsockopt", {ENOBUFS}},
    [COUNT_LINGER] = {"setsockopt SO_LINGER", {ENOMEM}},
    [COUNT_LOCAL_ADDRESS] = {"getsockname", {ENOBUFS}},
    [COUNT_PEER_ADDRESS] = {"getpeername", {ENOTCONN, ENOBUFS}},
    [COUNT_NONBLOCKING] = {"fcntl", {EBADF}},
    [COUNT_STAMP_ACKS] = {"setsockopt SO_TIMESTAMPING", {EINVAL, ENOMEM}},
    [COUNT_UNSENT] = {"ioctl SIOCOUTQ", {EINVAL}},
    [COUNT_WINDOW] = {"getsockopt TCP_INFO", {EINVAL}},
    [COUNT_UNLINK] = {"unlink", {ENOENT, EACCES}},
    [COUNT_SIGNAL_CREATE] = {"signalfd", {EMFILE, ENOMEM}},
    [COUNT_SIGNAL_TAKE] = {"read of a signalfd", {EAGAIN}},
    [COUNT_THREAD_START] = {"pthread_create", {EAGAIN}},
    [COUNT_PIN] = {"sched_setaffinity", {EINVAL}},
    [COUNT_FORK_HOOK] = {"pthread_atfork", {ENOMEM}},
    [COUNT_SHARE] = {"open of a page", {EACCES, ENOSPC, EMFILE}},
    [COUNT_STACK_LISTEN] = {"sigaction", {EBUSY}},
};

struct failing {
    wi_atomic_u32 call; // an os_counted
    wi_atomic_u32 error;
    wi_atomic_u32 forever;
    wi_atomic_u64 nth; // 0: none
};

static struct failing failing[2];
static wi_atomic_u64 counts[COUNT_CALLS];

static void
fail(struct failing *one, enum os_counted call, unsigned long nth, int error)
{
    wi_store_relaxed(&one->call, (uint32_t)call);
    wi_store_relaxed(&one->error, (uint32_t)error);
    wi_store_relaxed(&one->forever, 0);
    wi_store_release(&one->nth, nth);
}

void
os_count_fail(enum os_counted call, unsigned long nth, int error)
{
    os_count_off();
    for (unsigned i = 0; i < COUNT_CALLS; i++) {
        wi_store_relaxed(&counts[i], 0);
    }
    fail(&failing[0], call, nth, error);
}

void
os_count_fail_forever(void)
{
    wi_store_relaxed(&failing[0].forever, 1);
}

void
os_count_fail_also(enum os_counted call, unsigned long nth, int error)
{
    fail(&failing[1], call, nth, error);
}

void
os_count_off(void)
{
    wi_store_release(&failing[0].nth, 0);
    wi_store_release(&failing[1].nth, 0);
}

unsigned long
os_count_of(enum os_counted call)
{
    return (unsigned long)wi_load_relaxed(&counts[call]);
}

const char *
os_count_name(enum os_counted call)
{
    return calls[call].name;
}

const int *
os_count_errors(enum os_counted call)
{
    return calls[call].errors;
}

// What the number-th call of a kind has to fail with; 0: nothing.
static int
due_by(const struct failing *one, enum os_counted call, uint64_t number)
{
    uint64_t nth = wi_load_acquire(&one->nth);
    bool is_due = nth == number || (nth != 0 && nth < number && wi_load_relaxed(&one->forever));

    return is_due && wi_load_relaxed(&one->call) == (uint32_t)call
               ? (int)wi_load_relaxed(&one->error)
               : 0;
}

static int
due(enum os_counted call)
{
    uint64_t number = wi_add_relaxed(&counts[call], 1) + 1;
    int error = due_by(&failing[0], call, number);

    return error != 0 ? error : due_by(&failing[1], call, number);
}

// ---- the clock --------------------------------------------------------------------------------

static wi_atomic_u64 held_ns; // 0: it goes

void
os_clock_hold(void)
{
    wi_store_relaxed(&held_ns, real_now_ns());
}

void
os_clock_pass(uint64_t ns)
{
    wi_add_relaxed(&held_ns, ns);
}

void
os_clock_go(void)
{
    wi_store_relaxed(&held_ns, 0);
}

uint64_t
wi_os_now_ns(void)
{
    uint64_t held = wi_load_relaxed(&held_ns);

    return held != 0 ? held : real_now_ns();
}

// ---- the calls --------------------------------------------------------------------------------

#define COUNTED(call, name, parameters, arguments)          \
    int wi_os_##name parameters                             \
    {                                                       \
        int error = due(call);                              \
                                                            \
        return error != 0 ? -error : real_##name arguments; \
    }

COUNTED(COUNT_POLLER_CREATE, poller_create, (void), ())
COUNTED(COUNT_POLL_ADD, poll_add, (int poller, int fd, uint32_t events, void *tag),
        (poller, fd, events, tag))
COUNTED(COUNT_POLL_MODIFY, poll_modify, (int poller, int fd, uint32_t events, void *tag),
        (poller, fd, events, tag))
COUNTED(COUNT_POLL_REMOVE, poll_remove, (int poller, int fd), (poller, fd))
COUNTED(COUNT_WAKE_CREATE, wake_create, (void), ())
COUNTED(COUNT_RECEIVE_REPORT, receive_report, (int fd, struct wi_os_report *ret_report),
        (fd, ret_report))
COUNTED(COUNT_PIPE, pipe_create, (int ret_ends[2], size_t size), (ret_ends, size))
COUNTED(COUNT_SOCKET, socket, (int family), (family))
COUNTED(COUNT_BIND, bind, (int fd, const struct sockaddr *address, socklen_t size),
        (fd, address, size))
COUNTED(COUNT_LISTEN, listen, (int fd, int backlog), (fd, backlog))
COUNTED(COUNT_ACCEPT, accept, (int fd, struct sockaddr *ret_address, socklen_t *size),
        (fd, ret_address, size))
COUNTED(COUNT_CONNECT, connect, (int fd, const struct sockaddr *address, socklen_t size),
        (fd, address, size))
COUNTED(COUNT_SHUTDOWN, shutdown, (int fd, int how), (fd, how))
COUNTED(COUNT_SET_OPTION, set_option, (int fd, int level, int name, int value),
        (fd, level, name, value))
COUNTED(COUNT_GET_OPTION, get_option, (int fd, int level, int name, int *ret_value),
        (fd, level, name, ret_value))
COUNTED(COUNT_LINGER, set_linger_reset, (int fd), (fd))
COUNTED(COUNT_LOCAL_ADDRESS, local_address, (int fd, struct sockaddr *ret_address, socklen_t *size),
        (fd, ret_address, size))
COUNTED(COUNT_PEER_ADDRESS, peer_address, (int fd, struct sockaddr *ret_address, socklen_t *size),
        (fd, ret_address, size))
COUNTED(COUNT_NONBLOCKING, set_nonblocking, (int fd), (fd))
COUNTED(COUNT_STAMP_ACKS, stamp_acks, (int fd), (fd))
COUNTED(COUNT_UNSENT, unsent, (int fd, int *ret_size), (fd, ret_size))
COUNTED(COUNT_WINDOW, window, (int fd, size_t *ret_size), (fd, ret_size))
COUNTED(COUNT_UNLINK, unlink, (const char *path), (path))
COUNTED(COUNT_SIGNAL_CREATE, signal_create, (const int *signals, unsigned count), (signals, count))
COUNTED(COUNT_SIGNAL_TAKE, signal_take, (int fd), (fd))
COUNTED(COUNT_THREAD_START, thread_start, (void **ret_thread, void *(*body)(void *), void *arg),
        (ret_thread, body, arg))
COUNTED(COUNT_PIN, pin, (unsigned index), (index))
COUNTED(COUNT_FORK_HOOK, at_fork_child, (void (*hook)(void)), (hook))

int
wi_os_close(int fd)
{
    int error = due(COUNT_CLOSE);
    int result = real_close(fd); // the descriptor is gone whatever close() says

    return error != 0 ? -error : result;
}

int
wi_os_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms)
{
    int error = due(COUNT_WAIT);

    return error == COUNT_NOTHING ? 0 : real_wait(poller, events, capacity, timeout_ms);
}

ssize_t
wi_os_receive(int fd, void *buffer, size_t size)
{
    int error = due(COUNT_RECEIVE);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_receive(fd, buffer, error == COUNT_SHORT ? 1 : size);
}

ssize_t
wi_os_send(int fd, const void *data, size_t size)
{
    int error = due(COUNT_SEND);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_send(fd, data, error == COUNT_SHORT ? 1 : size);
}

// The first byte there is.
static struct iovec
first_byte(const struct iovec *iov, size_t iov_count)
{
    size_t i = 0;

    while (i + 1 < iov_count && iov[i].iov_len == 0) {
        i++;
    }
    return (struct iovec){iov[i].iov_base, iov[i].iov_len != 0};
}

ssize_t
wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count)
{
    int error = due(COUNT_SEND_VECTOR);
    struct iovec first;

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    if (error == COUNT_SHORT) {
        first = first_byte(iov, iov_count);
        return real_send_vector(fd, &first, 1);
    }
    return real_send_vector(fd, iov, iov_count);
}

ssize_t
wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count)
{
    int error = due(COUNT_SEND_VECTOR);
    struct iovec first;

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    if (error == COUNT_SHORT) {
        first = first_byte(iov, iov_count);
        return real_send_more(fd, &first, 1);
    }
    return real_send_more(fd, iov, iov_count);
}

ssize_t
wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp, bool zerocopy)
{
    int error = due(COUNT_SEND_MARKED);
    struct iovec first;

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    if (error == COUNT_SHORT) {
        first = first_byte(iov, iov_count);
        return real_send_marked(fd, &first, 1, stamp, zerocopy);
    }
    return real_send_marked(fd, iov, iov_count, stamp, zerocopy);
}

ssize_t
wi_os_send_file(int fd, int file, uint64_t offset, size_t size, bool blocks_signals)
{
    int error = due(COUNT_SEND_FILE);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_send_file(fd, file, offset, error == COUNT_SHORT ? 1 : size, blocks_signals);
}

ssize_t
wi_os_splice_in(int fd, int pipe, size_t size)
{
    int error = due(COUNT_SPLICE_IN);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_splice_in(fd, pipe, error == COUNT_SHORT ? 1 : size);
}

ssize_t
wi_os_splice_out(int pipe, int fd, size_t size, bool blocks_signals)
{
    int error = due(COUNT_SPLICE_OUT);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_splice_out(pipe, fd, error == COUNT_SHORT ? 1 : size, blocks_signals);
}

ssize_t
wi_os_read_file(int file, void *buffer, size_t size, uint64_t offset)
{
    int error = due(COUNT_READ_FILE);

    if (error != 0 && error != COUNT_SHORT) {
        return -error;
    }
    return real_read_file(file, buffer, error == COUNT_SHORT ? 1 : size, offset);
}

// ---- calls in files of their own: the linker puts these in their place (--wrap) --------------

int __real_wi_os_share_create(const char *path, size_t size, void **ret_memory);
int __wrap_wi_os_share_create(const char *path, size_t size, void **ret_memory);
int __real_wi_os_stack_listen(int signal);
int __wrap_wi_os_stack_listen(int signal);

int
__wrap_wi_os_share_create(const char *path, size_t size, void **ret_memory)
{
    int error = due(COUNT_SHARE);

    return error != 0 ? -error : __real_wi_os_share_create(path, size, ret_memory);
}

int
__wrap_wi_os_stack_listen(int signal)
{
    int error = due(COUNT_STACK_LISTEN);

    return error != 0 ? -error : __real_wi_os_stack_listen(signal);
}
