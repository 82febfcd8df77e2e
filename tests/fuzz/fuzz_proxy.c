// with: servers/relay/proxy_protocol.c
// SPDX-License-Identifier: MIT
// PROXY headers: any bytes are a header, the beginning of one, or refused; the answer does not
// depend on how they came; nothing is read behind their end; what is written is read as the same.

#include "servers/relay/proxy_protocol.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

// In memory of exactly that size, so that a sanitizer sees a step behind it.
static long
parse(const uint8_t *data, size_t size, struct proxy_header *header)
{
    uint8_t *bytes = malloc(size != 0 ? size : 1);
    const char *why = NULL;
    long length;

    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, data, size);
    length = proxy_parse(bytes, size, header, &why);
    fuzz_require(length == 0 || length == -EPROTO || (length > 0 && (size_t)length <= size));
    fuzz_require((length < 0) == (why != NULL));
    free(bytes);
    return length;
}

static bool
is_same(const struct weir_address *a, const struct weir_address *b)
{
    return a->size == b->size && memcmp(&a->as, &b->as, a->size) == 0;
}

static void
check_again(const struct proxy_header *header)
{
    uint8_t bytes[PROXY_WRITE_MAX];
    struct proxy_header again;

    for (unsigned version = 1; version <= 2; version++) {
        size_t size = proxy_write(version, &header->source, &header->destination, bytes);

        fuzz_require(size <= sizeof(bytes));
        fuzz_require(parse(bytes, size, &again) == (long)size);
        fuzz_require(again.version == version);
        if (version == header->version) {
            fuzz_require(again.is_known == header->is_known);
            fuzz_require(is_same(&again.source, &header->source));
            fuzz_require(is_same(&again.destination, &header->destination));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    struct proxy_header other;
    long length = parse(data, size, &header);

    if (length > 0) {
        fuzz_require((size_t)length <= PROXY_HEADER_MAX);
        fuzz_require(header.version == 1 || header.version == 2);
        fuzz_require(parse(data, (size_t)length, &other) == length); // what follows it is not its
        check_again(&header);
    }
    // Of fewer bytes the answer is the same, or that more are needed.
    for (size_t less = 0; less < size && less < 300; less++) {
        long early = parse(data, less, &other);

        fuzz_require(early == 0 || (early < 0 && length < 0) || early == length);
        fuzz_require(length <= 0 || less >= (size_t)length || early == 0);
    }
    return 0;
}
