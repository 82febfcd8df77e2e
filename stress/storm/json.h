/* SPDX-License-Identifier: MIT */
#ifndef STORM_JSON_H
#define STORM_JSON_H

// A result as one line of JSON.

#include "machine.h"
#include "result.h"

#include <stdio.h>

void json_write(FILE *file, const struct result *result, const struct machine *machine,
                bool strict_time);

#endif /* STORM_JSON_H */
