/* SPDX-License-Identifier: MIT */
// Each kind of memory that a write can carry.

#include "message.h"

#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

#define PIECES_MAX   2000u // more than the kernel takes at once
#define SPOIL_SIZE   64u
#define SPOIL_BYTE   0xdb
#define COPY_FLAT    4096u // copies up to this size come from memory that is spoiled afterwards
#define PRODUCE_MAX  ((size_t)256 * 1024)
#define GIVEN_MARK   UINT64_C(0x676976656e206f6b)
#define RELEASE_MARK UINT64_C(0x72656c6561736564)

struct given {
    uint64_t mark;
    uint8_t bytes[];
};

static _Atomic uint64_t given_count;
static _Atomic uint64_t released_count;

// The buffer this thread is giving just now, and whether it was released inside the call.
static _Thread_local struct given *giving;
static _Thread_local bool is_released_inside;

uint64_t
message_given(void)
{
    return atomic_load(&given_count);
}

uint64_t
message_released(void)
{
    return atomic_load(&released_count);
}

static void
on_release(void *arg)
{
    struct given *given = arg;

    if (given->mark != GIVEN_MARK) {
        storm_broke("given memory was released twice, or something else was");
        return;
    }
    given->mark = RELEASE_MARK;
    if (given == giving) {
        is_released_inside = true;
    } else {
        atomic_fetch_add(&released_count, 1);
        free(given);
    }
}

// Copy the record's bytes from @p offset on.
static void
copy_out(const struct message *message, size_t offset, uint8_t *to)
{
    const struct record *head = &message->head;
    size_t head_left = offset < sizeof(*head) ? sizeof(*head) - offset : 0;
    size_t from = offset - (sizeof(*head) - head_left);

    memcpy(to, (const uint8_t *)head + offset - from, head_left);
    memcpy(to + head_left, pattern_of(head) + from, head->size - from);
}

struct weir_shared *
message_share(const struct record *head)
{
    struct message message = {.head = *head};
    struct weir_shared *shared = weir_shared_create(NULL, message_size(&message));

    storm_require(shared != NULL, "memory");
    copy_out(&message, 0, weir_shared_data(shared));
    return shared;
}

// Describe the bytes in place, in few pieces or in more than the kernel takes.
static unsigned
describe(const struct message *message, const uint8_t *payload, struct iovec *pieces)
{
    const struct record *head = &message->head;
    size_t head_left = message->offset < sizeof(*head) ? sizeof(*head) - message->offset : 0;
    size_t at = message->offset - (sizeof(*head) - head_left);
    size_t left = head->size - at;
    unsigned wanted = (head->check & 0xff00) == 0 ? PIECES_MAX - 1 : 1 + (head->check & 3);
    size_t step = left / wanted + 1;
    unsigned count = 0;

    if (head_left > 0) {
        pieces[count++] = (struct iovec){(uint8_t *)(uintptr_t)head + message->offset, head_left};
    }
    while (left > 0) {
        size_t size = left < step ? left : step;

        pieces[count++] = (struct iovec){(uint8_t *)(uintptr_t)payload + at, size};
        at += size;
        left -= size;
    }
    return count;
}

static int
submit_borrowed(struct message *message, weir_stream stream, struct weir_write *request)
{
    static _Thread_local struct iovec pieces[PIECES_MAX + 1];
    const uint8_t *payload = pattern_of(&message->head);

    if (message->memory == MEMORY_OWN && message->own == NULL) {
        message->own = malloc(message->head.size + 1);
        storm_require(message->own != NULL, "memory");
        memcpy(message->own, payload, message->head.size);
    }
    if (message->memory == MEMORY_OWN) {
        payload = message->own;
    }
    request->iov = pieces;
    request->iov_count = describe(message, payload, pieces);
    return weir_write(stream, request, &message->op);
}

static int
submit_copied(struct message *message, weir_stream stream, struct weir_write *request)
{
    static _Thread_local uint8_t flat[COPY_FLAT];
    struct iovec piece = {flat, message->part_size};

    request->flags |= WEIR_COPY;
    if (message->part_size > sizeof(flat)) {
        return submit_borrowed(message, stream, request);
    }
    copy_out(message, message->offset, flat);
    request->iov = &piece;
    request->iov_count = 1;
    int answer = weir_write(stream, request, &message->op);
    memset(flat, SPOIL_BYTE, piece.iov_len < SPOIL_SIZE ? piece.iov_len : SPOIL_SIZE);
    return answer;
}

