/* SPDX-License-Identifier: MIT */

// The kernel, one plain call at a time. Nothing here decides anything.

#include "runtime/os.h"
#include "runtime/os_sigpipe_linux.h"

#include "mem/assert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/futex.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The four calls of every message go to the kernel directly on x86-64: the C library's wrappers are
// cancellation points and cost some 30 instructions each. Sanitizers must see the wrappers.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OS_DIRECT 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || \
    __has_feature(memory_sanitizer)
#define OS_DIRECT 0
#endif
#endif
#if !defined(OS_DIRECT) && defined(__x86_64__)
#define OS_DIRECT 1
#elif !defined(OS_DIRECT)
#define OS_DIRECT 0
#endif

#if OS_DIRECT
static inline long
// The shape of a system call: NOLINTNEXTLINE(readability-function-size)
direct(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#endif

// The result of a C library call, as the library wants it.
static inline int
result_of(int value)
{
    return value < 0 ? -errno : value;
}

int
wi_os_poller_create(void)
{
    return result_of(epoll_create1(EPOLL_CLOEXEC));
}

static int
poll_control(int poller, int operation, int fd, uint32_t events, void *tag)
{
    struct epoll_event event = {.events = events, .data.ptr = tag};

    return result_of(epoll_ctl(poller, operation, fd, &event));
}

int
wi_os_poll_add(int poller, int fd, uint32_t events, void *tag)
{
    return poll_control(poller, EPOLL_CTL_ADD, fd, events, tag);
}

int
wi_os_poll_modify(int poller, int fd, uint32_t events, void *tag)
{
    return poll_control(poller, EPOLL_CTL_MOD, fd, events, tag);
}

int
wi_os_poll_remove(int poller, int fd)
{
    return poll_control(poller, EPOLL_CTL_DEL, fd, 0, NULL);
}

int
wi_os_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms)
{
#if OS_DIRECT
    int ready = (int)direct(SYS_epoll_wait, poller, (long)events, capacity, timeout_ms, 0, 0);
#else
    int ready = result_of(epoll_wait(poller, events, capacity, timeout_ms));
#endif
    return ready == -EINTR ? 0 : ready;
}

int
wi_os_wake_create(void)
{
    return result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void
wi_os_wake(int wake_fd)
{
    uint64_t one = 1;

    while (write(wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void
wi_os_wake_clear(int wake_fd)
{
    uint64_t count;

    while (read(wake_fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

ssize_t
wi_os_receive(int fd, void *buffer, size_t size)
{
    ssize_t count;

#if OS_DIRECT
    count = direct(SYS_recvfrom, fd, (long)buffer, (long)size, 0, 0, 0);
#else
    count = recv(fd, buffer, size, 0);
    count = count < 0 ? -errno : count;
#endif
    return wi_likely(count != -EINTR) ? count : wi_os_receive(fd, buffer, size);
}

bool
wi_os_is_at_end(int fd)
{
    char byte;

    return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0;
}

ssize_t
wi_os_send(int fd, const void *data, size_t size)
{
    ssize_t count;

#if OS_DIRECT
    count = direct(SYS_sendto, fd, (long)data, (long)size, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
#else
    count = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    count = count < 0 ? -errno : count;
#endif
    return wi_likely(count != -EINTR) ? count : wi_os_send(fd, data, size);
}

static ssize_t
send_message(int fd, const struct msghdr *message, int flags)
{
    ssize_t count;

    do {
#if OS_DIRECT
        count = direct(SYS_sendmsg, fd, (long)message, flags, 0, 0, 0);
#else
        count = sendmsg(fd, message, flags);
        count = count < 0 ? -errno : count;
#endif
    } while (count == -EINTR);
    return count;
}

ssize_t
wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = iov_count};

    return send_message(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t
wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = iov_count};

    return send_message(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
}

// Taking a cork off pushes, also where there was none. What is no TCP keeps nothing back.
void
wi_os_send_rest(int fd)
{
    const int off = 0;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
}

ssize_t
wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp, bool zerocopy)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(uint32_t))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(uint32_t)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SO_TIMESTAMPING}};
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = iov_count};
    uint32_t wanted = SOF_TIMESTAMPING_TX_ACK;

    if (stamp) {
        memcpy(CMSG_DATA(&control.header), &wanted, sizeof(wanted));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.room);
    }
    return send_message(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (zerocopy ? MSG_ZEROCOPY : 0));
}

