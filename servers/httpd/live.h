/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_LIVE_H
#define HTTPD_LIVE_H

#include "visit.h"

#define LIVE_TEXT_MAX 65536u

// The page that shows live counters, from memory.
void live_serve(struct visit *visit);

// What it is told, as JSON: all counters now. The text's size.
size_t live_write(const struct httpd *httpd, char text[LIVE_TEXT_MAX]);

#endif /* HTTPD_LIVE_H */
