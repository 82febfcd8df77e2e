// SPDX-License-Identifier: MIT
//
// The text for Prometheus, read by a parser that knows its grammar: every sample belongs to a
// family that was announced, names and labels are well-formed, histograms add up.
#include "tests/lib/fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES_MAX = 100, SAMPLES_MAX = 4000, NAME_MAX_SIZE = 100 };

struct family {
    char name[NAME_MAX_SIZE];
    char type[20];
    bool has_help;
};

struct sample {
    char name[NAME_MAX_SIZE];   // without _bucket, _sum, _count of a histogram
    char suffix[8];             // of a histogram
    char labels[NAME_MAX_SIZE]; // as written, without le
    char le[40];
    double value;
};

struct parsed {
    struct family families[FAMILIES_MAX];
    struct sample samples[SAMPLES_MAX];
    unsigned family_count, sample_count;
    char wrong[300]; // the first line that is not understood
};

static bool
is_name(const char *text)
{
    if (!isalpha((unsigned char)text[0]) && text[0] != '_') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_' && *text != ':') {
            return false;
        }
    }
    return true;
}

static struct family *
family_of(struct parsed *parsed, const char *name)
{
    for (unsigned i = 0; i < parsed->family_count; i++) {
        if (strcmp(parsed->families[i].name, name) == 0) {
            return &parsed->families[i];
        }
    }
    return NULL;
}

static bool
parse_comment(struct parsed *parsed, const char *line)
{
    char name[NAME_MAX_SIZE], type[20];
    int used = 0;
    struct family *family;

    if (sscanf(line, "# HELP %99s %n", name, &used) == 1 && used != 0 && line[used] != '\0') {
        if (family_of(parsed, name) != NULL || parsed->family_count == FAMILIES_MAX) {
            return false; // each family once
        }
        family = &parsed->families[parsed->family_count++];
        snprintf(family->name, sizeof(family->name), "%s", name);
        family->has_help = true;
        return is_name(name);
    }
    if (sscanf(line, "# TYPE %99s %19s%n", name, type, &used) == 2 && line[used] == '\0') {
        family = family_of(parsed, name);
        if (family == NULL || family->type[0] != '\0') {
            return false;
        }
        snprintf(family->type, sizeof(family->type), "%s", type);
        return strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
               strcmp(type, "histogram") == 0;
    }
    return false;
}

// label="value",… up to the brace.
static bool
parse_labels(struct sample *sample, const char *text)
{
    while (*text != '\0') {
        char label[40], value[40];
        int used = 0;

        if (sscanf(text, "%39[a-z_]=\"%39[^\"]\"%n", label, value, &used) != 2 || used == 0) {
            return false;
        }
        if (strcmp(label, "le") == 0) {
            snprintf(sample->le, sizeof(sample->le), "%s", value);
        } else {
            size_t length = strlen(sample->labels);

            snprintf(sample->labels + length, sizeof(sample->labels) - length, "%s=%s;", label,
                     value);
        }
        text += used;
        if (*text == ',') {
            text++;
        } else if (*text != '\0') {
            return false;
        }
    }
    return true;
}

static bool
split_suffix(struct parsed *parsed, struct sample *sample)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    struct family *family;

    for (unsigned i = 0; i < 3; i++) {
        size_t length = strlen(sample->name), suffix = strlen(suffixes[i]);

        if (length > suffix && strcmp(sample->name + length - suffix, suffixes[i]) == 0) {
            char base[NAME_MAX_SIZE];

            snprintf(base, sizeof(base), "%.*s", (int)(length - suffix), sample->name);
            family = family_of(parsed, base);
            if (family != NULL && strcmp(family->type, "histogram") == 0) {
                snprintf(sample->name, sizeof(sample->name), "%s", base);
                snprintf(sample->suffix, sizeof(sample->suffix), "%s", suffixes[i]);
                return true;
            }
        }
    }
    family = family_of(parsed, sample->name);
    return family != NULL && strcmp(family->type, "histogram") != 0 && family->type[0] != '\0';
}

static bool
parse_sample(struct parsed *parsed, const char *line)
{
    struct sample *sample = &parsed->samples[parsed->sample_count];
    char labels[200];
    int used = 0;
    char *end;

    if (parsed->sample_count == SAMPLES_MAX ||
        sscanf(line, "%99[^{ ]{%199[^}]} %n", sample->name, labels, &used) != 2 || used == 0) {
        return false;
    }
    sample->value = strtod(line + used, &end);
    parsed->sample_count++;
    return end != line + used && *end == '\0' && is_name(sample->name) &&
           parse_labels(sample, labels) && split_suffix(parsed, sample) &&
           (strcmp(sample->suffix, "_bucket") == 0) == (sample->le[0] != '\0');
}

// The text must end with a newline.
static void
parse(struct parsed *parsed, char *text)
{
    size_t length = strlen(text);

    assert_true(length > 0 && text[length - 1] == '\n');
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (!(line[0] == '#' ? parse_comment(parsed, line) : parse_sample(parsed, line))) {
            snprintf(parsed->wrong, sizeof(parsed->wrong), "%s", line);
            return;
        }
    }
}

static struct parsed *
parsed_text(struct fixture *fixture)
{
    int64_t length = weir_stats_prometheus(fixture->runtime, NULL, 0);
    struct parsed *parsed = fixture_memory(fixture, sizeof(*parsed));
    char *text;

    assert_true(length > 0);
    text = fixture_memory(fixture, (size_t)length + 1000); // numbers may have grown longer
    length = weir_stats_prometheus(fixture->runtime, text, (size_t)length + 1000);
    assert_int_equal(length, strlen(text));
    parse(parsed, text);
    assert_string_equal(parsed->wrong, "");
    return parsed;
}

