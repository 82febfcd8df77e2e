/* SPDX-License-Identifier: MIT */
#ifndef STORM_RECEIVER_LOOP_H
#define STORM_RECEIVER_LOOP_H

// One thread of the receiver: an epoll loop that accepts and reads.

#include "peer.h"

#define RECEIVER_THREADS_MAX   64
#define RECEIVER_LISTENERS_MAX 2

// What the threads share; read only while they run.
struct receiver_plan {
    int listeners[RECEIVER_LISTENERS_MAX];
    unsigned listener_count;
    int stop_fd; // readable when the threads must end
    struct peer_world world;
};

// A thread's main function; @p arg is the plan.
void *receiver_loop_run(void *arg);

#endif /* STORM_RECEIVER_LOOP_H */
