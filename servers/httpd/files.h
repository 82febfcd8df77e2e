/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_FILES_H
#define HTTPD_FILES_H

#include "target.h"
#include "visit.h"

// Answer with what is at the target's path below the root of the visit's host.
void files_serve(struct visit *visit, const struct target *target);

#endif /* HTTPD_FILES_H */
