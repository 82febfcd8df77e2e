/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "coding.h"
#include "docroot.h"
#include "help.h"
#include "sockets.h"

#include "common/program.h"
#include "common/settings.h"
#include "common/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S       UINT64_C(1000000000)
#define LISTEN_DEFAULT "tcp://127.0.0.1:8080"
#define COUNT_MAX      100000000u

/* ---- addresses ---- */

static bool
take_listen(void *arg, const struct given *given)
{
    struct options *options = arg;

    if (options->listen_count == OPTIONS_LISTEN_MAX) {
        return given_refuse(given, 0, "more than %u addresses", OPTIONS_LISTEN_MAX);
    }
    return given_place(given, 0, &options->listen[options->listen_count++]);
}

static bool
take_admin(void *arg, const struct given *given)
{
    struct options *options = arg;

    options->has_admin = true;
    return given_place(given, 0, &options->admin);
}

/* ---- hosts ---- */

// The host that settings are for now: the last that was begun.
static struct host *
current_host(struct options *options)
{
    return &options->hosts.all[options->hosts.count - 1];
}

static bool
take_host(void *arg, const struct given *given)
{
    struct options *options = arg;
    struct host *host = hosts_add(&options->hosts);

    if (host == NULL) {
        return given_refuse(given, 0, "out of memory");
    }
    for (unsigned i = 0; i < given->count; i++) {
        switch (hosts_name(&options->hosts, host, given->words[i])) {
        case 0:
            break;
        case -EINVAL:
            return given_refuse(given, i, "\"%s\" is no name of a host", given->words[i]);
        case -EEXIST:
            return given_refuse(given, i, "there is a host \"%s\" already", given->words[i]);
        default:
            return given_refuse(given, i, "out of memory");
        }
    }
    return true;
}

static bool
take_root(void *arg, const struct given *given)
{
    struct host *host = current_host(arg);

    if (host->root != NULL) {
        return given_refuse(given, 0, "the host has a root already: %s", host->root);
    }
    host->root_fd = docroot_begin(given->words[0]);
    if (host->root_fd < 0) {
        return given_refuse(given, 0, "cannot use \"%s\" as a root: %s", given->words[0],
                            strerror(-host->root_fd));
    }
    host->root = strdup(given->words[0]);
    return host->root != NULL || given_refuse(given, 0, "out of memory");
}

static void
drop_indexes(struct host *host)
{
    while (host->index_count != 0) {
        free(host->indexes[--host->index_count]);
    }
}

static bool
take_index(void *arg, const struct given *given)
{
    struct host *host = current_host(arg);

    drop_indexes(host);
    for (unsigned i = 0; i < given->count; i++) {
        if (*given->words[i] == '\0' || strchr(given->words[i], '/') != NULL) {
            return given_refuse(given, i, "index wants the name of a file, not \"%s\"",
                                given->words[i]);
        }
        host->indexes[i] = strdup(given->words[i]);
        if (host->indexes[i] == NULL) {
            return given_refuse(given, i, "out of memory");
        }
        host->index_count++;
    }
    return true;
}

static bool
take_listing(void *arg, const struct given *given)
{
    (void)given;
    current_host(arg)->lists = true;
    return true;
}

static bool
take_hidden(void *arg, const struct given *given)
{
    (void)given;
    current_host(arg)->shows_hidden = true;
    return true;
}

static bool
take_cache_control(void *arg, const struct given *given)
{
    struct host *host = current_host(arg);

    for (const char *at = given->words[0]; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f) {
            return given_refuse(given, 0, "cache-control wants plain text");
        }
    }
    free(host->cache_control);
    host->cache_control = strdup(given->words[0]);
    return host->cache_control != NULL || given_refuse(given, 0, "out of memory");
}

static bool
take_encoded(void *arg, const struct given *given)
{
    unsigned codings = 0;

    for (unsigned i = 0; i < given->count; i++) {
        unsigned coding = 0;

        while (coding < CODING_IDENTITY &&
               strcmp(coding_name((enum coding)coding), given->words[i]) != 0) {
            coding++;
        }
        if (coding == CODING_IDENTITY && strcmp(given->words[i], "none") != 0) {
            return given_refuse(given, i, "encoded wants br, zstd, gzip or none, not \"%s\"",
                                given->words[i]);
        }
        codings |= 1u << coding;
    }
    current_host(arg)->codings = codings & ~(1u << CODING_IDENTITY);
    return true;
}

static bool
take_unknown(void *arg, const struct given *given)
{
    struct options *options = arg;

    options->refuses_unknown = strcmp(given->words[0], "refuse") == 0;
    return options->refuses_unknown || strcmp(given->words[0], "default") == 0 ||
           given_refuse(given, 0, "unknown-host wants default or refuse, not \"%s\"",
                        given->words[0]);
}

