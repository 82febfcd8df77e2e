/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_ENDING_H
#define SERVERS_ENDING_H

// How a program is asked to end: SIGTERM or SIGINT once, and it lets its connections end; twice,
// and it ends at once.

#include "weir/runtime.h"

#include <stdbool.h>
#include <stdint.h>

// Begin to receive the signals on the runtime's first loop: those of the end; SIGUSR1, upon which
// the loops are described on standard error; SIGHUP, upon which @p reopen is called there, if it is
// not NULL. Call it before other threads are made. 0 or -errno.
int ending_begin(struct weir_runtime *runtime, void (*reopen)(void *arg), void *arg);

// Any thread. Whoever waits looks again.
void ending_wake(void);

// Blocks until the program is asked to end.
void ending_wait(void);

// Blocks until @p is_over answers true, which is asked at every wake and every tenth of a second at
// the latest, or the deadline has passed, or the program was asked to end once more. True: it is
// over.
bool ending_drain(uint64_t deadline_ns, bool (*is_over)(void *arg), void *arg);

#endif /* SERVERS_ENDING_H */
