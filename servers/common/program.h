/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_PROGRAM_H
#define SERVERS_PROGRAM_H

// What a program says to the person who started it, and the end that person asks for.

#include "weir/runtime.h"

#include <stdbool.h>
#include <stdint.h>

// "weir-relay": each program's main.c has it.
extern const char program_name[];

// Let this process have as many descriptors as it may ask for: a connection is one.
void program_raise_descriptors(void);

// A line on standard error, with the program's name before it.
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

// For weir_runtime_options.log: what is not just information.
void program_log(enum weir_log_level level, const char *line, void *arg);

// For weir_dump_on_signal(): a line on standard error.
void program_print(const char *line, void *arg);

#endif /* SERVERS_PROGRAM_H */
