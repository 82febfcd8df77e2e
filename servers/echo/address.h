/* SPDX-License-Identifier: MIT */
#ifndef ECHO_ADDRESS_H
#define ECHO_ADDRESS_H

// Addresses as people write them: tcp:127.0.0.1:7007, tcp:[::1]:7007, unix:/run/echo, unix:@echo.

#include "weir/net.h"

#define ADDRESS_TEXT_SIZE 160

// 0, or -EINVAL, or -ENAMETOOLONG.
int address_parse(struct weir_address *ret_address, const char *text);

// The text of an address; cut short if it does not fit.
void address_format(const struct weir_address *address, char *text, size_t text_size);

// The port of a TCP address, 0 of any other.
unsigned address_port(const struct weir_address *address);

#endif /* ECHO_ADDRESS_H */
