/* SPDX-License-Identifier: MIT */
#include "live.h"

#include "answer.h"
#include "metrics.h"
#include "sockets.h"

#include "weir/stats.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

// Of live.html, made by the build.
extern const unsigned char live_page[];
extern const size_t live_page_size;

void
live_serve(struct visit *visit)
{
    static const struct weir_http_field fields[] = {
        WEIR_HTTP_FIELD("Content-Type", "text/html; charset=utf-8"),
        WEIR_HTTP_FIELD("Cache-Control", "no-cache"),
        WEIR_HTTP_FIELD("X-Content-Type-Options", "nosniff"),
        WEIR_HTTP_FIELD("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; "
                        "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
                        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    };
    struct iovec piece = {(void *)(uintptr_t)live_page, live_page_size};
    struct weir_write body = {.iov = &piece, .iov_count = 1, .flags = WEIR_CHUNK_END};

    answer_send(visit,
                &(struct weir_http_head){
                    .status = 200,
                    .fields = fields,
                    .field_count = sizeof(fields) / sizeof(fields[0]),
                },
                &body);
}

/* ---- the numbers ---- */

static void put(struct live_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put(struct live_text *text, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text->bytes + text->size, LIVE_TEXT_MAX - text->size, format, arguments);
    va_end(arguments);
    if (size > 0) {
        text->size += (size_t)size;
    }
}

#define SUM(field) metrics_sum(httpd, offsetof(struct counts, field))

static void
put_loop(struct live_text *text, const struct httpd *httpd, unsigned index)
{
    const struct counts *counts = &httpd->loops[index].counts;
    struct weir_stats stats = {0};

    weir_loop_stats(weir_runtime_loop(httpd->runtime, index), &stats);
    put(text,
        "%s{\"requests\":%" PRIu64 ",\"streams\":%" PRIu64 ",\"sent\":%" PRIu64
        ",\"received\":%" PRIu64 ",\"turns\":%" PRIu64 "}",
        index == 0 ? "" : ",", atomic_load_explicit(&counts->requests, memory_order_relaxed),
        stats.streams_now, stats.bytes_sent, stats.bytes_received, stats.turns);
}

static void
put_answers(struct live_text *text, const struct httpd *httpd)
{
    put(text, "\"answers\":[");
    for (unsigned i = 0; i < STATUS_CLASSES; i++) {
        put(text, "%s%" PRIu64, i == 0 ? "" : ",",
            metrics_sum(httpd, offsetof(struct counts, answers) + i * sizeof(uint64_t)));
    }
    put(text, "],");
}

void
live_write(const struct httpd *httpd, struct live_text *text)
{
    uint64_t now = weir_now_ns();
    struct weir_stats stats = {0};

    text->size = 0;
    weir_stats(httpd->runtime, &stats);
    put(text,
        "{\"ns\":%" PRIu64 ",\"uptime\":%.1f,\"connections\":%u,\"websockets\":%u,"
        "\"requests\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",",
        now - httpd->begun_ns, (double)(now - httpd->begun_ns) / 1e9,
        weir_http_server_connections(httpd->server), sockets_count(httpd), SUM(requests),
        stats.bytes_sent, stats.bytes_received);
    put(text, "\"failed\":%" PRIu64 ",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",", SUM(failed),
        SUM(cache_hits), SUM(cache_misses));
    put_answers(text, httpd);
    put(text, "\"loops\":[");
    for (unsigned i = 0; i < httpd->loop_count; i++) { // at most 256 of at most 150 bytes
        put_loop(text, httpd, i);
    }
    put(text, "]}");
}
