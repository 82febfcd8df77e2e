/* SPDX-License-Identifier: MIT */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

// The command line of every benchmark: "--name value" pairs, "--name" flags, "--help".

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bench_option_kind {
    BENCH_OPTION_COUNT,   // uint64_t
    BENCH_OPTION_SECONDS, // double
    BENCH_OPTION_TEXT,    // const char *
    BENCH_OPTION_FLAG,    // bool, takes no value
};

struct bench_option {
    const char *name; // without the dashes
    enum bench_option_kind kind;
    void *value; // keeps its default when the option is absent
    const char *help;
};

// Prints the help and ends on --help; says what is wrong and ends on anything it does not know.
void bench_options_parse(int argc, char **argv, const char *summary,
                         const struct bench_option *options, size_t option_count);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_OPTIONS_H */
