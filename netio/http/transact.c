/* SPDX-License-Identifier: MIT */
// A request, its response and the whole body, one after another on a client's connection.

#include "mem/heap.h"
#include "netio/http/client.h"
#include "netio/http/head.h"
#include "netio/http/serve.h"
#include "netio/http/text.h"

#include <errno.h>
#include <string.h>

struct wi_http_transact {
    struct wi_http_transact *next;
    struct weir_http_client *client;
    weir_http_transact_fn *done;
    void *arg;
    weir_op timer;
    bool has_timer;
    bool is_over;
    int status; // what it failed with before it was begun, or in the middle
    unsigned redirects;
    weir_http http;

    char *method;
    char *target;
    char *host;
    char *fields;
    size_t fields_size;
    char *body;
    size_t body_size;

    struct weir_http_response *response;
    struct weir_chain received;
    size_t received_size;
};

/* ---- its life ---- */

static char *
copy_text(const char *text, size_t size)
{
    char *copy = wi_heap_alloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

static void
transact_free(struct wi_http_transact *transact)
{
    wi_heap_free(transact->method);
    wi_heap_free(transact->target);
    wi_heap_free(transact->host);
    wi_heap_free(transact->fields);
    wi_heap_free(transact->body);
    wi_heap_free(transact->response);
    weir_chain_return(&transact->received);
    wi_heap_free(transact);
}

static struct wi_http_transact *
transact_make(struct weir_http_client *client, const struct weir_http_transaction *request)
{
    const struct weir_http_ask *ask = request->ask;
    struct wi_http_transact *transact = wi_heap_zalloc(sizeof(*transact));
    const char *method = ask->method != NULL ? ask->method : "GET";
    const char *host = ask->host != NULL ? ask->host : client->host;

    if (transact == NULL) {
        return NULL;
    }
    transact->client = client;
    transact->method = copy_text(method, strlen(method));
    transact->target = copy_text(ask->target, strlen(ask->target));
    transact->host = copy_text(host, strlen(host));
    transact->fields = wi_heap_alloc(wi_http_fields_bound(ask->fields, ask->field_count) + 1);
    transact->body = copy_text(request->body != NULL ? request->body : "", request->body_size);
    transact->body_size = request->body_size;
    transact->done = request->done;
    transact->arg = request->arg;
    if (transact->method == NULL || transact->target == NULL || transact->host == NULL ||
        transact->fields == NULL || transact->body == NULL) {
        transact_free(transact);
        return NULL;
    }
    transact->fields_size = wi_http_put_fields(transact->fields, ask->fields, ask->field_count);
    return transact;
}

// It is off every list.
static void
transact_tell(struct wi_http_transact *transact, int status)
{
    struct weir_http_transacted result = {
        .status = status,
        .response = status == 0 ? transact->response : NULL,
        .body = transact->received,
        .body_size = transact->received_size,
        .redirects = transact->redirects,
    };
    struct weir_http_client *client = transact->client;

    transact->received = (struct weir_chain){NULL, NULL};
    transact->is_over = true;
    if (status != 0) {
        weir_chain_return(&result.body);
        result.body_size = 0;
    }
    transact->done(client, &result, transact->arg);
    if (transact->has_timer) {
        weir_cancel(transact->timer); // its function frees
    } else {
        transact_free(transact);
    }
    wi_http_client_drop(client);
}

static void
append_waiting(struct weir_http_client *client, struct wi_http_transact *transact)
{
    if (client->first == NULL) {
        client->first = transact;
    } else {
        client->last->next = transact;
    }
    client->last = transact;
    client->waiting++;
}

static void
remove_waiting(struct weir_http_client *client, struct wi_http_transact *transact)
{
    struct wi_http_transact **link = &client->first;
    struct wi_http_transact *previous = NULL;

    while (*link != transact) {
        previous = *link;
        link = &(*link)->next;
    }
    *link = transact->next;
    if (client->last == transact) {
        client->last = previous;
    }
    transact->next = NULL;
    client->waiting--;
}

/* ---- the deadline ---- */

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct wi_http_transact *transact = arg;
    struct weir_http_client *client = transact->client;

    (void)loop;
    transact->has_timer = false;
    if (transact->is_over) {
        transact_free(transact);
        return;
    }
    status = status == 0 ? -ETIMEDOUT : status;
    if (client->current == transact) {
        transact->status = status;
        wi_http_conn_abort(client->conn, status, WEIR_ORIGIN_DEADLINE);
    } else {
        remove_waiting(client, transact);
        transact_tell(transact, status);
    }
}

