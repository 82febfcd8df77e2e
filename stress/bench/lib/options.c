/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_default(const struct bench_option *option)
{
    switch (option->kind) {
    case BENCH_OPTION_COUNT:
        printf(" (default %llu)", (unsigned long long)*(uint64_t *)option->value);
        break;
    case BENCH_OPTION_SECONDS:
        printf(" (default %g)", *(double *)option->value);
        break;
    case BENCH_OPTION_TEXT:
        if (*(const char **)option->value != NULL) {
            printf(" (default %s)", *(const char **)option->value);
        }
        break;
    case BENCH_OPTION_FLAG:
        break;
    }
}

static void
print_help(const char *summary, const struct bench_option *options, size_t option_count)
{
    printf("%s: %s\n\n", program_invocation_short_name, summary);
    for (size_t i = 0; i < option_count; i++) {
        printf("  --%-14s %s", options[i].name, options[i].help);
        print_default(&options[i]);
        putchar('\n');
    }
}

static const struct bench_option *
find_option(const char *word, const struct bench_option *options, size_t option_count)
{
    if (strncmp(word, "--", 2) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < option_count; i++) {
        if (strcmp(word + 2, options[i].name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

__attribute__((noreturn)) static void
refuse(const char *word, const char *why)
{
    fprintf(stderr, "%s: %s: %s (try --help)\n", program_invocation_short_name, word, why);
    exit(2);
}

static void
set_value(const struct bench_option *option, const char *text)
{
    char *end = NULL;

    errno = 0;
    switch (option->kind) {
    case BENCH_OPTION_COUNT:
        *(uint64_t *)option->value = strtoull(text, &end, 10);
        break;
    case BENCH_OPTION_SECONDS:
        *(double *)option->value = strtod(text, &end);
        break;
    case BENCH_OPTION_TEXT:
        *(const char **)option->value = text;
        return;
    case BENCH_OPTION_FLAG:
        return;
    }
    if (end == text || *end != '\0' || errno != 0 || text[0] == '-') {
        refuse(option->name, "not a number that fits");
    }
}

void
bench_options_parse(int argc, char **argv, const char *summary, const struct bench_option *options,
                    size_t option_count)
{
    for (int i = 1; i < argc; i++) {
        const struct bench_option *option = find_option(argv[i], options, option_count);

        if (strcmp(argv[i], "--help") == 0) {
            print_help(summary, options, option_count);
            exit(EXIT_SUCCESS);
        }
        if (option == NULL) {
            refuse(argv[i], "no such option");
        }
        if (option->kind == BENCH_OPTION_FLAG) {
            *(bool *)option->value = true;
            continue;
        }
        if (++i == argc) {
            refuse(option->name, "needs a value");
        }
        set_value(option, argv[i]);
    }
}
