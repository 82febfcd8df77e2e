/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_KEY_H
#define WI_WS_KEY_H

/**
 * @file
 * The handshake's key and its answer (RFC 6455, section 4.2.2): the one file that uses nettle.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
    WI_WS_KEY_SIZE = 24,   // 16 bytes in base64
    WI_WS_ACCEPT_SIZE = 28 // 20 bytes in base64
};

/** 16 bytes as the client writes them. */
void wi_ws_key_make(const unsigned char bytes[16], char ret_key[WI_WS_KEY_SIZE + 1]);

/** Is it 16 bytes in base64? */
bool wi_ws_key_is_sound(const char *key, size_t size);

/** What the server says to a key, terminated. */
void wi_ws_key_accept(const char *key, size_t size, char ret_accept[WI_WS_ACCEPT_SIZE + 1]);

#endif /* WI_WS_KEY_H */
