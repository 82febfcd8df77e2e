/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_GIVEN_H
#define SERVERS_GIVEN_H

#include "common/settings.h"

// Put the value where the setting wants it; false: it is none, and was said.
bool given_store(const struct given *given, const struct setting *setting, void *place);

#endif /* SERVERS_GIVEN_H */
