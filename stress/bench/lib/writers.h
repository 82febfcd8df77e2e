/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_H
#define BENCH_WRITERS_H

// The engine of the writing benchmarks (xthread, bulk, lat, fanout): threads that write to
// connections of one loop. Whose loop that is, a backend says: writers/<impl>.h has one for each
// library.
//
// A producer has a window of writes and uses them in turn. It takes one again when its completion
// has arrived, and sleeps while that is outstanding, so never more than the window is in flight.
// The bytes of a write are the producer's until then; a backend need not copy them.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// One write, the backend's from submit to bench_write_done(). A backend's own struct begins with
// it.
struct bench_write {
    const char *data;
    size_t size;
    unsigned connection; // index
    unsigned producer;   // index
    unsigned share;      // writes in a row, to connections 0, 1, ..., of the same bytes; 1: its own
    uint32_t state;      // the engine's
};

struct bench_target {
    uint16_t port; // something that reads listens here, on 127.0.0.1
    unsigned connections;
    unsigned producers;
    unsigned window;     // writes in flight of each producer at most
    const char *variant; // one of the backend's
};

// What the loop did. A backend that cannot count something leaves it out.
struct bench_counts {
    uint64_t sends;  // calls, or requests to the kernel, that carried bytes
    uint64_t sleeps; // waits that may have slept
    uint64_t wakes;  // times a producer had to wake the loop by a system call
};

struct bench_backend {
    const char *name;
    const char *variant_option;  // name of the option that chooses a variant; NULL: there are none
    const char *const *variants; // the first is the default; NULL at the end
    size_t write_size;           // of the struct that begins with struct bench_write
    void (*open)(const struct bench_target *target); // connects, starts the loop's thread
    void (*close)(void); // nothing is in flight: stops and joins the loop, closes the connections
    void (*submit)(struct bench_write *write);     // any producer's thread
    void (*write_init)(struct bench_write *write); // may be NULL; once, after open
    void (*write_fini)(struct bench_write *write); // may be NULL; once, before close
    struct bench_counts (*counts)(void); // after the last completion; NULL: counts nothing
};

// Any thread. Every byte of the write went to the kernel: once for each submit, after which the
// write belongs to its producer again.
void bench_write_done(struct bench_write *write);

struct bench_job {
    uint64_t producers;
    uint64_t connections;
    uint64_t window;
    uint64_t size;
    uint64_t messages; // 0: as many as fit into seconds
    double seconds;
    uint64_t timeout_s;
    const char *variant;
    bool is_shared;      // one payload to every connection in turn, then the next payload
    bool is_on_one_core; // the writing process; the reading one stays free
    bool is_latency_kept;
};

struct bench_outcome {
    uint64_t writes;
    double seconds;
    double cpu_s; // of this process, between the first submit and the last completion
    struct bench_counts counts;
    double latency_p50_us; // submit to completion known to the producer
    double latency_p99_us;
    double latency_mean_us;
};

struct bench_outcome bench_writers_run(const struct bench_backend *backend,
                                       const struct bench_job *job);

// The programs. Each parses its command line, runs, prints one JSON line, and is all of a main().
int bench_xthread_main(int argc, char **argv, const struct bench_backend *backend);
int bench_bulk_main(int argc, char **argv, const struct bench_backend *backend);
int bench_lat_main(int argc, char **argv, const struct bench_backend *backend);
int bench_fanout_main(int argc, char **argv, const struct bench_backend *backend);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_WRITERS_H */
