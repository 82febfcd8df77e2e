/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_SOCKETS_H
#define HTTPD_SOCKETS_H

// The WebSocket endpoints: an echo, and what the live page shows. In a build without WebSocket
// there are none (sockets_none.c).

#include "visit.h"

#define SOCKETS_LIVE_NS UINT64_C(500000000) // between two messages of the live page

bool sockets_are_built(void);

// 0 or -errno.
int sockets_begin(struct httpd *httpd);

// Answer a request. What asks for no WebSocket is told so.
void sockets_echo(struct visit *visit, const struct weir_http_request *request);
void sockets_live(struct visit *visit, const struct weir_http_request *request);

// Any thread. Close all, in good order. And how many there are.
void sockets_drain(struct httpd *httpd);
unsigned sockets_count(const struct httpd *httpd);

// Behind weir_runtime_stop().
void sockets_end(struct httpd *httpd);

#endif /* HTTPD_SOCKETS_H */
