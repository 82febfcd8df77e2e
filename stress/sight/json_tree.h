/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_JSON_TREE_H
#define SIGHT_JSON_TREE_H

// Reads JSON (RFC 8259) into a tree. Objects keep the order of their members.

#include <stddef.h>
#include <stdint.h>

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_node {
    enum json_kind kind;
    char *key;  // of a member of an object, else NULL
    char *text; // of a text: UTF-8; of a number: as it was written
    double number;
    struct json_node *first; // of an array's elements or an object's members
    struct json_node *next;  // its neighbour
};

// Where and why reading failed.
struct json_error {
    const char *message;
    size_t line; // from 1
};

// The one value in @p text, with nothing but blanks behind it. NULL: it is not JSON, or memory ran
// out; @p ret_error says which.
struct json_node *json_tree_parse(const char *text, struct json_error *ret_error);

// The same, of the first value in @p text; @p ret_end is where the next one may begin.
struct json_node *json_tree_parse_first(const char *text, const char **ret_end,
                                        struct json_error *ret_error);

void json_tree_free(struct json_node *node);

// The member of this name; NULL: there is none, or @p node is NULL or no object.
const struct json_node *json_member(const struct json_node *node, const char *name);

// What a member holds, or the fallback when it is not there or of another kind.
double json_number(const struct json_node *node, const char *name, double fallback);
const char *json_text(const struct json_node *node, const char *name, const char *fallback);

// A member that is a whole number, exact beyond what fits a double; 0 when it is not.
uint64_t json_count(const struct json_node *node, const char *name);

#endif /* SIGHT_JSON_TREE_H */
