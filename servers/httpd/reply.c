/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include "answer.h"
#include "conditional.h"
#include "parts.h"
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// A body as short as this is copied behind its head, and answers of a turn leave together.
#define COPY_MAX 4096u

struct plan {
    struct visit *visit;
    struct document *document;
    struct variant *variant;
    enum coding coding;
    struct fields fields;
};

/* ---- the head ---- */

static void
add_validators(struct plan *plan)
{
    const struct variant *variant = plan->variant;

    if (plan->document->kind == DOCUMENT_FILE) {
        fields_add(&plan->fields, "Last-Modified", variant->modified, DATE_SIZE - 1);
        fields_add(&plan->fields, "ETag", variant->etag, variant->etag_size);
    }
}

// What a 304 has, too.
static void
add_common(struct plan *plan)
{
    const char *cache_control = plan->document->host->cache_control;

    add_validators(plan);
    if (plan->document->available != 1u << CODING_IDENTITY) {
        fields_add(&plan->fields, "Vary", "Accept-Encoding", 15);
    }
    if (cache_control != NULL) {
        fields_add(&plan->fields, "Cache-Control", cache_control, strlen(cache_control));
    }
}

static void
add_type(struct plan *plan, const char *type)
{
    const char *coding = coding_name(plan->coding);

    fields_add(&plan->fields, "Content-Type", type, strlen(type));
    if (*coding != '\0') {
        fields_add(&plan->fields, "Content-Encoding", coding, strlen(coding));
    }
}

static struct weir_http_head
head_of(const struct plan *plan, unsigned status, uint64_t length)
{
    return (struct weir_http_head){
        .status = status,
        .fields = plan->fields.all,
        .field_count = plan->fields.count,
        .flags = WEIR_HTTP_HAS_LENGTH,
        .length = length,
    };
}

/* ---- bodies ---- */

struct source {
    struct iovec memory;
    struct weir_file file;
    struct weir_write write;
};

// Memory is copied if it is little. What is lent has a reference that its release gives back, or
// take_back(), if it was refused.
static void
fill_source(struct source *source, struct document *document, const struct variant *variant,
            const struct range *range, unsigned flags)
{
    source->write = (struct weir_write){.flags = flags};
    if (variant->fd >= 0) {
        source->file = (struct weir_file){variant->fd, range->first, range->size};
        source->write.file = &source->file;
    } else {
        source->memory = (struct iovec){variant->content + range->first, range->size};
        source->write.iov = &source->memory;
        source->write.iov_count = 1;
        if (range->size <= COPY_MAX) {
            source->write.flags |= WEIR_COPY;
            return;
        }
    }
    document_ref(document);
    source->write.flags |= WEIR_GIVE;
    source->write.release = document_unref;
    source->write.release_arg = document;
}

static void
take_back(const struct source *source)
{
    if (source->write.flags & WEIR_GIVE) {
        document_unref(source->write.release_arg);
    }
}

int
reply_piece(struct visit *visit, struct document *document, const struct variant *variant,
            const struct range *range, unsigned flags)
{
    struct source source;
    int result;

    fill_source(&source, document, variant, range, flags);
    result = weir_http_write(visit->http, &source.write, NULL);
    if (result < 0) {
        take_back(&source);
    }
    return result;
}

static void
send_range(struct plan *plan, const struct weir_http_head *head, const struct range *range)
{
    struct source source;

    if (plan->visit->is_head) {
        answer_send(plan->visit, head, NULL);
        return;
    }
    fill_source(&source, plan->document, plan->variant, range, WEIR_CHUNK_END);
    if (!answer_send(plan->visit, head, &source.write)) {
        take_back(&source);
    }
}

// The head is the same each time: it is prepared when it is first wanted.
static void
send_whole(struct plan *plan)
{
    struct variant *variant = plan->variant;
    struct weir_http_head head;

    if (variant->head == NULL) {
        add_common(plan);
        add_type(plan, plan->document->type);
        if (plan->document->kind == DOCUMENT_FILE) {
            fields_add(&plan->fields, "Accept-Ranges", "bytes", 5);
        }
        head = head_of(plan, 200, 0);
        head.flags = 0;
        if (weir_http_prepare(&head, &variant->head) < 0) {
            answer_status(plan->visit, 503); // for want of memory
            return;
        }
    }
    head = (struct weir_http_head){
        .flags = WEIR_HTTP_HAS_LENGTH, .length = variant->size, .prepared = variant->head};
    send_range(plan, &head, &(struct range){0, variant->size});
}

