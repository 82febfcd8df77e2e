/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_SETTINGS_H
#define SERVERS_SETTINGS_H

// A program's settings, from its command line and from files, by the same names: --idle 10s, and a
// line "idle 10s". A table says what there is; what is wrong is told with its place.

#include "weir/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SETTINGS_WORDS_MAX 32u

// One setting as it was given.
struct given {
    const char *name;
    char *words[SETTINGS_WORDS_MAX]; // its values
    unsigned count;
    const char *file; // NULL: the command line
    unsigned line;
    const char *text;                     // that line
    unsigned columns[SETTINGS_WORDS_MAX]; // where each word is in it
    unsigned name_column;
    FILE *errors;
};

// Say what is wrong with a word of it; @p word beyond the last is the name. False, always.
bool given_refuse(const struct given *given, unsigned word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum setting_kind {
    SETTING_NUMBER, // an unsigned, from min to max
    SETTING_TIME,   // a uint64_t of nanoseconds: 10, 500ms, 2m, 1h
    SETTING_BYTES,  // a uint64_t: 4096, 64k, 10m, 2g; from min to max
    SETTING_TEXT,   // a char *, to be freed; what was there is freed
    SETTING_SWITCH, // a bool; no value
    SETTING_OWN,    // the function takes min to max words
};

enum setting_scope {
    SETTING_ANYWHERE,
    SETTING_IN_FILES,     // and not on the command line
    SETTING_IN_ARGUMENTS, // and not in files
};

// What may be set. Of the kinds but OWN, offset is the place in the options. A function, if there
// is one, is called behind that.
struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    uint64_t min;
    uint64_t max;
    bool (*take)(void *options, const struct given *given);
    enum setting_scope scope;
};

struct settings {
    const struct setting *table;
    unsigned count;
    void *options;
    FILE *errors; // NULL: standard error
};

// Take a line of a file, or all of them. False: something was wrong, and was said.
bool settings_take_line(const struct settings *settings, const char *file, unsigned line,
                        const char *text);
bool settings_take_file(const struct settings *settings, const char *path);

enum settings_answer {
    SETTINGS_TAKEN,
    SETTINGS_HELP,  // was asked for
    SETTINGS_WRONG, // and was said
};

// Take the command line, with --config FILE and --help besides what the table has. *ret_first is
// the index of the first argument that is no option.
enum settings_answer settings_take_arguments(const struct settings *settings, int argc, char **argv,
                                             int *ret_first);

// A word as a kind of value; false: it is none, and was said.
bool given_number(const struct given *given, unsigned word, uint64_t min, uint64_t max,
                  uint64_t *ret_number);
bool given_endpoint(const struct given *given, unsigned word, struct weir_endpoint *ret_endpoint);

#endif /* SERVERS_SETTINGS_H */
