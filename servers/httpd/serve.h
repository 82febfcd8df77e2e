/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_SERVE_H
#define HTTPD_SERVE_H

// From a request to whoever answers it.

#include "weir/http.h"

// The events of public connections and of the admin's; their user is the struct httpd.
extern const struct weir_http_handlers serve_public;
extern const struct weir_http_handlers serve_admin;

#endif /* HTTPD_SERVE_H */
