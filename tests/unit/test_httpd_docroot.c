// SPDX-License-Identifier: MIT
// What lies below a folder is opened, and nothing else; what was looked at is what is served.

#include "cache.h"
#include "docroot.h"
#include "document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char program_name[] = "test";

struct folder {
    char path[64];
    struct host host;
    struct media *media;
};

static void
write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[256];
    FILE *file;
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0); // long settled
}

static void
link_to(const struct folder *folder, const char *name, const char *target)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    assert_int_equal(symlink(target, path), 0);
}

static int
make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    char path[256];

    snprintf(folder->path, sizeof(folder->path), "/tmp/weir-docroot.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(path, sizeof(path), "%s/sub", folder->path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/fifo", folder->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    write_file(folder, "a", "content of a");
    write_file(folder, "sub/b", "content of b");
    link_to(folder, "out", "/etc/passwd");
    link_to(folder, "up", "..");
    link_to(folder, "in", "sub/b");
    link_to(folder, "round", "round");
    folder->host = (struct host){.root_fd = docroot_begin(folder->path),
                                 .codings = 1u << CODING_GZIP,
                                 .indexes = {"index.html"},
                                 .index_count = 1};
    assert_true(folder->host.root_fd >= 0);
    folder->media = media_create();
    *state = folder;
    return 0;
}

static int
drop_folder(void **state)
{
    struct folder *folder = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder->path);
    close(folder->host.root_fd);
    media_free(folder->media);
    assert_int_equal(system(command), 0);
    free(folder);
    return 0;
}

typedef int opener(int root_fd, const char *path, struct stat *ret_stat);

static int
open_blocking(int root_fd, const char *path, struct stat *ret_stat)
{
    return docroot_open(root_fd, path, true, ret_stat);
}

static void
expect_refused(opener *open_it, const struct folder *folder, const char *path)
{
    struct stat stat;
    int fd = open_it(folder->host.root_fd, path, &stat);

    assert_true(fd == -EXDEV || fd == -ELOOP || fd == -ENOTDIR);
}

static void
expect_opened(opener *open_it, const struct folder *folder, const char *path)
{
    struct stat stat;
    int fd = open_it(folder->host.root_fd, path, &stat);

    assert_true(fd >= 0);
    close(fd);
}

static void
expect_beneath(opener *open_it, const struct folder *folder)
{
    struct stat stat;

    expect_opened(open_it, folder, "a");
    expect_opened(open_it, folder, "sub/b");
    expect_opened(open_it, folder, ".");
    expect_opened(open_it, folder, "sub/");
    expect_opened(open_it, folder, "fifo");
    expect_refused(open_it, folder, "out");
    expect_refused(open_it, folder, "up/x");
    expect_refused(open_it, folder, "../x");
    expect_refused(open_it, folder, "sub/../../x");
    expect_refused(open_it, folder, "round");
    assert_int_equal(open_it(folder->host.root_fd, "nothing", &stat), -ENOENT);
    assert_int_equal(open_it(folder->host.root_fd, "a/b", &stat), -ENOTDIR);
}

static void
nothing_outside_is_opened(void **state)
{
    expect_beneath(open_blocking, *state);
    expect_opened(open_blocking, *state, "in");
}

static void
nothing_outside_is_opened_step_by_step_either(void **state)
{
    expect_beneath(docroot_open_by_steps, *state);
    expect_refused(docroot_open_by_steps, *state, "in"); // no link at all
}

static struct document *
load(const struct folder *folder, const char *path)
{
    struct document *document = NULL;

    assert_int_equal(document_load(&folder->host, folder->media, path, true, &document), 0);
    return document;
}

