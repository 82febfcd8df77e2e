/* SPDX-License-Identifier: MIT */
#ifndef STORM_RECEIVER_H
#define STORM_RECEIVER_H

// The receiving side: listeners and threads, in a process of its own or in this one.

#include "record.h"
#include "storm_options.h"

#include "weir/net.h"

#include <pthread.h>
#include <sys/types.h>

#define RECEIVER_ADDRESSES_MAX 2

struct receiver {
    struct weir_address addresses[RECEIVER_ADDRESSES_MAX];
    unsigned address_count;
    int control;      // this side's end: reports come out, its end says stop
    pid_t process;    // 0: in this process
    pthread_t thread; // in this process
    struct receiver_shared *shared;
};

// Before any thread is made. @p sequence_count: producers, times two for priority.
void receiver_start(struct receiver *receiver, const struct options *options,
                    uint32_t sequence_count);

// Wait for the next report. False: the receiver has ended.
bool receiver_next_report(struct receiver *receiver, struct report *ret_report);

// Any thread: whole messages and bytes that were verified so far; and where they are counted.
uint64_t receiver_messages(const struct receiver *receiver);
uint64_t receiver_bytes(const struct receiver *receiver);
const _Atomic uint64_t *receiver_message_counter(const struct receiver *receiver);
const _Atomic uint64_t *receiver_byte_counter(const struct receiver *receiver);

// Ask it to end, which ends the reports too.
void receiver_ask_to_stop(struct receiver *receiver);

// Wait until it has ended. False: it did not end well.
bool receiver_join(struct receiver *receiver);

// Wherever it is, now; for a run that has failed.
void receiver_kill(struct receiver *receiver);

#endif /* STORM_RECEIVER_H */
