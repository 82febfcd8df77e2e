/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

/**
 * @file
 * Addresses: a socket address by value; and endpoints, which are what people write and what a dial
 * or a listener is given:
 *
 *     tcp://127.0.0.1:80   tcp://[::1]:80   tcp://[fe80::1%eth0]:80   tcp://example.org:http
 *     tcp://:80   unix:/run/x   unix:@abstract   vsock://3:1024   vsock://host:1024   vsock://:1024
 *     hybrid:/path:1024   hyperkit://:1024/path   hvsock://GUID/GUID
 *
 * docs/addresses.md has the table of all forms.
 */

#include "weir/base.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h> /* needs <sys/socket.h> */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- socket addresses ---- */

/** A socket address by value. */
struct weir_address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_vm vm;
        struct sockaddr_storage storage;
    } as;
};

/** Of a vsock address: whatever context, whatever port. */
#define WEIR_VSOCK_CID_ANY  UINT32_MAX
#define WEIR_VSOCK_PORT_ANY UINT32_MAX

/**
 * An IPv4 or IPv6 address in numbers ("127.0.0.1", "::1") and a port.
 *
 * Threads: any.
 * Blocks:  never; names are not resolved.
 * @return 0, or -EINVAL.
 */
WEIR_API int weir_address_ip(struct weir_address *ret_address, const char *host, uint16_t port);

/**
 * A Unix socket's path; a leading '@' means the abstract name behind it.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -EINVAL (empty), or -ENAMETOOLONG.
 */
WEIR_API int weir_address_unix(struct weir_address *ret_address, const char *path);

/**
 * A port of a virtual machine or of its host: context id and port, either of them possibly any.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -EINVAL.
 */
WEIR_API int weir_address_vsock(struct weir_address *ret_address, uint32_t cid, uint32_t port);

/**
 * The port of a TCP or vsock address.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the port; 0 of any other address.
 */
WEIR_API uint32_t weir_address_port(const struct weir_address *address);

/** Room for the text of any address or endpoint, its terminator included. */
#define WEIR_ENDPOINT_TEXT_SIZE 288

/**
 * The text of an address, as weir_endpoint_parse() reads it: a scope is a number, a well known
 * context its name. An unnamed Unix address is "unix:", and a zero inside an abstract name is shown
 * as '@'; these two cannot be read back.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the length of the whole text; what has no room is cut off. Or -EINVAL: no address of a
 *   known family; the text is then empty.
 */
WEIR_API int weir_address_format(const struct weir_address *address, char *text, size_t text_size);

/* ---- endpoints ---- */

enum weir_endpoint_kind {
    WEIR_ENDPOINT_NONE,     /* all zero: none */
    WEIR_ENDPOINT_ADDRESS,  /* a socket address, `address` */
    WEIR_ENDPOINT_ANY,      /* TCP port `port` of every address of this machine; to listen */
    WEIR_ENDPOINT_NAME,     /* TCP port `port` of the host named `host`; to dial */
    WEIR_ENDPOINT_HYBRID,   /* a virtual machine's port `port` behind the Unix socket `address`, as
                               Firecracker and cloud-hypervisor offer it */
    WEIR_ENDPOINT_HYPERKIT, /* likewise, as hyperkit offers it */
    WEIR_ENDPOINT_HVSOCK,   /* Hyper-V's: machine and service, "GUID/GUID" in `host`; `port` is the
                               vsock port the service stands for, or WEIR_VSOCK_PORT_ANY */
};

#define WEIR_HOST_SIZE 256

/** Where to dial or to listen. What its kind does not use is zero. */
struct weir_endpoint {
    enum weir_endpoint_kind kind;
    uint32_t port;
    struct weir_address address;
    char host[WEIR_HOST_SIZE];
};

/** What is wrong with a text. */
struct weir_parse_error {
    size_t offset;       /* of the first wrong byte; the text's length: something is missing */
    const char *message; /* static */
};

/**
 * Read an endpoint, in any form of docs/addresses.md. Forms that cannot be dialled here are read
 * too: it is the dial, or the listener, that refuses them.
 *
 * Threads: any.
 * Blocks:  for the system's table of services or interfaces, when the text has such a name; never
 *          otherwise. Host names are not resolved here.
 * @param ret_error  written on failure only; may be NULL.
 * @return 0, or -EINVAL, -ENAMETOOLONG (a path), -ENODEV (no such interface).
 */
WEIR_API int weir_endpoint_parse(struct weir_endpoint *ret_endpoint, const char *text,
                                 struct weir_parse_error *ret_error);

/**
 * The text of an endpoint; weir_endpoint_parse() makes the same endpoint of it. A service is a
 * number; for the rest see weir_address_format().
 *
 * Threads: any.
 * Blocks:  never.
 * @return as weir_address_format().
 */
WEIR_API int weir_endpoint_format(const struct weir_endpoint *endpoint, char *text,
                                  size_t text_size);

/** Room for any output of weir_parse_error_format(), its terminator included. */
#define WEIR_PARSE_ERROR_TEXT_SIZE 512

/**
 * Two lines for people: the text (of a long one the part that matters), and below it a caret under
 * the wrong character and the message. Control characters are shown as '?'. No newline at the end.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the length of the whole output; what has no room is cut off. Or -EINVAL.
 */
WEIR_API int weir_parse_error_format(const struct weir_parse_error *error, const char *text,
                                     char *lines, size_t lines_size);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_ADDRESS_H */
