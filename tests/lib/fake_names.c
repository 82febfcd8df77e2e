// SPDX-License-Identifier: MIT
// What the scripted kernel's system knows by name (runtime/os_names.h): two services, two
// interfaces.

#include "runtime/os_names.h"

#include <errno.h>
#include <string.h>

int
wi_os_service_port(const char *name, uint16_t *ret_port)
{
    if (strcmp(name, "http") != 0 && strcmp(name, "3com-tsmux") != 0) {
        return -ENOENT;
    }
    *ret_port = *name == 'h' ? 80 : 106;
    return 0;
}

int
wi_os_interface_index(const char *name, uint32_t *ret_index)
{
    if (strcmp(name, "lo") != 0 && strcmp(name, "eth0") != 0) {
        return -ENODEV;
    }
    *ret_index = *name == 'l' ? 1 : 2;
    return 0;
}
