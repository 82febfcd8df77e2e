/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FAKE_NAMES_H
#define TESTS_LIB_FAKE_NAMES_H

// What the scripted kernel's system knows by name (runtime/os_names.h): the services http and
// 3com-tsmux, the interfaces lo and eth0, and the hosts a test tells of.

#include <stdbool.h>

#define FAKE_NAMES_ADDRESSES 20

// No hosts, and look-ups end at once.
void fake_names_reset(void);
// The host's addresses in numbers, those to prefer first; ends with NULL.
void fake_names_set(const char *host, const char *const *addresses);
// Its look-up fails with -error.
void fake_names_fail(const char *host, int error);
// Look-ups stay inside until it is false again.
void fake_names_hold(bool is_held);
unsigned fake_names_begun(void);  // look-ups since the reset
unsigned fake_names_inside(void); // of these, those that have not ended

#endif /* TESTS_LIB_FAKE_NAMES_H */
