// with: httpd
// SPDX-License-Identifier: MIT
// What weir-httpd makes of a stranger's bytes: targets, ranges, preconditions, codings, dates,
// names of hosts, lines of the log. Whatever they are, what comes out keeps its promises.

#include "access.h"
#include "coding.h"
#include "conditional.h"
#include "host.h"
#include "ranges.h"
#include "target.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char program_name[] = "fuzz";

// In memory of exactly that size, so that a sanitizer sees a step behind it.
static char *
exactly(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size != 0 ? size : 1);

    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, data, size);
    return bytes;
}

// The path is below the root: no dot segment, no empty one, no NUL.
static void
check_path(const struct target *target)
{
    fuzz_require(target->path[0] == '/' && target->path[target->path_size] == '\0');
    fuzz_require(strlen(target->path) == target->path_size);
    fuzz_require(target->path_size < TARGET_PATH_MAX);
    fuzz_require(strstr(target->path, "//") == NULL && strstr(target->path, "/../") == NULL &&
                 strstr(target->path, "/./") == NULL);
    for (size_t i = 0; i <= 2; i++) {
        static const char *const ends[] = {"/.", "/..", "/"};
        size_t size = strlen(ends[i]);

        fuzz_require(i == 2 || target->path_size < size ||
                     strcmp(target->path + target->path_size - size, ends[i]) != 0);
    }
}

static void
fuzz_target(const char *bytes, size_t size)
{
    static struct target target;
    static struct target again;
    static char text[3 * TARGET_PATH_MAX + 1];
    unsigned status = target_parse(&target, bytes, size);

    fuzz_require(status == 0 || status == 400 || status == 414);
    if (status != 0 || target.is_asterisk) {
        return;
    }
    check_path(&target);
    fuzz_require(target_escape(target.path, text, sizeof(text)) == strlen(text));
    fuzz_require(target_parse(&again, text, strlen(text)) == 0);
    fuzz_require(strcmp(again.path, target.path) == 0 && again.is_hidden == target.is_hidden);
}

static void
fuzz_ranges(const char *bytes, size_t size, uint64_t length)
{
    struct range ranges[RANGES_MAX];
    uint64_t total = 0;
    unsigned count;
    enum ranges_answer answer = ranges_parse(bytes, size, length, ranges, &count);

    fuzz_require((answer == RANGES_SOME) == (count != 0 && answer == RANGES_SOME));
    for (unsigned i = 0; answer == RANGES_SOME && i < count; i++) {
        fuzz_require(ranges[i].size != 0 && ranges[i].first < length);
        fuzz_require(ranges[i].size <= length - ranges[i].first);
        total += ranges[i].size;
    }
    fuzz_require(total <= length);
}

static void
fuzz_field(const char *name, const char *bytes, size_t size)
{
    static const struct validators validators = {"\"a\"", 3, false, 784111777};
    struct weir_http_field field = {name, bytes, (uint32_t)strlen(name), (uint32_t)size};
    struct accepted accepted;
    struct asked asked;

    asked_collect(&asked, &field, 1);
    (void)conditional_judge(&asked, &validators);
    (void)conditional_range_holds(&asked, &validators, 784111999);
    coding_accepted(&asked, &accepted);
    for (unsigned i = 0; i < CODINGS; i++) {
        fuzz_require(accepted.weights[i] <= 1000);
    }
    for (unsigned available = 0; available < 1u << CODINGS; available++) {
        enum coding coding = coding_choose(&accepted, available);

        fuzz_require(coding == CODINGS || (available & 1u << coding));
        fuzz_require(coding == CODINGS || accepted.weights[coding] != 0);
    }
}

static void
fuzz_host(const char *bytes, size_t size)
{
    struct hosts hosts = {0};

    if (hosts_add(&hosts) == NULL || hosts_add(&hosts) == NULL ||
        hosts_name(&hosts, &hosts.all[1], "example.org") != 0 || hosts_sort(&hosts) != 0) {
        abort();
    }
    (void)hosts_find(&hosts, bytes, size);
    hosts_free(&hosts);
}

static void
fuzz_log(const char *bytes, size_t size)
{
    char out[64];
    size_t have = access_escape(out, 0, sizeof(out), bytes, size);

    fuzz_require(have <= sizeof(out));
    for (size_t i = 0; i < have; i++) {
        fuzz_require(out[i] >= ' ' && out[i] < 0x7f && out[i] != '"');
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "If-Match",          "If-None-Match",       "If-Range",
        "If-Modified-Since", "If-Unmodified-Since", "Accept-Encoding"};
    struct fuzz_bytes input = {data, size};
    uint64_t length = (uint64_t)fuzz_word(&input) << (fuzz_byte(&input) & 47);
    unsigned what = fuzz_below(&input, 10);
    char *bytes = exactly(input.data, input.size);

    if (what < 6) {
        fuzz_field(names[what], bytes, input.size);
    } else if (what == 6) {
        fuzz_ranges(bytes, input.size, length);
    } else if (what == 7) {
        fuzz_host(bytes, input.size);
    } else if (what == 8) {
        fuzz_log(bytes, input.size);
    } else {
        fuzz_target(bytes, input.size);
    }
    free(bytes);
    return 0;
}
