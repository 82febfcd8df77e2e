/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_LOG_H
#define SERVERS_LOG_H

// The access log. A loop never waits for it: each has a ring of bytes of its own, a thread writes
// what is in the rings. What finds no room is counted, and the log says how many lines it lost.

#include <stddef.h>
#include <stdint.h>

struct log;

// Begin to write to the file at @p path, appending; "-": standard output. 0 or -errno.
int log_create(const char *path, unsigned ring_count, struct log **ret_log);

// Write what is there, and end. Who does not take it within two seconds does not get it. NULL is
// legal.
void log_free(struct log *log);

// One thread per ring, the index-th. A line without its newline. Never blocks.
void log_line(struct log *log, unsigned index, const char *line, size_t size);

// Any thread. Open the file anew, as after it was renamed.
void log_reopen(struct log *log);

// Any thread. Lines lost so far.
uint64_t log_lost(const struct log *log);

#endif /* SERVERS_LOG_H */
