/* SPDX-License-Identifier: MIT */
#ifndef ECHO_ECHO_H
#define ECHO_ECHO_H

// What an echoing stream does with its events.

#include "weir/net.h"

// Fill in what every accepted stream is made with.
void echo_prepare(struct weir_listen *listen);

#endif /* ECHO_ECHO_H */
