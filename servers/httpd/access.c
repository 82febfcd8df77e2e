/* SPDX-License-Identifier: MIT */
#include "access.h"

#include "visit.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- what strangers say ---- */

static bool
is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static size_t
escape_byte(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[c >> 4];
    out[3] = digits[c & 15];
    return 4;
}

size_t
access_escape(char *out, size_t size, size_t room, const char *text, size_t text_size)
{
    const char *end = text + text_size;

    while (text < end && size < room) {
        const char *at = text;
        const char *stop = (size_t)(end - text) < room - size ? end : text + (room - size);

        while (at < stop && is_plain((unsigned char)*at)) {
            at++;
        }
        memcpy(out + size, text, (size_t)(at - text));
        size += (size_t)(at - text);
        text = at;
        if (text < end && !is_plain((unsigned char)*text)) {
            if (size + 4 > room) {
                break;
            }
            size += escape_byte(out + size, (unsigned char)*text++);
        }
    }
    return size;
}

/* ---- what is put together ---- */

static char *
put(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

static char *
put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t begin = sizeof(digits);

    do {
        digits[--begin] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return put(at, digits + begin, sizeof(digits) - begin);
}

static void
write_ip4(const struct in_addr *address, char text[ACCESS_PEER_MAX])
{
    uint32_t host = ntohl(address->s_addr);

    for (unsigned shift = 32; shift != 0;) {
        shift -= 8;
        text = put_number(text, host >> shift & 0xff);
        *text++ = shift != 0 ? '.' : '\0';
    }
}

static void
write_peer(weir_stream stream, char text[ACCESS_PEER_MAX])
{
    struct weir_address peer = {.size = sizeof(peer.as)};
    const void *host = NULL;

    if (weir_stream_peer_address(stream, &peer.as.any, &peer.size) != 0) {
        peer.as.any.sa_family = AF_UNSPEC;
    }
    switch (peer.as.any.sa_family) {
    case AF_INET:
        write_ip4(&((const struct sockaddr_in *)(const void *)&peer.as)->sin_addr, text);
        return;
    case AF_INET6:
        host = &((const struct sockaddr_in6 *)(const void *)&peer.as)->sin6_addr;
        break;
    case AF_UNIX:
        memcpy(text, "unix:", 6);
        return;
    case AF_VSOCK:
        snprintf(text, ACCESS_PEER_MAX, "vsock:%u",
                 ((const struct sockaddr_vm *)(const void *)&peer.as)->svm_cid);
        return;
    default:
        break;
    }
    if (host == NULL || inet_ntop(peer.as.any.sa_family, host, text, ACCESS_PEER_MAX) == NULL) {
        memcpy(text, "-", 2);
    }
}

static size_t
quote(char *out, size_t size, size_t room, const struct weir_http_field *field)
{
    out[size++] = '"';
    size = field != NULL ? access_escape(out, size, room, field->value, field->value_size)
                         : access_escape(out, size, room, "-", 1);
    out[size++] = '"';
    return size;
}

void
access_note(struct access *access, weir_stream stream, const struct weir_http_request *request,
            const struct asked *asked)
{
    static const char version[] = " HTTP/1.";
    size_t room = ACCESS_TEXT_MAX - sizeof(version) - 2;
    char *out = access->request;
    size_t size = 0;

    write_peer(stream, access->peer);
    out[size++] = '"';
    size = access_escape(out, size, room, request->method, request->method_size);
    size = access_escape(out, size, room, " ", 1);
    size = access_escape(out, size, room, request->target, request->target_size);
    memcpy(out + size, version, sizeof(version) - 1);
    size += sizeof(version) - 1;
    out[size++] = request->minor == 0 ? '0' : '1';
    out[size++] = '"';
    access->request_size = size;
    size = quote(access->behind, 0, ACCESS_TEXT_MAX / 2 - 2, asked->first[ASKED_REFERER]);
    access->behind[size++] = ' ';
    access->behind_size =
        quote(access->behind, size, ACCESS_TEXT_MAX - 2, asked->first[ASKED_USER_AGENT]);
}

/* ---- the line ---- */

// The time as the log writes it, made once a second.
static const char *
log_time(struct here *here)
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (here->log_second != now.tv_sec && gmtime_r(&now.tv_sec, &parts) != NULL) {
        here->log_second = now.tv_sec;
        strftime(here->log_time, sizeof(here->log_time), "%d/%b/%Y:%H:%M:%S +0000", &parts);
    }
    return here->log_time;
}

struct line {
    const char *peer;
    const char *request;
    size_t request_size;
    unsigned status;
    uint64_t sent;
    const char *behind;
    size_t behind_size;
    uint64_t us;
    const char *how;
};

// At most 350 bytes and the two texts.
static void
write_line(struct httpd *httpd, struct here *here, const struct line *line)
{
    char text[2 * ACCESS_TEXT_MAX + 400];
    const char *time = log_time(here);
    char *at = put(text, line->peer, strlen(line->peer));

    at = put(at, " - - [", 6);
    at = put(at, time, strlen(time));
    at = put(at, "] ", 2);
    at = put(at, line->request, line->request_size);
    at = put(at, line->status < 100 ? " 00" : " ", line->status < 100 ? 3 : 1);
    at = put_number(at, line->status);
    *at++ = ' ';
    at = put_number(at, line->sent);
    *at++ = ' ';
    at = put(at, line->behind, line->behind_size);
    *at++ = ' ';
    at = put_number(at, line->us);
    *at++ = ' ';
    at = put(at, line->how, strlen(line->how));
    log_line(httpd->log, (unsigned)(here - httpd->loops), text, (size_t)(at - text));
}

void
access_log(struct visit *visit, const struct weir_http_ended *ended)
{
    const struct access *access = &visit->access;
    const struct line line = {
        .peer = access->peer,
        .request = access->request,
        .request_size = access->request_size,
        .status = ended->code,
        .sent = visit->is_head ? 0 : ended->sent,
        .behind = access->behind,
        .behind_size = access->behind_size,
        .us = (weir_now_ns() - visit->begun_ns) / 1000,
        .how = ended->status == 0 ? "ok" : weir_origin_name(ended->origin),
    };

    write_line(visit->httpd, visit->here, &line);
}

void
access_log_refused(struct httpd *httpd, weir_stream stream, unsigned status)
{
    static const char nothing[] = "\"-\" \"-\"";
    char peer[ACCESS_PEER_MAX];
    const struct line line = {
        .peer = peer,
        .request = nothing,
        .request_size = 3,
        .status = status,
        .behind = nothing,
        .behind_size = sizeof(nothing) - 1,
        .how = "refused",
    };

    write_peer(stream, peer);
    write_line(httpd, httpd_here(httpd), &line);
}