static int
start_timer(struct wi_http_transact *transact, uint64_t deadline_ns)
{
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = on_timer, .arg = transact};
    int result;

    if (deadline_ns == 0 || deadline_ns == WEIR_NEVER) {
        return 0;
    }
    result = weir_timer_start(transact->client->home.base.loop, &timer, &transact->timer);
    transact->has_timer = result == 0;
    return result;
}

/* ---- going ---- */

static size_t
put_text(char *out, const char *text)
{
    return wi_http_put(out, text, strlen(text));
}

static size_t
put_request(const struct wi_http_transact *transact, char *out)
{
    size_t size = put_text(out, transact->method);

    size += put_text(out + size, " ");
    size += put_text(out + size, transact->target);
    size += put_text(out + size, " HTTP/1.1\r\nHost: ");
    size += put_text(out + size, transact->host);
    size += put_text(out + size, "\r\n");
    if (transact->body_size != 0) {
        size += put_text(out + size, "Content-Length: ");
        size += wi_http_put_decimal(out + size, transact->body_size);
        size += put_text(out + size, "\r\n");
    }
    memcpy(out + size, transact->fields, transact->fields_size);
    size += transact->fields_size;
    return size + put_text(out + size, "\r\n");
}

static int
transact_begin(struct wi_http_transact *transact)
{
    struct wi_http_asked asked = {
        .is_head = strcmp(transact->method, "HEAD") == 0,
        .mode = WI_HTTP_LENGTH,
        .is_complete = true,
        .size = transact->body_size,
        .length = transact->body_size,
    };
    struct iovec iov = {transact->body, transact->body_size};
    struct weir_write body = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};
    int result;

    asked.text = wi_heap_alloc(strlen(transact->method) + strlen(transact->target) +
                               strlen(transact->host) + transact->fields_size + 128);
    if (asked.text == NULL || transact->status != 0) {
        wi_heap_free(asked.text);
        return transact->status != 0 ? transact->status : -ENOMEM;
    }
    asked.text_size = put_request(transact, asked.text);
    result = wi_http_client_begin(transact->client, &transact->client->transacts, &asked, &body,
                                  transact, &transact->http);
    wi_heap_free(asked.text);
    return result;
}

void
wi_http_transact_pump(struct weir_http_client *client)
{
    while (client->current == NULL && client->first != NULL) {
        struct wi_http_transact *transact = client->first;
        int result;

        remove_waiting(client, transact);
        client->current = transact;
        result = transact_begin(transact);
        if (result == -EBUSY) { // an exchange of the program's own; its end comes here again
            client->current = NULL;
            transact->next = client->first;
            client->last = client->first == NULL ? transact : client->last;
            client->first = transact;
            client->waiting++;
            return;
        }
        if (result < 0) {
            client->current = NULL;
            transact_tell(transact, result);
        }
    }
}

void
wi_http_transact_end_all(struct weir_http_client *client)
{
    while (client->first != NULL) {
        struct wi_http_transact *transact = client->first;

        remove_waiting(client, transact);
        transact_tell(transact, -ECONNABORTED);
    }
}

/* ---- redirects ---- */

// Where to, on this address; NULL: elsewhere, or nowhere.
static char *
redirect_target(const struct wi_http_transact *transact)
{
    const struct weir_http_response *response = transact->response;
    const struct weir_http_field *field =
        weir_http_find(response->fields, response->field_count, "location");
    const char *text = field != NULL ? field->value : "";
    size_t size = field != NULL ? field->value_size : 0;
    size_t host_size = strlen(transact->host);

    if (size > 7 + host_size && memcmp(text, "http://", 7) == 0 &&
        memcmp(text + 7, transact->host, host_size) == 0) {
        text += 7 + host_size;
        size -= 7 + host_size;
    }
    if (size == 0 || text[0] != '/' || (size > 1 && text[1] == '/') ||
        !wi_http_is_target(text, size)) {
        return NULL;
    }
    return copy_text(text, size);
}