static double
value_of(const struct parsed *parsed, const char *name, const char *suffix, const char *labels)
{
    for (unsigned i = 0; i < parsed->sample_count; i++) {
        const struct sample *sample = &parsed->samples[i];

        if (strcmp(sample->name, name) == 0 && strcmp(sample->suffix, suffix) == 0 &&
            strcmp(sample->labels, labels) == 0 &&
            (sample->le[0] == '\0' || strcmp(sample->le, "+Inf") == 0)) {
            return sample->value;
        }
    }
    return -1;
}

static void
every_family_says_what_it_is(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct parsed *parsed = parsed_text(fixture);

    assert_true(parsed->family_count > 20);
    for (unsigned i = 0; i < parsed->family_count; i++) {
        const struct family *family = &parsed->families[i];

        assert_true(family->has_help && family->type[0] != '\0');
        assert_int_equal(strncmp(family->name, "weir_", 5), 0);
        assert_int_equal(strcmp(family->type, "counter") == 0,
                         strstr(family->name, "_total") != NULL);
    }
}

static void
the_numbers_are_those_of_the_counters(void **state)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 2, .flags = WEIR_MANUAL, .latency_every = 1});
    struct recorder *recorder = recorder_make(fixture);
    struct parsed *parsed;

    for (unsigned loop = 0; loop < 2; loop++) {
        struct pair *pair = pair_open(
            fixture, &(struct pair_options){.loop = weir_runtime_loop(fixture->runtime, loop)});

        assert_status(request_submit(pair, recorder, loop, 1000 * (loop + 1), WEIR_COPY), 0);
        recorder_wait(recorder, loop + 1);
        if (loop == 1) {
            assert_status(weir_end(pair->stream), 0);
            fixture_settle(fixture);
            assert_status(request_submit(pair, recorder, 9, 1, WEIR_COPY), -WEIR_EENDED);
        }
    }
    fixture_settle(fixture);
    parsed = parsed_text(fixture);
    assert_true(value_of(parsed, "weir_sent_bytes_total", "", "loop=0;") == 1000);
    assert_true(value_of(parsed, "weir_sent_bytes_total", "", "loop=1;") == 2000);
    assert_true(value_of(parsed, "weir_streams", "", "loop=0;") == 1);
    assert_true(value_of(parsed, "weir_refused_total", "", "loop=1;reason=ended;") == 1);
    assert_true(value_of(parsed, "weir_refused_total", "", "loop=0;reason=ended;") == 0);
    assert_true(value_of(parsed, "weir_blocked_total", "", "loop=0;reason=socket;") == 0);
    assert_true(value_of(parsed, "weir_blocked_seconds_total", "", "loop=1;reason=cork;") == 0);
#if !defined(WI_NO_LATENCY)
    assert_true(value_of(parsed, "weir_write_latency_seconds", "_count", "loop=0;") == 1);
#endif
}

#if !defined(WI_NO_LATENCY)
// Cumulative, ending with +Inf, which is the count.
static void
a_histogram_adds_up(void **state)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .latency_every = 1});
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct parsed *parsed;
    double last = 0, last_le = 0;
    unsigned buckets = 0;

    for (unsigned tag = 0; tag < 30; tag++) {
        assert_status(request_submit(pair, recorder, tag, 100, WEIR_COPY), 0);
        recorder_wait(recorder, tag + 1);
    }
    parsed = parsed_text(fixture);
    for (unsigned i = 0; i < parsed->sample_count; i++) {
        const struct sample *sample = &parsed->samples[i];

        if (strcmp(sample->suffix, "_bucket") == 0 && strcmp(sample->le, "+Inf") != 0) {
            assert_true(sample->value >= last);
            assert_true(strtod(sample->le, NULL) > last_le);
            last = sample->value;
            last_le = strtod(sample->le, NULL);
            buckets++;
        }
    }
    assert_true(buckets > 10);
    assert_true(last_le > 10);
    assert_true(value_of(parsed, "weir_write_latency_seconds", "_bucket", "loop=0;") == 30);
    assert_true(value_of(parsed, "weir_write_latency_seconds", "_count", "loop=0;") == 30);
    assert_true(value_of(parsed, "weir_write_latency_seconds", "_sum", "loop=0;") > 0);
}

#endif

static void
a_short_buffer_is_told_the_length(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int64_t length = weir_stats_prometheus(fixture->runtime, NULL, 0);
    char buffer[101];

    memset(buffer, 'x', sizeof(buffer));
    assert_true(weir_stats_prometheus(fixture->runtime, buffer, 100) >= length);
    assert_int_equal(strlen(buffer), 99);
    assert_int_equal(buffer[100], 'x');
    assert_status(weir_stats_prometheus(NULL, buffer, 100), -EINVAL);
    assert_status(weir_stats_prometheus(fixture->runtime, NULL, 100), -EINVAL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(every_family_says_what_it_is),
        ONCE(the_numbers_are_those_of_the_counters),
#if !defined(WI_NO_LATENCY)
        ONCE(a_histogram_adds_up),
#endif
        ONCE(a_short_buffer_is_told_the_length),
    };

    return RUN_CASES("conformance.prometheus", cases);
}
