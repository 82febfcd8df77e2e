/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_REPORT_SOURCE_H
#define SIGHT_REPORT_SOURCE_H

// What a report is made of: values of JSON out of files, recognised and read. What stress/bench/
// targets writes is the targets and all comparisons that they were judged by.

#include "compare.h"
#include "json_tree.h"
#include "machine.h"
#include "result.h"

enum source_kind {
    SOURCE_RUN,     // a run of weir-storm
    SOURCE_COMPARE, // weir beside its peers
    SOURCE_TARGETS, // what was aimed at and what was met; comparisons follow
};

struct source {
    enum source_kind kind;
    const char *title; // as asked for, or as found
    double target;     // a line in the first chart; 0: none
    const struct json_node *tree;
    struct json_node *owned; // the tree, unless it is a part of one that came before
    struct result result;    // of a run
    struct machine machine;  // of a run
    struct compare *compare;
};

struct sources {
    struct source *list;
    size_t count;
};

// Everything in the file at this path ("-": standard input), which may hold several values. False,
// with a message on standard error: it cannot be read, or something in it is of neither kind.
bool sources_add_file(struct sources *sources, const char *path);

void sources_free(struct sources *sources);

#endif /* SIGHT_REPORT_SOURCE_H */
