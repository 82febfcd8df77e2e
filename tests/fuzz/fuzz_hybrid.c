// SPDX-License-Identifier: MIT
// Lines that ask for a port of a virtual machine, and their answers: any bytes are such a line or
// are refused, and what is one says the port that it was written with.

#include "netio/hybrid.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
check(const struct wi_hybrid_line *line, const char *word)
{
    char digits[WI_HYBRID_LINE_MAX + 1] = "";
    char text[2 * WI_HYBRID_LINE_MAX];
    size_t length = strlen(word);
    uint32_t port = 0;
    int result = wi_hybrid_read(line, word, &port);

    fuzz_require(result == 0 || result == -EPROTO);
    if (result == 0) {
        // The same but for zeros in front.
        memcpy(digits, line->text + length + 1, line->size - length - 2);
        snprintf(text, sizeof(text), "%s %s\n", word, digits);
        fuzz_require(strlen(text) == line->size && memcmp(text, line->text, line->size) == 0);
        fuzz_require(digits[0] != '\0' && strspn(digits, "0123456789") == strlen(digits));
        fuzz_require(strtoull(digits, NULL, 10) == port);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_hybrid_line line = {0};
    struct wi_hybrid_line made = {0};
    uint32_t port = 0;

    // As wi_hybrid_hear() makes it: to the first newline, and that must come.
    while (line.size < sizeof(line.text) && line.size < size) {
        line.text[line.size] = (char)data[line.size];
        if (line.text[line.size++] == '\n') {
            check(&line, "OK");
            check(&line, "CONNECT");
            break;
        }
    }
    if (size >= sizeof(port)) {
        uint32_t again = 0;

        memcpy(&port, data, sizeof(port));
        made.size = (uint8_t)snprintf(made.text, sizeof(made.text), "CONNECT %u\n", port);
        fuzz_require(wi_hybrid_read(&made, "CONNECT", &again) == 0 && again == port);
        fuzz_require(wi_hybrid_read(&made, "OK", &again) == -EPROTO);
    }
    return 0;
}
