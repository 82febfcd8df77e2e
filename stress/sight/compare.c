/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR 30.0 // times as large: a bar of the smallest would not be seen

// What is known about a figure of this name.
struct metric {
    const char *key;
    const char *title;
    const char *unit;
    const char *better; // "more" or "less"; NULL: not known
};

static const struct metric known[] = {
    {"instructions", "User instructions per message", "", "less"},
    {"calls", "System calls per message", "", "less"},
    {"rate", "Rate", "/s", "more"},
    {"messages_per_s", "Messages per second", "/s", "more"},
    {"bytes_per_s", "Throughput", "bytes/s", "more"},
    {"bytes_per_cpu_s", "Bytes per second of CPU", "bytes", "more"},
    {"cpu_us", "CPU time of the server per message", "us", "less"},
    {"cpu_s_per_million", "CPU time per message", "us", "less"}, // s per million is us per one
    {"send_calls_per_write", "Send calls per write", "", "less"},
    {"mean_us", "Mean latency", "us", "less"},
    {"p50_us", "Median latency", "us", "less"},
    {"p90_us", "Latency, 90th percentile", "us", "less"},
    {"p99_us", "Latency, 99th percentile", "us", "less"},
    {"p999_us", "Latency, 99.9th percentile", "us", "less"},
    {"max_us", "Longest latency", "us", "less"},
    {"wakes_per_sleep", "Wakes per sleep", "", "less"},
    {"ping_us", "Median latency of another connection", "us", "less"},
    {"hog_bytes_per_s", "Throughput of the hog", "bytes/s", "more"},
    {"requests_per_cpu_s", "Requests per second of CPU time", "/s", "more"},
    {"private_bytes", "Private memory per connection", "bytes", "less"},
    {"resident_bytes", "Resident memory per connection", "bytes", "less"},
    {"sent_bytes", "What it lets each peer send", "bytes", "less"},
    {"unbounded", "Peers it never stops", "", "less"},
};

static bool
ends_with(const char *text, const char *tail)
{
    size_t length = strlen(text), of_tail = strlen(tail);

    return length >= of_tail && strcmp(text + length - of_tail, tail) == 0;
}

// One that is not known is named by its key, and its unit is guessed from that.
static struct metric
metric_of(const char *key)
{
    static const char *const units[][2] = {{"_us", "us"},    {"_ns", "ns"},       {"_ms", "ms"},
                                           {"_per_s", "/s"}, {"_bytes", "bytes"}, {"_s", "s"}};
    struct metric metric = {.key = key, .title = key, .unit = ""};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].key, key) == 0) {
            return known[i];
        }
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ends_with(key, units[i][0])) {
            metric.unit = units[i][1];
            break;
        }
    }
    return metric;
}

static enum bar_kind
kind_of(const char *name)
{
    size_t length = strcspn(name, ": -");

    if (strncmp(name, "weir", length) == 0 && length == 4) {
        return BAR_OURS; // weir:inline and weir-httpd, too
    }
    bool is_by_hand =
        length == 5 && (strncmp(name, "epoll", length) == 0 || strncmp(name, "uring", length) == 0);
    return is_by_hand ? BAR_LIMIT : BAR_OTHER;
}

