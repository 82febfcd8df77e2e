// SPDX-License-Identifier: MIT

// What the kernel reads later than the call: memory that is sent from where it is (MSG_ZEROCOPY),
// and what its error queue says of that and of acknowledgements. And files.

#include "tests/sim/kernel.h"
#include "tests/sim/model.h"

#include <errno.h>
#include <string.h>

// One send from memory, until the kernel lets go of it.
struct sim_lent {
    struct sim_lent *next;
    uint32_t number;
    size_t end;      // in the stream of bytes
    uint64_t due_at; // when the kernel will have let go; 0: not decided
    const unsigned char *bytes;
    size_t size;
    uint64_t sum; // of the bytes as they were
};

struct sim_report {
    struct sim_report *next;
    uint32_t low, high;
};

static uint64_t
sum_of(const unsigned char *bytes, size_t size)
{
    uint64_t sum = size;
    uint64_t word;

    for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    while (size-- > 0) {
        sum = sum * 31 + *bytes++;
    }
    return sum;
}

// ---- lent memory --------------------------------------------------------------------------------

static void
lend_piece(struct sim_file *file, uint32_t number, const void *bytes, size_t size)
{
    struct sim_lent *lent = sim_alloc(sizeof(*lent));

    *lent = (struct sim_lent){.number = number,
                              .end = file->out->sent,
                              .bytes = bytes,
                              .size = size,
                              .sum = sum_of(bytes, size)};
    *file->lent_last = lent;
    file->lent_last = &lent->next;
}

// `size` bytes of these went, and nobody copied them.
void
sim_lend(struct sim_file *file, const struct iovec *iov, size_t size)
{
    uint32_t number = file->lent_count++;

    if (file->lent_last == NULL) {
        file->lent_last = &file->lent;
    }
    for (; size != 0; iov++) {
        size_t part = iov->iov_len < size ? iov->iov_len : size;

        if (part != 0) {
            lend_piece(file, number, iov->iov_base, part);
        }
        size -= part;
    }
    sim_lent_changed(file);
}

// The other side took bytes, or there is no other side any more: when does the kernel let go?
void
sim_lent_changed(struct sim_file *file)
{
    for (struct sim_lent *lent = file->lent; lent != NULL; lent = lent->next) {
        if (lent->due_at == 0 && (file->reset || lent->end <= file->out->taken)) {
            lent->due_at = sim_soon();
        }
    }
}

uint64_t
sim_lent_due(const struct sim_file *file)
{
    return file->lent == NULL ? 0 : file->lent->due_at;
}

static void
report(struct sim_file *file, uint32_t number)
{
    struct sim_report *last = file->reports;
    struct sim_report *one;

    while (last != NULL && last->next != NULL) {
        last = last->next;
    }
    if (last != NULL && last->high + 1 == number && !sim_chance(300)) { // merged
        last->high = number;
        return;
    }
    if (last != NULL && last->high == number) {
        return;
    }
    one = sim_alloc(sizeof(*one));
    *one = (struct sim_report){.low = number, .high = number};
    if (last == NULL) {
        file->reports = one;
    } else {
        last->next = one;
    }
    file->edges_in++;
}

// The kernel lets go of what is due, in order; the memory must be as it was.
void
sim_lent_end(struct sim_file *file)
{
    while (file->lent != NULL && file->lent->due_at != 0 && file->lent->due_at <= sim_now) {
        struct sim_lent *lent = file->lent;

        SIM_EVENT(KERNEL);
        if (sum_of(lent->bytes, lent->size) != lent->sum) {
            sim_fail("memory: what the kernel still sends from was given back and is changed");
        }
        file->lent = lent->next;
        if (file->lent == NULL) {
            file->lent_last = &file->lent;
        }
        if (file->lent == NULL || file->lent->number != lent->number) {
            report(file, lent->number);
        }
    }
}

int
wi_os_receive_report(int fd, struct wi_os_report *ret_report)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    if (file->reports != NULL) {
        *ret_report = (struct wi_os_report){.kind = WI_REPORT_ZEROCOPY,
                                            .low = file->reports->low,
                                            .high = file->reports->high,
                                            .copied = file->copies};
        file->reports = file->reports->next;
        SIM_HIT(zerocopy_told);
        sim_say(ret_report->low, ret_report->high, "    socket %d: memory of sends %u to %u%s", fd,
                ret_report->low, ret_report->high, ret_report->copied ? ", copied" : "");
        return 0;
    }
    if (!file->has_report || file->out == NULL) {
        return -EAGAIN;
    }
    file->has_report = false;
    if (file->out->taken == 0) {
        return -EAGAIN;
    }
    *ret_report =
        (struct wi_os_report){.kind = WI_REPORT_ACKED, .low = (uint32_t)file->out->taken - 1};
    return 0;
}

// ---- files: each has the bytes of one write, from an offset on ----------------------------------

// 0 or -errno; the bytes from there on, and how many there are.
static int
look(int fd, uint64_t offset, const unsigned char **ret_bytes, size_t *size)
{
    const struct sim_op *op = fd >= SIM_FILE_FD ? &sim_ops[fd - SIM_FILE_FD] : NULL;
    size_t at;

    if (op == NULL || !op->is_file || op->released || op->number >= sim_op_count) {
        sim_fail("descriptor %d is read from, and is no open file", fd);
    }
    if (op->done) {
        sim_fail("a file is read for write %d, which is over", op->number);
    }
    if (op->file_error != 0) {
        return -op->file_error;
    }
    at = (size_t)(offset - op->file_offset);
    if (offset < op->file_offset || at > op->size) {
        sim_fail("a file is read from offset %llu on", (unsigned long long)offset);
    }
    *ret_bytes = op->bytes + at;
    *size = at > op->file_size ? 0 : *size < op->file_size - at ? *size : op->file_size - at;
    return 0;
}

ssize_t
wi_os_send_file(int fd, int file, uint64_t offset, size_t size, bool blocks_signals)
{
    struct sim_file *socket = sim_socket(fd);
    const unsigned char *bytes = NULL;
    struct iovec iov;
    ssize_t sent;
    int result;

    (void)blocks_signals;
    SIM_EVENT(SYSTEM);
    sim_preempt();
    result = sim_send_refusal(socket);
    if (result < 0) {
        return result;
    }
    result = sim_chance(sim_faults.no_sendfile) ? -EINVAL : look(file, offset, &bytes, &size);
    if (result < 0) {
        sim_say((uint64_t)-result, 0, "    sendfile(%d) = %s", fd, strerror(-result));
        return result;
    }
    if (size > 1 && sim_chance(sim_faults.short_send)) { // says nothing of room
        size = 1 + sim_below((unsigned)size - 1);
    }
    iov = (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    sent = sim_send(socket, &iov, 1, sim_chance(sim_faults.send_again) ? 0 : size);
    sim_say((uint64_t)sent, size, "    sendfile(%d, %zu bytes) = %zd", fd, size, sent);
    if ((size_t)sent < size) {
        sim_wire_short(socket);
    }
    SIM_HIT(sendfile);
    return sent == 0 && size != 0 ? -EAGAIN : sent;
}

ssize_t
wi_os_read_file(int file, void *buffer, size_t size, uint64_t offset)
{
    const unsigned char *bytes = NULL;
    int result = look(file, offset, &bytes, &size);

    SIM_EVENT(SYSTEM);
    if (result < 0) {
        return result;
    }
    if (size > 1 && sim_chance(sim_faults.short_receive)) {
        size = 1 + sim_below((unsigned)size - 1);
    }
    memcpy(buffer, bytes, size);
    SIM_HIT(file_read);
    return (ssize_t)size;
}