static int
submit_given(struct message *message, weir_stream stream, struct weir_write *request)
{
    struct given *given = malloc(sizeof(*given) + message->part_size);
    struct iovec piece;

    storm_require(given != NULL, "memory");
    given->mark = GIVEN_MARK;
    copy_out(message, message->offset, given->bytes);
    piece = (struct iovec){given->bytes, message->part_size};
    request->iov = &piece;
    request->iov_count = 1;
    request->flags |= WEIR_GIVE;
    request->release = on_release;
    request->release_arg = given;
    atomic_fetch_add(&given_count, 1);
    giving = given;
    is_released_inside = false;
    int answer = weir_write(stream, request, &message->op);
    giving = NULL;
    if (is_released_inside || answer < 0) {
        atomic_fetch_add(&released_count, 1);
        free(given);
    }
    if (is_released_inside && answer == 0) {
        storm_broke("given memory was released inside the call that accepted it");
    }
    return answer;
}

static int
submit_chain(struct message *message, weir_stream stream, struct weir_write *request)
{
    const struct record *head = &message->head;
    struct weir_chain chain = {NULL, NULL};

    storm_require(weir_chain_append(&chain, head, sizeof(*head)) == 0, "memory");
    storm_require(weir_chain_append(&chain, pattern_of(head), head->size) == 0, "memory");
    request->chain = &chain;
    int answer = weir_write(stream, request, &message->op);
    if (answer >= 0 && chain.head != NULL) {
        storm_broke("an accepted chain was not left empty");
    }
    weir_chain_return(&chain);
    return answer;
}

static int
submit_shared(struct message *message, weir_stream stream, struct weir_write *request)
{
    struct weir_shared *shared =
        message->shared != NULL ? message->shared : message_share(&message->head);

    message->shared = NULL;
    request->shared = shared;
    int answer = weir_write(stream, request, &message->op);
    weir_shared_unref(shared); // the write has a reference of its own
    return answer;
}

static int
submit_produced(struct message *message, weir_stream stream, struct weir_write *request)
{
    const struct record *head = &message->head;
    struct weir_iter iter;
    int answer = weir_produce(stream, &iter);

    if (answer < 0) {
        return answer;
    }
    storm_require(weir_iter_append(&iter, head, sizeof(*head)) == 0, "memory");
    if (head->size > 0) {
        storm_require(weir_iter_append(&iter, pattern_of(head), head->size) == 0, "memory");
    }
    return weir_commit(stream, iter, request, &message->op);
}

// What cannot carry this write is replaced by what can.
static enum message_memory
usable_memory(const struct message *message)
{
    enum message_memory memory = message->memory;

    if (memory == MEMORY_PRODUCE && message->part_size > PRODUCE_MAX) {
        memory = MEMORY_CHAIN;
    }
    if (message->offset > 0 && memory != MEMORY_COPY) {
        memory = MEMORY_TABLE; // the rest of a message
    }
    if (message->level == WEIR_ACCEPTED && (memory == MEMORY_TABLE || memory == MEMORY_OWN)) {
        memory = MEMORY_COPY;
    }
    return memory;
}

int
message_submit(struct message *message, weir_stream stream, weir_done_fn *done)
{
    static int (*const submit[MEMORIES])(struct message *, weir_stream, struct weir_write *) = {
        [MEMORY_TABLE] = submit_borrowed,   [MEMORY_OWN] = submit_borrowed,
        [MEMORY_COPY] = submit_copied,      [MEMORY_GIVE] = submit_given,
        [MEMORY_CHAIN] = submit_chain,      [MEMORY_SHARED] = submit_shared,
        [MEMORY_PRODUCE] = submit_produced,
    };
    struct weir_write request = {
        .flags = message->flags,
        .level = message->level,
        .tear = message->tear,
        .abort_code = message->tear == WEIR_TEAR_ABORT ? message->link->id : 0,
        .deadline_ns = message->deadline_ns,
        .token = message->token,
        .done = done,
        .arg = message,
    };

    message->part_size = message_size(message) - message->offset;
    message->memory = usable_memory(message);
    return submit[message->memory](message, stream, &request);
}

void
message_spoil(struct message *message)
{
    if (message->own != NULL && message->memory == MEMORY_OWN) {
        memset(message->own, SPOIL_BYTE,
               message->head.size < SPOIL_SIZE ? message->head.size : SPOIL_SIZE);
    }
}
