// SPDX-License-Identifier: MIT

#include "tests/lib/fake_kernel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t fake_change = PTHREAD_COND_INITIALIZER;
struct fake fake;
static __thread bool is_aside;

#define FIRST_PORT 40000

// ---- the script ---------------------------------------------------------------------------------

static void
set_up(void)
{
    if (!fake.is_set_up) {
        fake.is_set_up = true;
        fake.now = OS_FAKE_START_NS;
        fake.capacity = 65536;
        fake.failed = OS_CALLS;
        fake.port = FIRST_PORT;
        for (int i = 0; i < FAKE_ITEMS; i++) {
            fake.items[i].poller = -1;
        }
    }
}

void
fake_enter(void)
{
    pthread_mutex_lock(&fake_lock);
    set_up();
}

ssize_t
fake_leave(ssize_t result)
{
    pthread_cond_broadcast(&fake_change);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

static bool
strikes(struct fake_script *script)
{
    script->calls++;
    return script->nth != 0 &&
           (script->calls == script->nth || (script->forever && script->calls > script->nth));
}

// Under the lock, first in every call that can fail: 0, or the scripted -errno.
int
fake_script(enum os_call call)
{
    bool by_all;
    bool by_each;

    if (is_aside) {
        return 0;
    }
    fake.counts[call]++;
    by_all = call != OS_WAIT && strikes(&fake.all);
    by_each = strikes(&fake.each[call]);
    if (by_all || by_each) {
        fake.failed = call;
        return -(by_each ? fake.each[call].error : fake.all.error);
    }
    return 0;
}

void
os_fake_reset(void)
{
    pthread_mutex_lock(&fake_lock);
    for (int i = 0; i < FAKE_FILES; i++) {
        free(fake.files[i].bytes);
    }
    memset(&fake, 0, sizeof(fake));
    set_up();
    fake_leave(0);
}

void
os_fake_fail(unsigned long nth, int error, bool forever)
{
    fake_enter();
    fake.all = (struct fake_script){.nth = nth, .error = error, .forever = forever};
    fake.failed = OS_CALLS;
    fake_leave(0);
}

void
os_fake_fail_call(enum os_call call, unsigned long nth, int error, bool forever)
{
    fake_enter();
    fake.each[call] = (struct fake_script){.nth = nth, .error = error, .forever = forever};
    fake_leave(0);
}

unsigned long
os_fake_calls(void)
{
    return fake.all.calls;
}

unsigned long
os_fake_calls_of(enum os_call call)
{
    return fake.counts[call];
}

enum os_call
os_fake_failed(void)
{
    return fake.failed;
}

const char *
os_fake_call_name(enum os_call call)
{
    static const char *const names[] = {
        "poller_create", "poll_add",      "poll_modify", "poll_remove",  "wait",
        "wake_create",   "receive",       "send",        "send_file",    "read_file",
        "report",        "socket",        "bind",        "listen",       "accept",
        "connect",       "shutdown",      "close",       "set_option",   "get_option",
        "linger",        "address",       "nonblocking", "unsent",       "window",
        "unlink",        "signal_create", "signal_take", "thread_start", "pin",
        "fork_hook",     "none",
    };

    return names[call];
}

void
os_fake_aside(bool aside)
{
    is_aside = aside;
}

void
os_fake_set_now(uint64_t now_ns)
{
    fake_enter();
    fake.now = now_ns;
    fake_leave(0);
}

void
os_fake_advance(uint64_t ns)
{
    fake_enter();
    fake.now += ns;
    fake_leave(0);
}

void
os_fake_set_capacity(size_t bytes)
{
    fake_enter();
    fake.capacity = bytes;
    fake_leave(0);
}

void
os_fake_set_limits(size_t send_max, size_t receive_max)
{
    fake_enter();
    fake.send_max = send_max;
    fake.receive_max = receive_max;
    fake_leave(0);
}

void
os_fake_set_zerocopy(enum os_fake_zerocopy how)
{
    fake_enter();
    fake.zerocopy = how;
    fake_leave(0);
}

void
os_fake_connect_at_once(bool at_once)
{
    fake_enter();
    fake.at_once = at_once;
    fake_leave(0);
}

// ---- files --------------------------------------------------------------------------------------

struct fake_file *
fake_file(int fd)
{
    struct fake_file *file = fd >= OS_FAKE_FIRST_FD && fd < OS_FAKE_FIRST_FD + FAKE_FILES
                                 ? &fake.files[fd - OS_FAKE_FIRST_FD]
                                 : NULL;

    return file != NULL && file->kind != FAKE_FILE_NONE ? file : NULL;
}

struct fake_file *
fake_peer(const struct fake_file *file)
{
    return file->peer < 0 ? NULL : &fake.files[file->peer];
}

// A new descriptor, as the kernel: the lowest that is free.
int
fake_open(enum fake_kind kind)
{
    for (int i = 0; i < FAKE_FILES; i++) {
        if (fake.files[i].kind == FAKE_FILE_NONE) {
            fake.files[i] = (struct fake_file){.kind = kind, .peer = -1};
            return OS_FAKE_FIRST_FD + i;
        }
    }
    return -EMFILE;
}

int
fake_open_socket(int family)
{
    int fd = fake_open(FAKE_FILE_SOCKET);
    struct fake_file *file = fake_file(fd);

    if (file == NULL) {
        return fd;
    }
    file->family = family;
    file->capacity = fake.capacity;
    file->bytes = malloc(fake.capacity);
    if (file->bytes == NULL) {
        fake_close(file);
        return -ENOBUFS;
    }
    return fd;
}

void
fake_join(struct fake_file *a, struct fake_file *b)
{
    a->peer = (int)(b - fake.files);
    b->peer = (int)(a - fake.files);
    a->state = b->state = FAKE_SOCKET_CONNECTED;
    fake_changed(a);
    fake_changed(b);
}

void
fake_changed(struct fake_file *file)
{
    file->edges_in++;
    file->edges_out++;
}

void
fake_hang_up(struct fake_file *file, bool by_reset)
{
    if (by_reset && !file->reset) {
        file->reset = true;
        file->error = ECONNRESET;
    }
    file->eof = true;
    fake_changed(file);
}

void
fake_close(struct fake_file *file)
{
    struct fake_file *peer = fake_peer(file);
    int index = (int)(file - fake.files);

    if (peer != NULL) { // unread bytes are lost: the peer hears of it
        fake_hang_up(peer, file->linger_reset || file->size != 0);
        peer->peer = -1;
    }
    for (int i = 0; i < file->pending_count; i++) {
        fake_close(&fake.files[file->pending[i]]);
    }
    for (int i = 0; i < fake.item_count; i++) {
        if (fake.items[i].poller == index ||
            (fake.items[i].poller >= 0 && fake.items[i].file == index)) {
            fake.items[i].poller = -1;
        }
    }
    fake.unheard += file->zerocopies > file->let_go ? file->zerocopies - file->let_go : 0;
    free(file->bytes);
    *file = (struct fake_file){.kind = FAKE_FILE_NONE, .peer = -1};
}

unsigned
os_fake_open_count(void)
{
    unsigned count = 0;

    fake_enter();
    for (int i = 0; i < FAKE_FILES; i++) {
        count += fake.files[i].kind != FAKE_FILE_NONE;
    }
    return (unsigned)fake_leave(count);
}

// ---- polling ------------------------------------------------------------------------------------

static uint32_t
fake_readiness(const struct fake_file *file)
{
    const struct fake_file *peer = fake_peer(file);
    bool is_up = file->state == FAKE_SOCKET_CONNECTED;
    bool is_over = file->reset || file->error != 0;
    bool in = false;
    bool out = false;

    if (file->kind == FAKE_FILE_WAKE) {
        return file->count != 0 ? (uint32_t)EPOLLIN : 0;
    }
    if (file->kind == FAKE_FILE_SIGNAL) {
        return (file->count & fake.signals) != 0 ? (uint32_t)EPOLLIN : 0;
    }
    if (file->kind != FAKE_FILE_SOCKET) {
        return 0;
    }
    if (file->state == FAKE_SOCKET_NEW && file->error == 0) {
        return EPOLLOUT | EPOLLHUP;
    }
    in = is_over || file->pending_count != 0 || file->size != 0 || file->eof;
    out = is_over || (is_up && (peer == NULL || peer->size < peer->capacity));
    return (in ? (uint32_t)EPOLLIN : 0) | (out ? (uint32_t)EPOLLOUT : 0) |
           (file->eof ? (uint32_t)EPOLLRDHUP : 0) |
           (is_over || file->report_count != 0 ? (uint32_t)EPOLLERR : 0) |
           (file->reset || (file->eof && file->sent_fin) ? (uint32_t)EPOLLHUP : 0);
}

// Events to report, 0: none. An edge-triggered item is reported once per change.
static uint32_t
item_ready(struct fake_item *item)
{
    const struct fake_file *file = &fake.files[item->file];
    uint32_t ready = fake_readiness(file) & (item->events | EPOLLERR | EPOLLHUP);
    bool is_new = item->changed;

    is_new |= item->edges_in != file->edges_in && (ready & ~(uint32_t)EPOLLOUT) != 0;
    is_new |= item->edges_out != file->edges_out && (ready & ~(uint32_t)EPOLLIN) != 0;
    if (ready == 0 || ((item->events & EPOLLET) && !is_new)) {
        return 0;
    }
    item->changed = false;
    item->edges_in = file->edges_in;
    item->edges_out = file->edges_out;
    return ready;
}

int
fake_collect(int poller, struct epoll_event *events, int capacity)
{
    int first = fake.first; // so that nobody starves
    int count = 0;

    for (int i = 0; i < fake.item_count && count < capacity; i++) {
        struct fake_item *item = &fake.items[(first + i) % fake.item_count];
        uint32_t ready = item->poller == poller ? item_ready(item) : 0;

        if (ready != 0) {
            events[count].events = ready;
            events[count++].data.ptr = item->tag;
        }
    }
    fake.first = first + 1 < fake.item_count ? first + 1 : 0;
    return count;
}

// ---- bytes --------------------------------------------------------------------------------------

size_t
fake_at_most(size_t value, size_t limit)
{
    return limit != 0 && value > limit ? limit : value;
}

struct fake_file *
fake_socket(int fd)
{
    struct fake_file *file = fake_file(fd);

    return file != NULL && file->kind == FAKE_FILE_SOCKET ? file : NULL;
}

// The error that is due, once; -ENOTCONN, or 0.
int
fake_socket_error(struct fake_file *file)
{
    int error = file->error;

    file->error = 0;
    return error != 0 ? -error : file->state != FAKE_SOCKET_CONNECTED ? -ENOTCONN : 0;
}

size_t
fake_receive(struct fake_file *file, void *buffer, size_t size)
{
    struct fake_file *peer = fake_peer(file);

    size = fake_at_most(size < file->size ? size : file->size, fake.receive_max);
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)buffer)[i] = file->bytes[(file->begin + i) % file->capacity];
    }
    file->begin = (file->begin + size) % file->capacity;
    file->size -= size;
    if (size != 0 && peer != NULL && peer->no_space) {
        peer->no_space = false;
        peer->edges_out++;
    }
    return size;
}

