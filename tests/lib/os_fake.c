// SPDX-License-Identifier: MIT

// Each call of runtime/os.h on the kernel of fake_kernel.c; those that make and connect sockets are
// in fake_sockets.c.

#include "mem/atomic.h"
#include "tests/lib/fake_kernel.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/un.h>

#define TICK_NS UINT64_C(1000000)

int
wi_os_close(int fd)
{
    struct fake_file *file;
    int result;

    fake_enter();
    result = fake_script(OS_CLOSE);
    file = fake_file(fd);
    if (file == NULL) {
        return (int)fake_leave(-EBADF);
    }
    fake_close(file);
    return (int)fake_leave(result);
}

static int
open_scripted(enum os_call call, enum fake_kind kind)
{
    int result;

    fake_enter();
    result = fake_script(call);
    return (int)fake_leave(result < 0 ? result : fake_open(kind));
}

int
wi_os_wait(int poller_fd, struct epoll_event *events, int capacity, int timeout_ms)
{
    int poller = poller_fd - OS_FAKE_FIRST_FD;
    int result;

    fake_enter();
    result = fake_script(OS_WAIT);
    if (result < 0) {
        return (int)fake_leave(result == -EINTR ? 0 : result);
    }
    result = fake_collect(poller, events, capacity);
    while (result == 0 && timeout_ms < 0) {
        pthread_cond_wait(&fake_change, &fake_lock);
        result = fake_collect(poller, events, capacity);
    }
    if (result == 0 && timeout_ms > 0) {
        fake.now += (uint64_t)timeout_ms * TICK_NS; // a bounded wait passes in no time
    }
    pthread_mutex_unlock(&fake_lock); // nothing changed for others
    return result;
}

int
wi_os_poller_create(void)
{
    return open_scripted(OS_POLLER_CREATE, FAKE_FILE_POLLER);
}

static int
poll_control(enum os_call call, int poller_fd, int fd, uint32_t events, void *tag)
{
    int poller = poller_fd - OS_FAKE_FIRST_FD;
    int index = fd - OS_FAKE_FIRST_FD;
    struct fake_item *item = NULL;
    struct fake_item *spare = NULL;
    int result;

    fake_enter();
    result = fake_script(call);
    if (result < 0 || fake_file(fd) == NULL || fake_file(poller_fd) == NULL) {
        return (int)fake_leave(result < 0 ? result : -EBADF);
    }
    for (int i = 0; i < fake.item_count; i++) {
        bool is_it = fake.items[i].poller == poller && fake.items[i].file == index;

        item = is_it ? &fake.items[i] : item;
        spare = fake.items[i].poller < 0 ? &fake.items[i] : spare;
    }
    if ((item != NULL) == (call == OS_POLL_ADD)) {
        return (int)fake_leave(item != NULL ? -EEXIST : -ENOENT);
    }
    item = item == NULL ? spare : item;
    if (item == NULL && fake.item_count == FAKE_ITEMS) {
        return (int)fake_leave(-ENOSPC);
    }
    if (item == NULL) {
        item = &fake.items[fake.item_count++];
    }
    *item = (struct fake_item){
        .poller = poller, .file = index, .events = events, .tag = tag, .changed = true};
    if (call == OS_POLL_REMOVE) {
        item->poller = -1;
    }
    return (int)fake_leave(0);
}

int
wi_os_poll_add(int poller, int fd, uint32_t events, void *tag)
{
    return poll_control(OS_POLL_ADD, poller, fd, events, tag);
}

int
wi_os_poll_modify(int poller, int fd, uint32_t events, void *tag)
{
    return poll_control(OS_POLL_MODIFY, poller, fd, events, tag);
}

int
wi_os_poll_remove(int poller, int fd)
{
    return poll_control(OS_POLL_REMOVE, poller, fd, 0, NULL);
}

int
wi_os_wake_create(void)
{
    return open_scripted(OS_WAKE_CREATE, FAKE_FILE_WAKE);
}

void
wi_os_wake(int wake_fd)
{
    struct fake_file *file;

    fake_enter();
    file = fake_file(wake_fd);
    if (file != NULL) {
        file->count++;
        file->edges_in++;
    }
    fake_leave(0);
}

