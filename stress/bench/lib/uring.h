/* SPDX-License-Identifier: MIT */
#ifndef BENCH_URING_H
#define BENCH_URING_H

// What the io_uring programs share: a ring of the thread that uses it, and its submissions.

#include "lib/fail.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>

#define URING_SUBMISSIONS 1024
#define URING_COMPLETIONS 16384

// Says why io_uring cannot be used here, and ends the process.
__attribute__((noreturn)) static inline void
bench_uring_fail(int error, const char *what)
{
    int disabled = -1;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "r");

    if (file != NULL) {
        if (fscanf(file, "%d", &disabled) != 1) {
            disabled = -1;
        }
        fclose(file);
    }
    if (error == EPERM && disabled > 0) {
        fprintf(stderr, "io_uring is switched off: kernel.io_uring_disabled is %d\n", disabled);
    } else if (error == EPERM) {
        fprintf(stderr, "io_uring is refused, most likely by a seccomp filter\n");
    } else if (error == ENOSYS) {
        fprintf(stderr, "this kernel has no io_uring\n");
    } else if (error == EINVAL) {
        fprintf(stderr, "this kernel is too old: Linux 6.1 is needed for these flags\n");
    }
    errno = error;
    bench_fail(what);
}

// Call it on the thread that will submit and wait: only that one may (SINGLE_ISSUER). Work of the
// kernel for this ring is done in its waits and interrupts nothing (DEFER_TASKRUN).
static inline void
bench_uring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = URING_COMPLETIONS,
    };
    int status = io_uring_queue_init_params(URING_SUBMISSIONS, ring, &params);

    if (status < 0) {
        bench_uring_fail(-status, "io_uring_queue_init_params");
    }
}

// A free submission, after handing the queued ones to the kernel if there is none.
static inline struct io_uring_sqe *
bench_uring_submission(struct io_uring *ring)
{
    struct io_uring_sqe *submission = io_uring_get_sqe(ring);

    if (submission == NULL) {
        bench_require(io_uring_submit(ring) >= 0, "io_uring_submit");
        submission = io_uring_get_sqe(ring);
        bench_require(submission != NULL, "io_uring_get_sqe");
    }
    return submission;
}

#endif /* BENCH_URING_H */
