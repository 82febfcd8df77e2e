/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_HTTPD_H
#define HTTPD_HTTPD_H

// What all parts of the program share.

#include "cache.h"
#include "counts.h"
#include "disk.h"
#include "options.h"

#include "common/log.h"
#include "common/prometheus.h"

#include "weir/http.h"

#include <stdbool.h>

struct socket;
struct sockets;
struct visit;

// What is one loop's.
struct here {
    struct counts counts;
    struct cache *cache;
    struct visit *free_visits;
    struct socket *live; // WebSockets that are told the counters
    bool ticks;          // and a timer runs that does
    int64_t log_second;  // of the text behind it
    char log_time[32];
};

struct httpd {
    const struct options *options;
    struct weir_runtime *runtime;
    struct weir_http_server *server; // of the public
    struct weir_http_server *admin;  // NULL: none
    struct log *log;                 // NULL: none
    struct disk *disk;
    struct sockets *sockets;
    struct here *loops;
    unsigned loop_count;
    unsigned connections_max; // 0: no limit
    unsigned cache_entries;   // of each loop
    uint64_t begun_ns;
    atomic_bool is_draining;
};

// On a loop.
static inline struct here *
httpd_here(struct httpd *httpd)
{
    return &httpd->loops[prometheus_loop_index(httpd->runtime)];
}

#endif /* HTTPD_HTTPD_H */
