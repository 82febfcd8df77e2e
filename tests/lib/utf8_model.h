/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_UTF8_MODEL_H
#define TESTS_LIB_UTF8_MODEL_H

#include <stddef.h>
#include <stdint.h>

// One character by the definition in RFC 3629: decode, and look at what came out. 0: it is none.
static inline size_t
utf8_model_character(const uint8_t *bytes, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80             ? 1
                    : (bytes[0] & 0xe0) == 0xc0 ? 2
                    : (bytes[0] & 0xf0) == 0xe0 ? 3
                    : (bytes[0] & 0xf8) == 0xf0 ? 4
                                                : 0;
    uint32_t code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);

    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (bytes[i] & 0x3f);
    }
    return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0
                                                                                         : length;
}

#endif /* TESTS_LIB_UTF8_MODEL_H */
