/* SPDX-License-Identifier: MIT */

#include "netio/net.h"
#include "runtime/os_vsock.h"

#include <errno.h>

// What vsock has of its own. The other differences are in the places where transports differ;
// docs/transports.md has the table.

// How much later than ours the kernel's timer for a connection may fire.
#define LATER_NS UINT64_C(1000000000)

int
weir_vsock_local_cid(uint32_t *ret_cid)
{
    if (wi_is_forked()) {
        return -ECHILD;
    }
    return ret_cid == NULL ? -EINVAL : wi_os_local_cid(ret_cid);
}

int
wi_vsock_set_timeout(int fd, uint64_t timeout_ns)
{
    // Who asks for the kernel's timeout has it by not asking.
    return timeout_ns > WEIR_NEVER - LATER_NS
               ? 0
               : wi_os_set_connect_timeout(fd, timeout_ns + LATER_NS);
}

bool
wi_stream_end_is_ambiguous(const struct wi_stream *stream)
{
    if (stream->transport != WI_TRANSPORT_VSOCK) {
        return false;
    }
    // A peer that only ended its side still reads, which a send of nothing tells, until we have
    // ended ours.
    return stream->fd < 0 || wi_os_send(stream->fd, "", 0) < 0;
}

void
wi_vsock_stop_reading(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->transport != WI_TRANSPORT_VSOCK ||
        (stream->phase != WI_PHASE_OPEN && stream->phase != WI_PHASE_CLOSING)) {
        return; // not yet: wi_stream_start() comes back to it
    }
    // The kernel says "end" from now on, whatever the peer does: its own end would not be seen.
    wi_os_shutdown(stream->fd, SHUT_RD);
    if (!(stream->flags & WI_S_EOF_TOLD)) {
        stream->flags |= WI_S_EOF | WI_S_EOF_TOLD;
        if ((stream->flags & (WI_S_SEND_OVER | WI_S_FIN_SENT)) == WI_S_SEND_OVER) {
            wi_stream_die(loop, stream, stream->status, (enum weir_origin)stream->origin, 0);
        }
        wi_stream_needs_work(loop, stream); // a close may have waited for the peer's end
    }
}
