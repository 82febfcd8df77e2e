/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_MEDIA_H
#define HTTPD_MEDIA_H

// Media types by the ends of files' names.

#include <stddef.h>

struct media;

struct media *media_create(void); // NULL: memory ran out
void media_free(struct media *media);

// Say what names ending in @p extension, without a dot, are, before what is known already. 0,
// -EINVAL: no extension or type, -ENOMEM.
int media_add(struct media *media, const char *extension, const char *type);

// "application/octet-stream" for names that say nothing.
const char *media_type(const struct media *media, const char *path);

#endif /* HTTPD_MEDIA_H */
