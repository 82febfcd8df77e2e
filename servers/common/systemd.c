/* SPDX-License-Identifier: MIT */
#include "common/systemd.h"

#include "common/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 // as the protocol has it
#define FDS_MAX  64u

static struct {
    bool is_read;
    unsigned count;
    bool claimed[FDS_MAX];
    char *names; // separated by colons
} passed;

// A number in the environment; 0: there is none, or it is wrong.
static unsigned long
number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    unsigned long number;

    if (text == NULL || *text < '0' || *text > '9') {
        return 0;
    }
    number = strtoul(text, &end, 10);
    return *end == '\0' ? number : 0;
}

// Once. What was said is not for programs that are started from here.
static void
read_environment(void)
{
    const char *names = getenv("LISTEN_FDNAMES");

    if (passed.is_read) {
        return;
    }
    passed.is_read = true;
    if (number_of("LISTEN_PID") == (unsigned long)getpid()) {
        unsigned long count = number_of("LISTEN_FDS");

        if (count > FDS_MAX) {
            complain("%lu sockets were handed over, %u of them are used", count, FDS_MAX);
        }
        passed.count = (unsigned)(count < FDS_MAX ? count : FDS_MAX);
        passed.names = names != NULL ? strdup(names) : NULL;
    }
    for (unsigned i = 0; i < passed.count; i++) {
        fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

// Is the index-th called that?
static bool
has_name(unsigned index, const char *name)
{
    const char *at = passed.names != NULL ? passed.names : "";
    size_t size;

    for (; index != 0 && at != NULL; index--) {
        at = strchr(at, ':');
        at = at != NULL ? at + 1 : NULL;
    }
    size = at != NULL ? strcspn(at, ":") : 0;
    return size == strlen(name) && size != 0 && strncmp(at, name, size) == 0;
}

unsigned
systemd_sockets(void)
{
    unsigned left = 0;

    read_environment();
    for (unsigned i = 0; i < passed.count; i++) {
        left += !passed.claimed[i];
    }
    return left;
}

bool
systemd_has(const char *name)
{
    read_environment();
    for (unsigned i = 0; i < passed.count; i++) {
        if (!passed.claimed[i] && has_name(i, name)) {
            return true;
        }
    }
    return false;
}

int
systemd_claim(const char *name)
{
    read_environment();
    for (unsigned i = 0; i < passed.count; i++) {
        bool fits = *name != '\0' ? has_name(i, name) : !has_name(i, "admin");

        if (!passed.claimed[i] && fits) {
            passed.claimed[i] = true;
            return FIRST_FD + (int)i;
        }
    }
    return -1;
}

// An abstract name begins with an '@' here and with a NUL in the kernel.
static bool
address_of(const char *path, struct sockaddr_un *address, socklen_t *ret_size)
{
    size_t size = strlen(path);

    if ((*path != '/' && *path != '@') || size >= sizeof(address->sun_path)) {
        return false;
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, size);
    if (*path == '@') {
        address->sun_path[0] = '\0';
    }
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

void
systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t size;
    int fd;

    if (path == NULL || !address_of(path, &address, &size)) {
        return;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                         size) < 0) {
        complain("cannot notify %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}