void
wi_os_wake_clear(int wake_fd)
{
    fake_enter();
    fake_file(wake_fd)->count = 0;
    fake_leave(0);
}

// A scripted failure of a transfer. After one that says "not now" an edge must come all the same.
static int
transfer_says(enum os_call call, struct fake_file *file)
{
    int result = fake_script(call);

    if (result == -EAGAIN && file != NULL) {
        fake_changed(file);
    }
    return result;
}

ssize_t
wi_os_receive(int fd, void *buffer, size_t size)
{
    struct fake_file *file;
    int result;

    fake_enter();
    file = fake_socket(fd);
    result = transfer_says(OS_RECEIVE, file);
    if (result < 0 || file == NULL) {
        return fake_leave(result < 0 ? result : -EBADF);
    }
    if (file->size == 0) {
        result = fake_socket_error(file);
        return fake_leave(result < 0 ? result : file->eof ? 0 : -EAGAIN);
    }
    return fake_leave((ssize_t)fake_receive(file, buffer, size));
}

bool
wi_os_is_at_end(int fd)
{
    const struct fake_file *file;

    fake_enter();
    file = fake_socket(fd);
    return fake_leave(file != NULL && file->size == 0 && file->eof && file->error == 0) != 0;
}

ssize_t
wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp, bool zerocopy)
{
    struct fake_file *file;
    ssize_t result;

    fake_enter();
    file = fake_socket(fd);
    result = transfer_says(OS_SEND, file);
    if (result < 0 || file == NULL) {
        return fake_leave(result < 0 ? result : -EBADF);
    }
    result = fake_send(file, iov, iov_count);
    if (result > 0 && stamp && file->stamps) { // what the peer's kernel has is acknowledged
        fake_report(
            file, (struct wi_os_report){.kind = WI_REPORT_ACKED, .low = (uint32_t)file->sent - 1});
    }
    if (result > 0 && zerocopy && file->zerocopy) {
        file->zerocopies++;
        fake_let_go(file, fake.zerocopy);
    }
    return fake_leave(result);
}

ssize_t
wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count)
{
    return wi_os_send_marked(fd, iov, iov_count, false, false);
}

ssize_t
wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count)
{
    return wi_os_send_marked(fd, iov, iov_count, false, false);
}

void
wi_os_send_rest(int fd)
{
    (void)fd;
}

ssize_t
wi_os_send(int fd, const void *data, size_t size)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

    return wi_os_send_vector(fd, &iov, 1);
}

// The bytes of a file from offset on; 0: it ends there.
static size_t
file_bytes(const struct fake_file *disk, uint64_t offset, size_t size, unsigned char **ret_bytes)
{
    size_t left = offset < disk->size ? disk->size - (size_t)offset : 0;

    *ret_bytes = disk->bytes + (left != 0 ? offset : 0);
    return size < left ? size : left;
}

ssize_t
wi_os_send_file(int fd, int file_fd, uint64_t offset, size_t size, bool blocks_signals)
{
    struct fake_file *file;
    const struct fake_file *disk;
    struct iovec piece = {0};
    unsigned char *bytes;
    ssize_t result;

    (void)blocks_signals;
    fake_enter();
    file = fake_socket(fd);
    disk = fake_file(file_fd);
    result = transfer_says(OS_SEND_FILE, file);
    if (result < 0 || file == NULL || disk == NULL || disk->kind != FAKE_FILE_DISK) {
        return fake_leave(result < 0 ? result : -EBADF);
    }
    piece.iov_len = file_bytes(disk, offset, size, &bytes);
    piece.iov_base = bytes;
    return fake_leave(piece.iov_len == 0 ? 0 : fake_send(file, &piece, 1));
}

ssize_t
wi_os_read_file(int file_fd, void *buffer, size_t size, uint64_t offset)
{
    const struct fake_file *disk;
    unsigned char *bytes;
    ssize_t result;

    fake_enter();
    disk = fake_file(file_fd);
    result = fake_script(OS_READ_FILE);
    if (result < 0 || disk == NULL || disk->kind != FAKE_FILE_DISK) {
        return fake_leave(result < 0 ? result : -EBADF);
    }
    size = file_bytes(disk, offset, size, &bytes);
    memcpy(buffer, bytes, size);
    return fake_leave((ssize_t)size);
}

