// SPDX-License-Identifier: MIT

#include "tests/lib/fake_names.h"

#include "runtime/os_names.h"
#include "weir/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define HOSTS_MAX 16

struct host {
    const char *name;
    int error;
    const char *addresses[FAKE_NAMES_ADDRESSES];
};

static struct {
    struct host hosts[HOSTS_MAX];
    unsigned count, begun, inside;
    bool is_held;
} names;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t names_change = PTHREAD_COND_INITIALIZER;

// ---- the script -------------------------------------------------------------------------------

void
fake_names_reset(void)
{
    pthread_mutex_lock(&names_lock);
    names.count = 0;
    names.begun = 0;
    names.is_held = false;
    pthread_cond_broadcast(&names_change);
    pthread_mutex_unlock(&names_lock);
}

static void
set_host(const char *name, const char *const *addresses, int error)
{
    struct host host = {.name = name, .error = error};
    unsigned at = 0;

    for (unsigned i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        host.addresses[i] = addresses[i];
    }
    pthread_mutex_lock(&names_lock);
    while (at < names.count && strcmp(names.hosts[at].name, name) != 0) {
        at++;
    }
    names.hosts[at] = host;
    names.count += at == names.count;
    pthread_mutex_unlock(&names_lock);
}

void
fake_names_set(const char *host, const char *const *addresses)
{
    set_host(host, addresses, 0);
}

void
fake_names_fail(const char *host, int error)
{
    set_host(host, NULL, error);
}

void
fake_names_hold(bool is_held)
{
    pthread_mutex_lock(&names_lock);
    names.is_held = is_held;
    pthread_cond_broadcast(&names_change);
    pthread_mutex_unlock(&names_lock);
}

unsigned
fake_names_begun(void)
{
    unsigned count;

    pthread_mutex_lock(&names_lock);
    count = names.begun;
    pthread_mutex_unlock(&names_lock);
    return count;
}

unsigned
fake_names_inside(void)
{
    unsigned count;

    pthread_mutex_lock(&names_lock);
    count = names.inside;
    pthread_mutex_unlock(&names_lock);
    return count;
}

// ---- the calls ----------------------------------------------------------------------------------

static void
set_ip(union wi_ip *ip, const char *text)
{
    memset(ip, 0, sizeof(*ip));
    if (inet_pton(AF_INET, text, &ip->in.sin_addr) == 1) {
        ip->in.sin_family = AF_INET;
    } else {
        inet_pton(AF_INET6, text, &ip->in6.sin6_addr);
        ip->in6.sin6_family = AF_INET6;
    }
}

static int
answer_of(const struct host *host, union wi_ip *ret_addresses, unsigned capacity)
{
    unsigned count = 0;

    if (host->error != 0) {
        return -host->error;
    }
    for (; count < capacity && host->addresses[count] != NULL; count++) {
        set_ip(&ret_addresses[count], host->addresses[count]);
    }
    return (int)count;
}

int
wi_os_resolve(const char *host, union wi_ip *ret_addresses, unsigned capacity)
{
    int result = -WEIR_ENONAME;

    pthread_mutex_lock(&names_lock);
    names.begun++;
    names.inside++;
    while (names.is_held) {
        pthread_cond_wait(&names_change, &names_lock);
    }
    for (unsigned i = 0; i < names.count; i++) {
        if (strcmp(names.hosts[i].name, host) == 0) {
            result = answer_of(&names.hosts[i], ret_addresses, capacity);
        }
    }
    names.inside--;
    pthread_mutex_unlock(&names_lock);
    return result;
}

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
