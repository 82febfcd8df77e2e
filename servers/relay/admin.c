/* SPDX-License-Identifier: MIT */
#include "admin.h"

#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 4096u
#define PATIENCE_NS UINT64_C(10000000000) // for a request, and to take the answer

struct answer {
    unsigned status;
    const char *reason;
    const char *type;
    const char *body;
    size_t body_size;
};

/* ---- answering ---- */

static void
respond(weir_stream stream, const struct answer *answer, bool has_body)
{
    char head[256];
    struct iovec pieces[] = {
        {.iov_base = head},
        {.iov_base = (void *)(uintptr_t)answer->body, .iov_len = answer->body_size},
    };
    struct weir_write request = {
        .iov = pieces, .iov_count = has_body ? 2 : 1, .flags = WEIR_COPY | WEIR_FIN};

    pieces[0].iov_len = (size_t)snprintf(
        head, sizeof(head),
        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
        answer->status, answer->reason, answer->type, answer->body_size,
        answer->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (weir_write(stream, &request, NULL) < 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    weir_close(stream, WEIR_CLOSE_DRAIN, weir_deadline_after(PATIENCE_NS), 0);
}

static void
respond_text(weir_stream stream, unsigned status, const char *reason, bool has_body)
{
    char body[128];
    struct answer answer = {.status = status, .reason = reason, .type = "text/plain", .body = body};

    answer.body_size = (size_t)snprintf(body, sizeof(body), "%s\n", reason);
    respond(stream, &answer, has_body);
}

static void
respond_metrics(struct relay *relay, weir_stream stream, bool has_body)
{
    struct answer answer = {
        .status = 200, .reason = "OK", .type = "text/plain; version=0.0.4; charset=utf-8"};
    char *text = metrics_text(relay, &answer.body_size);

    if (text == NULL) {
        respond_text(stream, 503, "Out Of Memory", has_body);
        return;
    }
    answer.body = text;
    respond(stream, &answer, has_body);
    free(text);
}

static void
respond_to(struct relay *relay, weir_stream stream, const char *method, const char *path)
{
    bool is_head = strcmp(method, "HEAD") == 0;

    if (!is_head && strcmp(method, "GET") != 0) {
        respond_text(stream, 405, "Method Not Allowed", true);
    } else if (strcmp(path, "/metrics") == 0) {
        respond_metrics(relay, stream, !is_head);
    } else if (strcmp(path, "/health") == 0) {
        if (atomic_load(&relay->is_draining)) {
            respond_text(stream, 503, "Draining", !is_head);
        } else {
            respond_text(stream, 200, "OK", !is_head);
        }
    } else {
        respond_text(stream, 404, "Not Found", !is_head);
    }
}

/* ---- reading ---- */

// The request's first line, cut at its spaces and at the path's query. False: it is none.
static bool
cut_line(char *text, char **ret_method, char **ret_path)
{
    char *space = strchr(text, ' ');
    char *end;

    if (space == NULL || space == text || space[1] != '/') {
        return false;
    }
    *space = '\0';
    end = space + 1 + strcspn(space + 1, " ?\r\n");
    if (*end == '?') {
        char *query = end;

        end += strcspn(end, " \r\n");
        *query = '\0';
    }
    if (strncmp(end, " HTTP/1.", 8) != 0) {
        return false;
    }
    *end = '\0';
    *ret_method = text;
    *ret_path = space + 1;
    return true;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    char text[REQUEST_MAX + 1];
    size_t size = weir_iter_copy_out(&begin, text, REQUEST_MAX);
    char *method;
    char *path;

    (void)end;
    text[size] = '\0';
    if (strstr(text, "\r\n\r\n") == NULL && strstr(text, "\n\n") == NULL) {
        if (size < REQUEST_MAX && strlen(text) == size) {
            return (struct weir_consumed){0, SIZE_MAX}; // more is to come
        }
        weir_stream_set_handlers(stream, NULL, NULL);
        respond_text(stream, 400, "Bad Request", true);
    } else {
        weir_stream_set_handlers(stream, NULL, NULL); // what follows is dropped
        if (cut_line(text, &method, &path)) {
            respond_to(user, stream, method, path);
        } else {
            respond_text(stream, 400, "Bad Request", true);
        }
    }
    return (struct weir_consumed){size, SIZE_MAX};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_FLUSH, 0, 0); // before a whole request
}

// Whoever is still there has been too slow; a handle of one that has gone is stale.
static void
on_time(struct weir_loop *loop, int status, void *arg)
{
    weir_stream *stream = arg;

    (void)loop;
    (void)status;
    weir_close(*stream, WEIR_CLOSE_ABORT, 0, 0);
    free(stream);
}

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    weir_stream *slow = malloc(sizeof(*slow));
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(2 * PATIENCE_NS), .fn = on_time, .arg = slow};

    (void)listener;
    (void)arg;
    if (slow != NULL) {
        *slow = stream;
    }
    if (slow == NULL || weir_timer_start(weir_loop_current(), &timer, NULL) < 0) {
        free(slow);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

struct weir_listen
admin_listen(struct relay *relay)
{
    static const struct weir_handlers handlers = {.data = on_data, .peer_fin = on_peer_fin};

    return (struct weir_listen){
        .stream = {.handlers = &handlers, .user = relay},
        .accepted = on_accepted,
        .arg = relay,
    };
}
