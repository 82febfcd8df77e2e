/* SPDX-License-Identifier: MIT */
#include "common/settings.h"

#include "common/given.h"
#include "common/program.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 128u

/* ---- one setting ---- */

static const struct setting *
find(const struct settings *settings, const char *name)
{
    for (unsigned i = 0; i < settings->count; i++) {
        if (strcmp(settings->table[i].name, name) == 0) {
            return &settings->table[i];
        }
    }
    return NULL;
}

static bool
check_count(const struct setting *setting, const struct given *given)
{
    uint64_t min = setting->kind == SETTING_OWN ? setting->min : 1;
    uint64_t max = setting->kind == SETTING_OWN ? setting->max : 1;

    if (setting->kind == SETTING_SWITCH) {
        return given->count == 0 ||
               given_refuse(given, 0, "%s is a switch and wants no value", given->name);
    }
    if (given->count < min) {
        return given_refuse(given, given->count, "%s wants %s", given->name,
                            min == 1 ? "a value" : "more values");
    }
    return given->count <= max ||
           given_refuse(given, (unsigned)max, "%s wants %s", given->name,
                        max == 0   ? "no value"
                        : max == 1 ? "one value; one with blanks goes in double quotes"
                                   : "fewer values");
}

static bool
take(const struct settings *settings, const struct setting *setting, const struct given *given)
{
    void *place = (char *)settings->options + setting->offset;
    bool is_taken = check_count(setting, given);

    if (is_taken) {
        is_taken = given_store(given, setting, place);
    }
    return is_taken && (setting->take == NULL || setting->take(settings->options, given));
}

/* ---- a file ---- */

// Cut a line at its blanks, outside of double quotes, and at a comment. Its words are in @p line,
// terminated. The name is the first of them.
static bool
cut(struct given *given, char *line)
{
    char *at = line + strspn(line, " \t\r\n");

    given->count = 0;
    while (*at != '\0' && *at != '#') {
        bool is_quoted = *at == '"';
        char *word = at + is_quoted;
        char *end = is_quoted ? strchr(word, '"') : word + strcspn(word, " \t\r\n");

        if (end == NULL || (is_quoted && end[1] != '\0' && strchr(" \t\r\n", end[1]) == NULL)) {
            given->name_column = (unsigned)(at - line);
            return given_refuse(given, SETTINGS_WORDS_MAX, "a quote that does not end its word");
        }
        at = end + (*end != '\0');
        *end = '\0';
        if (given->name == NULL) {
            given->name = word;
            given->name_column = (unsigned)(word - line);
        } else if (given->count < SETTINGS_WORDS_MAX) {
            given->columns[given->count] = (unsigned)(word - line);
            given->words[given->count++] = word;
        } else {
            return given_refuse(given, SETTINGS_WORDS_MAX, "more than %u words",
                                SETTINGS_WORDS_MAX);
        }
        at += strspn(at, " \t\r\n");
    }
    return true;
}

bool
settings_take_line(const struct settings *settings, const char *file, unsigned line,
                   const char *text)
{
    char *words = strdup(text);
    struct given given = {.file = file, .line = line, .text = text, .errors = settings->errors};
    const struct setting *setting = NULL;
    bool is_taken;

    if (words == NULL) {
        return given_refuse(&given, SETTINGS_WORDS_MAX, "out of memory");
    }
    is_taken = cut(&given, words);
    if (is_taken && given.name != NULL) {
        setting = find(settings, given.name);
        is_taken = setting != NULL && setting->scope != SETTING_IN_ARGUMENTS
                       ? take(settings, setting, &given)
                       : given_refuse(&given, SETTINGS_WORDS_MAX, "no setting is named \"%s\"",
                                      given.name);
    }
    free(words);
    return is_taken;
}

bool
settings_take_file(const struct settings *settings, const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned number = 0;
    char *line = NULL;
    size_t room = 0;
    bool is_taken = true;

    if (file == NULL) {
        struct given given = {.errors = settings->errors};

        return given_refuse(&given, 0, "cannot read %s: %s", path, strerror(errno));
    }
    while (is_taken && getline(&line, &room, file) >= 0) {
        is_taken = settings_take_line(settings, path, ++number, line);
    }
    if (ferror(file)) {
        struct given given = {.file = path, .line = number, .errors = settings->errors};

        is_taken = given_refuse(&given, 0, "cannot be read on: %s", strerror(errno));
    }
    free(line);
    fclose(file);
    return is_taken;
}

/* ---- the command line ---- */

// What getopt knows; a value is the setting's index.
static void
list_options(const struct settings *settings, struct option *known)
{
    unsigned count = 0;

    for (unsigned i = 0; i < settings->count && count + 3 < OPTIONS_MAX; i++) {
        const struct setting *setting = &settings->table[i];
        bool has_none =
            setting->kind == SETTING_SWITCH || (setting->kind == SETTING_OWN && setting->max == 0);
        bool may_have = setting->kind == SETTING_OWN && setting->min == 0 && setting->max != 0;

        if (setting->scope != SETTING_IN_FILES) {
            known[count++] = (struct option){setting->name,
                                             has_none   ? no_argument
                                             : may_have ? optional_argument
                                                        : required_argument,
                                             NULL, (int)i + 256};
        }
    }
    known[count++] = (struct option){"config", required_argument, NULL, 'c'};
    known[count++] = (struct option){"help", no_argument, NULL, 'h'};
    known[count] = (struct option){0};
}

// An argument is one word; with several values allowed, what its commas part.
static bool
take_argument(const struct settings *settings, const struct setting *setting, const char *argument)
{
    struct given given = {.name = setting->name, .errors = settings->errors};
    char *words = strdup(argument != NULL ? argument : "");
    char *rest = words;
    bool is_taken;

    if (words == NULL) {
        return given_refuse(&given, 0, "out of memory");
    }
    if (argument != NULL && setting->kind == SETTING_OWN && setting->max > 1) {
        for (char *word = strsep(&rest, ","); word != NULL && given.count < SETTINGS_WORDS_MAX;
             word = strsep(&rest, ",")) {
            given.words[given.count++] = word;
        }
    } else if (argument != NULL) {
        given.words[given.count++] = words;
    }
    is_taken = take(settings, setting, &given);
    free(words);
    return is_taken;
}

enum settings_answer
settings_take_arguments(const struct settings *settings, int argc, char **argv, int *ret_first)
{
    struct option known[OPTIONS_MAX];
    bool is_taken = true;
    int option;

    list_options(settings, known);
    while (is_taken && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'h') {
            return SETTINGS_HELP;
        }
        if (option == '?') {
            fprintf(stderr, "Try: %s --help\n", program_name);
            is_taken = false;
        } else if (option == 'c') {
            is_taken = settings_take_file(settings, optarg);
        } else {
            is_taken = take_argument(settings, &settings->table[option - 256], optarg);
        }
    }
    *ret_first = optind;
    return is_taken ? SETTINGS_TAKEN : SETTINGS_WRONG;
}
