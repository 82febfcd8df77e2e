/* SPDX-License-Identifier: MIT */
#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define V1_MAX          107u // its line end included
#define V2_FIXED        16u
#define V2_SIGNATURE    12u
#define V2_UNIX_PATH    108u
#define TLV_HEADER      3u
#define TLV_CRC32C      0x03u
#define CRC32C_REVERSED 0x82f63b78u

static const uint8_t v2_signature[V2_SIGNATURE] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                   0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum v2_family { V2_UNSPECIFIED, V2_INET, V2_INET6, V2_UNIX, V2_FAMILIES };
enum v2_transport { V2_STREAM = 1, V2_DATAGRAM };

static long
refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EPROTO;
}

static unsigned
get_u16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static void
put_u16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* ---- version 1: a line of text ---- */

// The next word of a line, ended by a space or the line's end; false: there is none.
static bool
next_word(const char **line, char *word, size_t word_size)
{
    size_t size = strcspn(*line, " ");

    if (size == 0 || size >= word_size) {
        return false;
    }
    memcpy(word, *line, size);
    word[size] = '\0';
    *line += size + ((*line)[size] == ' ');
    return true;
}

// Digits without a leading zero, up to 65535.
static bool
parse_port(const char *word, uint16_t *ret_port)
{
    unsigned port = 0;
    size_t size = strlen(word);

    if (size == 0 || size > 5 || (word[0] == '0' && size > 1)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (word[i] < '0' || word[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(word[i] - '0');
    }
    *ret_port = (uint16_t)port;
    return port <= UINT16_MAX;
}

static long
parse_v1_addresses(const char *line, bool is_6, struct proxy_header *header, const char **ret_why)
{
    char hosts[2][INET6_ADDRSTRLEN];
    char ports[2][6];
    uint16_t numbers[2];
    const char *end = line;

    if (!next_word(&end, hosts[0], sizeof(hosts[0])) ||
        !next_word(&end, hosts[1], sizeof(hosts[1])) ||
        !next_word(&end, ports[0], sizeof(ports[0])) ||
        !next_word(&end, ports[1], sizeof(ports[1])) || *end != '\0' || end[-1] == ' ') {
        return refuse(ret_why, "not two addresses and two ports");
    }
    for (unsigned i = 0; i < 2; i++) {
        struct weir_address *address = i == 0 ? &header->source : &header->destination;

        if (!parse_port(ports[i], &numbers[i])) {
            return refuse(ret_why, "not a port");
        }
        if ((strchr(hosts[i], ':') != NULL) != is_6 || strchr(hosts[i], '%') != NULL ||
            weir_address_ip(address, hosts[i], numbers[i]) != 0) {
            return refuse(ret_why, "not an address of the family it names");
        }
    }
    header->is_known = true;
    return 0;
}

static long
parse_v1(const uint8_t *bytes, size_t size, struct proxy_header *header, const char **ret_why)
{
    const uint8_t *end = memchr(bytes, '\n', size < V1_MAX ? size : V1_MAX);
    char line[V1_MAX];
    size_t length;
    long result = 0;

    if (end == NULL) {
        return size < V1_MAX ? 0 : refuse(ret_why, "a line without an end");
    }
    length = (size_t)(end - bytes);
    if (length == 0 || bytes[length - 1] != '\r' || memchr(bytes, '\0', length) != NULL) {
        return refuse(ret_why, "a line that does not end as it has to");
    }
    memcpy(line, bytes, length - 1);
    line[length - 1] = '\0';
    header->version = 1;
    if (strncmp(line, "PROXY TCP4 ", 11) == 0) {
        result = parse_v1_addresses(line + 11, false, header, ret_why);
    } else if (strncmp(line, "PROXY TCP6 ", 11) == 0) {
        result = parse_v1_addresses(line + 11, true, header, ret_why);
    } else if (strncmp(line, "PROXY UNKNOWN", 13) != 0 || (line[13] != '\0' && line[13] != ' ')) {
        return refuse(ret_why, "not TCP4, TCP6 or UNKNOWN");
    }
    return result < 0 ? result : (long)length + 1;
}

/* ---- version 2: binary ---- */

static uint32_t
crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (CRC32C_REVERSED & (0u - (crc & 1u)));
        }
    }
    return crc;
}

// Of the whole header, with zeros in place of the checksum itself.
static bool
has_right_checksum(const uint8_t *bytes, size_t size, const uint8_t *checksum)
{
    static const uint8_t zeros[4];
    size_t before = (size_t)(checksum - bytes);
    uint32_t crc = crc32c(UINT32_MAX, bytes, before);

    crc = crc32c(crc, zeros, sizeof(zeros));
    crc = ~crc32c(crc, checksum + 4, size - before - 4);
    return crc == ((uint32_t)get_u16(checksum) << 16 | get_u16(checksum + 2));
}

