/* SPDX-License-Identifier: MIT */
#ifndef WI_PROBE_H
#define WI_PROBE_H

/**
 * @file
 * Static probes for perf, bpftrace and SystemTap (USDT): one no-op instruction each, and a note in
 * the object that says where it is and in which registers its arguments are. docs/probes.md has
 * their arguments and units. Without <sys/sdt.h>, or with WEIR_PROBES off, they are nothing.
 *
 * An argument must be at hand where the probe stands: what has to be computed for it would be
 * computed also when nobody looks.
 */

#if defined(WI_PROBES) && WI_PROBES

#include <stdint.h>
#include <sys/sdt.h>
#if defined(__clang__) // its macros leave "..." empty, where they are used
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

#define WI_PROBE1(name, a)          DTRACE_PROBE1(weir, name, a)
#define WI_PROBE2(name, a, b)       DTRACE_PROBE2(weir, name, a, b)
#define WI_PROBE3(name, a, b, c)    DTRACE_PROBE3(weir, name, a, b, c)
#define WI_PROBE4(name, a, b, c, d) DTRACE_PROBE4(weir, name, a, b, c, d)

#else

#define WI_PROBE1(name, a)          ((void)sizeof(a))
#define WI_PROBE2(name, a, b)       ((void)sizeof(a), (void)sizeof(b))
#define WI_PROBE3(name, a, b, c)    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define WI_PROBE4(name, a, b, c, d) (WI_PROBE2(name, a, b), WI_PROBE2(name, c, d))

#endif

/** The submitter. A write was accepted: its operation, the stream's gate, its size in bytes. */
#define wi_probe_submit(op, gate, size) WI_PROBE3(submit, op, gate, size)

/** The producer. An entry is about to be put into a lane: the lane, its loop, the task. */
#define wi_probe_lane_push(lane, loop, task) WI_PROBE3(lane_push, lane, loop, task)

/** Any thread. It wakes a loop that sleeps: the loop, its index, the number of the sleep. */
#define wi_probe_wake(loop, index, sleep) WI_PROBE3(wake, loop, index, sleep)

/** Loop thread. A turn begins: the loop, its index, how many events the poller had. */
#define wi_probe_turn(loop, index, events) WI_PROBE3(turn, loop, index, events)

/** Loop thread. A stream's queue is about to be sent: the gate, the descriptor. */
#define wi_probe_flush(gate, fd) WI_PROBE2(flush, gate, fd)

/** Whoever sends. The kernel's answer: descriptor, bytes wanted, bytes taken or -errno. */
#define wi_probe_send(fd, wanted, result) WI_PROBE3(send, fd, wanted, result)

/** Loop thread. The last byte of a write was handed to the kernel: its operation, its size. */
#define wi_probe_written(op, size) WI_PROBE2(written, op, size)

/** Loop thread. A completion is about to run: the operation, bytes accepted, bytes sent. */
#define wi_probe_completion(op, accepted, sent) WI_PROBE3(completion, op, accepted, sent)

/** Any thread. A cancel by handle: the handle's bits, the operation, enum weir_cancel_answer. */
#define wi_probe_cancel(handle, op, answer) WI_PROBE3(cancel, handle, op, answer)

#endif /* WI_PROBE_H */
