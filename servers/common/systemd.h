/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_SYSTEMD_H
#define SERVERS_SYSTEMD_H

// What a service manager hands over, and what it wants to hear: sd_listen_fds(3) and sd_notify(3),
// without their library. One thread at a time.

#include <stdbool.h>

// How many sockets were handed over and not claimed yet.
unsigned systemd_sockets(void);

// Is there one of that name?
bool systemd_has(const char *name);

// One of them, the caller's from here on: the first of that name (FileDescriptorName=), "": any but
// the one named "admin". -1: there is none.
int systemd_claim(const char *name);

// Tell it a state, as "READY=1". Nothing is done where nobody listens.
void systemd_notify(const char *state);

#endif /* SERVERS_SYSTEMD_H */
