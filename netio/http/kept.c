/* SPDX-License-Identifier: MIT */
// What of a received message outlives the call that tells it: a deferred head, trailers.

#include "mem/heap.h"
#include "netio/http/home.h"
#include "netio/http/serve.h"

#include <errno.h>
#include <string.h>

/* ---- a deferred head ---- */

struct wi_http_kept {
    struct weir_http_request request;
    struct weir_http_field fields[]; // and the bytes behind them
};

static size_t
text_size(const struct weir_http_request *request)
{
    size_t size = request->target_size;

    for (unsigned i = 0; i < request->field_count; i++) {
        size += (size_t)request->fields[i].name_size + request->fields[i].value_size;
    }
    return size;
}

static const char *
keep_text(char **at, const char *text, size_t size)
{
    char *kept = *at;

    memcpy(kept, text, size);
    *at += size;
    return kept;
}

static void
keep_fields(struct weir_http_field *kept, char **at, const struct weir_http_request *request)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct weir_http_field *field = &request->fields[i];

        kept[i] = *field;
        kept[i].name = keep_text(at, field->name, field->name_size);
        kept[i].value = keep_text(at, field->value, field->value_size);
    }
}

static struct wi_http_kept *
keep(const struct weir_http_request *request)
{
    size_t fields_size = request->field_count * sizeof(request->fields[0]);
    struct wi_http_kept *kept = wi_heap_alloc(sizeof(*kept) + fields_size + text_size(request));
    char *at;

    if (kept == NULL) {
        return NULL;
    }
    at = (char *)kept + sizeof(*kept) + fields_size;
    kept->request = *request;
    kept->request.fields = kept->fields;
    kept->request.target = keep_text(&at, request->target, request->target_size);
    keep_fields(kept->fields, &at, request);
    return kept;
}

int
wi_http_keep_head(struct wi_http_conn *conn)
{
    conn->live->kept = keep(conn->home->current);
    if (conn->live->kept == NULL) {
        return -ENOMEM;
    }
    conn->home->current = &conn->live->kept->request;
    wi_http_unhold(conn);
    return 0;
}

void
wi_http_drop_head(struct wi_http_conn *conn)
{
    wi_heap_free(conn->live->kept);
    conn->live->kept = NULL;
}

struct kept_response {
    struct weir_http_response response;
    struct weir_http_field fields[];
};

struct weir_http_response *
wi_http_keep_response(const struct weir_http_response *response)
{
    struct weir_http_request shape = {
        .target = response->reason,
        .target_size = response->reason_size,
        .fields = response->fields,
        .field_count = response->field_count,
    };
    size_t fields_size = shape.field_count * sizeof(shape.fields[0]);
    struct kept_response *kept = wi_heap_alloc(sizeof(*kept) + fields_size + text_size(&shape));
    char *at;

    if (kept == NULL) {
        return NULL;
    }
    at = (char *)kept + sizeof(*kept) + fields_size;
    kept->response = *response;
    kept->response.fields = kept->fields;
    kept->response.reason = keep_text(&at, shape.target, shape.target_size);
    keep_fields(kept->fields, &at, &shape);
    return &kept->response;
}

/* ---- trailers ---- */

#define TRAILERS_MAX 32u

struct row {
    uint32_t name;
    uint32_t name_size;
    uint32_t value;
    uint32_t value_size;
};

struct wi_http_trailers {
    uint32_t count;
    uint32_t size;
    bool is_in_value;
    struct row rows[TRAILERS_MAX];
    char text[];
};

static struct wi_http_trailers *
trailers_of(struct wi_http_conn *conn)
{
    if (conn->live->trailers == NULL) {
        conn->live->trailers =
            wi_heap_alloc(sizeof(*conn->live->trailers) + conn->side->limits.head_max);
        if (conn->live->trailers != NULL) {
            conn->live->trailers->count = 0;
            conn->live->trailers->size = 0;
            conn->live->trailers->is_in_value = true;
        }
    }
    return conn->live->trailers;
}

unsigned
wi_http_take_trailer(struct wi_http_parser *parser, bool is_value, const char *data, size_t size)
{
    struct wi_http_conn *conn = wi_http_live_of(parser)->conn;
    struct wi_http_trailers *trailers = trailers_of(conn);
    struct row *row;

    if (trailers == NULL) {
        return 503;
    }
    if (!is_value && trailers->is_in_value) {
        if (trailers->count == TRAILERS_MAX) {
            return 431;
        }
        trailers->rows[trailers->count++] = (struct row){.name = trailers->size};
    }
    if (trailers->size + size > conn->side->limits.head_max || trailers->count == 0) {
        return 431;
    }
    row = &trailers->rows[trailers->count - 1];
    if (is_value && !trailers->is_in_value) {
        row->value = trailers->size;
    }
    trailers->is_in_value = is_value;
    memcpy(trailers->text + trailers->size, data, size);
    trailers->size += (uint32_t)size;
    *(is_value ? &row->value_size : &row->name_size) += (uint32_t)size;
    return 0;
}

void
wi_http_tell_body_end(struct wi_http_conn *conn)
{
    const struct wi_http_trailers *trailers = conn->live->trailers;
    struct weir_http_field fields[TRAILERS_MAX];
    unsigned count = trailers != NULL ? trailers->count : 0;

    for (unsigned i = 0; i < count; i++) {
        const struct row *row = &trailers->rows[i];

        fields[i] = (struct weir_http_field){
            .name = trailers->text + row->name,
            .value = trailers->text + row->value,
            .name_size = row->name_size,
            .value_size = row->value_size,
        };
    }
    conn->side->handlers->body_end(wi_http_handle(conn), fields, count, conn->user);
}

void
wi_http_drop_trailers(struct wi_http_conn *conn)
{
    wi_heap_free(conn->live->trailers);
    conn->live->trailers = NULL;
}
