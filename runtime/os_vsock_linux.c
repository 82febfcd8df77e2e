/* SPDX-License-Identifier: MIT */

#include "runtime/os_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
// After <sys/socket.h>, which it needs.
#include <linux/vm_sockets.h>

static int
result_of(int value)
{
    return value < 0 ? -errno : value;
}

int
wi_os_set_wide_option(int fd, int level, int name, uint64_t value)
{
    return result_of(setsockopt(fd, level, name, &value, sizeof(value)));
}

int
wi_os_get_wide_option(int fd, int level, int name, uint64_t *ret_value)
{
    socklen_t size = sizeof(*ret_value);

    return result_of(getsockopt(fd, level, name, ret_value, &size));
}

int
wi_os_set_connect_timeout(int fd, uint64_t timeout_ns)
{
    struct timeval timeout = {.tv_sec = (time_t)(timeout_ns / UINT64_C(1000000000)),
                              .tv_usec = (suseconds_t)(timeout_ns % UINT64_C(1000000000) / 1000)};

    return result_of(
        setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)));
}

int
wi_os_local_cid(uint32_t *ret_cid)
{
    int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = result_of(device);

    if (device >= 0) {
        result = result_of(ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, ret_cid));
        close(device);
    }
    return result < 0 ? result : 0;
}
