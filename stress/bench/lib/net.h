/* SPDX-License-Identifier: MIT */
#ifndef BENCH_NET_H
#define BENCH_NET_H

// Loopback TCP sockets. Every function ends the process when it fails.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_BACKLOG 4096

// Bound to 127.0.0.1 on a free port, listening, blocking.
int bench_listen(void);
uint16_t bench_local_port(int fd);

// Blocking, TCP_NODELAY set.
int bench_connect(uint16_t port);

void bench_set_nonblocking(int fd);
void bench_set_nodelay(int fd);

// Lets this process open at least count files.
void bench_allow_files(uint64_t count);

// Writes all of data to a blocking fd, or reads exactly size bytes from it.
void bench_write_all(int fd, const void *data, size_t size);
void bench_read_all(int fd, void *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_NET_H */