static size_t
put_bytes(struct fake_file *to, const unsigned char *data, size_t size)
{
    size_t room = to->capacity - to->size;

    size = size < room ? size : room;
    for (size_t i = 0; i < size; i++) {
        to->bytes[(to->begin + to->size + i) % to->capacity] = data[i];
    }
    to->size += size;
    return size;
}

void
fake_report(struct fake_file *file, struct wi_os_report what)
{
    if (file->report_count < FAKE_REPORTS) {
        file->reports[file->report_count++] = what;
        file->edges_in++;
    }
}

void
fake_let_go(struct fake_file *file, enum os_fake_zerocopy how)
{
    if (how != OS_FAKE_HOLDS && file->let_go != file->zerocopies) {
        fake_report(file, (struct wi_os_report){.kind = WI_REPORT_ZEROCOPY,
                                                .low = file->let_go,
                                                .high = file->zerocopies - 1,
                                                .copied = how == OS_FAKE_COPIES});
        file->let_go = file->zerocopies;
    }
}

void
os_fake_let_go(int fd, uint32_t low, uint32_t high)
{
    struct fake_file *file;

    fake_enter();
    file = fake_socket(fd);
    if (file != NULL) {
        fake_report(file,
                    (struct wi_os_report){.kind = WI_REPORT_ZEROCOPY, .low = low, .high = high});
        file->let_go += low <= high && high < file->zerocopies ? high - low + 1 : 0;
    }
    fake_leave(0);
}

