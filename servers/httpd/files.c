/* SPDX-License-Identifier: MIT */
// From a path to a document: out of the cache, or opened here if no disk has to be asked, or by a
// thread that may wait for one.

#include "files.h"

#include "answer.h"
#include "document.h"
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A document that a thread looks for.
struct search {
    struct disk_job job;
    struct visit *visit;
    struct document *document;
    int result;
    size_t query_size;
    char *query; // behind the path, in the same memory
    char path[];
};

static unsigned
status_of(int error)
{
    switch (error) {
    case -EACCES:
    case -EPERM:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN: // it changes faster than it can be read
        return 503;
    case -EIO:
        return 500;
    default:
        return 404;
    }
}

static void
reply_found(struct visit *visit, struct document *document, const char *query, size_t query_size)
{
    cache_put(visit->here->cache, document, weir_loop_now_ns(weir_loop_current()));
    reply(visit, document, query, query_size);
    document_unref(document);
}

/* ---- by a thread ---- */

static void
search_work(struct disk_job *job)
{
    struct search *search = (struct search *)job;
    const struct visit *visit = search->visit;

    search->result = document_load(visit->host, visit->httpd->options->media, search->path, true,
                                   &search->document);
}

static void
search_drop(struct disk_job *job)
{
    struct search *search = (struct search *)job;

    if (search->result == 0) {
        document_unref(search->document);
    }
    visit_drop(search->visit);
    free(search);
}

static void
search_done(struct disk_job *job)
{
    struct search *search = (struct search *)job;
    struct visit *visit = search->visit;

    if (!visit->is_over && search->result == 0) {
        document_ref(search->document);
        reply_found(visit, search->document, search->query, search->query_size);
    } else if (!visit->is_over) {
        answer_status(visit, status_of(search->result));
    }
    search_drop(job);
}

static struct search *
search_make(struct visit *visit, const struct target *target)
{
    size_t size = target->path_size + 1;
    struct search *search = malloc(sizeof(*search) + size + target->query_size);

    if (search == NULL) {
        return NULL;
    }
    *search = (struct search){
        .job = {.work = search_work,
                .done = search_done,
                .drop = search_drop,
                .loop = weir_loop_current()},
        .visit = visit,
        .query = search->path + size,
        .query_size = target->query_size,
    };
    memcpy(search->path, target->path, size);
    if (target->query_size != 0) {
        memcpy(search->query, target->query, target->query_size);
    }
    return search;
}

static void
ask_disk(struct visit *visit, const struct target *target)
{
    struct search *search = search_make(visit, target);

    count(&visit->here->counts.disk_waits, 1);
    if (search == NULL || visit_defer(visit) < 0) {
        free(search);
        answer_status(visit, 503);
        return;
    }
    visit_hold(visit);
    if (!disk_give(visit->httpd->disk, &search->job)) {
        search->result = -EAGAIN;
        search_drop(&search->job);
        answer_status(visit, 503);
    }
}

/* ---- here ---- */

void
files_serve(struct visit *visit, const struct target *target)
{
    struct counts *counts = &visit->here->counts;
    struct document *document =
        cache_find(visit->here->cache, visit->host, target->path, target->path_size,
                   weir_loop_now_ns(weir_loop_current()));
    int result;

    if (document != NULL) {
        count(&counts->cache_hits, 1);
        reply(visit, document, target->query, target->query_size);
        document_unref(document);
        return;
    }
    count(&counts->cache_misses, 1);
    result =
        document_load(visit->host, visit->httpd->options->media, target->path, false, &document);
    if (result == 0) {
        reply_found(visit, document, target->query, target->query_size);
    } else if (result == -EAGAIN) {
        ask_disk(visit, target);
    } else {
        answer_status(visit, status_of(result));
    }
}
