/* SPDX-License-Identifier: MIT */
#include "listing.h"

#include "docroot.h"
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MAX 10000u // of a page; what is more is said to be more

struct item {
    char *name;
    uint64_t size;
    int64_t modified_s;
    bool is_folder;
};

struct items {
    struct item *all;
    unsigned count;
    unsigned room;
    bool has_more;
};

/* ---- reading ---- */

static bool
add(struct items *items, const char *name, const struct stat *stat)
{
    if (items->count == items->room) {
        unsigned room = items->room == 0 ? 64 : items->room * 2;
        struct item *all = realloc(items->all, room * sizeof(all[0]));

        if (all == NULL) {
            return false;
        }
        items->all = all;
        items->room = room;
    }
    items->all[items->count] = (struct item){
        .name = strdup(name),
        .size = (uint64_t)stat->st_size,
        .modified_s = stat->st_mtim.tv_sec,
        .is_folder = S_ISDIR(stat->st_mode),
    };
    return items->all[items->count++].name != NULL;
}

// What a symbolic link leads to, if that is below the root: nothing is told of what is not.
static bool
look_behind_link(const struct host *host, const char *folder, const char *name,
                 struct stat *ret_stat)
{
    char path[TARGET_PATH_MAX + NAME_MAX + 1];
    int fd;

    snprintf(path, sizeof(path), "%s%s", folder + 1, name); // a target's path, without its slash
    fd = docroot_open(host->root_fd, path, true, ret_stat);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

// Could it be asked for? Files and folders can.
static bool
is_listed(const struct host *host, DIR *folder, const char *path, const char *name,
          struct stat *ret_stat)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (name[0] == '.' && !host->shows_hidden) ||
        fstatat(dirfd(folder), name, ret_stat, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    if (S_ISLNK(ret_stat->st_mode) && !look_behind_link(host, path, name, ret_stat)) {
        return false;
    }
    return S_ISREG(ret_stat->st_mode) || S_ISDIR(ret_stat->st_mode);
}

static bool
read_items(const struct host *host, DIR *folder, const char *path, struct items *items)
{
    struct dirent *entry;

    while ((entry = readdir(folder)) != NULL) {
        struct stat stat;

        if (!is_listed(host, folder, path, entry->d_name, &stat)) {
            continue;
        }
        if (items->count == NAMES_MAX) {
            items->has_more = true;
            return true;
        }
        if (!add(items, entry->d_name, &stat)) {
            return false;
        }
    }
    return true;
}

static int
compare(const void *a, const void *b)
{
    const struct item *one = a;
    const struct item *other = b;

    return one->is_folder != other->is_folder ? other->is_folder - one->is_folder
                                              : strcmp(one->name, other->name);
}

/* ---- writing ---- */

static void
write_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

// "./" before it: a name with a colon is no scheme.
static void
write_link(FILE *out, const char *name)
{
    char escaped[NAME_MAX * 3 + 1];

    target_escape(name, escaped, sizeof(escaped));
    fputs("./", out);
    write_text(out, escaped);
}

static void
write_item(FILE *out, const struct item *item)
{
    time_t time = (time_t)item->modified_s;
    struct tm parts;
    char date[32] = "";

    if (gmtime_r(&time, &parts) != NULL) {
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &parts);
    }
    fputs("<tr><td><a href=\"", out);
    write_link(out, item->name);
    fputs(item->is_folder ? "/\">" : "\">", out);
    write_text(out, item->name);
    fprintf(out, "%s</a><td>%s<td>", item->is_folder ? "/" : "", date);
    if (!item->is_folder) {
        fprintf(out, "%" PRIu64, item->size);
    }
    fputc('\n', out);
}

static void
write_page(FILE *out, const char *path, const struct items *items)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
          out);
    write_text(out, path);
    fputs("</title>\n<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;"
          "margin:2em auto;max-width:60em;padding:0 1em}td{padding:.1em 1em .1em 0}"
          "td+td{text-align:right;font-variant-numeric:tabular-nums;opacity:.75}</style>\n<h1>",
          out);
    write_text(out, path);
    fputs("</h1>\n<table>\n", out);
    if (strcmp(path, "/") != 0) {
        fputs("<tr><td><a href=\"../\">../</a><td><td>\n", out);
    }
    for (unsigned i = 0; i < items->count; i++) {
        write_item(out, &items->all[i]);
    }
    fputs("</table>\n", out);
    if (items->has_more) {
        fprintf(out, "<p>and more than these %u\n", items->count);
    }
}

static char *
make_page(const char *path, const struct items *items, size_t *ret_size)
{
    char *page = NULL;
    FILE *out = open_memstream(&page, ret_size);

    if (out == NULL) {
        return NULL;
    }
    write_page(out, path, items);
    if (fclose(out) != 0) {
        free(page);
        return NULL;
    }
    return page;
}

char *
listing_make(const struct host *host, int folder_fd, const char *path, size_t *ret_size)
{
    DIR *folder = fdopendir(folder_fd);
    struct items items = {0};
    char *page = NULL;

    if (folder == NULL) {
        close(folder_fd);
        return NULL;
    }
    if (read_items(host, folder, path, &items)) {
        if (items.count != 0) {
            qsort(items.all, items.count, sizeof(items.all[0]), compare);
        }
        page = make_page(path, &items, ret_size);
    }
    for (unsigned i = 0; i < items.count; i++) {
        free(items.all[i].name);
    }
    free(items.all);
    closedir(folder);
    return page;
}
