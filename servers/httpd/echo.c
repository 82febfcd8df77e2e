/* SPDX-License-Identifier: MIT */
#include "echo.h"

#include "answer.h"

#define PIECE_MAX 65536u

static void read_piece(struct visit *visit);

static void
on_sent(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct visit *visit = arg;

    (void)stream;
    if (result->status == 0 && !visit->is_over) {
        read_piece(visit);
    }
    visit_drop(visit);
}

// The first piece takes the head with it: a 100 that the client waits for comes before.
static int
send_piece(struct visit *visit, struct weir_http_read_result *piece)
{
    static const struct weir_http_field fields[] = {
        WEIR_HTTP_FIELD("Content-Type", "application/octet-stream"),
        WEIR_HTTP_FIELD("X-Content-Type-Options", "nosniff"),
        WEIR_HTTP_FIELD("Cache-Control", "no-store"),
    };
    const struct weir_http_head head = {.status = 200, .fields = fields, .field_count = 3};
    struct weir_write write = {.chain = &piece->chain};
    int result;

    if (piece->eof) {
        write.flags = WEIR_CHUNK_END;
    } else {
        write.done = on_sent;
        write.arg = visit;
        visit_hold(visit);
    }
    result = visit->has_begun ? weir_http_write(visit->http, &write, NULL)
                              : weir_http_respond(visit->http, &head, &write, NULL);
    visit->has_begun = true;
    if (result < 0 && !piece->eof) {
        visit_drop(visit);
    }
    return result;
}

static void
on_read(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct visit *visit = arg;

    (void)http;
    if (!visit->is_over && (result->status < 0 || send_piece(visit, result) < 0)) {
        weir_http_abort(visit->http);
    }
    weir_chain_return(&result->chain);
    visit_drop(visit);
}

static void
read_piece(struct visit *visit)
{
    struct weir_http_read read = {.size = PIECE_MAX, .done = on_read, .arg = visit};

    visit_hold(visit);
    if (weir_http_read(visit->http, &read, NULL) < 0) {
        weir_http_abort(visit->http);
        visit_drop(visit);
    }
}

void
echo_serve(struct visit *visit)
{
    if (visit_defer(visit) < 0) {
        answer_status(visit, 503);
        return;
    }
    read_piece(visit);
}
