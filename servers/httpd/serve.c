/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include "answer.h"
#include "echo.h"
#include "files.h"
#include "live.h"
#include "metrics.h"
#include "sockets.h"

#include <string.h>

/* ---- endpoints ---- */

static bool
is_at(const struct target *target, const char *path)
{
    return path != NULL && strcmp(target->path, path) == 0;
}

// Of those that only show something.
static void
show(struct visit *visit, void (*serve)(struct visit *visit))
{
    if (visit->is_get) {
        serve(visit);
    } else {
        answer_not_allowed(visit, "GET, HEAD");
    }
}

// The page, or below it the WebSocket by which it is told. False: neither is meant.
static bool
serve_live(struct visit *visit, const struct target *target, const char *path,
           const struct weir_http_request *request)
{
    size_t size = path != NULL ? strlen(path) : 0;

    if (size == 0 || strncmp(target->path, path, size) != 0) {
        return false;
    }
    if (target->path[size] == '\0') {
        show(visit, live_serve);
        return true;
    }
    if (strcmp(target->path + size, "/ws") == 0) {
        sockets_live(visit, request);
        return true;
    }
    return false;
}

// False: it is none of the endpoints.
static bool
serve_endpoint(struct visit *visit, const struct target *target,
               const struct weir_http_request *request)
{
    const struct options *options = visit->httpd->options;

    if (serve_live(visit, target, options->live, request)) {
        return true;
    }
    if (is_at(target, options->echo)) {
        echo_serve(visit);
    } else if (is_at(target, options->ws_echo)) {
        sockets_echo(visit, request);
    } else if (is_at(target, options->metrics)) {
        show(visit, metrics_serve);
    } else {
        return false;
    }
    return true;
}

/* ---- the public ---- */

// Who is meant: by an absolute target before the Host field. NULL: nobody here.
static const struct host *
host_of(const struct visit *visit, const struct target *target)
{
    const struct options *options = visit->httpd->options;
    const struct weir_http_field *field = visit->asked.first[ASKED_HOST];
    const struct host *host = NULL;

    if (target->authority != NULL) {
        host = hosts_find(&options->hosts, target->authority, target->authority_size);
    } else if (field != NULL) {
        host = hosts_find(&options->hosts, field->value, field->value_size);
    }
    return host != NULL || options->refuses_unknown ? host : &options->hosts.all[0];
}

static void
serve_asterisk(struct visit *visit, const struct weir_http_request *request)
{
    struct weir_http_field allow = WEIR_HTTP_FIELD("Allow", "GET, HEAD");
    struct weir_http_head head = {.status = 204, .fields = &allow, .field_count = 1};

    if (request->method_size == 7 && memcmp(request->method, "OPTIONS", 7) == 0) {
        answer_send(visit, &head, NULL);
    } else {
        answer_status(visit, 400);
    }
}

static void
serve_target(struct visit *visit, const struct target *target,
             const struct weir_http_request *request)
{
    visit->host = host_of(visit, target);
    if (visit->host == NULL) {
        answer_status(visit, 421);
    } else if (serve_endpoint(visit, target, request)) {
        return;
    } else if (!visit->is_get) {
        answer_not_allowed(visit, "GET, HEAD");
    } else if (visit->host->root == NULL || (target->is_hidden && !visit->host->shows_hidden)) {
        answer_status(visit, 404);
    } else {
        files_serve(visit, target);
    }
}

static void
serve_request(struct visit *visit, const struct weir_http_request *request)
{
    struct target target;
    unsigned status = target_parse(&target, request->target, request->target_size);

    if (status != 0) {
        answer_status(visit, status);
    } else if (target.is_asterisk) {
        serve_asterisk(visit, request);
    } else {
        serve_target(visit, &target, request);
    }
}

/* ---- the admin ---- */

static void
health_serve(struct visit *visit)
{
    answer_status(visit, atomic_load(&visit->httpd->is_draining) ? 503 : 200);
}

static void
serve_admin_request(struct visit *visit, const struct weir_http_request *request)
{
    struct target target;
    unsigned status = target_parse(&target, request->target, request->target_size);

    if (status != 0 || target.is_asterisk) {
        answer_status(visit, status != 0 ? status : 400);
    } else if (is_at(&target, "/metrics")) {
        show(visit, metrics_serve);
    } else if (is_at(&target, "/health")) {
        show(visit, health_serve);
    } else if (!sockets_are_built() || !serve_live(visit, &target, "/live", request)) {
        answer_status(visit, 404);
    }
}

/* ---- events ---- */

static void
begin(weir_http http, const struct weir_http_request *request, struct httpd *httpd, bool is_public,
      void (*serve)(struct visit *visit, const struct weir_http_request *request))
{
    struct visit *visit = visit_begin(httpd, http, request, is_public);

    if (visit == NULL) {
        weir_http_set_user(http, NULL);
        weir_http_abort(http);
        return;
    }
    visit_hold(visit); // the exchange may end inside
    serve(visit, request);
    visit_drop(visit);
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    begin(http, request, user, true, serve_request);
}

static void
on_admin_request(weir_http http, const struct weir_http_request *request, void *user)
{
    begin(http, request, user, false, serve_admin_request);
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    (void)http;
    if (user != NULL) {
        visit_ended(user, ended);
    }
}

static void
on_refused(weir_stream stream, unsigned status, void *user)
{
    visit_refused(user, stream, status);
}

const struct weir_http_handlers serve_public = {
    .request = on_request, .ended = on_ended, .refused = on_refused};
const struct weir_http_handlers serve_admin = {.request = on_admin_request, .ended = on_ended};
