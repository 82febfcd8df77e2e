// with: stormlib
// SPDX-License-Identifier: MIT
// The reader of JSON, and of results in it: any text is a tree or is refused with a reason and a
// line that it has; numbers are there as they were written; any tree is a result or is refused.

#include "json_tree.h"
#include "result_read.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define DEPTH_MAX 80u

static size_t
lines_of(const char *text)
{
    size_t lines = 1;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

// Texts are UTF-8 without a zero, lists are only in what can hold them, depth has a bound.
static void
check_node(const struct json_node *node, unsigned depth, int in_object)
{
    fuzz_require(depth < DEPTH_MAX);
    for (; node != NULL; node = node->next) {
        int is_list = node->kind == JSON_OBJECT || node->kind == JSON_ARRAY;

        fuzz_require(node->kind <= JSON_OBJECT);
        fuzz_require(depth == 0 || (node->key != NULL) == (in_object != 0));
        fuzz_require((node->text != NULL) ==
                     (node->kind == JSON_TEXT || node->kind == JSON_NUMBER));
        fuzz_require(node->first == NULL || is_list);
        if (node->kind == JSON_NUMBER) {
            fuzz_require(strtod(node->text, NULL) == node->number);
        }
        if (node->key != NULL) {
            (void)json_count(node, node->key);
        }
        check_node(node->first, depth + 1, node->kind == JSON_OBJECT);
    }
}

static void
check_result(const struct json_node *tree)
{
    struct machine machine;
    struct result result;

    if (!result_is_known(tree)) {
        return;
    }
    result_read_machine(&machine, tree);
    if (result_read(&result, tree) == NULL) {
        result_free(&result);
    }
}

static void
check_text(const char *text)
{
    struct json_error error = {NULL, 0};
    struct json_node *tree = json_tree_parse(text, &error);
    const char *end = NULL;

    if (tree != NULL) {
        check_node(tree, 0, 0);
        check_result(tree);
        json_tree_free(tree);
        return;
    }
    fuzz_require(error.message != NULL);
    fuzz_require(error.line >= 1 && error.line <= lines_of(text));
    tree = json_tree_parse_first(text, &end, &error);
    if (tree != NULL) {
        fuzz_require(end > text && end < text + strlen(text)); // or the whole text were one
        check_node(tree, 0, 0);
        json_tree_free(tree);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    check_text(text);
    free(text);
    return 0;
}