int
wi_os_receive_report(int fd, struct wi_os_report *ret_report)
{
    struct fake_file *file;
    int result;

    fake_enter();
    file = fake_socket(fd);
    result = fake_script(OS_REPORT);
    if (result < 0 || file == NULL || file->report_count == 0) {
        return (int)fake_leave(result < 0 ? result : -EAGAIN);
    }
    *ret_report = file->reports[0];
    memmove(file->reports, file->reports + 1,
            (size_t)--file->report_count * sizeof(file->reports[0]));
    return (int)fake_leave(0);
}

// ---- signals, threads, time ---------------------------------------------------------------------

static int
call_only(enum os_call call)
{
    fake_enter();
    return (int)fake_leave(fake_script(call));
}

int
wi_os_unlink(const char *path)
{
    (void)path;
    return call_only(OS_UNLINK);
}

bool
wi_os_is_socket(const char *path)
{
    bool found = false;

    fake_enter();
    for (int i = 0; i < FAKE_FILES; i++) {
        const struct sockaddr_un *name = (const void *)&fake.files[i].local.any;

        found |= fake.files[i].kind == FAKE_FILE_SOCKET && name->sun_family == AF_UNIX &&
                 fake.files[i].state == FAKE_SOCKET_LISTENING && strcmp(name->sun_path, path) == 0;
    }
    return fake_leave(found) != 0;
}

int
wi_os_signal_create(const int *signals, unsigned count)
{
    uint64_t set = 0;
    int fd;

    for (unsigned i = 0; i < count; i++) {
        if (signals[i] <= 0 || signals[i] >= 64) {
            return -EINVAL;
        }
        set |= UINT64_C(1) << signals[i];
    }
    fd = open_scripted(OS_SIGNAL_CREATE, FAKE_FILE_SIGNAL);
    if (fd >= 0) {
        fake_file(fd)->count = set;
    }
    return fd;
}

int
wi_os_signal_take(int fd)
{
    uint64_t ready;
    int result;

    fake_enter();
    result = fake_script(OS_SIGNAL_TAKE);
    ready = fake_file(fd)->count & fake.signals;
    if (result < 0 || ready == 0) {
        return (int)fake_leave(result < 0 ? result : -EAGAIN);
    }
    fake.signals &= ~(ready & -ready);
    return (int)fake_leave(__builtin_ctzll(ready));
}

int
wi_os_thread_start(void **ret_thread, void *(*body)(void *), void *arg)
{
    pthread_t thread;
    int result = call_only(OS_THREAD_START);

    if (result == 0) {
        result = -pthread_create(&thread, NULL, body, arg);
    }
    if (result == 0) {
        *ret_thread = (void *)(uintptr_t)thread;
    }
    return result;
}

void
wi_os_thread_join(void *thread)
{
    pthread_join((pthread_t)(uintptr_t)thread, NULL);
}

void
wi_os_thread_detach(void *thread)
{
    pthread_detach((pthread_t)(uintptr_t)thread);
}

int
wi_os_pin(unsigned index)
{
    (void)index;
    return call_only(OS_PIN);
}

unsigned
wi_os_processors(void)
{
    return 2;
}

void
wi_os_yield(void)
{
    sched_yield();
}

int
wi_os_at_fork_child(void (*hook)(void))
{
    (void)hook;
    return call_only(OS_FORK_HOOK);
}

uint64_t
wi_os_now_ns(void)
{
    uint64_t now;

    fake_enter();
    now = fake.now;
    pthread_mutex_unlock(&fake_lock);
    return now;
}

void
wi_os_sleep(const void *word, uint32_t value, uint64_t deadline_ns)
{
    fake_enter();
    if (wi_load_acquire((const wi_atomic_u32 *)word) == value) {
        if (deadline_ns == UINT64_MAX) {
            pthread_cond_wait(&fake_change, &fake_lock);
        } else if (fake.now < deadline_ns) {
            fake.now = deadline_ns; // a bounded sleep passes in no time
        }
    }
    pthread_mutex_unlock(&fake_lock);
}

void
wi_os_wake_sleepers(const void *word)
{
    (void)word;
    fake_enter();
    fake_leave(0);
}
