/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_HELP_H
#define HTTPD_HELP_H

extern const char help_text[];

#endif /* HTTPD_HELP_H */
