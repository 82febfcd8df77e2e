/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_H
#define WI_OS_H

/**
 * @file
 * Every system call the library makes, but for memory's (mem/os.h), and nothing else.
 *
 * runtime/os_linux.c, and os_pipe_linux.c beside it, are the only files that call them; tests link
 * another implementation in their place. Results follow the library: 0 or a count, or -errno. EINTR
 * never comes out of here. Every descriptor made here is close-on-exec and, where it can block,
 * non-blocking.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* ---- polling ---- */

int wi_os_poller_create(void);
int wi_os_poll_add(int poller, int fd, uint32_t events, void *tag);
int wi_os_poll_modify(int poller, int fd, uint32_t events, void *tag);
int wi_os_poll_remove(int poller, int fd);
/** @p timeout_ms < 0: no bound. 0 also after an interrupted wait. */
int wi_os_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms);

int wi_os_wake_create(void);
void wi_os_wake(int wake_fd); /* cannot fail: a full eventfd is already a wake */
void wi_os_wake_clear(int wake_fd);

/* ---- sockets ---- */

ssize_t wi_os_receive(int fd, void *buffer, size_t size);
bool wi_os_is_at_end(int fd); /* the peer's FIN is the next thing to read */
ssize_t wi_os_send(int fd, const void *data, size_t size);
ssize_t wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count);
/** More follows at once: the kernel may keep the last of it until then. If nothing does after all,
 *  wi_os_send_rest() lets it go. */
ssize_t wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count);
void wi_os_send_rest(int fd);
/** With a request for an acknowledgement stamp and, with @p zerocopy, from the caller's memory. */
ssize_t wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp,
                          bool zerocopy);

/** From a file, at @p offset; its position stays. Blocks while the disk is read. A short count says
 *  nothing of room; 0: the file ends there, or cannot be sent so. No signal, as with the others;
 *  @p blocks_signals: the thread blocks SIGPIPE already. */
ssize_t wi_os_send_file(int fd, int file, uint64_t offset, size_t size, bool blocks_signals);
ssize_t wi_os_read_file(int file, void *buffer, size_t size, uint64_t offset); /* likewise */

/** What one entry of a socket's error queue says. */
struct wi_os_report {
    enum { WI_REPORT_ACKED, WI_REPORT_ZEROCOPY, WI_REPORT_OTHER } kind;
    uint32_t low;  /* ACKED: last byte's offset; ZEROCOPY: first send */
    uint32_t high; /* ZEROCOPY: last send */
    bool copied;   /* ZEROCOPY: the kernel copied them all the same */
};
int wi_os_receive_report(int fd, struct wi_os_report *ret_report); /* -EAGAIN: none left */

/** A pipe: [0] to read from, [1] to write to; for @p size bytes, if it may have as many pages. */
int wi_os_pipe_create(int ret_ends[2], size_t size);
/** From a socket into a pipe, uncopied. 0: the end; -EAGAIN: nothing there, or the pipe is full. A
 *  short count says nothing of either. */
ssize_t wi_os_splice_in(int fd, int pipe, size_t size);
/** From a pipe to a socket. @p blocks_signals: the thread blocks SIGPIPE already. */
ssize_t wi_os_splice_out(int pipe, int fd, size_t size, bool blocks_signals);

int wi_os_socket(int family);
int wi_os_bind(int fd, const struct sockaddr *address, socklen_t size);
int wi_os_listen(int fd, int backlog);
int wi_os_accept(int fd, struct sockaddr *ret_address, socklen_t *size);
int wi_os_connect(int fd, const struct sockaddr *address, socklen_t size);
int wi_os_shutdown(int fd, int how);
int wi_os_close(int fd);
int wi_os_set_option(int fd, int level, int name, int value);
int wi_os_get_option(int fd, int level, int name, int *ret_value);
int wi_os_set_linger_reset(int fd); /* the next close resets the connection */
int wi_os_local_address(int fd, struct sockaddr *ret_address, socklen_t *size);
int wi_os_peer_address(int fd, struct sockaddr *ret_address, socklen_t *size);
int wi_os_set_nonblocking(int fd);
int wi_os_stamp_acks(int fd);            /* let marked sends be stamped when acknowledged */
int wi_os_unsent(int fd, int *ret_size); /* bytes the peer has not acknowledged */
/** TCP: congestion window in bytes. */
int wi_os_window(int fd, size_t *ret_size);
int wi_os_unlink(const char *path);
bool wi_os_is_socket(const char *path);

/* ---- signals, threads, time ---- */

int wi_os_signal_create(const int *signals, unsigned count); /* blocks them in this thread too */
int wi_os_signal_take(int fd);                               /* the number, or -EAGAIN */

/* All signals are blocked in the thread. */
int wi_os_thread_start(void **ret_thread, void *(*body)(void *), void *arg);
void wi_os_thread_join(void *thread);
void wi_os_thread_detach(void *thread); /* nobody will join it */
int wi_os_pin(unsigned index);
unsigned wi_os_processors(void);
void wi_os_yield(void);
int wi_os_at_fork_child(void (*hook)(void));

uint64_t wi_os_now_ns(void);

/** Sleep while *@p word == @p value, until @p deadline_ns at the latest. The library's only futex:
 *  weir_op_wait() and its relatives. */
void wi_os_sleep(const void *word, uint32_t value, uint64_t deadline_ns);
void wi_os_wake_sleepers(const void *word);

#endif /* WI_OS_H */