static void
send_one_range(struct plan *plan, const struct range *range)
{
    struct weir_http_head head;
    char text[80];
    int size = snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first,
                        range->first + range->size - 1, plan->variant->size);

    add_common(plan);
    add_type(plan, plan->document->type);
    fields_add(&plan->fields, "Content-Range", text, (size_t)size);
    head = head_of(plan, 206, range->size);
    send_range(plan, &head, range);
}

static void
send_parts(struct plan *plan, const struct range *ranges, unsigned count)
{
    struct parts parts;
    struct weir_http_head head;

    parts_plan(&parts, plan->document, plan->variant, ranges, count);
    add_common(plan);
    add_type(plan, parts.type);
    head = head_of(plan, 206, parts.size);
    if (plan->visit->is_head) {
        answer_send(plan->visit, &head, NULL);
    } else {
        parts_send(&parts, plan->visit, &head);
    }
}

static void
send_unsatisfiable(struct plan *plan)
{
    char text[40];
    int size = snprintf(text, sizeof(text), "bytes */%" PRIu64, plan->variant->size);
    struct weir_http_head head;

    add_validators(plan);
    fields_add(&plan->fields, "Content-Range", text, (size_t)size);
    head = head_of(plan, 416, 0);
    answer_send(plan->visit, &head, NULL);
}

/* ---- what is asked for ---- */

static void
send_what_is_asked(struct plan *plan, const struct validators *validators)
{
    const struct asked *asked = &plan->visit->asked;
    const struct weir_http_field *field = asked_one(asked, ASKED_RANGE);
    struct range ranges[RANGES_MAX];
    enum ranges_answer answer = RANGES_IGNORED;
    unsigned count;

    if (field != NULL && !plan->visit->is_head && // defined for GET only
        conditional_range_holds(asked, validators, time(NULL))) {
        answer = ranges_parse(field->value, field->value_size, plan->variant->size, ranges, &count);
    }
    switch (answer) {
    case RANGES_UNSATISFIABLE:
        send_unsatisfiable(plan);
        break;
    case RANGES_SOME:
        if (count == 1) {
            send_one_range(plan, &ranges[0]);
        } else {
            send_parts(plan, ranges, count);
        }
        break;
    default:
        send_whole(plan);
    }
}

static void
reply_file(struct plan *plan)
{
    const struct variant *variant = plan->variant;
    size_t weak = variant->is_weak ? 2 : 0; // W/
    struct validators validators = {
        .etag = variant->etag + weak,
        .etag_size = variant->etag_size - weak,
        .is_weak = variant->is_weak,
        .modified_s = variant->modified_s,
    };
    struct weir_http_head head;

    switch (conditional_judge(&plan->visit->asked, &validators)) {
    case CONDITIONAL_NOT_MODIFIED:
        add_common(plan);
        head = (struct weir_http_head){
            .status = 304, .fields = plan->fields.all, .field_count = plan->fields.count};
        answer_send(plan->visit, &head, NULL);
        break;
    case CONDITIONAL_FAILED:
        answer_status(plan->visit, 412);
        break;
    default:
        send_what_is_asked(plan, &validators);
    }
}

static enum coding
choose(const struct visit *visit, const struct document *document)
{
    struct accepted accepted;

    if (visit->asked.first[ASKED_ACCEPT_ENCODING] == NULL) {
        return CODING_IDENTITY;
    }
    coding_accepted(&visit->asked, &accepted);
    return coding_choose(&accepted, document->available);
}

void
reply(struct visit *visit, struct document *document, const char *query, size_t query_size)
{
    struct plan plan = {.visit = visit, .document = document};

    if (document->kind == DOCUMENT_FOLDER) {
        char path[TARGET_PATH_MAX + 2];

        snprintf(path, sizeof(path), "%s/", document->path);
        answer_moved(visit, path, query, query_size);
        return;
    }
    plan.coding = choose(visit, document);
    if (plan.coding == CODINGS) {
        answer_status(visit, 406);
        return;
    }
    plan.variant = &document->variants[plan.coding];
    if (document->kind == DOCUMENT_LISTING) {
        send_whole(&plan);
    } else {
        reply_file(&plan);
    }
}
