/* SPDX-License-Identifier: MIT */
// The programs made from the engine: what each asks of it, and what each reports.

#include "fail.h"
#include "options.h"
#include "writers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 16

struct command_line {
    struct bench_option options[OPTIONS_MAX];
    size_t count;
    char variant_help[160];
};

static void
offer(struct command_line *line, struct bench_option option)
{
    bench_require(line->count < OPTIONS_MAX, "too many options");
    line->options[line->count++] = option;
}

static void
offer_variants(struct command_line *line, struct bench_job *job,
               const struct bench_backend *backend)
{
    size_t length = 0;

    if (backend->variant_option == NULL) {
        return;
    }
    job->variant = backend->variants[0];
    for (const char *const *variant = backend->variants; *variant != NULL; variant++) {
        length += (size_t)snprintf(line->variant_help + length, sizeof(line->variant_help) - length,
                                   "%s%s", length == 0 ? "" : " | ", *variant);
        bench_require(length < sizeof(line->variant_help), "help of the variants");
    }
    offer(line, (struct bench_option){backend->variant_option, BENCH_OPTION_TEXT, &job->variant,
                                      line->variant_help});
}

static void
offer_common(struct command_line *line, struct bench_job *job)
{
    offer(line, (struct bench_option){"size", BENCH_OPTION_COUNT, &job->size, "bytes of a write"});
    offer(line, (struct bench_option){"seconds", BENCH_OPTION_SECONDS, &job->seconds,
                                      "how long to write"});
    offer(line, (struct bench_option){"messages", BENCH_OPTION_COUNT, &job->messages,
                                      "write so many instead, 0: --seconds"});
    offer(line, (struct bench_option){"timeout", BENCH_OPTION_COUNT, &job->timeout_s,
                                      "end after so many seconds in any case"});
}

static void
check_variant(const struct bench_job *job, const struct bench_backend *backend)
{
    if (backend->variant_option == NULL) {
        return;
    }
    for (const char *const *variant = backend->variants; *variant != NULL; variant++) {
        if (strcmp(job->variant, *variant) == 0) {
            return;
        }
    }
    errno = 0;
    bench_fail("no such variant, try --help");
}

static void
parse(int argc, char **argv, const char *summary, const struct command_line *line)
{
    bench_options_parse(argc, argv, summary, line->options, line->count);
}

static void
print_head(const struct bench_backend *backend, const struct bench_job *job,
           const struct bench_outcome *outcome)
{
    printf("{\"impl\": \"%s\", ", backend->name);
    if (job->variant != NULL) {
        printf("\"variant\": \"%s\", ", job->variant);
    }
    printf("\"writes\": %llu, \"seconds\": %.6f, \"cpu_s_per_million\": %.4f, ",
           (unsigned long long)outcome->writes, outcome->seconds,
           outcome->cpu_s / (double)outcome->writes * 1e6);
}

static void
print_ratio(const char *name, uint64_t count, uint64_t of)
{
    if (of > 0) {
        printf("\"%s\": %.5f", name, (double)count / (double)of);
    } else {
        printf("\"%s\": null", name);
    }
}

static void
print_rate_and_counts(const struct bench_outcome *outcome)
{
    const struct bench_counts *counts = &outcome->counts;

    printf("\"rate\": %.1f, ", (double)outcome->writes / outcome->seconds);
    print_ratio("send_calls_per_write", counts->sends, counts->sends > 0 ? outcome->writes : 0);
    printf(", ");
    print_ratio("writes_per_send", outcome->writes, counts->sends);
    printf(", ");
    print_ratio("wakes_per_sleep", counts->wakes, counts->sleeps);
    printf("}\n");
}

