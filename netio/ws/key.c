/* SPDX-License-Identifier: MIT */

#include "netio/ws/key.h"

#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>

static_assert(BASE64_ENCODE_RAW_LENGTH(16) == WI_WS_KEY_SIZE, "a key is 16 bytes");
static_assert(BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) == WI_WS_ACCEPT_SIZE, "an answer, 20");

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

void
wi_ws_key_make(const unsigned char bytes[16], char ret_key[WI_WS_KEY_SIZE + 1])
{
    base64_encode_raw(ret_key, 16, bytes);
    ret_key[WI_WS_KEY_SIZE] = '\0';
}

bool
wi_ws_key_is_sound(const char *key, size_t size)
{
    uint8_t bytes[BASE64_DECODE_LENGTH(WI_WS_KEY_SIZE)];
    size_t count = sizeof(bytes);
    struct base64_decode_ctx context;

    if (size != WI_WS_KEY_SIZE) {
        return false;
    }
    base64_decode_init(&context);
    return base64_decode_update(&context, &count, bytes, size, key) &&
           base64_decode_final(&context) && count == 16;
}

void
wi_ws_key_accept(const char *key, size_t size, char ret_accept[WI_WS_ACCEPT_SIZE + 1])
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx context;

    sha1_init(&context);
    sha1_update(&context, size, (const uint8_t *)key);
    sha1_update(&context, sizeof(magic) - 1, (const uint8_t *)magic);
    sha1_digest(&context, sizeof(digest), digest);
    base64_encode_raw(ret_accept, sizeof(digest), digest);
    ret_accept[WI_WS_ACCEPT_SIZE] = '\0';
}