static void
a_small_file_is_in_memory_and_a_large_one_open(void **state)
{
    struct folder *folder = *state;
    struct document *document = load(folder, "/a");
    const struct variant *variant = &document->variants[CODING_IDENTITY];
    char *large = calloc(1, DOCUMENT_CONTENT_MAX + 2);

    assert_int_equal(variant->fd, -1);
    assert_int_equal(variant->size, 12);
    assert_memory_equal(variant->content, "content of a", 12);
    assert_string_equal(variant->modified, "Sun, 09 Sep 2001 01:46:40 GMT");
    assert_false(variant->is_weak);
    document_unref(document);
    memset(large, 'x', DOCUMENT_CONTENT_MAX + 1);
    write_file(folder, "large", large);
    document = load(folder, "/large");
    assert_true(document->variants[CODING_IDENTITY].fd >= 0);
    document_unref(document);
    free(large);
}

// Out of the page cache, where the file system lets it be.
static bool
forget(const struct folder *folder, const char *name)
{
    struct stat stat;
    int fd = docroot_open(folder->host.root_fd, name, true, &stat);
    unsigned char is_there = 1;
    void *first;

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    first = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0); // a read would bring it back
    assert_true(first != MAP_FAILED);
    assert_int_equal(mincore(first, 1, &is_there), 0);
    munmap(first, 1);
    close(fd);
    return !(is_there & 1);
}

static void
what_a_disk_has_to_be_asked_for_is_not_looked_at_where_nobody_may_wait(void **state)
{
    static const char *const paths[] = {"/large", "/a"};
    struct folder *folder = *state;
    char *large = calloc(1, 100001);
    struct document *document;

    memset(large, 'x', 100000);
    write_file(folder, "large", large);
    free(large);
    folder->host.codings = 0;
    for (unsigned i = 0; i < 2; i++) {
        if (!forget(folder, paths[i] + 1)) {
            skip(); // as in memory
        }
        assert_int_equal(document_load(&folder->host, folder->media, paths[i], false, &document),
                         -EAGAIN);
        document_unref(load(folder, paths[i]));
        assert_int_equal(document_load(&folder->host, folder->media, paths[i], false, &document),
                         0);
        document_unref(document);
    }
}

static void
encoded_neighbours_are_found_if_they_may_be(void **state)
{
    struct folder *folder = *state;
    struct document *document;

    write_file(folder, "a.gz", "packed");
    write_file(folder, "a.br", "packed more");
    document = load(folder, "/a");
    assert_int_equal(document->available, 1u << CODING_IDENTITY | 1u << CODING_GZIP);
    assert_memory_equal(document->variants[CODING_GZIP].content, "packed", 6);
    assert_string_not_equal(document->variants[CODING_GZIP].etag,
                            document->variants[CODING_IDENTITY].etag);
    document_unref(document);
}

static void
folders_want_a_slash_and_an_index(void **state)
{
    struct folder *folder = *state;
    struct document *document = load(folder, "/sub");

    assert_int_equal(document->kind, DOCUMENT_FOLDER);
    document_unref(document);
    assert_int_equal(document_load(&folder->host, folder->media, "/sub/", true, &document),
                     -ENOENT);
    folder->host.lists = true;
    document = load(folder, "/sub/");
    assert_int_equal(document->kind, DOCUMENT_LISTING);
    assert_non_null(strstr(document->variants[CODING_IDENTITY].content, "\"./b\""));
    document_unref(document);
    document = load(folder, "/");
    assert_non_null(strstr(document->variants[CODING_IDENTITY].content, "\"./in\""));
    assert_null(strstr(document->variants[CODING_IDENTITY].content, "out"));
    assert_null(strstr(document->variants[CODING_IDENTITY].content, "up"));
    assert_null(strstr(document->variants[CODING_IDENTITY].content, "fifo"));
    document_unref(document);
    write_file(folder, "sub/index.html", "index");
    document = load(folder, "/sub/");
    assert_int_equal(document->kind, DOCUMENT_FILE);
    assert_string_equal(document->type, "text/html; charset=utf-8");
    document_unref(document);
}

static void
what_is_no_file_is_not_found(void **state)
{
    struct folder *folder = *state;
    struct document *document;

    assert_int_equal(document_load(&folder->host, folder->media, "/fifo", true, &document),
                     -ENOENT);
    assert_int_equal(document_load(&folder->host, folder->media, "/a/", true, &document), -ENOENT);
}

