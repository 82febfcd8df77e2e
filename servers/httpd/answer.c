/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
fields_add(struct fields *fields, const char *name, const char *value, size_t value_size)
{
    fields->all[fields->count++] = (struct weir_http_field){
        .name = name,
        .value = value,
        .name_size = (uint32_t)strlen(name),
        .value_size = (uint32_t)value_size,
    };
}

bool
answer_send(struct visit *visit, const struct weir_http_head *head, const struct weir_write *body)
{
    if (weir_http_respond(visit->http, head, body, NULL) >= 0) {
        return true;
    }
    weir_http_abort(visit->http); // for want of memory: there is nothing else to say
    return false;
}

static void
send_line(struct visit *visit, struct weir_http_head *head)
{
    char line[64];
    struct iovec piece = {line, 0};
    struct weir_write body = {.iov = &piece, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};

    piece.iov_len = (size_t)snprintf(line, sizeof(line), "%u %s\n", head->status,
                                     weir_http_reason(head->status));
    answer_send(visit, head, &body);
}

void
answer_status(struct visit *visit, unsigned status)
{
    struct weir_http_field type = WEIR_HTTP_FIELD("Content-Type", "text/plain; charset=utf-8");
    struct weir_http_head head = {.status = status, .fields = &type, .field_count = 1};

    send_line(visit, &head);
}

void
answer_not_allowed(struct visit *visit, const char *allow)
{
    struct fields fields = {.count = 0};

    fields_add(&fields, "Allow", allow, strlen(allow));
    fields_add(&fields, "Content-Type", "text/plain; charset=utf-8", 25);
    send_line(visit, &(struct weir_http_head){
                         .status = 405, .fields = fields.all, .field_count = fields.count});
}

void
answer_moved(struct visit *visit, const char *path, const char *query, size_t query_size)
{
    size_t size = target_escape(path, NULL, 0);
    char *location = malloc(size + query_size + 1);
    struct fields fields = {.count = 0};

    if (location == NULL) {
        answer_status(visit, 503);
        return;
    }
    target_escape(path, location, size + 1);
    if (query_size != 0) {
        memcpy(location + size, query, query_size);
    }
    fields_add(&fields, "Location", location, size + query_size);
    fields_add(&fields, "Content-Type", "text/plain; charset=utf-8", 25);
    send_line(visit, &(struct weir_http_head){
                         .status = 301, .fields = fields.all, .field_count = fields.count});
    free(location);
}

void
answer_text(struct visit *visit, const char *type, char *text, size_t size)
{
    struct iovec piece = {text, size};
    struct weir_write body = {.iov = &piece,
                              .iov_count = 1,
                              .flags = WEIR_GIVE | WEIR_CHUNK_END,
                              .release = free,
                              .release_arg = text};
    struct fields fields = {.count = 0};

    fields_add(&fields, "Content-Type", type, strlen(type));
    fields_add(&fields, "Cache-Control", "no-store", 8);
    if (!answer_send(visit,
                     &(struct weir_http_head){
                         .status = 200, .fields = fields.all, .field_count = fields.count},
                     &body)) {
        free(text);
    }
}
