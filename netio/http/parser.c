/* SPDX-License-Identifier: MIT */

#include "netio/http/parser.h"

#include "netio/http/fields.h"
#include "netio/http/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct wi_http_parser *
parser_of(llhttp_t *machine)
{
    return (struct wi_http_parser *)(void *)machine;
}
static_assert(offsetof(struct wi_http_parser, machine) == 0, "the machine is the parser");

static uint32_t
place_of(const struct wi_http_parser *parser, const char *at)
{
    return (uint32_t)(at - parser->origin);
}

static int
refuse(struct wi_http_parser *parser, unsigned status)
{
    parser->refusal = (uint16_t)status;
    return HPE_USER;
}

/* ---- what llhttp calls ---- */

static int
on_line(llhttp_t *machine, const char *at, size_t size)
{
    struct wi_http_parser *parser = parser_of(machine);

    if (parser->target_size == 0) {
        parser->target = place_of(parser, at);
    }
    parser->target_size += (uint32_t)size;
    if (parser->target_size > parser->limits->line_max) {
        return refuse(parser, 414);
    }
    return 0;
}

static int
take_trailer(struct wi_http_parser *parser, bool is_value, const char *at, size_t size)
{
    unsigned status = parser->trailer(parser, is_value, at, size);

    return status == 0 ? 0 : refuse(parser, status);
}

static int
on_name(llhttp_t *machine, const char *at, size_t size)
{
    struct wi_http_parser *parser = parser_of(machine);
    struct wi_http_table *table = parser->table;

    if (parser->is_past_head) {
        return take_trailer(parser, false, at, size);
    }
    if (!parser->is_row_open) {
        if (table->count == parser->limits->fields_max) {
            return refuse(parser, 431);
        }
        table->rows[table->count++] = (struct wi_http_row){.name = place_of(parser, at)};
        parser->is_row_open = true;
        parser->has_value = false;
    }
    table->rows[table->count - 1].name_size += (uint32_t)size;
    return 0;
}

static int
on_value(llhttp_t *machine, const char *at, size_t size)
{
    struct wi_http_parser *parser = parser_of(machine);
    struct wi_http_row *row;

    if (parser->is_past_head) {
        return take_trailer(parser, true, at, size);
    }
    if (!parser->is_row_open) {
        return refuse(parser, 400); // a value without a name
    }
    row = &parser->table->rows[parser->table->count - 1];
    if (!parser->has_value) {
        row->value = place_of(parser, at);
        parser->has_value = true;
    } else if (row->value + row->value_size != place_of(parser, at)) {
        return refuse(parser, 400); // the value goes on behind a line end: a fold
    }
    row->value_size += (uint32_t)size;
    return 0;
}

static int
on_value_complete(llhttp_t *machine)
{
    parser_of(machine)->is_row_open = false;
    return 0;
}

static bool
has_body(const llhttp_t *machine)
{
    return (machine->flags & F_CHUNKED) || machine->content_length != 0;
}

static int
on_head(llhttp_t *machine)
{
    struct wi_http_parser *parser = parser_of(machine);

    parser->is_past_head = true;
    if (!parser->is_response && !has_body(machine) && machine->method != HTTP_CONNECT) {
        return 0; // it is complete in a moment, and stops once for both
    }
    return HPE_PAUSED;
}

static int
on_body(llhttp_t *machine, const char *at, size_t size)
{
    struct wi_http_parser *parser = parser_of(machine);

    parser->in_head = 0;
    parser->received += size;
    if (parser->received > parser->limits->body_max) {
        return refuse(parser, 413);
    }
    parser->body(parser, at, size);
    return 0;
}

static int
on_complete(llhttp_t *machine)
{
    parser_of(machine)->is_complete = true;
    return HPE_PAUSED;
}

// What a body announces is looked at before any of it is taken.
static int
on_chunk(llhttp_t *machine)
{
    struct wi_http_parser *parser = parser_of(machine);

    if (machine->content_length > parser->limits->body_max - parser->received) {
        return refuse(parser, 413);
    }
    return 0;
}

