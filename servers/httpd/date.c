/* SPDX-License-Identifier: MIT */
#include "date.h"

#include <string.h>
#include <time.h>

void
date_format(int64_t seconds, char text[DATE_SIZE])
{
    time_t time = (time_t)seconds;
    struct tm parts;

    if (gmtime_r(&time, &parts) == NULL ||
        strftime(text, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0) {
        memcpy(text, "Thu, 01 Jan 1970 00:00:00 GMT", DATE_SIZE); // years of five digits
    }
}

bool
date_parse(const char *text, size_t size, int64_t *ret_seconds)
{
    // Today's form, that of RFC 850, and asctime()'s. The program's locale is C's.
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    char copy[64];

    if (size >= sizeof(copy) || size < 24 || memchr(text, '\0', size) != NULL) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm parts = {0};
        const char *end = strptime(copy, forms[i], &parts);

        if (end != NULL && *end == '\0') {
            *ret_seconds = (int64_t)timegm(&parts);
            return true;
        }
    }
    return false;
}
