/* SPDX-License-Identifier: MIT */

#include "netio/file.h"

#include "mem/plant.h"
#include "netio/net.h"
#include "netio/socket.h"

#include <errno.h>

// At level ACKED so much of the end is read and sent, for only a message can ask for the stamp.
#define STAMPED_END 4096u

// sendfile() has one error for two descriptors. These say something of a connection; of any other,
// reading decides whose it is.
static bool
is_connections(ssize_t status)
{
    switch (status) {
    case -EAGAIN:
    case -EPIPE:
    case -ECONNABORTED:
    case -ENOTCONN:
    case -ENOBUFS:
        return true;
    default:
        return wi_socket_is_dead((int)status);
    }
}

static ssize_t
read_and_send(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather,
              int *ret_failure)
{
    const struct wi_write *write = gather->file;
    struct wi_net *net = wi_net_of(loop);
    size_t size = gather->size < sizeof(net->flat) ? (size_t)gather->size : sizeof(net->flat);
    ssize_t got = wi_os_read_file(write->from.file.fd, net->flat, size,
                                  write->from.file.offset + (WI_PLANT(28) ? 0 : write->op.owner));
    struct iovec piece = {.iov_base = net->flat, .iov_len = got > 0 ? (size_t)got : 0};

    if (got <= 0) {
        *ret_failure = got == 0 ? -ENODATA : (int)got;
        return 0;
    }
    return wi_os_send_marked(stream->fd, &piece, 1, gather->wants_ack, false);
}

// How much of it may go by sendfile().
static uint64_t
unread_size(const struct wi_gather *gather)
{
    uint64_t left = wi_write_left(gather->file);

    if (gather->file->from.file.is_read) {
        return 0;
    }
    if (!gather->wants_ack || left - gather->size >= STAMPED_END) {
        return gather->size;
    }
    return left > STAMPED_END ? left - STAMPED_END : 0;
}

static ssize_t
send_from_pipe(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather,
               int *ret_failure)
{
    ssize_t sent = wi_os_splice_out(gather->file->from.file.fd, stream->fd, (size_t)gather->size,
                                    !loop->manual);

    if (sent == 0) {
        *ret_failure = -ENODATA; // it holds what was put in, and nobody else has it
    }
    return sent;
}

ssize_t
wi_file_send(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather,
             int *ret_failure)
{
    struct wi_write *write = gather->file;
    uint64_t size = unread_size(gather);

    if (write->from.file.offset == WI_FILE_IS_PIPE) {
        return send_from_pipe(loop, stream, gather, ret_failure);
    }
    if (size != 0) {
        ssize_t sent =
            wi_os_send_file(stream->fd, write->from.file.fd,
                            write->from.file.offset + write->op.owner, (size_t)size, !loop->manual);

        if (sent > 0 || is_connections(sent)) {
            return sent;
        }
        write->from.file.is_read = true;
    }
    return read_and_send(loop, stream, gather, ret_failure);
}