uint32_t
os_fake_zerocopies(int fd)
{
    const struct fake_file *file;

    fake_enter();
    file = fake_socket(fd);
    return (uint32_t)fake_leave(file == NULL ? 0 : file->zerocopies);
}

unsigned
os_fake_unheard(void)
{
    fake_enter();
    return (unsigned)fake_leave(fake.unheard);
}

// As much as fits, and as the limit allows. The caller has the lock.
ssize_t
fake_send(struct fake_file *file, const struct iovec *iov, size_t iov_count)
{
    struct fake_file *peer = fake_peer(file);
    size_t left = fake.send_max != 0 ? fake.send_max : SIZE_MAX;
    size_t wanted = 0;
    size_t sent = 0;
    int result = file->sent_fin ? -EPIPE : fake_socket_error(file);

    if (result < 0 || peer == NULL) {
        return result < 0 ? result : -EPIPE;
    }
    for (size_t i = 0; i < iov_count; i++) {
        size_t size = iov[i].iov_len < left ? iov[i].iov_len : left;
        size_t taken = put_bytes(peer, iov[i].iov_base, size);

        wanted += iov[i].iov_len;
        sent += taken;
        left -= taken;
    }
    peer->edges_in += sent != 0;
    file->sent += sent;
    if (sent < wanted) {
        file->no_space = true;
        file->edges_out += sent != 0 && peer->size < peer->capacity; // short by limit, not by room
    }
    return sent == 0 && wanted != 0 ? -EAGAIN : (ssize_t)sent;
}

