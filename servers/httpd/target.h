/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_TARGET_H
#define HTTPD_TARGET_H

// A request's target, taken apart (RFC 9112, 3.2): origin, absolute and asterisk form. Only bytes
// here. What comes out can be given to the kernel as a path below a folder.

#include <stdbool.h>
#include <stddef.h>

#define TARGET_PATH_MAX 4096u

struct target {
    const char *authority; // of the absolute form; NULL: there is none
    size_t authority_size;
    const char *query; // with its question mark; NULL: there is none
    size_t query_size;
    bool is_asterisk;
    bool is_hidden; // a part of the path begins with a dot, and is not /.well-known
    size_t path_size;
    char path[TARGET_PATH_MAX]; // decoded, without dot segments and empty ones; begins with '/'
};

// 0, or what to answer: 400, or 414, the path is longer than any file's.
//
// Refused are escapes that are none, the escapes of NUL and of '/', controls, a fragment, and dot
// segments that leave the root.
unsigned target_parse(struct target *ret_target, const char *text, size_t size);

// Write a path as it goes into a Location or a link, escaped; terminated. How long it is, or would
// be.
size_t target_escape(const char *path, char *out, size_t room);

#endif /* HTTPD_TARGET_H */
