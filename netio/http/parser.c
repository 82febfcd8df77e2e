/* SPDX-License-Identifier: MIT */

#include "netio/http/parser.h"

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
on_name(llhttp_t *machine, const char *at, size_t size)
{
    struct wi_http_parser *parser = parser_of(machine);
    struct wi_http_table *table = parser->table;

    if (parser->is_past_head) {
        return parser->trailer(parser, false, at, size) ? 0 : refuse(parser, 431);
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
        return parser->trailer(parser, true, at, size) ? 0 : refuse(parser, 431);
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

/* ---- feeding ---- */

void
wi_http_parser_begin(struct wi_http_parser *parser, bool is_response)
{
    llhttp_init(&parser->machine, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    parser->in_head = 0;
    parser->target = 0;
    parser->target_size = 0;
    parser->refusal = 0;
    parser->is_response = is_response;
    parser->is_row_open = false;
    parser->is_past_head = false;
    parser->is_complete = false;
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

enum wi_http_stop
wi_http_parser_feed(struct wi_http_parser *parser, const char *data, size_t size, size_t *ret_taken)
{
    bool was_past_head = parser->is_past_head;
    uint64_t received = parser->received;
    llhttp_errno_t error;

    // Of a head no more is looked at than it may have.
    if (!was_past_head && size > parser->limits->head_max + 1u - parser->in_head) {
        size = parser->limits->head_max + 1u - parser->in_head;
    }
    parser->origin = (const char *)((uintptr_t)data - parser->in_head);
    error = llhttp_execute(&parser->machine, data, size);
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
    *ret_taken = 0;
    if (parser->refusal == 0) {
        parser->refusal = (uint16_t)refusal_of(error);
    }
    return WI_HTTP_BAD;
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
    return llhttp_should_keep_alive(&parser->machine) != 0;
}

/* ---- the complete head ---- */

// Between what rows name there is a colon and white space, and between rows one line end: what
// else llhttp lets pass there is a fold.
static bool
is_gap_clean(const char *gap, const char *end)
{
    while (gap < end && (*gap == ' ' || *gap == '\t' || *gap == ':')) {
        gap++;
    }
    return gap == end;
}

static bool
is_line_end(const char *gap, const char *end)
{
    while (gap < end && (*gap == ' ' || *gap == '\t')) {
        gap++;
    }
    return end - gap == 2 && gap[0] == '\r' && gap[1] == '\n';
}

static bool
make_fields(const struct wi_http_parser *parser, const char *head, struct weir_http_field *fields)
{
    const struct wi_http_table *table = parser->table;
    const char *end = head + parser->in_head - 2; // before the empty line

    for (uint32_t i = table->count; i-- > 0;) {
        const struct wi_http_row *row = &table->rows[i];
        const char *name = head + row->name;
        const char *name_end = name + row->name_size;
        const char *value = row->value_size == 0 ? name_end + 1 : head + row->value;
        const char *value_end = value + row->value_size;

        if (row->name_size == 0 || !is_gap_clean(name_end, value) || !is_line_end(value_end, end)) {
            return false;
        }
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
            value_end--;
        }
        fields[i] = (struct weir_http_field){
            .name = name,
            .value = value,
            .name_size = row->name_size,
            .value_size = (uint32_t)(value_end - value),
        };
        end = name;
    }
    return true;
}

/* What is looked at in every head, found in one pass. */
struct known {
    const struct weir_http_field *host;
    const struct weir_http_field *expect;
    const struct weir_http_field *coding;
    unsigned hosts;
    unsigned codings;
};

static void
find_known(const struct weir_http_field *fields, unsigned count, struct known *ret_known)
{
    *ret_known = (struct known){0};
    for (unsigned i = 0; i < count; i++) {
        const struct weir_http_field *field = &fields[i];

        if (field->name_size == 4 && wi_http_is_name(field, "host")) {
            ret_known->host = field;
            ret_known->hosts++;
        } else if (field->name_size == 6 && wi_http_is_name(field, "expect")) {
            ret_known->expect = field;
        } else if (field->name_size == 17 && wi_http_is_name(field, "transfer-encoding")) {
            ret_known->coding = field;
            ret_known->codings++;
        }
    }
}

// Chunked and nothing else, once. 0 or the status to refuse with.
static unsigned
check_coding(const llhttp_t *machine, const struct known *known)
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
              const struct known *known, unsigned *ret_flags)
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

unsigned
wi_http_parser_request(const struct wi_http_parser *parser, const char *head,
                       struct weir_http_field *fields, struct weir_http_request *ret_request)
{
    const llhttp_t *machine = &parser->machine;
    struct known known;
    unsigned status;
    unsigned flags = common_flags(parser);

    if (!make_fields(parser, head, fields)) {
        return 400;
    }
    find_known(fields, parser->table->count, &known);
    status = check_request(machine, parser->limits, &known, &flags);
    if (status != 0) {
        return status;
    }
    *ret_request = (struct weir_http_request){
        .method = llhttp_method_name((llhttp_method_t)machine->method),
        .target = head + parser->target,
        .fields = fields,
        .target_size = parser->target_size,
        .field_count = parser->table->count,
        .flags = flags,
        .minor = machine->http_minor,
        .length = flags & WEIR_HTTP_HAS_LENGTH ? machine->content_length : 0,
    };
    ret_request->method_size = (uint32_t)strlen(ret_request->method);
    return 0;
}

int
wi_http_parser_response(const struct wi_http_parser *parser, const char *head,
                        struct weir_http_field *fields, struct weir_http_response *ret_response)
{
    const llhttp_t *machine = &parser->machine;
    struct known known;

    if (!make_fields(parser, head, fields) || machine->http_major != 1 || machine->http_minor > 1) {
        return -EPROTO;
    }
    find_known(fields, parser->table->count, &known);
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

/* ---- bounds ---- */

#define SECONDS(n) ((uint64_t)(n)*UINT64_C(1000000000))

static uint32_t
or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t
or_default_u64(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

int
wi_http_limits_set(struct weir_http_limits *ret_limits, const struct weir_http_limits *limits)
{
    if (limits->fields_max > WI_HTTP_FIELDS_MAX || limits->head_max > (1u << 30)) {
        return -EINVAL;
    }
    *ret_limits = (struct weir_http_limits){
        .line_max = or_default(limits->line_max, 8u << 10),
        .head_max = or_default(limits->head_max, 32u << 10),
        .fields_max = or_default(limits->fields_max, 100),
        .body_max = or_default_u64(limits->body_max, UINT64_C(32) << 20),
        .discard_max = or_default_u64(limits->discard_max, UINT64_C(256) << 10),
        .requests_max = or_default(limits->requests_max, UINT32_MAX),
        .head_ns = or_default_u64(limits->head_ns, SECONDS(30)),
        .idle_ns = or_default_u64(limits->idle_ns, SECONDS(120)),
        .grace_ns = or_default_u64(limits->grace_ns, SECONDS(5)),
        .receive_rate_min = or_default(limits->receive_rate_min, 240),
        .send_rate_min = or_default(limits->send_rate_min, 240),
    };
    return 0;
}
