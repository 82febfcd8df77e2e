// with: servers/echo/address.c
// SPDX-License-Identifier: MIT
// Addresses as people write them: any text is an address or is refused, nothing is read behind its
// end, and what an address is written as is read as the same address.

#include "servers/echo/address.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

// What is written may be cut by a zero in an abstract name; nothing else is lost.
static void
check_again(const struct weir_address *address)
{
    struct weir_address again;
    char text[ADDRESS_TEXT_SIZE];
    char once_more[ADDRESS_TEXT_SIZE];

    address_format(address, text, sizeof(text));
    fuzz_require(strlen(text) < sizeof(text));
    fuzz_require(address_parse(&again, text) == 0);
    fuzz_require(again.size == address->size);
    fuzz_require(again.as.any.sa_family == address->as.any.sa_family);
    fuzz_require(memcmp(&again.as, &address->as, address->size) == 0);
    fuzz_require(address_port(&again) == address_port(address));
    address_format(&again, once_more, sizeof(once_more));
    fuzz_require(strcmp(text, once_more) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_address address;
    char *text = malloc(size + 1);
    int result;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&address, 0xa5, sizeof(address));
    result = address_parse(&address, text);
    fuzz_require(result == 0 || result == -EINVAL || result == -ENAMETOOLONG);
    if (result == 0) {
        fuzz_require(address.size <= sizeof(address.as));
        check_again(&address);
    }
    for (size_t room = 1; room < 20 && result == 0; room++) {
        char *small = malloc(room);

        if (small != NULL) {
            address_format(&address, small, room);
            fuzz_require(memchr(small, '\0', room) != NULL);
        }
        free(small);
    }
    free(text);
    return 0;
}
