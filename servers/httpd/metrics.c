/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "answer.h"

#include <inttypes.h>
#include <stdlib.h>

uint64_t
metrics_sum(const struct httpd *httpd, size_t offset)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < httpd->loop_count; i++) {
        const void *counter = (const char *)&httpd->loops[i].counts + offset;

        all += atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_relaxed);
    }
    return all;
}

#define SUM(field) metrics_sum(httpd, offsetof(struct counts, field))

static void
write_answers(FILE *out, const struct httpd *httpd)
{
    prometheus_head(out, "httpd_responses_total", "counter", "Responses, by class of status.");
    for (unsigned i = 0; i < STATUS_CLASSES; i++) {
        fprintf(out, "httpd_responses_total{class=\"%uxx\"} %" PRIu64 "\n", i + 1,
                metrics_sum(httpd, offsetof(struct counts, answers) + i * sizeof(uint64_t)));
    }
}

static void
write_httpd(FILE *out, const struct httpd *httpd)
{
    prometheus_one(out, "httpd_connections", "gauge", "Connections now.",
                   weir_http_server_connections(httpd->server));
    prometheus_one(out, "httpd_draining", "gauge", "1 once the server was asked to end.",
                   atomic_load(&httpd->is_draining));
    prometheus_one(out, "httpd_requests_total", "counter", "Requests whose head was complete.",
                   SUM(requests));
    write_answers(out, httpd);
    prometheus_one(out, "httpd_refused_total", "counter", "What was refused and was no request.",
                   SUM(refused));
    prometheus_one(out, "httpd_failed_total", "counter",
                   "Exchanges that did not end in good order.", SUM(failed));
    prometheus_one(out, "httpd_turned_away_total", "counter",
                   "Connections closed for the limit of their number.", SUM(turned_away));
    prometheus_one(out, "httpd_body_sent_bytes_total", "counter", "Bytes of bodies sent.",
                   SUM(body_sent));
    prometheus_one(out, "httpd_body_received_bytes_total", "counter", "Bytes of bodies received.",
                   SUM(body_received));
    prometheus_one(out, "httpd_cache_hits_total", "counter", "Files that were open or in memory.",
                   SUM(cache_hits));
    prometheus_one(out, "httpd_cache_misses_total", "counter", "Files that were looked for.",
                   SUM(cache_misses));
    prometheus_one(out, "httpd_disk_waits_total", "counter",
                   "Files for which a disk had to be asked, by a thread.", SUM(disk_waits));
    prometheus_one(out, "httpd_websockets", "gauge", "WebSockets now.", SUM(sockets));
    prometheus_one(out, "httpd_websocket_messages_total", "counter",
                   "Messages received by WebSockets.", SUM(messages));
    if (httpd->log != NULL) {
        prometheus_one(out, "httpd_log_lost_total", "counter",
                       "Lines of the access log that found no room.", log_lost(httpd->log));
    }
}

static char *
make_text(const struct httpd *httpd, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);

    if (out == NULL) {
        return NULL;
    }
    write_httpd(out, httpd);
    prometheus_runtime(out, httpd->runtime);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

void
metrics_serve(struct visit *visit)
{
    size_t size;
    char *text = make_text(visit->httpd, &size);

    if (text == NULL) {
        answer_status(visit, 503);
        return;
    }
    answer_text(visit, "text/plain; version=0.0.4; charset=utf-8", text, size);
}