static ssize_t
send_file(int fd, int file, uint64_t offset, size_t size)
{
    ssize_t count;

    do {
        off_t from = (off_t)offset;

        count = sendfile(fd, file, &from, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t
wi_os_send_file(int fd, int file, uint64_t offset, size_t size, bool blocks_signals)
{
    struct wi_sigpipe held;
    ssize_t count;

    if (blocks_signals) {
        return send_file(fd, file, offset, size);
    }
    wi_sigpipe_hold(&held);
    count = send_file(fd, file, offset, size);
    wi_sigpipe_release(&held, count == -EPIPE);
    return count;
}

ssize_t
wi_os_read_file(int file, void *buffer, size_t size, uint64_t offset)
{
    ssize_t count;

    do {
        count = pread(file, buffer, size, (off_t)offset);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static void
read_report(const struct msghdr *message, struct wi_os_report *ret_report)
{
    ret_report->kind = WI_REPORT_OTHER;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, header)) {
        struct sock_extended_err error;

        if (!(header->cmsg_level == SOL_IP && header->cmsg_type == IP_RECVERR) &&
            !(header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR)) {
            continue;
        }
        memcpy(&error, CMSG_DATA(header), sizeof(error));
        if (error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && error.ee_info == SCM_TSTAMP_ACK) {
            ret_report->kind = WI_REPORT_ACKED;
            ret_report->low = error.ee_data;
        } else if (error.ee_origin == SO_EE_ORIGIN_ZEROCOPY) {
            ret_report->kind = WI_REPORT_ZEROCOPY;
            ret_report->low = error.ee_info;
            ret_report->high = error.ee_data;
            ret_report->copied = (error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0;
        }
    }
}

int
wi_os_receive_report(int fd, struct wi_os_report *ret_report)
{
    union {
        struct cmsghdr header;
        char room[512];
    } control;
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t count;

    do {
        count = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return -errno;
    }
    read_report(&message, ret_report);
    return 0;
}

int
wi_os_socket(int family)
{
    return result_of(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int
wi_os_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return result_of(bind(fd, address, size));
}

int
wi_os_listen(int fd, int backlog)
{
    return result_of(listen(fd, backlog));
}

int
wi_os_accept(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    int accepted;

    do {
        accepted = accept4(fd, ret_address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && errno == EINTR);
    return result_of(accepted);
}

int
wi_os_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result = result_of(connect(fd, address, size));

    return result == -EINTR ? -EINPROGRESS : result;
}

int
wi_os_shutdown(int fd, int how)
{
    return result_of(shutdown(fd, how));
}

int
wi_os_close(int fd)
{
    int result = result_of(close(fd));

    return result == -EINTR ? 0 : result; // Linux has released the descriptor either way
}

int
wi_os_set_option(int fd, int level, int name, int value)
{
    return result_of(setsockopt(fd, level, name, &value, sizeof(value)));
}

int
wi_os_get_option(int fd, int level, int name, int *ret_value)
{
    socklen_t size = sizeof(*ret_value);

    return result_of(getsockopt(fd, level, name, ret_value, &size));
}

int
wi_os_set_linger_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    return result_of(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

int
wi_os_local_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    return result_of(getsockname(fd, ret_address, size));
}

int
wi_os_peer_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    return result_of(getpeername(fd, ret_address, size));
}

int
wi_os_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return -errno;
    }
    return result_of(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int
wi_os_stamp_acks(int fd)
{
    return wi_os_set_option(fd, SOL_SOCKET, SO_TIMESTAMPING,
                            SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                                SOF_TIMESTAMPING_OPT_TSONLY);
}

int
wi_os_unsent(int fd, int *ret_size)
{
    return result_of(ioctl(fd, SIOCOUTQ, ret_size));
}

int
wi_os_window(int fd, size_t *ret_size)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
        return -errno;
    }
    *ret_size = (size_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss;
    return 0;
}

int
wi_os_unlink(const char *path)
{
    return result_of(unlink(path));
}

bool
wi_os_is_socket(const char *path)
{
    struct stat about;

    return lstat(path, &about) == 0 && S_ISSOCK(about.st_mode);
}

int
wi_os_signal_create(const int *signals, unsigned count)
{
    sigset_t set;
    int error;

    sigemptyset(&set);
    for (unsigned i = 0; i < count; i++) {
        if (sigaddset(&set, signals[i]) < 0) {
            return -EINVAL;
        }
    }
    error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    return error != 0 ? -error : result_of(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

int
wi_os_signal_take(int fd)
{
    struct signalfd_siginfo info;
    ssize_t count;

    do {
        count = read(fd, &info, sizeof(info));
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (int)info.ssi_signo;
}

int
wi_os_thread_start(void **ret_thread, void *(*body)(void *), void *arg)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return -error;
    }
    *ret_thread = (void *)(uintptr_t)thread;
    return 0;
}

void
wi_os_thread_join(void *thread)
{
    pthread_join((pthread_t)(uintptr_t)thread, NULL);
}

void
wi_os_thread_detach(void *thread)
{
    pthread_detach((pthread_t)(uintptr_t)thread);
}

int
wi_os_pin(unsigned index)
{
    cpu_set_t allowed;
    cpu_set_t one;
    unsigned seen = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
        return -errno;
    }
    index %= (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && seen++ == index) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return result_of(sched_setaffinity(0, sizeof(one), &one));
        }
    }
    return -EINVAL;
}

unsigned
wi_os_processors(void)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&allowed);
}

void
wi_os_yield(void)
{
    sched_yield();
}

int
wi_os_at_fork_child(void (*hook)(void))
{
    return -pthread_atfork(NULL, NULL, hook);
}

uint64_t
wi_os_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void
wi_os_sleep(const void *word, uint32_t value, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / UINT64_C(1000000000)),
                             .tv_nsec = (long)(deadline_ns % UINT64_C(1000000000))};

    // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock.
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
            deadline_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void
wi_os_wake_sleepers(const void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
