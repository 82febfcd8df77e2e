/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_ECHO_H
#define HTTPD_ECHO_H

#include "visit.h"

// Send the request's body back as it comes. A piece is read when the one before it has left, so a
// client that does not read is not read from.
void echo_serve(struct visit *visit);

#endif /* HTTPD_ECHO_H */
