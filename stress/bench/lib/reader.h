/* SPDX-License-Identifier: MIT */
#ifndef BENCH_READER_H
#define BENCH_READER_H

// The process that reads what the writing benchmarks send: bench-drain-epoll, which lies in the
// same directory as this program.

#include <stdint.h>
#include <sys/types.h>

struct bench_reader {
    pid_t pid;
    uint16_t port;
    int result_fd;
};

// It accepts so many connections on port, and ends after timeout_s at the latest.
struct bench_reader bench_reader_open(uint64_t connections, uint64_t timeout_s);

// After every connection was closed: how many bytes it read.
uint64_t bench_reader_close(struct bench_reader *reader);

#endif /* BENCH_READER_H */