// The next chart, with the words that belong to the figure; NULL: there are enough.
static struct bars *
begin_chart(struct compare *compare, const struct metric *metric)
{
    if (compare->count == COMPARE_CHARTS_MAX) {
        return NULL;
    }
    char *title = compare->titles[compare->count];
    struct bars *bars = &compare->charts[compare->count];
    size_t i = 0;

    for (; metric->title[i] != '\0' && i < sizeof(compare->titles[0]) - 1; i++) {
        title[i] = (char)(metric->title[i] == '_' ? ' ' : metric->title[i]);
    }
    title[i] = '\0';
    title[0] = (char)(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    *bars =
        (struct bars){.title = title, .note = compare->notes[compare->count], .unit = metric->unit};
    compare->keys[compare->count] = metric->key;
    return bars;
}

// Sort it, choose its scale, and keep it if it shows anything.
static void
end_chart(struct compare *compare, struct bars *bars, const struct metric *metric, const char *more)
{
    double low = INFINITY, high = 0;

    for (size_t i = 0; i < bars->count; i++) {
        low = bars->bars[i].value > 0 ? fmin(low, bars->bars[i].value) : low;
        high = fmax(high, bars->bars[i].value);
    }
    if (high == 0) {
        return;
    }
    bars_sort(bars, metric->better != NULL && strcmp(metric->better, "more") == 0);
    bars->is_log = bars->part_count == 0 && high / low > FAR;
    snprintf(compare->notes[compare->count], sizeof(compare->notes[0]), "%s%s%s%s",
             metric->better != NULL ? metric->better : "",
             metric->better != NULL ? " is better" : "", more,
             bars->is_log ? ", logarithmic scale" : "");
    // What stands first has no separator before it.
    char *note = compare->notes[compare->count];
    if (note[0] == ',') {
        memmove(note, note + 2, strlen(note + 2) + 1);
    }
    compare->count++;
}

// --- stress/bench/run ----------------------------------------------------------------------------

static void
read_summary(struct compare *compare, const struct json_node *summary)
{
    struct metric metric = metric_of(summary->key);
    struct bars *bars = begin_chart(compare, &metric);

    if (bars == NULL) {
        return;
    }
    for (const struct json_node *entry = summary->first; entry != NULL; entry = entry->next) {
        const struct json_node *value = json_member(entry, "value");
        struct bar *bar = bars_add(bars, entry->key, json_number(value, "median", NAN));

        if (bar != NULL) {
            bar->low = json_number(value, "min", bar->value);
            bar->high = json_number(value, "max", bar->value);
            bar->kind = kind_of(entry->key);
        }
    }
    end_chart(compare, bars, &metric, ", medians, whiskers from least to most");
}

// --- stress/bench/count --------------------------------------------------------------------------

// How often each call is made, over all contestants: the frequent ones get a colour of their own.
struct calls {
    const char *names[BARS_PARTS_MAX];
    size_t count;
};

static double
sum_of(const struct json_node *results, const char *call)
{
    double sum = 0;

    for (const struct json_node *entry = results->first; entry != NULL; entry = entry->next) {
        sum += json_number(json_member(entry, "calls_by_name"), call, 0);
    }
    return sum;
}

static bool
has_name(const struct calls *calls, const char *name)
{
    for (size_t i = 0; i < calls->count; i++) {
        if (strcmp(calls->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

// The most frequent call that is not among @p calls; NULL: there is none.
static const char *
next_call(const struct json_node *results, const struct calls *calls)
{
    const char *found = NULL;
    double most = 0;

    for (const struct json_node *entry = results->first; entry != NULL; entry = entry->next) {
        const struct json_node *by_name = json_member(entry, "calls_by_name");

        for (const struct json_node *call = by_name != NULL ? by_name->first : NULL; call != NULL;
             call = call->next) {
            double often = has_name(calls, call->key) ? 0 : sum_of(results, call->key);

            if (often > most) {
                most = often;
                found = call->key;
            }
        }
    }
    return found;
}

static void
read_parts(struct bars *bars, const struct calls *calls, const struct json_node *entry,
           struct bar *bar)
{
    const struct json_node *by_name = json_member(entry, "calls_by_name");
    double rest = bar->value;

    for (size_t i = 0; i + 1 < bars->part_count; i++) {
        bar->parts[i] = fmax(json_number(by_name, calls->names[i], 0), 0);
        rest -= bar->parts[i];
    }
    bar->parts[bars->part_count - 1] = fmax(rest, 0);
}

static void
read_calls(struct compare *compare, const struct json_node *results)
{
    struct metric metric = metric_of("calls");
    struct bars *bars = begin_chart(compare, &metric);
    struct calls calls = {.count = 0};
    const char *name;

    if (bars == NULL) {
        return;
    }
    while (calls.count < BARS_PARTS_MAX - 1 && (name = next_call(results, &calls)) != NULL) {
        calls.names[calls.count] = name;
        bars->part_names[calls.count++] = name;
    }
    bars->part_names[calls.count] = "others";
    bars->part_count = calls.count > 0 ? calls.count + 1 : 0;
    for (const struct json_node *entry = results->first; entry != NULL; entry = entry->next) {
        struct bar *bar = bars_add(bars, entry->key, json_number(entry, "calls", NAN));

        if (bar != NULL) {
            bar->kind = kind_of(entry->key);
            if (bars->part_count > 0) {
                read_parts(bars, &calls, entry, bar);
            }
        }
    }
    end_chart(compare, bars, &metric, "");
}

static void
read_instructions(struct compare *compare, const struct json_node *results)
{
    struct metric metric = metric_of("instructions");
    struct bars *bars = begin_chart(compare, &metric);

    if (bars == NULL) {
        return;
    }
    for (const struct json_node *entry = results->first; entry != NULL; entry = entry->next) {
        struct bar *bar = bars_add(bars, entry->key, json_number(entry, "instructions", NAN));

        if (bar != NULL) {
            bar->kind = kind_of(entry->key);
        }
    }
    end_chart(compare, bars, &metric, "");
}

// --- Both ----------------------------------------------------------------------------------------

static void
add_text(char *text, size_t size, const char *more)
{
    size_t length = strlen(text);

    snprintf(text + length, size - length, "%s", more);
}

static void
read_subject(struct compare *compare, const struct json_node *tree)
{
    const struct json_node *extra = json_member(tree, "extra");

    snprintf(compare->subject, sizeof(compare->subject), "%s", json_text(tree, "case", ""));
    for (const struct json_node *word = extra != NULL ? extra->first : NULL; word != NULL;
         word = word->next) {
        add_text(compare->subject, sizeof(compare->subject), " ");
        add_text(compare->subject, sizeof(compare->subject), word->text != NULL ? word->text : "");
    }
}

static void
read_origin(struct compare *compare, const struct json_node *tree)
{
    const struct json_node *machine = json_member(tree, "machine");
    double rounds = json_number(tree, "rounds", 0);

    if (rounds > 0) {
        snprintf(compare->origin, sizeof(compare->origin), "%.0f rounds of %g s. ", rounds,
                 json_number(tree, "seconds", 0));
    } else {
        snprintf(compare->origin, sizeof(compare->origin),
                 "The difference of two runs of different lengths. ");
    }
    if (machine != NULL) {
        char text[240];

        snprintf(text, sizeof(text), "%s, %.0f cores, Linux %s, %s, load at the start %.2g.",
                 json_text(machine, "cpu", "unknown processor"), json_number(machine, "cores", 0),
                 json_text(machine, "kernel", "?"), json_text(machine, "date", "no date"),
                 json_number(machine, "load", NAN));
        add_text(compare->origin, sizeof(compare->origin), text);
    }
}

bool
compare_is_known(const struct json_node *tree)
{
    const struct json_node *of = json_member(tree, "summaries");

    if (of == NULL) {
        of = json_member(tree, "results");
    }
    return of != NULL && of->kind == JSON_OBJECT && json_member(tree, "case") != NULL;
}

void
compare_read(struct compare *ret_compare, const struct json_node *tree)
{
    const struct json_node *summaries = json_member(tree, "summaries");

    memset(ret_compare, 0, sizeof(*ret_compare));
    read_subject(ret_compare, tree);
    read_origin(ret_compare, tree);
    if (summaries == NULL) {
        read_instructions(ret_compare, json_member(tree, "results"));
        read_calls(ret_compare, json_member(tree, "results"));
        return;
    }
    for (const struct json_node *summary = summaries->first; summary != NULL;
         summary = summary->next) {
        read_summary(ret_compare, summary);
    }
}