static const llhttp_settings_t settings = {
    .on_url = on_line,
    .on_status = on_line,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_chunk_header = on_chunk,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- request lines ---- */

/* A method's name with its size. */
struct method {
    const char *name;
    uint32_t size;
};

#define METHOD(number, id, text) [number] = {#text, sizeof(#text) - 1},
static const struct method methods[] = {HTTP_METHOD_MAP(METHOD)};
#undef METHOD

// NULL: none of HTTP's.
static const struct method *
method_of(const llhttp_t *machine)
{
    const size_t count = sizeof(methods) / sizeof(methods[0]);

    return machine->method < count && methods[machine->method].name != NULL
               ? &methods[machine->method]
               : NULL;
}

// llhttp reads RTSP and ICE as well.
static bool
is_http(const struct wi_http_parser *parser, const char *head)
{
    const char *at = head + parser->target + parser->target_size;

    while (*at == ' ') {
        at++;
    }
    return memcmp(at, "HTTP/", 5) == 0;
}

/* ---- feeding ---- */

void
wi_http_parser_begin(struct wi_http_parser *parser, bool is_response)
{
    if (!parser->is_fresh) {
        llhttp_init(&parser->machine, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
        parser->is_fresh = true;
    }
    parser->in_head = 0;
    parser->target = 0;
    parser->target_size = 0;
    parser->refusal = 0;
    parser->is_response = is_response;
    parser->is_row_open = false;
    parser->is_past_head = false;
    parser->is_complete = false;
    parser->is_known = false;
    parser->received = 0;
    if (parser->table != NULL) {
        parser->table->count = 0;
    }
}

// Lines are bounded also where llhttp tells nothing: empty lines before a request, methods, chunk
// lines and trailers.
static bool
is_beyond(struct wi_http_parser *parser)
{
    if (parser->in_head <= parser->limits->head_max) {
        return false;
    }
    parser->refusal = parser->is_past_head ? 413 : 431;
    return true;
}

static unsigned
refusal_of(llhttp_errno_t error)
{
    return error == HPE_INVALID_VERSION ? 505 : 400;
}

static enum wi_http_stop
refused(struct wi_http_parser *parser, llhttp_errno_t error, size_t *ret_taken)
{
    *ret_taken = 0;
    if (parser->refusal == 0) {
        parser->refusal = (uint16_t)refusal_of(error);
    }
    return WI_HTTP_BAD;
}

// Behind a pause: how much was taken, and what for.
static enum wi_http_stop
paused(struct wi_http_parser *parser, const char *data, bool was_past_head, size_t *ret_taken)
{
    *ret_taken = (size_t)(llhttp_get_error_pos(&parser->machine) - data);
    llhttp_resume(&parser->machine);
    if (!was_past_head) {
        parser->in_head += (uint32_t)*ret_taken;
        return is_beyond(parser) ? WI_HTTP_BAD : WI_HTTP_HEAD;
    }
    return WI_HTTP_END;
}

// The line behind which the fields are known has been fed: is it a request's, so that they are
// what follows? An empty line before it is not, nor is what has no fields (HTTP/0.9).
static bool
is_request_line(const struct wi_http_parser *parser, const char *data)
{
    const llhttp_t *machine = &parser->machine;

    return machine->http_major == 1 && machine->http_minor <= 1 && parser->target_size != 0 &&
           machine->method != HTTP_CONNECT && method_of(machine) != NULL && is_http(parser, data);
}

static void
learn_line(struct wi_http_parser *parser, const char *data, size_t size)
{
    const llhttp_t *machine = &parser->machine;
    const struct method *method = method_of(machine);
    const struct wi_http_line line = {
        .method = method->name,
        .method_size = method->size,
        .target = parser->target,
        .target_size = parser->target_size,
        .minor = machine->http_minor,
        .keeps = llhttp_should_keep_alive(machine) != 0,
    };

    wi_http_memo_learn_line(parser->memo, data, size, &line);
}

static enum wi_http_stop
head_is_known(struct wi_http_parser *parser, size_t size)
{
    parser->in_head = (uint32_t)size;
    parser->is_past_head = true;
    parser->is_complete = true;
    parser->is_known = true;
    return is_beyond(parser) ? WI_HTTP_BAD : WI_HTTP_HEAD;
}

// A line behind which the fields are known, by llhttp. False: so is the rest, if that refused
// nothing.
static bool
feed_line(struct wi_http_parser *parser, const char *data, size_t size, llhttp_errno_t *ret_error)
{
    parser->is_fresh = false;
    *ret_error = llhttp_execute(&parser->machine, data, size);
    if (*ret_error != HPE_OK || !is_request_line(parser, data)) {
        return false;
    }
    parser->machine.flags = (uint16_t)parser->memo->flags;
    learn_line(parser, data, size);
    return true;
}

// By llhttp, all but the first @p fed bytes, which it has had.
static enum wi_http_stop
feed_rest(struct wi_http_parser *parser, const char *data, size_t size, size_t fed,
          size_t *ret_taken)
{
    bool was_past_head = parser->is_past_head;
    uint64_t received = parser->received;
    llhttp_errno_t error;

    parser->is_fresh = false;
    error = llhttp_execute(&parser->machine, data + fed, size - fed);
    if (error == HPE_OK) {
        *ret_taken = size;
        if (!was_past_head || parser->received == received) {
            parser->in_head += (uint32_t)size;
        }
        return is_beyond(parser) ? WI_HTTP_BAD : WI_HTTP_MORE;
    }
    if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
        return paused(parser, data, was_past_head, ret_taken);
    }
    return refused(parser, error, ret_taken);
}

// The first bytes of a head.
static enum wi_http_stop
feed_first(struct wi_http_parser *parser, const char *data, size_t size, size_t *ret_taken)
{
    llhttp_errno_t error = HPE_OK;
    size_t line;

    if (wi_http_memo_is_head(parser->memo, data, size)) {
        *ret_taken = parser->memo->line_size + parser->memo->size;
        parser->target = parser->memo->line.target;
        return head_is_known(parser, *ret_taken);
    }
    line = wi_http_memo_find(parser->memo, data, size);
    if (line != 0 && feed_line(parser, data, line, &error)) {
        *ret_taken = line + parser->memo->size;
        return head_is_known(parser, *ret_taken);
    }
    return error == HPE_OK ? feed_rest(parser, data, size, line, ret_taken)
                           : refused(parser, error, ret_taken);
}

enum wi_http_stop
wi_http_parser_feed(struct wi_http_parser *parser, const char *data, size_t size, size_t *ret_taken)
{
    bool is_first = parser->in_head == 0 && !parser->is_past_head;

    // Of a head no more is looked at than it may have.
    if (!parser->is_past_head && size > parser->limits->head_max + 1u - parser->in_head) {
        size = parser->limits->head_max + 1u - parser->in_head;
    }
    parser->origin = (const char *)((uintptr_t)data - parser->in_head);
    return is_first && parser->memo != NULL ? feed_first(parser, data, size, ret_taken)
                                            : feed_rest(parser, data, size, 0, ret_taken);
}

bool
wi_http_parser_finish(struct wi_http_parser *parser)
{
    parser->is_complete = false;
    return parser->is_past_head && llhttp_finish(&parser->machine) != HPE_INVALID_EOF_STATE &&
           parser->is_complete;
}

void
wi_http_parser_skip_body(struct wi_http_parser *parser)
{
    parser->machine.flags |= F_SKIPBODY;
}

bool
wi_http_parser_keeps(const struct wi_http_parser *parser)
{
    return parser->is_known ? parser->memo->line.keeps
                            : llhttp_should_keep_alive(&parser->machine) != 0;
}

/* ---- the complete head ---- */

// Chunked and nothing else, once. 0 or the status to refuse with.
static unsigned
check_coding(const llhttp_t *machine, const struct wi_http_known *known)
{
    if (known->codings == 0) {
        return 0;
    }
    if (known->codings > 1 || machine->http_minor == 0 || (machine->flags & F_CONTENT_LENGTH) ||
        !(machine->flags & F_CHUNKED)) {
        return 400;
    }
    return wi_http_is_text(known->coding->value, known->coding->value_size, "chunked") ? 0 : 501;
}

static unsigned
check_request(const llhttp_t *machine, const struct weir_http_limits *limits,
              const struct wi_http_known *known, unsigned *ret_flags)
{
    unsigned status;

    if (machine->http_major != 1 || machine->http_minor > 1) {
        return 505;
    }
    if (machine->method == HTTP_CONNECT || machine->method == HTTP_PRI) {
        return 501;
    }
    if (known->hosts > 1 || (known->hosts == 0 && machine->http_minor == 1) ||
        (known->hosts == 1 && !wi_http_is_host(known->host->value, known->host->value_size))) {
        return 400;
    }
    status = check_coding(machine, known);
    if (status != 0) {
        return status;
    }
    if ((machine->flags & F_CONTENT_LENGTH) && machine->content_length > limits->body_max) {
        return 413;
    }
    if (known->expect != NULL && machine->http_minor == 1) {
        if (!wi_http_is_text(known->expect->value, known->expect->value_size, "100-continue")) {
            return 417;
        }
        *ret_flags |= has_body(machine) ? (unsigned)WEIR_HTTP_CONTINUE : 0;
    }
    return 0;
}

static unsigned
common_flags(const struct wi_http_parser *parser)
{
    const llhttp_t *machine = &parser->machine;

    return (machine->flags & F_CHUNKED          ? (unsigned)WEIR_HTTP_CHUNKED
            : machine->flags & F_CONTENT_LENGTH ? (unsigned)WEIR_HTTP_HAS_LENGTH
                                                : 0) |
           (machine->upgrade ? (unsigned)WEIR_HTTP_UPGRADE : 0);
}

// Worth remembering is what asks for nothing but an answer. Not what is secret: how long a head
// takes would tell others how much of theirs equals it.
static void
learn(struct wi_http_parser *parser, const char *head, const struct weir_http_field *fields,
      const struct wi_http_known *known)
{
    const llhttp_t *machine = &parser->machine;
    const unsigned more = F_CHUNKED | F_CONTENT_LENGTH | F_TRANSFER_ENCODING | F_SKIPBODY;

    if (parser->memo != NULL && parser->is_complete && known->hosts == 1 && known->expect == NULL &&
        known->codings == 0 && !known->has_secret && !(machine->flags & more) &&
        !machine->upgrade) {
        wi_http_memo_learn(parser->memo, head, parser->in_head, fields, parser->table->count,
                           machine->flags);
    }
}

// The head's fields, looked at. 0, or the status to refuse with.
static unsigned
request_fields(struct wi_http_parser *parser, const char *head, struct weir_http_field *fields,
               unsigned *ret_flags)
{
    struct wi_http_known known;
    unsigned status;

    if (!wi_http_make_fields(parser, head, fields)) {
        return 400;
    }
    wi_http_find_known(fields, parser->table->count, &known);
    *ret_flags = common_flags(parser);
    status = check_request(&parser->machine, parser->limits, &known, ret_flags);
    if (status == 0) {
        learn(parser, head, fields, &known);
    }
    return status;
}

// A head that equals one before.
static void
known_request(const struct wi_http_parser *parser, const char *head, struct weir_http_field *fields,
              struct weir_http_request *ret_request)
{
    const struct wi_http_memo *memo = parser->memo;
    const struct wi_http_line *line = &memo->line;

    wi_http_memo_views(memo, head + parser->in_head - memo->size, fields);
    ret_request->method = line->method;
    ret_request->target = head + line->target;
    ret_request->fields = fields;
    ret_request->method_size = line->method_size;
    ret_request->target_size = line->target_size;
    ret_request->field_count = memo->count;
    ret_request->flags = 0;
    ret_request->minor = line->minor;
    ret_request->length = 0;
}

unsigned
wi_http_parser_request(struct wi_http_parser *parser, const char *head,
                       struct weir_http_field *fields, struct weir_http_request *ret_request)
{
    const llhttp_t *machine = &parser->machine;
    const struct method *method;
    unsigned flags = 0;
    unsigned status;

    if (parser->is_known) {
        known_request(parser, head, fields, ret_request);
        return 0;
    }
    status = is_http(parser, head) ? request_fields(parser, head, fields, &flags) : 400;
    method = method_of(machine);
    if (status != 0 || method == NULL) {
        return status != 0 ? status : 501;
    }
    *ret_request = (struct weir_http_request){
        .method = method->name,
        .target = head + parser->target,
        .fields = fields,
        .method_size = method->size,
        .target_size = parser->target_size,
        .field_count = parser->table->count,
        .flags = flags,
        .minor = machine->http_minor,
        .length = flags & WEIR_HTTP_HAS_LENGTH ? machine->content_length : 0,
    };
    return 0;
}

int
wi_http_parser_response(const struct wi_http_parser *parser, const char *head,
                        struct weir_http_field *fields, struct weir_http_response *ret_response)
{
    const llhttp_t *machine = &parser->machine;
    struct wi_http_known known;

    if (!wi_http_make_fields(parser, head, fields) || machine->http_major != 1 ||
        machine->http_minor > 1) {
        return -EPROTO;
    }
    wi_http_find_known(fields, parser->table->count, &known);
    if (check_coding(machine, &known) != 0) {
        return -EPROTO;
    }
    *ret_response = (struct weir_http_response){
        .status = machine->status_code,
        .flags = common_flags(parser),
        .minor = machine->http_minor,
        .field_count = parser->table->count,
        .reason = head + parser->target,
        .reason_size = parser->target_size,
        .fields = fields,
        .length = machine->flags & F_CONTENT_LENGTH ? machine->content_length : 0,
    };
    return 0;
}
