/* SPDX-License-Identifier: MIT */
// Sending, receiving and verifying.

#include "client.h"

#include "crowd_loop.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENDS_MAX 8 // in a row, so that one client does not starve the others
#define READS_MAX 4

typedef unsigned long long ull;

static const struct crowd_group *
group_of(const struct crowd_loop *loop, const struct client *client)
{
    return crowd_loop_group(loop, client->group);
}

static struct crowd_account *
account_of(const struct crowd_loop *loop, const struct client *client)
{
    return &loop->crowd->shared->accounts[client->id];
}

static void
leave(struct crowd_loop *loop, struct client *client, enum crowd_end end)
{
    account_of(loop, client)->end = end;
    crowd_count(&loop->counts->connections, UINT64_MAX); // one less
    crowd_count(&loop->counts->closes, 1);
    close(client->fd);
    free(client->outbox);
    client->outbox = NULL;
    client->state = CLIENT_GONE;
    loop->left--;
}

// The server's end has gone in a way that it should not.
static void
lose(struct crowd_loop *loop, struct client *client, int error)
{
    const struct crowd_group *group = group_of(loop, client);

    crowd_count(&loop->counts->resets, 1);
    if (!group->rests) {
        storm_broke("client %u: %s after %u messages sent, %u received", client->id,
                    error == 0 ? "the server ended first" : weir_strerror(-error),
                    client->sequence_out, client->sequence_in);
    }
    leave(loop, client, error == 0 ? CROWD_END_EOF : CROWD_END_RESET);
}

// --- Connecting ----------------------------------------------------------------------------------

void
client_connect(struct crowd_loop *loop, struct client *client)
{
    client->fd = client_dial(loop->crowd, group_of(loop, client), client->id);
    if (client->fd < 0) {
        storm_require(errno == EAGAIN, "connection to the server"); // a full backlog of Unix
        return;
    }
    client->state = CLIENT_CONNECTING;
    client->watched = EPOLLOUT;
    loop->connecting++;
    crowd_loop_watch(loop, client->fd, 0, EPOLLOUT, client);
}

static void
say_hello(struct client *client)
{
    struct outbox *outbox = client->outbox;
    struct record *hello = &outbox->heads[0];

    *hello = (struct record){.flags = RECORD_HELLO, .link = client->id};
    record_seal(hello);
    outbox->first = 0;
    outbox->count = 1;
    outbox->offset = 0;
}

void
client_connected(struct crowd_loop *loop, struct client *client)
{
    int error = 0;
    socklen_t size = sizeof(error);

    loop->connecting--;
    storm_require(getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0, "socket");
    if (error != 0) {
        errno = error;
        storm_require(!loop->crowd->shared->is_foreign, "server at the address");
        storm_broke("client %u could not connect: %s", client->id, weir_strerror(-error));
        close(client->fd);
        client->state = CLIENT_GONE;
        loop->left--;
        return;
    }
    client->outbox = calloc(1, sizeof(*client->outbox));
    storm_require(client->outbox != NULL, "memory");
    client->state = CLIENT_OPEN;
    crowd_count(&loop->counts->connected, 1);
    crowd_count(&loop->counts->connections, 1);
    if (group_of(loop, client)->says_hello) {
        say_hello(client);
    }
    client_send(loop, client);
}

// --- Sending -------------------------------------------------------------------------------------

static bool
may_send(const struct crowd_loop *loop, const struct client *client)
{
    const struct crowd_group *group = group_of(loop, client);

    if (!group->sends || client->state != CLIENT_OPEN || loop->phase < group->begins ||
        loop->phase >= CROWD_ENDS) {
        return false;
    }
    if (group->messages_max != 0 && client->sequence_out >= group->messages_max) {
        return false;
    }
    if (group->rate > 0) {
        return client->sequence_out < client->due;
    }
    return group->depth == 0 || client->sequence_out - client->sequence_in < group->depth;
}

static size_t
choose_size(struct crowd_loop *loop, const struct crowd_group *group)
{
    size_t range = group->size - group->size_min;

    if (group->size_min == 0 || range == 0) {
        return group->size;
    }
    return group->size_min + (group->mostly_small
                                  ? random_size(&loop->random, range)
                                  : random_below(&loop->random, (uint32_t)range + 1));
}

