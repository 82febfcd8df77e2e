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

// Takes the tree in any case.
static bool
add_source(struct sources *sources, const char *path, struct json_node *tree)
{
    struct source source = {.tree = tree};
    struct source *grown = reallocarray(sources->list, sources->count + 1, sizeof(*sources->list));
    const char *wrong = NULL;

    if (grown == NULL) {
        json_tree_free(tree);
        return complain(path, "no memory");
    }
    sources->list = grown;
    if (result_is_known(tree)) {
        source.kind = SOURCE_RUN;
        wrong = result_read(&source.result, tree);
        result_read_machine(&source.machine, tree);
        source.title = json_text(tree, "scenario", "");
    } else if (compare_is_known(tree)) {
        source.kind = SOURCE_COMPARE;
        source.compare = malloc(sizeof(*source.compare));
        if (source.compare != NULL) {
            compare_read(source.compare, tree);
            source.title = source.compare->subject;
        }
        wrong = source.compare == NULL ? "no memory" : NULL;
    } else {
        wrong = "neither of weir-storm --json nor of stress/bench/run or count --json";
    }
    if (wrong != NULL) {
        json_tree_free(tree);
        return complain(path, wrong);
    }
    sources->list[sources->count++] = source;
    return true;
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
        json_tree_free(sources->list[i].tree);
    }
    free(sources->list);
    *sources = (struct sources){NULL, 0};
}
