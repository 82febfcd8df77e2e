/* SPDX-License-Identifier: MIT */

#include "netio/endpoint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// CONTEXT:PORT, as vsock:// has it, and MACHINE/SERVICE, which is Hyper-V's way to say the same.

#define GUID_SIZE 36

static bool
is_word(const char *begin, const char *end, const char *word)
{
    return (size_t)(end - begin) == strlen(word) && memcmp(begin, word, strlen(word)) == 0;
}

static int
read_cid(struct wi_parse *parse, const char *begin, const char *end, uint32_t *ret_cid)
{
    static const struct {
        const char *name;
        uint32_t cid;
    } known[] = {
        {"", VMADDR_CID_ANY},
        {"any", VMADDR_CID_ANY},
        {"local", VMADDR_CID_LOCAL},
        {"host", VMADDR_CID_HOST},
        {"hypervisor", VMADDR_CID_HYPERVISOR},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_word(begin, end, known[i].name)) {
            *ret_cid = known[i].cid;
            return 0;
        }
    }
    if (!isdigit((unsigned char)*begin)) {
        return wi_parse_wrong(parse, begin,
                              "a context is a number, 'host', 'local', 'hypervisor' or 'any'");
    }
    return wi_parse_number(parse, begin, end, UINT32_MAX, ret_cid);
}

static int
read_port(struct wi_parse *parse, const char *begin, uint32_t *ret_port)
{
    const char *end = begin + strlen(begin);

    if (is_word(begin, end, "any")) {
        *ret_port = VMADDR_PORT_ANY;
        return 0;
    }
    return wi_parse_number(parse, begin, end, UINT32_MAX, ret_port);
}

int
wi_parse_vsock(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    const char *colon = strchr(text, ':');
    const char *end = colon != NULL ? colon : text + strlen(text);
    uint32_t cid = 0;
    uint32_t port = 0;
    int result = read_cid(parse, text, end, &cid);

    if (result == 0 && colon == NULL) {
        result = wi_parse_wrong(parse, end, "':' and a port are missing");
    }
    if (result == 0) {
        result = read_port(parse, colon + 1, &port);
    }
    endpoint->kind = WEIR_ENDPOINT_ADDRESS;
    weir_address_vsock(&endpoint->address, cid, port);
    return result;
}

/* ---- Hyper-V ---- */

// A port in a service: its eight hexadecimal digits, and this behind them.
static const char service_of_port[] = "-facb-11e6-bd58-64006a7986d3";

static int
read_guid(struct wi_parse *parse, const char *begin, const char *end, char ret_guid[GUID_SIZE])
{
    for (size_t i = 0; i < GUID_SIZE; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

        if (begin + i == end) {
            return wi_parse_wrong(parse, end, "a GUID has 36 characters");
        }
        if (is_hyphen ? begin[i] != '-' : wi_parse_hex_digit(begin[i]) < 0) {
            return wi_parse_wrong(parse, begin + i,
                                  is_hyphen ? "a GUID has a '-' here" : "not a hexadecimal digit");
        }
        ret_guid[i] = (char)(begin[i] | ' '); // a small letter; digits and hyphens as they are
    }
    if (begin + GUID_SIZE != end) {
        return wi_parse_wrong(parse, begin + GUID_SIZE, "a GUID has 36 characters");
    }
    return 0;
}

static int
read_machine(struct wi_parse *parse, const char *begin, const char *end, char ret_guid[GUID_SIZE])
{
    static const struct {
        const char *name;
        const char *guid;
    } known[] = {
        {"any", "00000000-0000-0000-0000-000000000000"},
        {"children", "90db8b89-0d35-4f79-8ce9-49ea0ac8b7cd"},
        {"loopback", "e0e16197-dd56-4a10-9195-5ee7a155a838"},
        {"parent", "a42e7cda-d03f-480c-9cc2-a4de20abb878"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_word(begin, end, known[i].name)) {
            memcpy(ret_guid, known[i].guid, GUID_SIZE);
            return 0;
        }
    }
    return read_guid(parse, begin, end, ret_guid);
}

// A service, or the port whose service is meant.
static int
read_service(struct wi_parse *parse, const char *begin, char ret_guid[GUID_SIZE],
             uint32_t *ret_port)
{
    const char *end = begin + strlen(begin);
    char guid[GUID_SIZE + 1] = "";
    int result;

    if (wi_parse_is_number(begin, end)) {
        result = wi_parse_number(parse, begin, end, WEIR_VSOCK_PORT_ANY - 1, ret_port);
        snprintf(guid, sizeof(guid), "%08x%s", *ret_port, service_of_port);
    } else {
        result = read_guid(parse, begin, end, guid);
        *ret_port = WEIR_VSOCK_PORT_ANY;
        if (strcmp(guid + 8, service_of_port) == 0) {
            *ret_port = (uint32_t)strtoul(guid, NULL, 16);
        }
    }
    memcpy(ret_guid, guid, GUID_SIZE);
    return result;
}

int
wi_parse_hvsock(struct wi_parse *parse, const char *text, struct weir_endpoint *endpoint)
{
    const char *slash = strchr(text, '/');
    const char *end = slash != NULL ? slash : text + strlen(text);
    int result = read_machine(parse, text, end, endpoint->host);

    if (result == 0 && slash == NULL) {
        result = wi_parse_wrong(parse, end, "'/' and a service are missing");
    }
    endpoint->kind = WEIR_ENDPOINT_HVSOCK;
    endpoint->host[GUID_SIZE] = '/';
    if (result == 0) {
        result = read_service(parse, slash + 1, endpoint->host + GUID_SIZE + 1, &endpoint->port);
    }
    return result;
}
