// SPDX-License-Identifier: MIT
#include "tests/sched/letters.h"

#include <string.h>

#undef memcpy
#undef memset

#define LETTERS         26u
#define SIZE_MAX_OF_ONE 64u
#define NOT_YET         4711

struct letter {
    size_t size;
    unsigned begun, returned; // 0: never
    int answer;
    unsigned completions;
    int status;
    uint64_t sent;
    char bytes[SIZE_MAX_OF_ONE];
};

static struct letter letters[LETTERS];
static unsigned moments;
struct net_counter letters_completed;

static void
done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct letter *letter = arg;

    (void)stream;
    letter->completions++;
    letter->status = result->status;
    letter->sent = result->sent;
    sched_check(result->accepted == letter->size && result->sent <= letter->size);
    net_add(&letters_completed, 1);
}

static struct letter *
begin(char name, size_t size, struct iovec *ret_piece)
{
    struct letter *letter = &letters[name - 'a'];

    sched_check(letter->begun == 0 && size <= SIZE_MAX_OF_ONE);
    letter->size = size;
    letter->answer = NOT_YET;
    letter->begun = ++moments;
    sched_write(letter->bytes, size); // who sends it reads it
    memset(letter->bytes, name, size);
    *ret_piece = (struct iovec){letter->bytes, size};
    return letter;
}

static int
end(struct letter *letter, int answer)
{
    letter->answer = answer;
    letter->returned = ++moments;
    return answer;
}

int
letters_write_op(weir_stream stream, char name, size_t size, unsigned flags, weir_op *ret_op)
{
    struct iovec piece;
    struct letter *letter = begin(name, size, &piece);
    struct weir_write request = {
        .iov = &piece, .iov_count = size != 0, .done = done, .arg = letter, .flags = flags};

    return end(letter, weir_write(stream, &request, ret_op));
}

int
letters_write(weir_stream stream, char name, size_t size, unsigned flags)
{
    return letters_write_op(stream, name, size, flags, NULL);
}

int
letters_write_wait(weir_stream stream, char name, size_t size, unsigned flags)
{
    struct iovec piece;
    struct letter *letter = begin(name, size, &piece);
    struct weir_write request = {
        .iov = &piece, .iov_count = size != 0, .done = done, .arg = letter, .flags = flags};
    struct weir_result result = {.sent = NOT_YET};
    int answer = weir_write_wait(stream, &request, &result);

    sched_check(letter->completions == 0 ||
                (result.status == letter->status && result.sent == letter->sent));
    return end(letter, letter->completions != 0 ? 0 : answer);
}

static bool
is_sent_inside(const struct letter *letter)
{
    return letter->answer == 1;
}

int
letters_status(char name)
{
    const struct letter *letter = &letters[name - 'a'];

    return letter->answer != 0 ? letter->answer : letter->status;
}

/* ---- against the wire ---- */

// Where a letter begins on the wire; its bytes are together, and as many as it was told.
static size_t
find(const struct letter *letter, const char *wire, size_t size)
{
    char name = (char)('a' + (letter - letters));
    uint64_t expected = is_sent_inside(letter) ? letter->size
                        : letter->answer == 0  ? letter->sent
                                               : 0;
    size_t first = 0;
    uint64_t count = 0;

    while (first < size && wire[first] != name) {
        first++;
    }
    while (first + count < size && wire[first + count] == name) {
        count++;
    }
    for (size_t i = first + count; i < size; i++) {
        if (wire[i] == name) {
            sched_fail("letter %c is torn", name);
        }
    }
    if (count != expected) {
        sched_fail("of letter %c there are %u bytes on the wire, and %u were told", name,
                   (unsigned)count, (unsigned)expected);
    }
    return first;
}

static void
verify_one(const struct letter *letter)
{
    char name = (char)('a' + (letter - letters));

    if (letter->returned == 0) {
        sched_fail("the call of letter %c has not returned", name);
    }
    if (letter->completions != (letter->answer == 0)) {
        sched_fail("letter %c was answered %d and completed %u times", name, letter->answer,
                   letter->completions);
    }
    sched_check(letter->answer != 0 || letter->status != 0 || letter->sent == letter->size);
}

void
letters_verify(int fd)
{
    const char *wire;
    size_t size = sockets_wire(fd, &wire);
    size_t at[LETTERS];

    for (unsigned i = 0; i < LETTERS; i++) {
        if (letters[i].begun != 0) {
            verify_one(&letters[i]);
            at[i] = find(&letters[i], wire, size);
        }
    }
    for (unsigned i = 0; i < LETTERS; i++) {
        for (unsigned j = 0; j < LETTERS; j++) {
            if (letters[i].begun != 0 && letters[j].begun != 0 && at[i] < size && at[j] < size &&
                letters[i].returned < letters[j].begun && at[i] > at[j]) {
                sched_fail("letter %c returned before %c began, and is behind it", 'a' + (int)i,
                           'a' + (int)j);
            }
        }
    }
}
