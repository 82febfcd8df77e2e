/* SPDX-License-Identifier: MIT */
#include "report_source.h"

#include "result_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
complain(const char *path, const char *what)
{
    fprintf(stderr, "weir-storm: report: %s: %s\n", path, what);
    return false;
}

// All of it as a text; NULL with errno: it cannot be read.
static char *
read_all(FILE *file)
{
    char *text = NULL;
    size_t size = 0, room = 0;

    for (;;) {
        if (size + 1 >= room) {
            room = room == 0 ? 65536 : 2 * room;
            char *grown = realloc(text, room);
            if (grown == NULL) {
                free(text);
                return NULL;
            }
            text = grown;
        }
        size_t got = fread(text + size, 1, room - size - 1, file);
        size += got;
        if (got == 0) {
            break;
        }
    }
    if (ferror(file)) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    if (memchr(text, '\0', size) != NULL) {
        free(text);
        errno = EILSEQ; // JSON has no zero in it
        return NULL;
    }
    return text;
}

static char *
read_file(const char *path)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");

    errno = file == NULL ? errno : 0;
    char *text = file == NULL ? NULL : read_all(file);
    if (text == NULL) {
        complain(path, strerror(errno != 0 ? errno : EIO));
    }
    if (file != NULL && !is_input) {
        fclose(file);
    }
    return text;
}

static bool
is_targets(const struct json_node *tree)
{
    const struct json_node *figures = json_member(tree, "figures");
    const struct json_node *targets = json_member(tree, "targets");

    return figures != NULL && figures->kind == JSON_OBJECT && targets != NULL &&
           targets->kind == JSON_ARRAY;
}

// Fill one of this kind. NULL, or what is wrong.
static const char *
read_source(struct source *source)
{
    switch (source->kind) {
    case SOURCE_RUN:
        source->title = json_text(source->tree, "scenario", "");
        result_read_machine(&source->machine, source->tree);
        return result_read(&source->result, source->tree);
    case SOURCE_COMPARE:
        source->compare = malloc(sizeof(*source->compare));
        if (source->compare == NULL) {
            return "no memory";
        }
        compare_read(source->compare, source->tree);
        source->title = source->compare->subject;
        return NULL;
    case SOURCE_TARGETS:
        source->title = "Targets";
        break;
    }
    return NULL;
}

static const char *
add_one(struct sources *sources, enum source_kind kind, const struct json_node *tree)
{
    struct source source = {.kind = kind, .tree = tree};
    struct source *grown = reallocarray(sources->list, sources->count + 1, sizeof(*sources->list));
    const char *wrong;

    if (grown == NULL) {
        return "no memory";
    }
    sources->list = grown;
    wrong = read_source(&source);
    if (wrong == NULL) {
        sources->list[sources->count++] = source;
    }
    return wrong;
}

static const char *
add_targets(struct sources *sources, const struct json_node *tree)
{
    const char *wrong = add_one(sources, SOURCE_TARGETS, tree);
    const struct json_node *figures = json_member(tree, "figures");

    for (const struct json_node *part = figures->first; part != NULL && wrong == NULL;
         part = part->next) {
        wrong = compare_is_known(part) ? add_one(sources, SOURCE_COMPARE, part)
                                       : "among its figures is something that is no comparison";
    }
    return wrong;
}

// Takes the tree in any case.
static bool
add_source(struct sources *sources, const char *path, struct json_node *tree)
{
    size_t first = sources->count;
    const char *wrong =
        "not of weir-storm --json, nor of stress/bench/run, count or targets --json";

    if (result_is_known(tree)) {
        wrong = add_one(sources, SOURCE_RUN, tree);
    } else if (compare_is_known(tree)) {
        wrong = add_one(sources, SOURCE_COMPARE, tree);
    } else if (is_targets(tree)) {
        wrong = add_targets(sources, tree);
    }
    if (sources->count > first) {
        sources->list[first].owned = tree;
    } else {
        json_tree_free(tree);
    }
    return wrong == NULL || complain(path, wrong);
}

bool
sources_add_file(struct sources *sources, const char *path)
{
    char *text = read_file(path);
    const char *at = text;
    bool is_good = text != NULL;

    while (is_good) {
        struct json_error error;
        struct json_node *tree = json_tree_parse_first(at, &at, &error);

        if (tree == NULL) {
            char what[128];

            snprintf(what, sizeof(what), "line %zu of a value: %s", error.line, error.message);
            is_good = complain(path, what);
            break;
        }
        is_good = add_source(sources, path, tree);
        if (*at == '\0') {
            break;
        }
    }
    free(text);
    return is_good;
}

void
sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->list[i].kind == SOURCE_RUN) {
            result_free(&sources->list[i].result);
        }
        free(sources->list[i].compare);
        json_tree_free(sources->list[i].owned);
    }
    free(sources->list);
    *sources = (struct sources){NULL, 0};
}