static bool
take_type(void *arg, const struct given *given)
{
    int result = media_add(((struct options *)arg)->media, given->words[0], given->words[1]);

    return result == 0 ||
           given_refuse(given, result == -EINVAL ? 1 : 0,
                        result == -EINVAL ? "type wants an ending without a dot and a media type"
                                          : "out of memory");
}

/* ---- endpoints ---- */

static bool
take_path(char **place, const struct given *given)
{
    char *path = strdup(given->words[0]);

    if (*given->words[0] != '/') {
        free(path);
        return given_refuse(given, 0, "%s wants a path that begins with /, not \"%s\"", given->name,
                            given->words[0]);
    }
    free(*place);
    *place = path;
    return path != NULL || given_refuse(given, 0, "out of memory");
}

static bool
take_echo(void *arg, const struct given *given)
{
    return take_path(&((struct options *)arg)->echo, given);
}

static bool
needs_sockets(const struct given *given)
{
    return sockets_are_built() ||
           given_refuse(given, given->count, "%s: this build has no WebSocket", given->name);
}

static bool
take_ws_echo(void *arg, const struct given *given)
{
    return needs_sockets(given) && take_path(&((struct options *)arg)->ws_echo, given);
}

static bool
take_live(void *arg, const struct given *given)
{
    return needs_sockets(given) && take_path(&((struct options *)arg)->live, given);
}

static bool
take_metrics(void *arg, const struct given *given)
{
    return take_path(&((struct options *)arg)->metrics, given);
}

// All endpoints that there are, at their usual paths.
static bool
take_demo(void *arg, const struct given *given)
{
    static const struct {
        bool (*take)(void *arg, const struct given *given);
        char path[16];
    } all[] = {{take_echo, "/echo"},
               {take_metrics, "/metrics"},
               {take_ws_echo, "/ws/echo"},
               {take_live, "/live"}};
    size_t built = sockets_are_built() ? 4 : 2;

    for (size_t i = 0; i < built; i++) {
        struct given one = *given;
        char path[sizeof(all[i].path)];

        memcpy(path, all[i].path, sizeof(path));
        one.words[0] = path;
        one.count = 1;
        if (!all[i].take(arg, &one)) {
            return false;
        }
    }
    return true;
}

/* ---- limits ---- */

// A rate, or none: what no connection falls below.
static bool
take_rate(uint32_t *place, const struct given *given)
{
    uint64_t rate = UINT32_MAX;

    if (strcmp(given->words[0], "off") != 0 && !given_number(given, 0, 1, UINT32_MAX - 1, &rate)) {
        return false;
    }
    *place = (uint32_t)rate;
    return true;
}

static bool
take_receive_rate(void *arg, const struct given *given)
{
    return take_rate(&((struct options *)arg)->limits.receive_rate_min, given);
}

static bool
take_send_rate(void *arg, const struct given *given)
{
    return take_rate(&((struct options *)arg)->limits.send_rate_min, given);
}

#define AT(field)  .offset = offsetof(struct options, field)
#define OWN(n)     SETTING_OWN, .min = 1, .max = (n)
#define OWN_SWITCH SETTING_OWN, .min = 0, .max = 0

static const struct setting table[] = {
    {"listen", OWN(1), .take = take_listen},
    {"admin", OWN(1), .take = take_admin},
    {"host", OWN(SETTINGS_WORDS_MAX), .take = take_host},
    {"root", OWN(1), .take = take_root},
    {"index", OWN(HOST_INDEXES_MAX), .take = take_index},
    {"listing", OWN_SWITCH, .take = take_listing},
    {"dotfiles", OWN_SWITCH, .take = take_hidden},
    {"cache-control", OWN(1), .take = take_cache_control},
    {"encoded", OWN(CODINGS), .take = take_encoded},
    {"unknown-host", OWN(1), .take = take_unknown},
    {"type", SETTING_OWN, .min = 2, .max = 2, .take = take_type, .scope = SETTING_IN_FILES},
    {"echo", OWN(1), .take = take_echo},
    {"ws-echo", OWN(1), .take = take_ws_echo},
    {"live", OWN(1), .take = take_live},
    {"metrics", OWN(1), .take = take_metrics},
    {"demo", OWN_SWITCH, .take = take_demo},
    {"connections", SETTING_NUMBER, AT(connections), 1, COUNT_MAX},
    {"line-max", SETTING_NUMBER, AT(limits.line_max), 64, 1u << 20},
    {"head-max", SETTING_NUMBER, AT(limits.head_max), 128, 1u << 22},
    {"fields-max", SETTING_NUMBER, AT(limits.fields_max), 1, 240},
    {"body-max", SETTING_BYTES, AT(limits.body_max), 1, UINT64_C(1) << 62},
    {"discard-max", SETTING_BYTES, AT(limits.discard_max), 1, UINT64_C(1) << 62},
    {"requests", SETTING_NUMBER, AT(limits.requests_max), 1, UINT32_MAX},
    {"head-timeout", SETTING_TIME, AT(limits.head_ns)},
    {"idle", SETTING_TIME, AT(limits.idle_ns)},
    {"grace", SETTING_TIME, AT(limits.grace_ns)},
    {"receive-rate", OWN(1), .take = take_receive_rate},
    {"send-rate", OWN(1), .take = take_send_rate},
    {"drain-timeout", SETTING_TIME, AT(drain_ns)},
    {"cache", SETTING_NUMBER, AT(cache_entries), 0, 1u << 20},
    {"cache-valid", SETTING_TIME, AT(cache_valid_ns)},
    {"disk-threads", SETTING_NUMBER, AT(disk_threads), 1, 64},
    {"log", SETTING_TEXT, AT(log)},
    {"loops", SETTING_NUMBER, AT(loops), 1, 256},
    {"reuseport", SETTING_SWITCH, AT(reuseport)},
    {"pin", SETTING_SWITCH, AT(pin)},
    {"port-file", SETTING_TEXT, AT(port_file)},
    {"show", SETTING_TEXT, AT(show)},
    {"stall", SETTING_NUMBER, AT(stall_ms), 1, 3600000},
    {"check", SETTING_SWITCH, AT(only_checks), .scope = SETTING_IN_ARGUMENTS},
};