size_t
os_fake_buffered(int fd)
{
    const struct fake_file *file;

    fake_enter();
    file = fake_socket(fd);
    return (size_t)fake_leave(file == NULL ? 0 : (ssize_t)file->size);
}

int
os_fake_disk(const void *bytes, size_t size)
{
    struct fake_file *file;
    int fd;

    fake_enter();
    fd = fake_open(FAKE_FILE_DISK);
    file = fake_file(fd);
    if (file != NULL) {
        file->bytes = malloc(size + 1);
        file->size = file->bytes == NULL ? 0 : size;
        memcpy(file->bytes, bytes, file->size);
    }
    return (int)fake_leave(fd);
}

void
os_fake_reset_peer(int fd)
{
    struct fake_file *file;

    fake_enter();
    file = fake_socket(fd);
    if (file != NULL) {
        fake_hang_up(file, true);
    }
    fake_leave(0);
}

int
os_fake_pair(int ret_fds[2])
{
    fake_enter();
    ret_fds[0] = fake_open_socket(AF_UNIX);
    ret_fds[1] = fake_open_socket(AF_UNIX);
    if (ret_fds[0] < 0 || ret_fds[1] < 0) {
        return (int)fake_leave(-EMFILE);
    }
    fake_join(fake_file(ret_fds[0]), fake_file(ret_fds[1]));
    return (int)fake_leave(0);
}

void
os_fake_raise(int signal)
{
    fake_enter();
    fake.signals |= UINT64_C(1) << signal;
    for (int i = 0; i < FAKE_FILES; i++) {
        fake.files[i].edges_in += fake.files[i].kind == FAKE_FILE_SIGNAL;
    }
    fake_leave(0);
}
