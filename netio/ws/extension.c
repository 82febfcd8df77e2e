/* SPDX-License-Identifier: MIT */

#include "netio/ws/extension.h"

#include "netio/ws/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BITS_MIN 8u // of what is received; what is sent has 9 or more, for zlib has no less
#define BITS_MAX 15u

/* ---- parameters ---- */

struct parameters {
    bool server_no_context;
    bool client_no_context;
    bool has_server_bits;
    bool has_client_bits;
    unsigned server_bits;
    unsigned client_bits; // 0: without a value
};

static bool
is_text(const struct wi_ws_text *text, const char *other)
{
    return text->size == strlen(other) && strncasecmp(text->data, other, text->size) == 0;
}

// Up to the next semicolon, without white space around.
static bool
next_parameter(struct wi_ws_text *list, struct wi_ws_text *ret_parameter)
{
    const char *end;
    size_t size;

    if (list->size == 0) {
        return false;
    }
    end = memchr(list->data, ';', list->size);
    size = end != NULL ? (size_t)(end - list->data) : list->size;
    *ret_parameter = wi_ws_trim((struct wi_ws_text){list->data, size});
    size += end != NULL;
    list->data += size;
    list->size -= size;
    return true;
}

// 8 to 15 in decimal, in quotes perhaps; 0: anything else.
static unsigned
bits_of(struct wi_ws_text text)
{
    unsigned bits;

    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"') {
        text.data++;
        text.size -= 2;
    }
    if (text.size == 1) {
        return text.data[0] == '8' ? 8 : text.data[0] == '9' ? 9 : 0;
    }
    if (text.size != 2 || text.data[0] != '1' || text.data[1] < '0' || text.data[1] > '5') {
        return 0;
    }
    bits = 10u + (unsigned)(text.data[1] - '0');
    return bits >= BITS_MIN && bits <= BITS_MAX ? bits : 0;
}

static bool
take_flag(bool *flag, bool has_value)
{
    bool is_new = !*flag && !has_value;

    *flag = true;
    return is_new;
}

static bool
take_bits(bool *has_bits, unsigned *ret_bits, bool has_value, bool needs_value,
          struct wi_ws_text value)
{
    bool is_new = !*has_bits;

    *has_bits = true;
    *ret_bits = has_value ? bits_of(value) : 0;
    return is_new && (has_value ? *ret_bits != 0 : !needs_value);
}

static bool
take_parameter(struct parameters *parameters, struct wi_ws_text text, bool is_answer)
{
    const char *equals = memchr(text.data, '=', text.size);
    size_t size = equals != NULL ? (size_t)(equals - text.data) : text.size;
    struct wi_ws_text name = wi_ws_trim((struct wi_ws_text){text.data, size});
    struct wi_ws_text value = {NULL, 0};

    if (equals != NULL) {
        value = wi_ws_trim((struct wi_ws_text){equals + 1, text.size - size - 1});
    }
    if (is_text(&name, "server_no_context_takeover")) {
        return take_flag(&parameters->server_no_context, equals != NULL);
    }
    if (is_text(&name, "client_no_context_takeover")) {
        return take_flag(&parameters->client_no_context, equals != NULL);
    }
    if (is_text(&name, "server_max_window_bits")) {
        return take_bits(&parameters->has_server_bits, &parameters->server_bits, equals != NULL,
                         true, value);
    }
    return is_text(&name, "client_max_window_bits") &&
           take_bits(&parameters->has_client_bits, &parameters->client_bits, equals != NULL,
                     is_answer, value);
}

// One element of the field: is it permessage-deflate, said well?
static bool
parse(struct wi_ws_text element, bool is_answer, struct parameters *ret_parameters)
{
    struct wi_ws_text part;

    *ret_parameters = (struct parameters){0};
    if (element.data[element.size - 1] == ';' || !next_parameter(&element, &part) ||
        !is_text(&part, "permessage-deflate")) {
        return false;
    }
    while (next_parameter(&element, &part)) {
        if (!take_parameter(ret_parameters, part, is_answer)) {
            return false;
        }
    }
    return true;
}

/* ---- all elements, of all fields of the name ---- */

struct elements {
    const struct weir_http_field *fields;
    unsigned count;
    struct wi_ws_text list;
};

static bool
next_element(struct elements *elements, struct wi_ws_text *ret_element)
{
    while (!wi_ws_next_element(&elements->list, ret_element)) {
        if (elements->count == 0) {
            return false;
        }
        if (wi_ws_is_field(elements->fields, "Sec-WebSocket-Extensions")) {
            elements->list =
                (struct wi_ws_text){elements->fields->value, elements->fields->value_size};
        }
        elements->fields++;
        elements->count--;
    }
    return true;
}

