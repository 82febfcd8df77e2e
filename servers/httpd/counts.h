/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_COUNTS_H
#define HTTPD_COUNTS_H

// What the program counts, each loop for itself.

#include <stdatomic.h>
#include <stdint.h>

#define STATUS_CLASSES 5u // 1xx … 5xx

struct counts {
    _Alignas(64) _Atomic uint64_t requests;
    _Atomic uint64_t answers[STATUS_CLASSES];
    _Atomic uint64_t refused; // by the library, before they were requests; among the answers
    _Atomic uint64_t failed;  // exchanges that did not end in good order
    _Atomic uint64_t body_sent;
    _Atomic uint64_t body_received;
    _Atomic uint64_t cache_hits;
    _Atomic uint64_t cache_misses;
    _Atomic uint64_t disk_waits;  // requests that a disk was asked for
    _Atomic uint64_t turned_away; // connections beyond the limit
    _Atomic uint64_t sockets;     // WebSockets open now
    _Atomic uint64_t messages;    // that came by them
};

#endif /* HTTPD_COUNTS_H */
