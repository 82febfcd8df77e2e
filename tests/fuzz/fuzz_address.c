// os: fake
// SPDX-License-Identifier: MIT
// Addresses as people write them: any text is an endpoint or is refused at one of its characters,
// nothing is read behind its end, and what an endpoint is written as is read as the same endpoint.

#include "tests/fuzz/fuzz.h"
#include "weir/address.h"

#include <errno.h>
#include <string.h>

static void
check_again(const struct weir_endpoint *endpoint)
{
    struct weir_endpoint again;
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    char once_more[WEIR_ENDPOINT_TEXT_SIZE];
    int length = weir_endpoint_format(endpoint, text, sizeof(text));

    fuzz_require(length > 0 && (size_t)length < sizeof(text) && (size_t)length == strlen(text));
    fuzz_require(weir_endpoint_parse(&again, text, NULL) == 0);
    fuzz_require(memcmp(&again, endpoint, sizeof(again)) == 0);
    fuzz_require(weir_endpoint_format(&again, once_more, sizeof(once_more)) == length);
    fuzz_require(strcmp(text, once_more) == 0);
    for (size_t room = 1; room < 20; room++) {
        char *small = malloc(room);

        if (small != NULL) {
            fuzz_require(weir_endpoint_format(endpoint, small, room) == length);
            fuzz_require(memchr(small, '\0', room) != NULL);
        }
        free(small);
    }
}

static void
check_error(const struct weir_parse_error *error, const char *text)
{
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];
    int length = weir_parse_error_format(error, text, lines, sizeof(lines));

    fuzz_require(error->message != NULL && error->offset <= strlen(text));
    fuzz_require(length > 0 && (size_t)length < sizeof(lines) && (size_t)length == strlen(lines));
    fuzz_require(strchr(lines, '\n') == strrchr(lines, '\n') && strchr(lines, '^') != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_endpoint endpoint;
    struct weir_parse_error error = {0, NULL};
    char *text = malloc(size + 1);
    int result;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&endpoint, 0xa5, sizeof(endpoint));
    result = weir_endpoint_parse(&endpoint, text, &error);
    fuzz_require(result == 0 || result == -EINVAL || result == -ENAMETOOLONG || result == -ENODEV);
    if (result == 0) {
        check_again(&endpoint);
    } else {
        check_error(&error, text);
    }
    free(text);
    return 0;
}
