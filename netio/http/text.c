/* SPDX-License-Identifier: MIT */

#include "netio/http/text.h"

#include "mem/plant.h"

#include <string.h>
#include <time.h>

/* ---- bytes ---- */

// What each byte may be in: a set of enum wi_http_byte.
const unsigned char wi_http_bytes[256] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  4,  15, 12, 13, 15, 15, 15, 15, 14, 14, 15, 15, 12, 15, 15, 12,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 12, 14, 12, 12, 12, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 12, 14, 13, 15,
    13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 12, 13, 12, 15, 0,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
};

// Without a branch per byte: what is sent is nearly always right.
static bool
are_all(const char *data, size_t size, unsigned wanted)
{
    unsigned all = wanted;

#pragma GCC unroll 4
    for (size_t i = 0; i < size; i++) {
        all &= wi_http_bytes[(unsigned char)data[i]];
    }
    return all == wanted;
}

bool
wi_http_is_host(const char *data, size_t size)
{
    return are_all(data, size, WI_HTTP_BYTE_HOST);
}

bool
wi_http_is_token(const char *data, size_t size)
{
    return size != 0 && are_all(data, size, WI_HTTP_BYTE_TOKEN);
}

// Are eight bytes, each of them, above the controls, and none DEL? If not, there may be a tab: the
// table says.
static inline bool
are_plain(const char *data)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    const uint64_t high = each << 7;
    uint64_t bytes;
    uint64_t no_del;

    memcpy(&bytes, data, sizeof(bytes));
    no_del = bytes ^ (each * 0x7f);
    return ((((bytes - each * 0x20) & ~bytes) | ((no_del - each) & ~no_del)) & high) == 0;
}

static bool
are_value(const char *data, size_t size)
{
    size_t i = 0;

    while (i + 8 <= size && are_plain(data + i)) {
        i += 8;
    }
    return are_all(data + i, size - i, WI_HTTP_BYTE_VALUE);
}

bool
wi_http_is_value(const char *data, size_t size)
{
    return size == 0 || (data[0] != ' ' && data[0] != '\t' && data[size - 1] != ' ' &&
                         data[size - 1] != '\t' && are_value(data, size));
}

bool
wi_http_is_target(const char *data, size_t size)
{
    return size != 0 && are_all(data, size, WI_HTTP_BYTE_TARGET);
}

static inline unsigned char
lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

static bool
is_same(const char *data, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != text[i] && lower((unsigned char)data[i]) != lower((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

bool
wi_http_is_text(const char *data, size_t size, const char *text)
{
    return strlen(text) == size && is_same(data, text, size);
}

bool
wi_http_is_name(const struct weir_http_field *field, const char *name)
{
    return is_same(field->name, name, field->name_size);
}

const struct weir_http_field *
weir_http_find(const struct weir_http_field *fields, unsigned count, const char *name)
{
    size_t size = strlen(name);

    for (unsigned i = 0; i < count; i++) {
        if (fields[i].name_size == size && is_same(fields[i].name, name, size)) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool
list_has(const char *list, size_t size, const char *token)
{
    const char *end = list + size;

    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma != NULL ? comma : end;
        const char *last = stop;

        while (list < last && (*list == ' ' || *list == '\t')) {
            list++;
        }
        while (last > list && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if (wi_http_is_text(list, (size_t)(last - list), token)) {
            return true;
        }
        list = comma != NULL ? comma + 1 : end;
    }
    return false;
}

bool
weir_http_has_token(const struct weir_http_field *fields, unsigned count, const char *name,
                    const char *token)
{
    size_t size = strlen(name);

    for (unsigned i = 0; i < count; i++) {
        if (fields[i].name_size == size && is_same(fields[i].name, name, size) &&
            list_has(fields[i].value, fields[i].value_size, token)) {
            return true;
        }
    }
    return false;
}

/* ---- numbers ---- */

size_t
wi_http_put_decimal(char *out, uint64_t number)
{
    char digits[WI_HTTP_DECIMAL_MAX];
    size_t count = 0;

    if (number < 10) {
        out[0] = (char)('0' + number);
        return 1;
    }
    if (number < 100) {
        out[0] = (char)('0' + number / 10);
        out[1] = (char)('0' + number % 10);
        return 2;
    }

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

size_t
wi_http_put_hex(char *out, uint64_t number)
{
    size_t count = number == 0 ? 1 : (size_t)(67 - __builtin_clzll(number)) / 4;

    number -= WI_PLANT(104) && count > 2;
    for (size_t i = count; i-- > 0; number >>= 4) {
        out[i] = "0123456789abcdef"[number & 15];
    }
    return count;
}

/* ---- dates ---- */

#define SECOND_NS UINT64_C(1000000000)

struct date {
    uint64_t until_ns;
    char text[WI_HTTP_DATE_SIZE + 1];
};

static void
put_two(char *out, int number)
{
    out[0] = (char)('0' + number / 10);
    out[1] = (char)('0' + number % 10);
}

static __attribute__((noinline)) void
format_date(struct date *date, uint64_t now_ns)
{
    struct timespec now;
    struct tm parts;

    timespec_get(&now, TIME_UTC);
    gmtime_r(&now.tv_sec, &parts);
    memcpy(date->text, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", sizeof(date->text));
    memcpy(date->text + 6, &"SunMonTueWedThuFriSat"[parts.tm_wday * 3], 3);
    put_two(date->text + 11, parts.tm_mday);
    memcpy(date->text + 14, &"JanFebMarAprMayJunJulAugSepOctNovDec"[parts.tm_mon * 3], 3);
    put_two(date->text + 18, (parts.tm_year + 1900) / 100);
    put_two(date->text + 20, (parts.tm_year + 1900) % 100);
    put_two(date->text + 23, parts.tm_hour);
    put_two(date->text + 26, parts.tm_min);
    put_two(date->text + 29, parts.tm_sec);
    date->until_ns = now_ns + SECOND_NS - (uint64_t)now.tv_nsec % SECOND_NS;
}

const char *
wi_http_date(uint64_t now_ns)
{
    static __thread struct date date;

    if (now_ns >= date.until_ns || date.until_ns - now_ns > SECOND_NS) {
        format_date(&date, now_ns);
    }
    return date.text;
}

/* ---- statuses ---- */

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *
weir_http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

size_t
wi_http_put_status(char *out, unsigned status, const char *reason, size_t reason_size)
{
    size_t size;

    if (status == 200 && reason == NULL) {
        return wi_http_put(out, "HTTP/1.1 200 OK\r\n", 17);
    }
    if (reason == NULL) {
        reason = weir_http_reason(status);
        reason_size = strlen(reason);
    }
    size = wi_http_put(out, "HTTP/1.1 ", 9);
    size += wi_http_put_decimal(out + size, status);
    size += wi_http_put(out + size, " ", 1);
    size += wi_http_put(out + size, reason, reason_size);
    return size + wi_http_put(out + size, "\r\n", 2);
}
