/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_WS_MODEL_H
#define TESTS_FUZZ_WS_MODEL_H

// What a WebSocket server has to make of a client's bytes: RFC 6455 read once more, slowly, all
// bytes at hand. It shares no code with the library.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WS_EVENTS_MAX = 4200, WS_DATA_MAX = 1 << 20, WS_MESSAGE_MAX = 3000, WS_FRAGMENTS_MAX = 8 };

enum ws_event_kind { WS_TEXT = 1, WS_BINARY = 2, WS_PING = 9, WS_PONG = 10 };

struct ws_event {
    enum ws_event_kind kind;
    size_t at; // in the data
    size_t size;
};

enum ws_end {
    WS_MORE,    // all is well so far
    WS_CLOSED,  // a Close came, with `code`; 1005: without one
    WS_FAILED,  // it breaks a rule, `code` says which
    WS_BAD,     // it fails, and with which code depends on what is looked at first
    WS_UNKNOWN, // compressed bytes of which the model does not know what is right
};

struct ws_story {
    struct ws_event events[WS_EVENTS_MAX];
    unsigned count;
    unsigned sure; // so many of them are told, whatever the end is
    enum ws_end end;
    unsigned code;
    uint8_t data[WS_DATA_MAX];
    size_t size;
};

// Was permessage-deflate agreed on, with contexts and windows of 15 bits?
void ws_model_read(struct ws_story *story, const uint8_t *bytes, size_t size, bool is_packed);

// What a server sent: well formed, messages and pongs only, and at the end perhaps a Close.
struct ws_sent {
    struct ws_event events[WS_EVENTS_MAX];
    unsigned count;
    bool has_close;
    unsigned code;
    uint8_t data[WS_DATA_MAX];
    size_t size;
};
void ws_model_sent(struct ws_sent *sent, const uint8_t *bytes, size_t size);

#endif /* TESTS_FUZZ_WS_MODEL_H */
