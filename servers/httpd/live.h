/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_LIVE_H
#define HTTPD_LIVE_H

#include "visit.h"

#define LIVE_TEXT_MAX 65536u

// The page that shows live counters, from memory.
void live_serve(struct visit *visit);

// What it is told, as JSON.
struct live_text {
    size_t size;
    char bytes[LIVE_TEXT_MAX];
};

// All counters as they are now.
void live_write(const struct httpd *httpd, struct live_text *ret_text);

#endif /* HTTPD_LIVE_H */