int
bench_xthread_main(int argc, char **argv, const struct bench_backend *backend)
{
    struct command_line line = {.count = 0};
    struct bench_job job = {
        .producers = 2,
        .connections = 16,
        .window = 256,
        .size = 64,
        .seconds = 2,
        .timeout_s = 120,
    };

    offer(&line, (struct bench_option){"producers", BENCH_OPTION_COUNT, &job.producers,
                                       "threads that write"});
    offer(&line, (struct bench_option){"connections", BENCH_OPTION_COUNT, &job.connections,
                                       "of the one loop, written to in turn"});
    offer(&line, (struct bench_option){"window", BENCH_OPTION_COUNT, &job.window,
                                       "writes in flight of each producer"});
    offer_common(&line, &job);
    offer_variants(&line, &job, backend);
    parse(argc, argv, "writes of foreign threads to connections of one loop", &line);
    check_variant(&job, backend);

    struct bench_outcome outcome = bench_writers_run(backend, &job);
    print_head(backend, &job, &outcome);
    print_rate_and_counts(&outcome);
    return 0;
}

int
bench_fanout_main(int argc, char **argv, const struct bench_backend *backend)
{
    struct command_line line = {.count = 0};
    uint64_t payloads = 4;
    struct bench_job job = {
        .producers = 1,
        .connections = 64,
        .size = 4096,
        .seconds = 2,
        .timeout_s = 120,
        .is_shared = true,
    };

    offer(&line, (struct bench_option){"connections", BENCH_OPTION_COUNT, &job.connections,
                                       "of the one loop, to which each payload goes"});
    offer(&line,
          (struct bench_option){"window", BENCH_OPTION_COUNT, &payloads, "payloads under way"});
    offer_common(&line, &job);
    offer_variants(&line, &job, backend);
    parse(argc, argv, "one payload to many connections, from one foreign thread", &line);
    check_variant(&job, backend);
    job.window = payloads * job.connections;

    struct bench_outcome outcome = bench_writers_run(backend, &job);
    print_head(backend, &job, &outcome);
    print_rate_and_counts(&outcome);
    return 0;
}

int
bench_bulk_main(int argc, char **argv, const struct bench_backend *backend)
{
    struct command_line line = {.count = 0};
    uint64_t window_of_connection = 4;
    struct bench_job job = {
        .producers = 1,
        .connections = 8,
        .size = 65536,
        .seconds = 2,
        .timeout_s = 120,
    };

    offer(&line, (struct bench_option){"connections", BENCH_OPTION_COUNT, &job.connections,
                                       "of the one loop, written to in turn by one thread"});
    offer(&line, (struct bench_option){"window", BENCH_OPTION_COUNT, &window_of_connection,
                                       "writes in flight on each connection"});
    offer_common(&line, &job);
    offer_variants(&line, &job, backend);
    parse(argc, argv, "bulk data, one way, from one foreign thread", &line);
    check_variant(&job, backend);
    job.window = window_of_connection * job.connections;

    struct bench_outcome outcome = bench_writers_run(backend, &job);
    double bytes = (double)outcome.writes * (double)job.size;
    print_head(backend, &job, &outcome);
    printf("\"bytes_per_s\": %.0f, \"bytes_per_cpu_s\": %.0f}\n", bytes / outcome.seconds,
           bytes / outcome.cpu_s);
    return 0;
}

int
bench_lat_main(int argc, char **argv, const struct bench_backend *backend)
{
    struct command_line line = {.count = 0};
    struct bench_job job = {
        .producers = 1,
        .connections = 1,
        .window = 1,
        .size = 64,
        .seconds = 2,
        .timeout_s = 120,
        .is_latency_kept = true,
    };

    offer_common(&line, &job);
    offer(&line, (struct bench_option){"pin-one-core", BENCH_OPTION_FLAG, &job.is_on_one_core,
                                       "keep all threads of the writing process on one core"});
    offer_variants(&line, &job, backend);
    parse(argc, argv, "one write at a time from a foreign thread to an idle connection", &line);
    check_variant(&job, backend);

    struct bench_outcome outcome = bench_writers_run(backend, &job);
    print_head(backend, &job, &outcome);
    printf("\"p50_us\": %.3f, \"p99_us\": %.3f, \"mean_us\": %.3f}\n", outcome.latency_p50_us,
           outcome.latency_p99_us, outcome.latency_mean_us);
    return 0;
}