static void
make_record(struct crowd_loop *loop, struct client *client)
{
    const struct crowd_group *group = group_of(loop, client);
    struct outbox *outbox = client->outbox;
    struct record *head = &outbox->heads[(outbox->first + outbox->count) % OUTBOX_RECORDS];

    *head = (struct record){
        .link = client->id,
        .sequence = client->sequence_out,
        .size = (uint32_t)(choose_size(loop, group) - sizeof(*head)),
        .submit_ns = loop->now_ns,
    };
    if (group->rate > 0) {
        head->submit_ns = schedule_due_ns(&loop->schedules[client->group], client->sequence_out,
                                          client->position);
    }
    record_seal(head);
    client->sequence_out++;
    outbox->count++;
}

// What of the outbox has not gone, in pieces.
static unsigned
describe(const struct outbox *outbox, struct iovec *pieces)
{
    size_t skip = outbox->offset;
    unsigned count = 0;

    for (unsigned i = 0; i < outbox->count; i++) {
        const struct record *head = &outbox->heads[(outbox->first + i) % OUTBOX_RECORDS];
        const struct iovec parts[2] = {
            {(void *)(uintptr_t)head, sizeof(*head)},
            {(void *)(uintptr_t)pattern_of(head), head->size},
        };

        for (unsigned part = 0; part < 2; part++) {
            size_t skipped = skip < parts[part].iov_len ? skip : parts[part].iov_len;

            skip -= skipped;
            if (skipped < parts[part].iov_len) {
                pieces[count++] = (struct iovec){(uint8_t *)parts[part].iov_base + skipped,
                                                 parts[part].iov_len - skipped};
            }
        }
    }
    return count;
}

// So many bytes have gone.
static void
advance(struct crowd_loop *loop, struct client *client, size_t sent)
{
    struct outbox *outbox = client->outbox;

    outbox->offset += sent;
    while (outbox->count > 0) {
        const struct record *head = &outbox->heads[outbox->first];
        size_t size = sizeof(*head) + head->size;

        if (outbox->offset < size) {
            break;
        }
        outbox->offset -= size;
        if ((head->flags & RECORD_HELLO) == 0) {
            account_of(loop, client)->messages_sent++;
            crowd_count(&loop->counts->messages, group_of(loop, client)->is_echo ? 0 : 1);
        }
        outbox->first = (outbox->first + 1) % OUTBOX_RECORDS;
        outbox->count--;
    }
    crowd_count(&loop->counts->bytes, sent);
}

// Send what is in the outbox. False: no more goes now.
static bool
flush(struct crowd_loop *loop, struct client *client)
{
    struct iovec pieces[2 * OUTBOX_RECORDS];
    struct msghdr message = {.msg_iov = pieces};
    ssize_t sent;

    message.msg_iovlen = describe(client->outbox, pieces);
    do {
        sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        advance(loop, client, (size_t)sent);
        return true;
    }
    if (errno != EAGAIN) {
        lose(loop, client, errno);
    }
    return false;
}

void
client_send(struct crowd_loop *loop, struct client *client)
{
    for (int i = 0; i < SENDS_MAX; i++) {
        while (client->outbox->count < OUTBOX_RECORDS && may_send(loop, client)) {
            make_record(loop, client);
        }
        if (client->outbox->count == 0 || !flush(loop, client)) {
            break;
        }
    }
    if (client->state == CLIENT_OPEN && loop->phase == CROWD_ENDS) {
        client_end(loop, client);
    }
    client_watch(loop, client);
}

void
client_watch(struct crowd_loop *loop, struct client *client)
{
    const struct crowd_group *group = group_of(loop, client);
    bool ends = loop->phase == CROWD_ENDS;
    uint32_t events = 0;

    if (client->state != CLIENT_OPEN && client->state != CLIENT_ENDING) {
        return;
    }
    if (!group->is_slow && (ends || !group->rests)) {
        events |= EPOLLIN;
    }
    if (client->state == CLIENT_OPEN && (client->outbox->count > 0 || may_send(loop, client))) {
        events |= EPOLLOUT;
    }
    if (events != client->watched) {
        crowd_loop_watch(loop, client->fd, 1, events, client);
        client->watched = events;
    }
}

// --- Receiving -----------------------------------------------------------------------------------

// For the reader's function.
struct taking {
    struct crowd_loop *loop;
    struct client *client;
    uint64_t messages;
};