// What follows the addresses: type, length, value, again and again, and nothing behind the last.
static long
check_v2_values(const uint8_t *bytes, size_t size, size_t offset, const char **ret_why)
{
    while (offset < size) {
        size_t length;

        if (size - offset < TLV_HEADER) {
            return refuse(ret_why, "a value without its length");
        }
        length = get_u16(bytes + offset + 1);
        if (size - offset - TLV_HEADER < length) {
            return refuse(ret_why, "a value that is longer than the header");
        }
        if (bytes[offset] == TLV_CRC32C &&
            (length != 4 || !has_right_checksum(bytes, size, bytes + offset + TLV_HEADER))) {
            return refuse(ret_why, "a wrong checksum");
        }
        offset += TLV_HEADER + length;
    }
    return (long)size;
}

static void
take_inet(struct weir_address *ret_address, const uint8_t *host, const uint8_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in.sin_addr, host, sizeof(in.sin_addr));
    memcpy(&in.sin_port, port, sizeof(in.sin_port));
    memcpy(&ret_address->as, &in, sizeof(in));
    ret_address->size = sizeof(in);
}

static void
take_inet6(struct weir_address *ret_address, const uint8_t *host, const uint8_t *port)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};

    memcpy(&in.sin6_addr, host, sizeof(in.sin6_addr));
    memcpy(&in.sin6_port, port, sizeof(in.sin6_port));
    memcpy(&ret_address->as, &in, sizeof(in));
    ret_address->size = sizeof(in);
}

// A path, or behind a leading zero an abstract name; zeros at its end are none of it.
static void
take_unix(struct weir_address *ret_address, const uint8_t *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t size = V2_UNIX_PATH;

    while (size != 0 && path[size - 1] == 0) {
        size--;
    }
    memcpy(un.sun_path, path, size);
    memcpy(&ret_address->as, &un, sizeof(un));
    ret_address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static void
take_v2_addresses(enum v2_family family, const uint8_t *at, struct proxy_header *header)
{
    switch (family) {
    case V2_INET:
        take_inet(&header->source, at, at + 8);
        take_inet(&header->destination, at + 4, at + 10);
        break;
    case V2_INET6:
        take_inet6(&header->source, at, at + 32);
        take_inet6(&header->destination, at + 16, at + 34);
        break;
    case V2_UNIX:
        take_unix(&header->source, at);
        take_unix(&header->destination, at + V2_UNIX_PATH);
        break;
    case V2_UNSPECIFIED:
    case V2_FAMILIES:
    default:
        return;
    }
    header->is_known = true;
}

static long
parse_v2(const uint8_t *bytes, size_t size, struct proxy_header *header, const char **ret_why)
{
    static const size_t address_sizes[V2_FAMILIES] = {0, 12, 36, 2 * (size_t)V2_UNIX_PATH};
    unsigned family = bytes[13] >> 4;
    unsigned transport = bytes[13] & 0xfu;
    size_t whole = V2_FIXED + get_u16(bytes + 14);
    bool is_local = (bytes[12] & 0xfu) == 0;

    if (bytes[12] >> 4 != 2 || (bytes[12] & 0xfu) > 1) {
        return refuse(ret_why, "an unknown version or command");
    }
    if (family >= V2_FAMILIES || transport > V2_DATAGRAM) {
        return refuse(ret_why, "an unknown family or transport");
    }
    if (whole > PROXY_HEADER_MAX) {
        return refuse(ret_why, "a header longer than 4096 bytes");
    }
    if (!is_local && whole < V2_FIXED + address_sizes[family]) {
        return refuse(ret_why, "a header too short for its addresses");
    }
    if (size < whole) {
        return 0;
    }
    header->version = 2;
    if (is_local) { // whatever is behind it is to be skipped
        return (long)whole;
    }
    if (transport == V2_STREAM) {
        take_v2_addresses((enum v2_family)family, bytes + V2_FIXED, header);
    }
    return check_v2_values(bytes, whole, V2_FIXED + address_sizes[family], ret_why);
}

long
proxy_parse(const uint8_t *bytes, size_t size, struct proxy_header *ret_header,
            const char **ret_why)
{
    static const char v1_signature[] = "PROXY ";
    size_t v1_size = sizeof(v1_signature) - 1;

    memset(ret_header, 0, sizeof(*ret_header));
    if (memcmp(bytes, v2_signature, size < V2_SIGNATURE ? size : V2_SIGNATURE) == 0) {
        return size < V2_FIXED ? 0 : parse_v2(bytes, size, ret_header, ret_why);
    }
    if (memcmp(bytes, v1_signature, size < v1_size ? size : v1_size) != 0) {
        return refuse(ret_why, "neither signature");
    }
    return size < v1_size ? 0 : parse_v1(bytes, size, ret_header, ret_why);
}

/* ---- writing ---- */

// As IPv6, an IPv4 address mapped; false: neither.
static bool
as_inet6(const struct weir_address *address, struct sockaddr_in6 *ret_in6)
{
    struct sockaddr_in in;

    if (address->as.any.sa_family == AF_INET6) {
        memcpy(ret_in6, &address->as, sizeof(*ret_in6));
        return true;
    }
    if (address->as.any.sa_family != AF_INET) {
        return false;
    }
    memcpy(&in, &address->as, sizeof(in));
    *ret_in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = in.sin_port};
    ret_in6->sin6_addr.s6_addr[10] = 0xff;
    ret_in6->sin6_addr.s6_addr[11] = 0xff;
    memcpy(&ret_in6->sin6_addr.s6_addr[12], &in.sin_addr, sizeof(in.sin_addr));
    return true;
}