// True: it is in front of those that wait, with its new target.
static bool
follow_redirect(struct wi_http_transact *transact)
{
    struct weir_http_client *client = transact->client;
    unsigned status = transact->response->status;
    bool becomes_get = status == 303 ||
                       ((status == 301 || status == 302) && strcmp(transact->method, "POST") == 0);
    char *target;
    char *method;

    if (transact->redirects >= client->redirects_max ||
        !(status == 301 || status == 302 || status == 303 || status == 307 || status == 308)) {
        return false;
    }
    target = redirect_target(transact);
    method = becomes_get && strcmp(transact->method, "HEAD") != 0 ? copy_text("GET", 3) : NULL;
    if (target == NULL) {
        wi_heap_free(method);
        return false;
    }
    wi_heap_free(transact->target);
    transact->target = target;
    if (method != NULL) {
        wi_heap_free(transact->method);
        transact->method = method;
        transact->body_size = 0;
    }
    wi_heap_free(transact->response);
    transact->response = NULL;
    weir_chain_return(&transact->received);
    transact->received_size = 0;
    transact->redirects++;
    transact->next = client->first;
    client->last = client->first == NULL ? transact : client->last;
    client->first = transact;
    client->waiting++;
    return true;
}

/* ---- what its exchange tells ---- */

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    struct wi_http_transact *transact = user;

    (void)http;
    if (response->status < 200) {
        return;
    }
    transact->response = wi_http_keep_response(response);
    if (transact->response == NULL) {
        transact->status = -ENOMEM;
        wi_http_conn_abort(transact->client->conn, -ENOMEM, WEIR_ORIGIN_MEMORY);
    }
}

static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    struct wi_http_transact *transact = user;

    (void)http;
    if (weir_chain_append(&transact->received, data, size) < 0) {
        transact->status = -ENOMEM;
        wi_http_conn_abort(transact->client->conn, -ENOMEM, WEIR_ORIGIN_MEMORY);
        return;
    }
    transact->received_size += size;
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    struct wi_http_transact *transact = user;
    int status = transact->status != 0 ? transact->status : ended->status;

    (void)http;
    transact->client->current = NULL;
    if (status == 0 && follow_redirect(transact)) {
        return; // the exchange's end goes on to it
    }
    transact_tell(transact, status);
}

const struct weir_http_handlers wi_http_transact_handlers = {
    .response = on_response,
    .body = on_body,
    .ended = on_ended,
};

/* ---- asking ---- */

static void
post_pump(struct weir_loop *loop, void *arg)
{
    struct weir_http_client *client = arg;

    (void)loop;
    if (!client->is_freed) {
        wi_http_transact_pump(client);
    }
    wi_http_client_drop(client);
}

static int
check_transact(const struct weir_http_client *client, const struct weir_http_transaction *request)
{
    if (client == NULL || request == NULL || request->done == NULL || request->ask == NULL ||
        (request->body == NULL && request->body_size != 0)) {
        return -EINVAL;
    }
    if (weir_loop_current() != client->home.base.loop) {
        return -EXDEV;
    }
    if (client->is_freed || wi_http_check_ask(request->ask) < 0) {
        return -EINVAL;
    }
    return client->waiting >= client->waiting_max ? -ENOBUFS : 0;
}

int
weir_http_transact(struct weir_http_client *client, const struct weir_http_transaction *request)
{
    struct wi_http_transact *transact;
    int result = check_transact(client, request);

    if (result < 0) {
        return result;
    }
    transact = transact_make(client, request);
    if (transact == NULL) {
        return -ENOMEM;
    }
    result = weir_post(client->home.base.loop, post_pump, client);
    if (result < 0) {
        transact_free(transact);
        return result;
    }
    client->refs += 2; // the post's and the transaction's
    append_waiting(client, transact);
    if (start_timer(transact, request->deadline_ns) < 0) { // told later, as anything that fails now
        transact->status = -ENOMEM;
    }
    return 0;
}
