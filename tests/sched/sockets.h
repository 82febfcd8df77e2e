/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_SOCKETS_H
#define TESTS_SCHED_SOCKETS_H

/**
 * @file
 * Connected stream sockets of the scheduler's kernel. The other end is the scenario's: it reads and
 * sends by the calls here. Each call is a call of the kernel: others may run before it, and what
 * the caller stored is seen; but it orders nothing, for no data may rest on it.
 *
 * A send takes time: others may run inside it. Two sends at once, a send to a descriptor that is
 * closed and a close under a send fail the run.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define SOCKETS_FIRST_FD 200
#define SOCKETS_WIRE_MAX 1024u

/** In set_up(). A connected socket whose peer has so much room for what it did not read. */
int sockets_open(size_t room);

/** The peer has read: there is room for so much more. */
void sockets_make_room(int fd, size_t size);
/** The peer sends, at most 64 bytes in all. */
void sockets_give(int fd, const char *bytes, size_t size);
/** The peer ends its side. */
void sockets_end(int fd);
/** Sends fail with it from here on. */
void sockets_fail_sends(int fd, int error);

/** All that was sent; in verify() or in a fiber. */
size_t sockets_wire(int fd, const char **ret_bytes);
bool sockets_is_open(int fd);
/** The write side was ended by a FIN, behind all bytes. */
bool sockets_has_fin(int fd);

/* ---- for os.c ---- */

bool sockets_owns(int fd);
int sockets_watch(int poller, int fd, uint32_t events, void *tag);
int sockets_rewatch(int poller, int fd, uint32_t events, void *tag);
int sockets_forget(int fd);
void sockets_close(int fd);
bool sockets_are_ready(int poller);
/** What is ready, once. */
int sockets_take_ready(int poller, struct epoll_event *ret_events, int capacity);

#endif /* TESTS_SCHED_SOCKETS_H */
