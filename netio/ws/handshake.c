/* SPDX-License-Identifier: MIT */

#include "netio/ws/handshake.h"

#include "netio/ws/key.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- text ---- */

static bool
is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct wi_ws_text
wi_ws_trim(struct wi_ws_text text)
{
    while (text.size != 0 && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size != 0 && is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

// Up to the next comma that is not quoted.
static size_t
element_size(const struct wi_ws_text *list)
{
    bool is_quoted = false;
    size_t size = 0;

    for (; size < list->size && (is_quoted || list->data[size] != ','); size++) {
        if (list->data[size] == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted && list->data[size] == '\\' && size + 1 < list->size) {
            size++;
        }
    }
    return size;
}

bool
wi_ws_next_element(struct wi_ws_text *list, struct wi_ws_text *ret_element)
{
    while (list->size != 0) {
        size_t size = element_size(list);
        size_t step = size < list->size ? size + 1 : size;

        *ret_element = wi_ws_trim((struct wi_ws_text){list->data, size});
        list->data += step;
        list->size -= step;
        if (ret_element->size != 0) {
            return true;
        }
    }
    return false;
}

bool
wi_ws_is_token_of(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)data[i];

        if (byte <= ' ' || byte >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", byte) != NULL) {
            return false;
        }
    }
    return size != 0;
}

bool
wi_ws_is_token(const char *text)
{
    return wi_ws_is_token_of(text, strlen(text));
}

bool
wi_ws_is_field(const struct weir_http_field *field, const char *name)
{
    return strlen(name) == field->name_size &&
           strncasecmp(field->name, name, field->name_size) == 0;
}

bool
wi_ws_only_field(const struct weir_http_field *fields, unsigned count, const char *name,
                 struct wi_ws_text *ret_value)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        if (wi_ws_is_field(&fields[i], name)) {
            *ret_value = (struct wi_ws_text){fields[i].value, fields[i].value_size};
            found++;
        }
    }
    return found == 1;
}

/* ---- a client's request ---- */

bool
weir_ws_is_asked(const struct weir_http_request *request)
{
    return request != NULL &&
           weir_http_has_token(request->fields, request->field_count, "Upgrade", "websocket") &&
           weir_http_has_token(request->fields, request->field_count, "Connection", "upgrade");
}

int
wi_ws_check_request(const struct weir_http_request *request, struct wi_ws_text *ret_key)
{
    struct wi_ws_text version;

    if (!weir_ws_is_asked(request) || request->minor == 0 || request->method_size != 3 ||
        memcmp(request->method, "GET", 3) != 0 || (request->flags & WEIR_HTTP_CHUNKED) ||
        ((request->flags & WEIR_HTTP_HAS_LENGTH) && request->length != 0)) {
        return -EPROTO;
    }
    if (!wi_ws_only_field(request->fields, request->field_count, "Sec-WebSocket-Version",
                          &version) ||
        version.size != 2 || memcmp(version.data, "13", 2) != 0) {
        return -EPROTONOSUPPORT;
    }
    return wi_ws_only_field(request->fields, request->field_count, "Sec-WebSocket-Key", ret_key) &&
                   wi_ws_key_is_sound(ret_key->data, ret_key->size)
               ? 0
               : -EPROTO;
}

// Each protocol that is offered, in all fields of the name. Returns true at the first that `name`
// equals; without one, when one is no token.
static bool
find_offer(const struct weir_http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct weir_http_field *field = &request->fields[i];
        struct wi_ws_text list = {field->value, field->value_size};
        struct wi_ws_text offer;

        if (!wi_ws_is_field(field, "Sec-WebSocket-Protocol")) {
            continue;
        }
        while (wi_ws_next_element(&list, &offer)) {
            if (name == NULL
                    ? !wi_ws_is_token_of(offer.data, offer.size)
                    : strlen(name) == offer.size && memcmp(name, offer.data, offer.size) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool
wi_ws_offers_protocol(const struct weir_http_request *request, const char *protocol)
{
    return find_offer(request, protocol);
}

int
wi_ws_choose_protocol(const struct wi_ws_side *side, const struct weir_http_request *request,
                      const char **ret_protocol)
{
    *ret_protocol = "";
    if (find_offer(request, NULL)) {
        return -EPROTO;
    }
    for (unsigned i = 0; i < side->protocol_count; i++) {
        if (find_offer(request, side->protocols[i])) {
            *ret_protocol = side->protocols[i];
            break;
        }
    }
    return 0;
}

bool
wi_ws_is_same_origin(const struct weir_http_request *request, const struct weir_http_field *origin)
{
    const struct weir_http_field *host =
        weir_http_find(request->fields, request->field_count, "Host");
    struct wi_ws_text text;

    if (origin == NULL) {
        return true; // no browser's
    }
    text = (struct wi_ws_text){origin->value, origin->value_size};
    for (size_t i = 0; i + 3 <= text.size; i++) {
        if (memcmp(text.data + i, "://", 3) == 0) {
            return host != NULL && text.size - i - 3 == host->value_size &&
                   strncasecmp(text.data + i + 3, host->value, host->value_size) == 0;
        }
    }
    return false;
}

/* ---- a server's response ---- */

int
wi_ws_check_response(const struct weir_http_response *response, const char *accept)
{
    struct wi_ws_text text;

    if (response->status != 101 ||
        !weir_http_has_token(response->fields, response->field_count, "Connection", "upgrade") ||
        !wi_ws_only_field(response->fields, response->field_count, "Upgrade", &text) ||
        text.size != 9 || strncasecmp(text.data, "websocket", 9) != 0 ||
        !wi_ws_only_field(response->fields, response->field_count, "Sec-WebSocket-Accept", &text) ||
        text.size != WI_WS_ACCEPT_SIZE || memcmp(text.data, accept, WI_WS_ACCEPT_SIZE) != 0) {
        return -EPROTO;
    }
    return 0;
}