/* ---- the whole ---- */

static bool
begin(struct options *options)
{
    *options = (struct options){
        .drain_ns = 30 * NS_PER_S,
        .cache_entries = 1024,
        .cache_valid_ns = NS_PER_S,
        .disk_threads = 2,
        .media = media_create(),
    };
    if (options->media == NULL || hosts_add(&options->hosts) == NULL) {
        complain("out of memory");
        return false;
    }
    return true;
}

// All sockets that were handed over, the admin's by its name; else the usual address.
static bool
complete_addresses(struct options *options)
{
    char address[] = LISTEN_DEFAULT;
    char any[] = "systemd:";
    unsigned handed_over = systemd_sockets();
    struct given given = {
        .name = "listen", .words = {handed_over != 0 ? any : address}, .count = 1};
    bool is_good = true;

    if (options->listen_count != 0) {
        return true;
    }
    if (handed_over > 1 && !options->has_admin && systemd_has("admin")) {
        options->has_admin = true;
        snprintf(options->admin.name, sizeof(options->admin.name), "admin");
        handed_over--;
    }
    do {
        is_good = take_listen(options, &given);
    } while (is_good && options->listen_count < handed_over);
    return is_good;
}

// What is left unsaid.
static bool
complete(struct options *options)
{
    struct given given = {.name = "listen"};
    char index[] = "index.html";
    bool has_files = false;

    for (unsigned i = 0; i < options->hosts.count; i++) {
        struct host *host = &options->hosts.all[i];

        has_files |= host->root != NULL;
        if (host->index_count == 0) {
            host->indexes[0] = strdup(index);
            host->index_count = host->indexes[0] != NULL;
        }
    }
    if (!has_files && options->echo == NULL && options->ws_echo == NULL && options->live == NULL &&
        options->metrics == NULL) {
        return given_refuse(&given, 0, "nothing to serve: say --root, or --demo");
    }
    if (hosts_sort(&options->hosts) < 0) {
        return given_refuse(&given, 0, "out of memory");
    }
    return complete_addresses(options);
}

enum options_answer
options_parse(struct options *options, int argc, char **argv)
{
    const struct settings settings = {
        .table = table, .count = sizeof(table) / sizeof(table[0]), .options = options};
    struct given given = {.name = ""};
    int first;

    if (!begin(options)) {
        return OPTIONS_WRONG;
    }
    switch (settings_take_arguments(&settings, argc, argv, &first)) {
    case SETTINGS_HELP:
        fputs(help_text, stdout);
        return OPTIONS_DONE;
    case SETTINGS_WRONG:
        return OPTIONS_WRONG;
    default:
        break;
    }
    if (first < argc) {
        given_refuse(&given, 0, "not an option: %s", argv[first]);
        return OPTIONS_WRONG;
    }
    if (!complete(options)) {
        return OPTIONS_WRONG;
    }
    if (options->only_checks) {
        puts("weir-httpd: the settings are good");
        return OPTIONS_DONE;
    }
    return OPTIONS_GOOD;
}

void
options_free(struct options *options)
{
    hosts_free(&options->hosts);
    media_free(options->media);
    free(options->echo);
    free(options->ws_echo);
    free(options->live);
    free(options->metrics);
    free(options->log);
    free(options->port_file);
    free(options->show);
}
