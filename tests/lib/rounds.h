/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_ROUNDS_H
#define TESTS_LIB_ROUNDS_H

// How often threads race in one test. A sanitizer makes each round ten times as long, and looks at
// what a round does and not at how it came out: there an eighth of them is enough.

#include "mem/atomic.h"

#ifdef WI_SANITIZED
#define ROUNDS_OF(count) ((count) / 8u)
#else
#define ROUNDS_OF(count) (count)
#endif

#endif /* TESTS_LIB_ROUNDS_H */
