/* SPDX-License-Identifier: MIT */
#include "visit.h"

#include <stdlib.h>
#include <string.h>

static struct visit *
take(struct here *here, bool has_log)
{
    struct visit *visit = here->free_visits;

    if (visit != NULL) {
        here->free_visits = visit->next_free;
        return visit;
    }
    return malloc(has_log ? sizeof(*visit) : offsetof(struct visit, access));
}

static void
note_request(struct visit *visit, const struct weir_http_request *request)
{
    visit->is_head = request->method_size == 4 && memcmp(request->method, "HEAD", 4) == 0;
    visit->is_get =
        visit->is_head || (request->method_size == 3 && memcmp(request->method, "GET", 3) == 0);
    asked_collect(&visit->asked, request->fields, request->field_count);
    if (visit->httpd->log != NULL && visit->is_public) {
        access_note(&visit->access, weir_http_stream(visit->http), request, &visit->asked);
    }
}

struct visit *
visit_begin(struct httpd *httpd, weir_http http, const struct weir_http_request *request,
            bool is_public)
{
    struct here *here = httpd_here(httpd);
    struct visit *visit = take(here, httpd->log != NULL);

    if (visit == NULL) {
        return NULL;
    }
    visit->httpd = httpd;
    visit->here = here;
    visit->http = http;
    visit->host = NULL;
    visit->holders = 1;
    visit->is_over = false;
    visit->has_begun = false;
    visit->begun_ns = httpd->log != NULL ? weir_now_ns() : 0;
    visit->is_public = is_public;
    count(&here->counts.requests, is_public);
    note_request(visit, request);
    weir_http_set_user(http, visit);
    return visit;
}

void
visit_ended(struct visit *visit, const struct weir_http_ended *ended)
{
    struct counts *counts = &visit->here->counts;

    visit->is_over = true;
    if (!visit->is_public) {
        visit_drop(visit);
        return;
    }
    if (ended->code >= 100 && ended->code < 600) {
        count(&counts->answers[ended->code / 100 - 1], 1);
    }
    if (ended->status != 0) {
        count(&counts->failed, 1);
    }
    count(&counts->body_sent, visit->is_head ? 0 : ended->sent); // what was given is not sent
    count(&counts->body_received, ended->received);
    if (visit->httpd->log != NULL) {
        access_log(visit, ended);
    }
    visit_drop(visit);
}

void
visit_refused(struct httpd *httpd, weir_stream stream, unsigned status)
{
    struct counts *counts = &httpd_here(httpd)->counts;

    count(&counts->refused, 1);
    count(&counts->answers[status / 100 - 1], 1);
    if (httpd->log != NULL) {
        access_log_refused(httpd, stream, status);
    }
}

int
visit_defer(struct visit *visit)
{
    const struct weir_http_request *request;
    int result = weir_http_defer(visit->http, &request);

    if (result == 0) {
        asked_collect(&visit->asked, request->fields, request->field_count);
    }
    return result;
}

void
visit_hold(struct visit *visit)
{
    visit->holders++;
}

void
visit_drop(struct visit *visit)
{
    if (--visit->holders == 0) {
        visit->next_free = visit->here->free_visits;
        visit->here->free_visits = visit;
    }
}

void
visit_free_all(struct here *here)
{
    while (here->free_visits != NULL) {
        struct visit *visit = here->free_visits;

        here->free_visits = visit->next_free;
        free(visit);
    }
}
