/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

// What every echo server does around its loop: parse the command line, tell where it listens, serve
// until SIGTERM, report its CPU time.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_SERVER_CONNECTIONS_MAX 16000

// First call of main(). Ignores SIGPIPE, allows BENCH_SERVER_CONNECTIONS_MAX connections, and
// starts a thread that only makes the process a multi-threaded one.
void bench_server_begin(int argc, char **argv);

// The same for a server that can be written in several ways, of which --style chooses one, at first
// the first; NULL ends the list. Returns the index of the chosen one.
unsigned bench_server_begin_styled(int argc, char **argv, const char *const *styles);

// How many bytes a connection's own buffer should hold, in a server that has such (--buffer).
size_t bench_server_buffer_size(void);

// The server accepts on port: the file of --port-file appears, whole.
void bench_server_ready(uint16_t port);

// Blocks SIGTERM in this thread and those it starts; the descriptor becomes readable by it.
int bench_server_term_fd(void);

// Last call of main(): one JSON line with the CPU seconds of this process.
void bench_server_report(void);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_SERVER_H */
