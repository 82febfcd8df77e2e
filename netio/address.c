/* SPDX-License-Identifier: MIT */

#include "weir/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define NUMBER_SIZE      sizeof("4294967295")

static const struct weir_address no_address;

int
weir_address_ip(struct weir_address *ret_address, const char *host, uint16_t port)
{
    struct weir_address address = no_address;

    if (ret_address == NULL || host == NULL) {
        return -EINVAL;
    }
    if (inet_pton(AF_INET, host, &address.as.in.sin_addr) == 1) {
        address.size = sizeof(address.as.in);
        address.as.in.sin_family = AF_INET;
        address.as.in.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, host, &address.as.in6.sin6_addr) == 1) {
        address.size = sizeof(address.as.in6);
        address.as.in6.sin6_family = AF_INET6;
        address.as.in6.sin6_port = htons(port);
    } else {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

int
weir_address_unix(struct weir_address *ret_address, const char *path)
{
    struct weir_address address = no_address;
    size_t length;

    if (ret_address == NULL || path == NULL || path[0] == '\0' ||
        (path[0] == '@' && path[1] == '\0')) {
        return -EINVAL;
    }
    length = strlen(path) + (path[0] != '@'); // an abstract name has no terminator
    if (length > sizeof(address.as.un.sun_path)) {
        return -ENAMETOOLONG;
    }
    address.as.un.sun_family = AF_UNIX;
    memcpy(address.as.un.sun_path, path, length);
    if (path[0] == '@') {
        address.as.un.sun_path[0] = '\0';
    }
    address.size = (socklen_t)(UNIX_PATH_OFFSET + length);
    *ret_address = address;
    return 0;
}

int
weir_address_vsock(struct weir_address *ret_address, uint32_t cid, uint32_t port)
{
    struct weir_address address = no_address;

    if (ret_address == NULL) {
        return -EINVAL;
    }
    address.size = sizeof(address.as.vm);
    address.as.vm.svm_family = AF_VSOCK;
    address.as.vm.svm_cid = cid;
    address.as.vm.svm_port = port;
    *ret_address = address;
    return 0;
}

uint32_t
weir_address_port(const struct weir_address *address)
{
    switch (address == NULL || address->size == 0 ? AF_UNSPEC : address->as.any.sa_family) {
    case AF_INET:
        return ntohs(address->as.in.sin_port);
    case AF_INET6:
        return ntohs(address->as.in6.sin6_port);
    case AF_VSOCK:
        return address->as.vm.svm_port;
    default:
        return 0;
    }
}

/* ---- as text ---- */

static int
format_ip4(const struct sockaddr_in *in, char *text, size_t text_size)
{
    char host[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
    return snprintf(text, text_size, "tcp://%s:%u", host, (unsigned)ntohs(in->sin_port));
}

static int
format_ip6(const struct sockaddr_in6 *in6, char *text, size_t text_size)
{
    char host[INET6_ADDRSTRLEN];
    char scope[1 + NUMBER_SIZE] = "";

    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    if (in6->sin6_scope_id != 0) {
        snprintf(scope, sizeof(scope), "%%%u", (unsigned)in6->sin6_scope_id);
    }
    return snprintf(text, text_size, "tcp://[%s%s]:%u", host, scope,
                    (unsigned)ntohs(in6->sin6_port));
}

// The kernel does not promise a path's terminator, and abstract names have none.
static int
format_unix(const struct weir_address *address, char *text, size_t text_size)
{
    const char *name = address->as.un.sun_path;
    char shown[sizeof(address->as.un.sun_path) + 1];
    size_t size = address->size <= UNIX_PATH_OFFSET ? 0 : (size_t)address->size - UNIX_PATH_OFFSET;
    bool is_abstract = size > 0 && name[0] == '\0';

    if (!is_abstract) {
        size = strnlen(name, size);
    }
    for (size_t i = 0; i < size; i++) {
        shown[i] = (char)(name[i] == '\0' ? '@' : name[i]);
    }
    shown[size] = '\0';
    // A file may have the sign of an abstract name in front.
    return snprintf(text, text_size, "unix:%s%s", !is_abstract && shown[0] == '@' ? "./" : "",
                    shown);
}

static int
format_vsock(const struct sockaddr_vm *vm, char *text, size_t text_size)
{
    char cid[NUMBER_SIZE];
    char port[NUMBER_SIZE];
    const char *name = cid;

    snprintf(cid, sizeof(cid), "%u", vm->svm_cid);
    snprintf(port, sizeof(port), "%u", vm->svm_port);
    if (vm->svm_cid == VMADDR_CID_ANY) {
        name = "";
    } else if (vm->svm_cid == VMADDR_CID_HYPERVISOR) {
        name = "hypervisor";
    } else if (vm->svm_cid == VMADDR_CID_LOCAL) {
        name = "local";
    } else if (vm->svm_cid == VMADDR_CID_HOST) {
        name = "host";
    }
    return snprintf(text, text_size, "vsock://%s:%s", name,
                    vm->svm_port == VMADDR_PORT_ANY ? "any" : port);
}

// Has the address all that its family needs, and no more than there is room for?
static bool
is_sound(const struct weir_address *address)
{
    if (address->size < sizeof(address->as.any.sa_family)) {
        return false;
    }
    switch (address->as.any.sa_family) {
    case AF_INET:
        return address->size >= sizeof(address->as.in);
    case AF_INET6:
        return address->size >= sizeof(address->as.in6);
    case AF_UNIX:
        return address->size <= sizeof(address->as.un);
    case AF_VSOCK:
        return address->size >= sizeof(address->as.vm);
    default:
        return false;
    }
}

int
weir_address_format(const struct weir_address *address, char *text, size_t text_size)
{
    if (text == NULL && text_size != 0) {
        return -EINVAL;
    }
    if (address == NULL || !is_sound(address)) {
        if (text_size != 0) {
            text[0] = '\0';
        }
        return -EINVAL;
    }
    switch (address->as.any.sa_family) {
    case AF_INET:
        return format_ip4(&address->as.in, text, text_size);
    case AF_INET6:
        return format_ip6(&address->as.in6, text, text_size);
    case AF_VSOCK:
        return format_vsock(&address->as.vm, text, text_size);
    default:
        return format_unix(address, text, text_size);
    }
}
