/* SPDX-License-Identifier: MIT */
#include "attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOUND_MAX 1024
#define ANSWER_S  2
#define LOOPS_MAX 256

/* ---- finding ---- */

// weir.<process>.<number>.<name>
static bool
parse_file(struct found *ret_found, const char *file)
{
    int used = 0;
    unsigned long long number;

    *ret_found = (struct found){0};
    if (strlen(file) >= sizeof(ret_found->file) ||
        sscanf(file, "weir.%lu.%llu.%n", &ret_found->process, &number, &used) != 2 || used == 0 ||
        file[used] == '\0' || strlen(file + used) >= sizeof(ret_found->name) ||
        ret_found->process == 0 || ret_found->process > INT32_MAX) {
        return false;
    }
    snprintf(ret_found->file, sizeof(ret_found->file), "%s", file);
    snprintf(ret_found->name, sizeof(ret_found->name), "%s", file + used);
    ret_found->is_alive = kill((pid_t)ret_found->process, 0) == 0 || errno == EPERM;
    return true;
}

int
attach_list(struct found *ret_found, unsigned max)
{
    DIR *directory = opendir(WEIR_PAGE_DIRECTORY);
    const struct dirent *entry;
    unsigned count = 0;

    if (directory == NULL) {
        return -errno;
    }
    while (count < max && (entry = readdir(directory)) != NULL) {
        count += parse_file(&ret_found[count], entry->d_name);
    }
    closedir(directory);
    return (int)count;
}

static bool
is_meant(const struct found *found, const char *whom)
{
    char *end;
    unsigned long process;

    if (whom == NULL) {
        return found->is_alive;
    }
    process = strtoul(whom, &end, 10);
    return (*end == '\0' && process == found->process) || strcmp(whom, found->name) == 0;
}

static void
say_why_not(const char *whom, unsigned matches, bool was_alive)
{
    if (matches > 1) {
        fprintf(stderr, "weir-top: %s is not one program; weir-top --list shows them\n",
                whom != NULL ? whom : "that");
    } else if (matches == 1 && !was_alive) {
        fprintf(stderr, "weir-top: %s has ended without taking its page away\n", whom);
    } else if (whom != NULL) {
        fprintf(stderr,
                "weir-top: no program %s shows statistics (is its stats_name set, is it in this "
                "process namespace?)\n",
                whom);
    } else {
        fprintf(stderr, "weir-top: no program shows statistics\n");
    }
}

// Living ones go before what the dead have left.
static bool
choose(struct found *ret_found, const char *whom)
{
    static struct found all[FOUND_MAX];
    int count = attach_list(all, FOUND_MAX);
    unsigned living = 0;
    unsigned dead = 0;

    if (count < 0) {
        fprintf(stderr, "weir-top: %s: %s\n", WEIR_PAGE_DIRECTORY, strerror(-count));
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (is_meant(&all[i], whom) && (all[i].is_alive || living == 0)) {
            *ret_found = all[i];
            living += all[i].is_alive;
            dead += !all[i].is_alive;
        }
    }
    if (living != 1) {
        say_why_not(whom, living > 1 ? living : dead > 0, false);
    }
    return living == 1;
}

/* ---- mapping ---- */

static const char *
what_is_wrong(const struct weir_page *page, size_t size)
{
    if (size < sizeof(*page) || page->magic != WEIR_PAGE_MAGIC) {
        return "is not a page of weir, or not yet";
    }
    if (page->version != WEIR_PAGE_VERSION || page->loop_size != sizeof(struct weir_page_loop)) {
        return "was written by another version of weir";
    }
    if (page->loops_at < sizeof(*page) || page->loop_count == 0 || page->loop_count > LOOPS_MAX ||
        page->loops_at % sizeof(uint64_t) != 0 || page->loops_at > size ||
        (size - page->loops_at) / page->loop_size < page->loop_count) {
        return "is damaged";
    }
    return NULL;
}

static bool
map(struct attached *attached)
{
    char path[sizeof(WEIR_PAGE_DIRECTORY) + sizeof(attached->found.file) + 1];
    const char *wrong;
    struct stat about;
    void *memory;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", WEIR_PAGE_DIRECTORY, attached->found.file);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &about) < 0) {
        fprintf(stderr, "weir-top: %s: %s\n", path, strerror(errno));
        return false;
    }
    attached->size = (size_t)about.st_size;
    memory = attached->size == 0
                 ? MAP_FAILED
                 : mmap(NULL, attached->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    wrong = memory == MAP_FAILED ? "cannot be mapped" : what_is_wrong(memory, attached->size);
    if (wrong != NULL) {
        fprintf(stderr, "weir-top: %s %s\n", path, wrong);
        return false;
    }
    attached->page = memory;
    attached->loop_count = attached->page->loop_count;
    return true;
}

bool
attach(struct attached *ret_attached, const char *whom)
{
    *ret_attached = (struct attached){0};
    return choose(&ret_attached->found, whom) && map(ret_attached);
}

/* ---- asking ---- */

static bool
is_gone(const struct attached *attached)
{
    return kill((pid_t)attached->found.process, 0) < 0 && errno == ESRCH;
}

enum answer
attach_ask(const struct attached *attached, struct weir_page_loop *ret_loops)
{
    struct weir_page *page = attached->page;
    const char *loops = (const char *)page + sizeof(*page);
    const struct timespec patience = {.tv_sec = ANSWER_S};
    long result;
    uint32_t was = __atomic_load_n(&page->answered, __ATOMIC_ACQUIRE);

    __atomic_fetch_add(&page->wanted, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, &page->wanted, FUTEX_WAKE, 1, NULL, NULL, 0);
    do { // a signal interrupts it: then the whole patience begins anew, once per signal
        result = syscall(SYS_futex, &page->answered, FUTEX_WAIT, was, &patience, NULL, 0);
    } while (result < 0 && errno == EINTR);
    if (__atomic_load_n(&page->answered, __ATOMIC_ACQUIRE) == was) {
        return is_gone(attached) ? GONE : SILENT;
    }
    for (size_t i = 0; i < attached->loop_count * sizeof(*ret_loops) / sizeof(uint64_t); i++) {
        ((uint64_t *)(void *)ret_loops)[i] =
            __atomic_load_n((const uint64_t *)(const void *)loops + i, __ATOMIC_RELAXED);
    }
    return ANSWERED;
}
