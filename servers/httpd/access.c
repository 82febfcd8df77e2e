/* SPDX-License-Identifier: MIT */
#include "access.h"

#include "visit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- what strangers say ---- */

size_t
access_escape(char *out, size_t size, size_t room, const char *text, size_t text_size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < text_size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

        if (size + (is_plain ? 1 : 4) > room) {
            break;
        }
        if (is_plain) {
            out[size++] = (char)c;
        } else {
            out[size++] = '\\';
            out[size++] = 'x';
            out[size++] = digits[c >> 4];
            out[size++] = digits[c & 15];
        }
    }
    return size;
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
        host = &((const struct sockaddr_in *)(const void *)&peer.as)->sin_addr;
        break;
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
    char version[16];
    int version_size = snprintf(version, sizeof(version), " HTTP/1.%u\"", request->minor);
    size_t room = ACCESS_TEXT_MAX - sizeof(version);
    char *out = access->request;
    size_t size = 0;

    write_peer(stream, access->peer);
    out[size++] = '"';
    size = access_escape(out, size, room, request->method, request->method_size);
    size = access_escape(out, size, room, " ", 1);
    size = access_escape(out, size, room, request->target, request->target_size);
    memcpy(out + size, version, (size_t)version_size);
    access->request_size = size + (size_t)version_size;
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

void
access_log(struct visit *visit, const struct weir_http_ended *ended)
{
    const struct access *access = &visit->access;
    char line[3 * ACCESS_TEXT_MAX];
    int size =
        snprintf(line, sizeof(line), "%s - - [%s] %.*s %03u %" PRIu64 " %.*s %" PRIu64 " %s",
                 access->peer, log_time(visit->here), (int)access->request_size, access->request,
                 ended->code, visit->is_head ? 0 : ended->sent, (int)access->behind_size,
                 access->behind, (weir_now_ns() - visit->begun_ns) / 1000,
                 ended->status == 0 ? "ok" : weir_origin_name(ended->origin));

    log_line(visit->httpd->log, (unsigned)(visit->here - visit->httpd->loops), line,
             (size_t)size < sizeof(line) ? (size_t)size : sizeof(line) - 1);
}