static size_t
write_v1(const struct weir_address *source, const struct weir_address *destination, uint8_t *buffer)
{
    char text[PROXY_WRITE_MAX];
    char hosts[2][INET6_ADDRSTRLEN];
    struct sockaddr_in6 in6[2];
    struct sockaddr_in in[2];
    int size;

    if (source->as.any.sa_family == AF_INET && destination->as.any.sa_family == AF_INET) {
        memcpy(&in[0], &source->as, sizeof(in[0]));
        memcpy(&in[1], &destination->as, sizeof(in[1]));
        inet_ntop(AF_INET, &in[0].sin_addr, hosts[0], sizeof(hosts[0]));
        inet_ntop(AF_INET, &in[1].sin_addr, hosts[1], sizeof(hosts[1]));
        size = snprintf(text, sizeof(text), "PROXY TCP4 %s %s %u %u\r\n", hosts[0], hosts[1],
                        ntohs(in[0].sin_port), ntohs(in[1].sin_port));
    } else if (as_inet6(source, &in6[0]) && as_inet6(destination, &in6[1])) {
        inet_ntop(AF_INET6, &in6[0].sin6_addr, hosts[0], sizeof(hosts[0]));
        inet_ntop(AF_INET6, &in6[1].sin6_addr, hosts[1], sizeof(hosts[1]));
        size = snprintf(text, sizeof(text), "PROXY TCP6 %s %s %u %u\r\n", hosts[0], hosts[1],
                        ntohs(in6[0].sin6_port), ntohs(in6[1].sin6_port));
    } else {
        size = snprintf(text, sizeof(text), "PROXY UNKNOWN\r\n");
    }
    memcpy(buffer, text, (size_t)size);
    return (size_t)size;
}

static void
put_unix(uint8_t *to, const struct weir_address *address)
{
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t size = address->size > offset ? address->size - offset : 0;

    memset(to, 0, V2_UNIX_PATH);
    memcpy(to, (const uint8_t *)&address->as + offset, size < V2_UNIX_PATH ? size : V2_UNIX_PATH);
}

static size_t
write_v2(const struct weir_address *source, const struct weir_address *destination, uint8_t *buffer)
{
    uint8_t *at = buffer + V2_FIXED;
    enum v2_family family = V2_UNSPECIFIED;
    struct sockaddr_in6 in6[2];
    size_t size = 0;

    if (source->as.any.sa_family == AF_INET && destination->as.any.sa_family == AF_INET) {
        struct sockaddr_in in[2];

        memcpy(&in[0], &source->as, sizeof(in[0]));
        memcpy(&in[1], &destination->as, sizeof(in[1]));
        memcpy(at, &in[0].sin_addr, 4);
        memcpy(at + 4, &in[1].sin_addr, 4);
        memcpy(at + 8, &in[0].sin_port, 2);
        memcpy(at + 10, &in[1].sin_port, 2);
        family = V2_INET;
        size = 12;
    } else if (as_inet6(source, &in6[0]) && as_inet6(destination, &in6[1])) {
        memcpy(at, &in6[0].sin6_addr, 16);
        memcpy(at + 16, &in6[1].sin6_addr, 16);
        memcpy(at + 32, &in6[0].sin6_port, 2);
        memcpy(at + 34, &in6[1].sin6_port, 2);
        family = V2_INET6;
        size = 36;
    } else if (source->as.any.sa_family == AF_UNIX && destination->as.any.sa_family == AF_UNIX) {
        put_unix(at, source);
        put_unix(at + V2_UNIX_PATH, destination);
        family = V2_UNIX;
        size = 2 * (size_t)V2_UNIX_PATH;
    }
    memcpy(buffer, v2_signature, V2_SIGNATURE);
    buffer[12] = 0x21;
    buffer[13] = (uint8_t)(family == V2_UNSPECIFIED ? 0 : (unsigned)family << 4 | V2_STREAM);
    put_u16(buffer + 14, (unsigned)size);
    return V2_FIXED + size;
}

size_t
proxy_write(unsigned version, const struct weir_address *source,
            const struct weir_address *destination, uint8_t buffer[PROXY_WRITE_MAX])
{
    return version == 1 ? write_v1(source, destination, buffer)
                        : write_v2(source, destination, buffer);
}
