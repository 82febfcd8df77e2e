/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PAGE_H
#define WEIR_PAGE_H

/**
 * @file
 * Statistics for other processes: the layout of the file that a runtime with
 * weir_runtime_options.stats_name shows, and how to read it. weir-top(1) is such a reader.
 *
 * The file is WEIR_PAGE_DIRECTORY/weir.<process>.<number>.<name>, readable and writable by the
 * program's own user only, and goes with weir_runtime_free(). <number> tells runtimes of one
 * process apart. What a program that was killed left behind names a process that is gone.
 *
 * A reader maps the file shared, for reading and writing, checks magic, version and sizes, and
 * asks:
 *
 *     was = answered; add 1 to `wanted`; FUTEX_WAKE on `wanted` (not PRIVATE); then
 *     FUTEX_WAIT on `answered` while it is `was`, with a timeout; then read the loops.
 *
 * The runtime has a thread that sleeps until it is asked, copies the statistics and answers. So the
 * loops do nothing for it, and nothing at all happens while nobody looks; a loop that is stuck does
 * not keep the others' numbers away. No answer: the process is stopped or gone. Every number is
 * exact; together they are a moment only when the loops rest. Any number of readers may ask.
 */

#include "weir/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_PAGE_DIRECTORY "/dev/shm"
#define WEIR_PAGE_MAGIC     UINT64_C(0x6567617072696577) /* "weirpage", little-endian */
#define WEIR_PAGE_VERSION   1
#define WEIR_PAGE_NAME_SIZE 64

/** One loop. */
struct weir_page_loop {
    struct weir_stats stats;
    struct weir_latency latency; /* all zero: built without (WEIR_LATENCY off) */
};

/** The beginning of the file; `loop_count` of the above follow, from `loops_at` on. */
struct weir_page {
    uint64_t magic;     /* WEIR_PAGE_MAGIC; written last */
    uint32_t version;   /* WEIR_PAGE_VERSION */
    uint32_t loops_at;  /* offset of the first loop */
    uint32_t loop_size; /* sizeof(struct weir_page_loop) of the library that wrote it */
    uint32_t loop_count;
    uint32_t process;
    uint32_t reserved;
    uint64_t made_ns;     /* weir_now_ns() when the runtime was made */
    uint64_t answered_ns; /* weir_now_ns() of the last answer */
    uint32_t wanted;      /* a futex: readers add 1 */
    uint32_t answered;    /* a futex: moves with every answer */
    char name[WEIR_PAGE_NAME_SIZE];
};

#ifdef __cplusplus
}
#endif

#endif /* WEIR_PAGE_H */
