/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_OPTIONS_H
#define HTTPD_OPTIONS_H

#include "host.h"
#include "media.h"

#include "common/ports.h"

#include "weir/http.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_LISTEN_MAX 64u

struct options {
    struct place listen[OPTIONS_LISTEN_MAX];
    unsigned listen_count;
    struct place admin;
    bool has_admin;
    struct hosts hosts;
    struct media *media;
    bool refuses_unknown; // hosts, by 421

    char *echo; // paths; NULL: no such endpoint
    char *ws_echo;
    char *live;
    char *metrics;

    struct weir_http_limits limits;
    unsigned connections; // 0: three quarters of the descriptors
    uint64_t drain_ns;
    unsigned cache_entries;
    uint64_t cache_valid_ns;
    unsigned disk_threads;

    char *log; // NULL: none
    char *port_file;
    char *show;
    unsigned loops;
    unsigned stall_ms;
    bool reuseport;
    bool pin;
    bool only_checks;
};

enum options_answer {
    OPTIONS_GOOD,
    OPTIONS_DONE,  // there is nothing more to do, as after --help
    OPTIONS_WRONG, // and was said
};

// In any case options_free() is to be called.
enum options_answer options_parse(struct options *ret_options, int argc, char **argv);
void options_free(struct options *options);

#endif /* HTTPD_OPTIONS_H */