/* ---- the two sides ---- */

static void
put(char *text, const char *more)
{
    size_t size = strlen(text);

    (void)snprintf(text + size, WI_WS_EXTENSION_MAX - size, "%s", more);
}

static void
put_bits(char *text, const char *name, unsigned bits)
{
    size_t size = strlen(text);

    (void)snprintf(text + size, WI_WS_EXTENSION_MAX - size, "; %s=%u", name, bits);
}

void
wi_ws_extension_offer(const struct weir_ws_deflate *deflate, char ret_text[WI_WS_EXTENSION_MAX])
{
    ret_text[0] = '\0';
    put(ret_text, "permessage-deflate");
    if (deflate->no_context) {
        put(ret_text, "; client_no_context_takeover");
    }
    if (deflate->no_peer_context) {
        put(ret_text, "; server_no_context_takeover");
    }
    if (deflate->window_bits < BITS_MAX) {
        put_bits(ret_text, "client_max_window_bits", deflate->window_bits);
    } else {
        put(ret_text, "; client_max_window_bits");
    }
    if (deflate->peer_window_bits < BITS_MAX) {
        put_bits(ret_text, "server_max_window_bits", deflate->peer_window_bits);
    }
}

static unsigned
smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void
agree(const struct weir_ws_deflate *deflate, const struct parameters *offer,
      struct wi_ws_agreed *agreed)
{
    unsigned server_bits =
        smaller(deflate->window_bits, offer->has_server_bits ? offer->server_bits : BITS_MAX);
    unsigned client_bits =
        smaller(deflate->peer_window_bits, offer->client_bits != 0 ? offer->client_bits : BITS_MAX);

    *agreed = (struct wi_ws_agreed){
        .is_on = true,
        .is_context_sent = !deflate->no_context && !offer->server_no_context,
        .is_context_received = !deflate->no_peer_context && !offer->client_no_context,
        .window_sent = server_bits,
        .window_received = offer->has_client_bits ? client_bits : BITS_MAX, // else it knows no less
    };
    put(agreed->text, "permessage-deflate");
    if (!agreed->is_context_sent) {
        put(agreed->text, "; server_no_context_takeover");
    }
    if (!agreed->is_context_received) {
        put(agreed->text, "; client_no_context_takeover");
    }
    if (offer->has_server_bits || server_bits < BITS_MAX) {
        put_bits(agreed->text, "server_max_window_bits", server_bits);
    }
    if (offer->has_client_bits && client_bits < BITS_MAX) {
        put_bits(agreed->text, "client_max_window_bits", client_bits);
    }
}

void
wi_ws_extension_answer(const struct weir_ws_deflate *deflate, const struct weir_http_field *fields,
                       unsigned count, struct wi_ws_agreed *ret_agreed)
{
    struct elements elements = {.fields = fields, .count = count};
    struct wi_ws_text element;
    struct parameters offer;

    *ret_agreed = (struct wi_ws_agreed){.is_on = false};
    while (deflate->is_on && next_element(&elements, &element)) {
        if (parse(element, false, &offer)) {
            agree(deflate, &offer, ret_agreed);
            return;
        }
    }
}

int
wi_ws_extension_take(const struct weir_ws_deflate *deflate, const struct weir_http_field *fields,
                     unsigned count, struct wi_ws_agreed *ret_agreed)
{
    struct elements elements = {.fields = fields, .count = count};
    struct wi_ws_text element;
    struct parameters answer;

    *ret_agreed = (struct wi_ws_agreed){.is_on = false};
    while (next_element(&elements, &element)) {
        if (!deflate->is_on || ret_agreed->is_on || !parse(element, true, &answer) ||
            (deflate->no_peer_context && !answer.server_no_context) ||
            (deflate->peer_window_bits < BITS_MAX && !answer.has_server_bits) ||
            (answer.has_server_bits && answer.server_bits > deflate->peer_window_bits) ||
            (answer.has_client_bits && answer.client_bits > deflate->window_bits)) {
            return -EPROTO;
        }
        *ret_agreed = (struct wi_ws_agreed){
            .is_on = true,
            .is_context_sent = !deflate->no_context && !answer.client_no_context,
            .is_context_received = !answer.server_no_context,
            .window_sent = answer.has_client_bits ? answer.client_bits : deflate->window_bits,
            .window_received = answer.has_server_bits ? answer.server_bits : BITS_MAX,
        };
    }
    return 0;
}