static void
a_file_that_has_just_changed_has_a_weak_tag_and_is_not_kept(void **state)
{
    struct folder *folder = *state;
    struct cache *cache = cache_create(4, 1000);
    struct document *document;
    char path[256];

    snprintf(path, sizeof(path), "%s/a", folder->path);
    for (unsigned i = 0; i < 100; i++) { // a machine that is busy may be too late once
        assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
        document = load(folder, "/a");
        if (document->variants[CODING_IDENTITY].is_weak) {
            break;
        }
        document_unref(document);
        document = NULL;
    }
    assert_non_null(document);
    assert_memory_equal(document->variants[CODING_IDENTITY].etag, "W/\"", 3);
    cache_put(cache, document, 1);
    assert_null(cache_find(cache, &folder->host, "/a", 2, 1));
    document_unref(document);
    cache_free(cache);
}

// A new change would have another time.
static void
a_time_far_ahead_is_as_good_as_one_long_ago(void **state)
{
    struct folder *folder = *state;
    struct timespec ahead[2] = {{.tv_sec = 7000000000}, {.tv_sec = 7000000000}};
    struct document *document;
    char path[256];

    snprintf(path, sizeof(path), "%s/a", folder->path);
    assert_int_equal(utimensat(AT_FDCWD, path, ahead, 0), 0);
    document = load(folder, "/a");
    assert_false(document->variants[CODING_IDENTITY].is_weak);
    document_unref(document);
}

static void
a_document_is_kept_for_its_time_and_the_oldest_goes_first(void **state)
{
    struct folder *folder = *state;
    struct cache *cache = cache_create(2, 1000);
    const char *paths[] = {"/a", "/sub/b", "/sub"};
    struct document *document;

    for (unsigned i = 0; i < 2; i++) {
        document = load(folder, paths[i]);
        cache_put(cache, document, 5);
        document_unref(document);
    }
    document = cache_find(cache, &folder->host, "/a", 2, 5);
    assert_non_null(document); // and now the newest
    document_unref(document);
    document = load(folder, paths[2]);
    cache_put(cache, document, 5);
    document_unref(document);
    assert_null(cache_find(cache, &folder->host, "/sub/b", 6, 5));
    document = cache_find(cache, &folder->host, "/a", 2, 1004);
    assert_non_null(document);
    document_unref(document);
    assert_null(cache_find(cache, &folder->host, "/a", 2, 1005));
    assert_null(cache_find(cache, NULL, "/sub", 4, 5));
    cache_free(cache);
}

static void
an_open_file_that_changes_is_seen_at_once(void **state)
{
    struct folder *folder = *state;
    struct cache *cache = cache_create(2, UINT64_MAX);
    char *large = calloc(1, DOCUMENT_CONTENT_MAX + 3);
    struct document *document;

    memset(large, 'x', DOCUMENT_CONTENT_MAX + 1);
    write_file(folder, "large", large);
    document = load(folder, "/large");
    cache_put(cache, document, 5);
    document_unref(document);
    document = cache_find(cache, &folder->host, "/large", 6, 5);
    assert_non_null(document);
    document_unref(document);
    large[DOCUMENT_CONTENT_MAX + 1] = 'y';
    write_file(folder, "large", large);
    assert_null(cache_find(cache, &folder->host, "/large", 6, 5));
    cache_free(cache);
    free(large);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_outside_is_opened),
        CASE(nothing_outside_is_opened_step_by_step_either),
        CASE(a_small_file_is_in_memory_and_a_large_one_open),
        CASE(what_a_disk_has_to_be_asked_for_is_not_looked_at_where_nobody_may_wait),
        CASE(encoded_neighbours_are_found_if_they_may_be),
        CASE(folders_want_a_slash_and_an_index),
        CASE(what_is_no_file_is_not_found),
        CASE(a_file_that_has_just_changed_has_a_weak_tag_and_is_not_kept),
        CASE(a_time_far_ahead_is_as_good_as_one_long_ago),
        CASE(a_document_is_kept_for_its_time_and_the_oldest_goes_first),
        CASE(an_open_file_that_changes_is_seen_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
