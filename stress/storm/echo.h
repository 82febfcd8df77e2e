/* SPDX-License-Identifier: MIT */
#ifndef STORM_ECHO_H
#define STORM_ECHO_H

// Closed-loop clients of an echo server: each keeps some messages on their way, verifies every byte
// that comes back, and answers each that came with the next.

#include "options.h"

// Run it; the exit status.
int echo_run(const struct options *options);

#endif /* STORM_ECHO_H */
