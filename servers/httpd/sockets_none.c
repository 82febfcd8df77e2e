/* SPDX-License-Identifier: MIT */
// In place of sockets.c where the library has no WebSocket. The options refuse its endpoints.

#include "sockets.h"

#include "answer.h"

bool
sockets_are_built(void)
{
    return false;
}

int
sockets_begin(struct httpd *httpd)
{
    (void)httpd;
    return 0;
}

void
sockets_echo(struct visit *visit, const struct weir_http_request *request)
{
    (void)request;
    answer_status(visit, 501);
}

void
sockets_live(struct visit *visit, const struct weir_http_request *request)
{
    (void)request;
    answer_status(visit, 501);
}

void
sockets_drain(struct httpd *httpd)
{
    (void)httpd;
}

unsigned
sockets_count(const struct httpd *httpd)
{
    (void)httpd;
    return 0;
}

void
sockets_end(struct httpd *httpd)
{
    (void)httpd;
}
