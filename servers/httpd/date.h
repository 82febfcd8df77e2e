/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_DATE_H
#define HTTPD_DATE_H

// Dates as HTTP writes them (RFC 9110, 5.6.7).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATE_SIZE 30u // with its terminator

void date_format(int64_t seconds, char text[DATE_SIZE]);

// In any of the three forms. False: it is none.
bool date_parse(const char *text, size_t size, int64_t *ret_seconds);

#endif /* HTTPD_DATE_H */
