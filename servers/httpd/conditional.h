/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_CONDITIONAL_H
#define HTTPD_CONDITIONAL_H

// What the preconditions of a request come to, in the order of RFC 9110, 13.2.2.

#include "asked.h"

#include <stdint.h>

struct validators {
    const char *etag; // with its quotes, without W/
    size_t etag_size;
    bool is_weak;
    int64_t modified_s;
};

enum conditional_answer {
    CONDITIONAL_GO_ON,
    CONDITIONAL_NOT_MODIFIED, // 304
    CONDITIONAL_FAILED,       // 412
};

// Of a GET or HEAD.
enum conditional_answer conditional_judge(const struct asked *asked,
                                          const struct validators *validators);

// Is a Range to be looked at? Not if an If-Range names something else. @p now_s: a date from within
// the last second might not tell two changes apart.
bool conditional_range_holds(const struct asked *asked, const struct validators *validators,
                             int64_t now_s);

#endif /* HTTPD_CONDITIONAL_H */