static const char *
check_record(const struct crowd_group *group, const struct client *client,
             const struct record *record)
{
    if ((record->flags & RECORD_HELLO) != 0) {
        return "a first record of its own kind";
    }
    if ((record->flags & RECORD_BROADCAST) == 0 && record->link != client->id) {
        return "a record of another connection";
    }
    if (record->sequence < client->sequence_in) {
        return "a record twice, or behind a later one";
    }
    if (record->sequence > client->sequence_in && !group->may_miss) {
        return "a record before an earlier one, or instead of it";
    }
    if (group->is_echo && record->sequence >= client->sequence_out) {
        return "an echo of nothing";
    }
    return NULL;
}

// A message counts in the run in which it was due, whenever it came back: one that a stalled server
// answers after the end took that long as well.
static void
count_latency(const struct crowd_loop *loop, const struct client *client,
              const struct record *record)
{
    uint64_t second_ns = atomic_load_explicit(&loop->crowd->shared->begin_ns[CROWD_SECOND_RUN],
                                              memory_order_relaxed);
    unsigned run = second_ns != 0 && record->submit_ns >= second_ns ? 1 : 0;
    uint64_t took = loop->now_ns > record->submit_ns ? loop->now_ns - record->submit_ns : 0;

    if (record->submit_ns != 0 && (loop->phase < CROWD_ENDS || group_of(loop, client)->is_echo)) {
        histogram_add(&loop->counts->latency[client->group][run], took);
    }
}

static const char *
take_record(void *arg, const struct record *record)
{
    struct taking *taking = arg;
    struct crowd_loop *loop = taking->loop;
    struct client *client = taking->client;
    struct crowd_account *account = account_of(loop, client);
    const char *wrong = check_record(group_of(loop, client), client, record);

    if (wrong != NULL) {
        return wrong;
    }
    client->sequence_in = record->sequence + 1;
    account->messages_got++;
    account->set_got += record->check;
    taking->messages++;
    count_latency(loop, client, record);
    return NULL;
}

static bool
verify(struct crowd_loop *loop, struct client *client, size_t size)
{
    struct taking taking = {loop, client, 0};
    const char *wrong = reader_feed(&client->reader, loop->buffer, size, take_record, &taking);

    account_of(loop, client)->bytes_got += size;
    crowd_count(&loop->counts->bytes, size);
    crowd_count(&loop->counts->messages, taking.messages);
    crowd_count(&loop->counts->group_messages[client->group], taking.messages);
    if (wrong != NULL) {
        const struct record *head = &client->reader.head;

        storm_broke("client %u, message %u: %s (byte %llu is 0x%02x; link %u, sequence %u, size "
                    "%u, flags 0x%x)",
                    client->id, client->sequence_in, wrong, (ull)client->reader.wrong_at,
                    client->reader.wrong_byte, head->link, head->sequence, head->size, head->flags);
        leave(loop, client, CROWD_END_NONE);
    }
    return wrong == NULL;
}

// The server has ended: well if we have, or if it is the one to end.
static void
take_end(struct crowd_loop *loop, struct client *client)
{
    if (client->reader.got != 0) {
        storm_broke("client %u: the server ended in the middle of message %u", client->id,
                    client->sequence_in);
    }
    if (client->state == CLIENT_ENDING || !group_of(loop, client)->sends) {
        leave(loop, client, CROWD_END_EOF);
    } else {
        lose(loop, client, 0);
    }
}

void
client_receive(struct crowd_loop *loop, struct client *client, size_t size_max)
{
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = recv(client->fd, loop->buffer, size_max, MSG_DONTWAIT);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            break;
        }
        if (got < 0) {
            lose(loop, client, errno);
            return;
        }
        if (got == 0) {
            take_end(loop, client);
            return;
        }
        loop->now_ns = weir_now_ns();
        if (!verify(loop, client, (size_t)got)) {
            return;
        }
        if ((size_t)got < size_max || group_of(loop, client)->is_slow) {
            break;
        }
    }
    if (client->state == CLIENT_OPEN) {
        client_send(loop, client);
    }
}

void
client_end(struct crowd_loop *loop, struct client *client)
{
    const struct crowd_group *group = group_of(loop, client);

    if (client->due > client->sequence_out) { // told once: nothing is due any more
        crowd_count(&loop->counts->unsent, client->due - client->sequence_out);
        client->due = client->sequence_out;
    }
    if (client->state != CLIENT_OPEN || !group->sends || client->outbox->count > 0 ||
        (group->is_echo && client->sequence_in != client->sequence_out)) {
        return;
    }
    client->state = CLIENT_ENDING;
    if (shutdown(client->fd, SHUT_WR) != 0) {
        lose(loop, client, errno);
    }
}
